"""Tests of the parts of models: what `save` writes, `load` reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from verifiers import IMAGES, PREPROCESSING, SIZE, make_enrolled, rewritten

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.verification.file import VerifierFileError

register = keras.saving.register_keras_serializable


def double(x: Any) -> Any:
    return 2 * x


def relu(x: Any) -> Any:  # Keras has a function of this name.
    return 3 * x


def draw(shape: Any, dtype: Any = None) -> Any:
    return ops.ones(shape, dtype)


class Unregistered(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Distance(layers.Layer):
    def call(self, pair: Any) -> Any:
        return -ops.norm(pair[0] - pair[1], axis=-1, keepdims=True)


class Penalty(keras.regularizers.Regularizer):
    def __call__(self, x: Any) -> Any:
        return 0.0

    def get_config(self) -> dict:
        return {}


@register("tests")
class Forgets(layers.Layer):
    """Layer whose argument is not in its configuration."""

    def __init__(self, factor: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict:
        return super().get_config()


@register("tests")
class Requires(Forgets):
    def __init__(self, factor: float, **kwargs: Any):
        super().__init__(factor, **kwargs)


@register("tests")
class KeepsObject(Forgets):
    def get_config(self) -> dict:
        return {**super().get_config(), "factor": object()}


@register("tests")
class Hides(layers.Layer):
    """Layer whose weights Keras does not know."""

    def build(self, _: Any) -> None:
        self.hidden = np.random.default_rng().normal(size=8).astype(np.float32)

    def call(self, x: Any) -> Any:
        return keras.ops.multiply(x, self.hidden)


def named_twice(factor: float) -> type[layers.Layer]:
    @register("tests", name="Twice")
    class Twice(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * factor

    return Twice


First, Second = named_twice(2.0), named_twice(5.0)


def make(*more: layers.Layer, head: layers.Layer | None = None) -> sv.Verifier:
    tower = keras.Sequential([keras.Input((*SIZE, 1)), layers.Flatten(), layers.Dense(8), *more])
    verifier = sv.Verifier(tower, PREPROCESSING, head=head or sv.CosineHead())
    verifier.calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    return verifier


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    ("parts", "match"),
    [
        (lambda: [layers.Lambda(lambda x: 2 * x)], r"holds code.*Received: Lambda in Sequential"),
        (lambda: [layers.Lambda(double)], "holds code"),
        (lambda: [layers.Dense(8, activation=lambda x: x)], "holds code.*in Dense 'dense"),
        (
            lambda: [
                layers.Dense(
                    8, kernel_initializer=lambda shape, dtype: keras.ops.ones(shape, dtype)
                )
            ],
            "holds code.*in Dense",
        ),
        (lambda: [Unregistered(name="mine")], "the class 'Unregistered', which is not registered"),
        (lambda: [keras.Sequential([Unregistered()])], "the class 'Unregistered'.*in Sequential"),
        (lambda: [layers.Dense(8, activation=double)], "function 'double'.*in Dense 'dense"),
        (lambda: [layers.Dense(8, kernel_initializer=draw)], "the function 'draw'"),
        (lambda: [layers.Dense(8, kernel_regularizer=Penalty())], "the class 'Penalty'"),
        (lambda: [layers.Dense(8, activation=relu)], "computes other embeddings"),
        (lambda: [Forgets(3.0)], "computes other embeddings"),
        (lambda: [Requires(3.0)], "Requires.__init__.* missing 1 required .*'factor'"),
        (lambda: [KeepsObject(name="mine")], "because of KeepsObject 'mine': Cannot serialize"),
        (lambda: [Hides()], "computes other embeddings"),
        (lambda: [First()], "computes other embeddings"),
    ],
)
def test_save_refuses_what_load_would_refuse_and_keeps_the_old_file(
    parts: Callable[[], list[layers.Layer]], match: str, tmp_path: Path
) -> None:
    path = tmp_path / "faces.keras"
    path.write_text("the old file")
    verifier = make(*parts())
    with pytest.raises(VerifierFileError, match=f"The verifier was not saved.*{match}"):
        verifier.save(path)
    assert path.read_text() == "the old file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_head_of_your_own_is_saved_only_if_it_can_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(VerifierFileError, match="the class 'Distance', which is not registered"):
        make(head=Distance()).save(tmp_path / "faces.keras")


@pytest.mark.parametrize("how", ["decorate", "name"])
def test_the_advice_of_the_error_works(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    def own(x: Any) -> Any:
        return 3 * x

    path, parts = tmp_path / "faces.keras", (Own, own)
    with pytest.raises(VerifierFileError, match="Decorate it"):
        make(Own(), layers.Dense(8, activation=own)).save(path)
    for part in parts:
        if how == "decorate":
            register("my_package")(part)
        else:
            monkeypatch.setitem(keras.saving.get_custom_objects(), part.__name__, part)
    verifier = make(Own(), layers.Dense(8, activation=own))
    verifier.save(path)
    pair = IMAGES[0], IMAGES[1]
    assert sv.Verifier.load(path).verify(*pair) == verifier.verify(*pair)


def test_parts_that_keras_restores_are_saved(tmp_path: Path) -> None:
    for number, parts in enumerate(
        [
            [Second(), Forgets()],
            [layers.Dense(8, dtype="bfloat16"), layers.Activation("linear", dtype="float32")],
            [layers.SpectralNormalization(layers.Dense(8)), layers.GaussianNoise(0.1)],
        ]
    ):
        verifier, path = make(*parts), tmp_path / f"{number}.keras"
        verifier.save(path)
        again = sv.Verifier.load(path)
        assert again.verify(*IMAGES[:2]).same == verifier.verify(*IMAGES[:2]).same


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ({"class_name": "__numpy__", "config": {"value": [0], "dtype": "U99999999"}}, "U99999999"),
        (
            {"module": "keras.layers", "class_name": "StringLookup",
             "config": {"name": "a", "vocabulary": "/dev/zero"}},
            "reads other files",
        ),
        (
            {"module": "keras.layers", "class_name": "LSTM",
             "config": {"name": "a", "units": 8, "stateful": True}},
            "answers the same image differently",
        ),
        ({"value": ["4wEAAAAAAAAA", None, None]}, "holds code"),
    ],
)  # fmt: skip
def test_parts_that_do_harm_are_never_made(
    part: dict[str, object], match: str, tmp_path: Path
) -> None:
    path = tmp_path / "faces.keras"
    make_enrolled().save(path)

    def change(config: dict) -> dict:
        return {**config, "config": {**config["config"], "head": part}}

    with pytest.raises(VerifierFileError, match=match):
        sv.Verifier.load(rewritten(path, path, "config.json", change))
