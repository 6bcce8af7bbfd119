"""Tests of the fingerprint: what it covers, when it is computed again, what it costs."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, SIZE, build

import siamese_verify as sv
from siamese_verify.verification import fingerprint
from siamese_verify.verification.fingerprint import FingerprintReader

BACKEND = keras.backend.backend()
READS = (1, 12)  # After some, TensorFlow reads all weights in one call.


def read(model: sv.SiameseModel, preprocessing: sv.Preprocessing = PREPROCESSING) -> str:
    """The fingerprint as a new reader computes it, without anything kept."""
    return FingerprintReader(model, preprocessing).read().fingerprint


def ready(model: sv.SiameseModel, reads: int = 1) -> FingerprintReader:
    reader = FingerprintReader(model, PREPROCESSING)
    for _ in range(reads):
        reader.read()
    return reader


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the weights that were hashed."""
    shapes = []
    examine = fingerprint._examine

    def counting(value: np.ndarray) -> tuple[bytes, bool]:
        shapes.append(value.shape)
        return examine(value)

    monkeypatch.setattr(fingerprint, "_examine", counting)
    return shapes


def test_it_is_the_same_on_every_backend_and_stays_so() -> None:
    model = build()
    for i, variable in enumerate(model.weights):
        values = np.arange(np.prod(variable.shape)).reshape(variable.shape) + i
        variable.assign(values.astype(np.float32) / 8)
    assert read(model) == "d7afe426e7be2a6f45bcfb32e56605671ff22aefd076e9e4bcfda9cf658210ae"


def test_the_same_network_built_twice_has_one_fingerprint() -> None:
    assert read(build()) == read(build())


@pytest.mark.parametrize("reads", READS)
def test_any_element_of_any_weight_counts(reads: int) -> None:
    model = build()
    reader = ready(model, reads)
    seen = {reader.read().fingerprint}
    for variable in model.weights:
        for index in (0, -1):
            values = np.array(variable)
            values.reshape(-1)[index] = np.nextafter(values.reshape(-1)[index], np.float32(9))
            variable.assign(values)
            seen.add(reader.read().fingerprint)
            assert reader.read().fingerprint == read(model)
    assert len(seen) == 1 + 2 * len(model.weights)


@pytest.mark.parametrize(
    ("optimizer", "jit_compile"),
    [
        (keras.optimizers.Adam, False),
        pytest.param(keras.optimizers.SGD, True, marks=pytest.mark.slow),
        (sv.FusedAdam, False),
    ],
)
def test_training_is_noticed(optimizer: type, jit_compile: bool) -> None:
    model = build()
    reader = ready(model, READS[-1])
    model.compile(optimizer(1e-2), "binary_crossentropy", jit_compile=jit_compile)
    seen = [reader.read().fingerprint]
    images, labels = IMAGES[:8] / np.float32(255), np.arange(8) % 2
    for _ in range(2):
        model.fit((images, images[::-1]), labels, batch_size=4, verbose=0)
        seen.append(reader.read().fingerprint)
    model.train_on_batch((images[:4], images[4:]), labels[:4])  # A size that is compiled already.
    seen.append(reader.read().fingerprint)
    assert len(set(seen)) == 4
    assert seen[-1] == read(model)


@pytest.mark.parametrize("reads", READS)
def test_every_way_to_change_weights_is_noticed(reads: int, tmp_path) -> None:
    other = build()
    other.set_weights([2 * weights + 1 for weights in other.get_weights()])
    other.save_weights(tmp_path / "other.weights.h5")
    model = build()
    kernel = model.tower.weights[0]
    mean = next(w for w in model.weights if "moving_mean" in w.path)
    ways = [
        lambda: kernel.assign(2 * kernel),
        lambda: kernel.assign_add(np.ones(kernel.shape)),
        lambda: kernel.assign_sub(np.full(kernel.shape, 0.5)),
        lambda: model.set_weights([1.5 * weights for weights in model.get_weights()]),
        lambda: mean.assign(mean + 1),
        lambda: model.head.bias.assign(0.25),
        lambda: model.tower(IMAGES[:8] / np.float32(255), training=True),  # moves batch statistics
        lambda: model.load_weights(tmp_path / "other.weights.h5"),
    ]
    if BACKEND == "tensorflow":  # A variable to which a part was assigned is read as a copy.
        ways += [lambda: kernel.value[0, 0, 0, 0].assign(5.0)]
        ways += [lambda: kernel.value[0, 0, 0, 0].assign(6.0)]
    reader = ready(model, reads)
    seen = {reader.read().fingerprint}
    for way in ways:
        way()
        assert reader.read().fingerprint == read(model)
        seen.add(reader.read().fingerprint)
    assert len(seen) == 1 + len(ways)


@pytest.mark.parametrize("reads", READS)
def test_only_what_has_changed_is_hashed_again(reads: int, hashed: list) -> None:
    model = build()
    reader = ready(model, reads)
    assert len(hashed) == len(model.weights)
    hashed.clear()
    for _ in range(20):
        reader.read()
        model.embed(IMAGES[:2])
    assert hashed == []
    kernel = model.tower.weights[0]
    kernel.assign(2 * kernel)
    reader.read()
    assert hashed == [tuple(kernel.shape)]
    if BACKEND == "tensorflow":
        model.set_weights(model.get_weights())  # the same values, elsewhere in memory
        reader.read()
        model.predict((IMAGES[:2], IMAGES[:2]), verbose=0)
        reader.read()
        assert len(hashed) == 1


def test_minus_zero_is_not_zero() -> None:
    # Files hold the bits, so a loaded model must have the fingerprint of the saved model.
    model = build()
    reader = ready(model)
    seen = set()
    for zero in (0.0, -0.0):
        model.head.bias.assign(np.array(zero, np.float32))
        assert reader.read().fingerprint == read(model)
        seen.add(reader.read().fingerprint)
    assert len(seen) == 2


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX has none.
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_weights_of_any_precision_are_read(dtype: str, hashed: list) -> None:
    tower = keras.Sequential([keras.Input((*SIZE, 1)), keras.layers.Flatten()])
    tower.add(keras.layers.Dense(4, dtype=dtype))
    model = sv.SiameseModel(tower, sv.CosineHead())
    reader = ready(model, 3)
    assert len(hashed) == 2
    before = reader.read()
    kernel = tower.weights[0]
    kernel.assign(2 * kernel)
    assert reader.read().fingerprint != before.fingerprint
    kernel.assign(np.nan * kernel)
    assert reader.read().not_finite == (kernel.path,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(value: float) -> None:
    model = build()
    reader = ready(model)
    assert reader.read().not_finite == ()
    for variable in model.weights:
        values = np.array(variable)
        bad = values.copy()
        bad.reshape(-1)[-1] = value
        variable.assign(bad)
        assert reader.read().not_finite == (variable.path,)
        assert f"{variable.path!r} are not finite" in reader.read().explain()
        variable.assign(values)
    assert reader.read().not_finite == ()


def test_it_covers_head_tower_and_preprocessing() -> None:
    tower = build().tower

    class Other(sv.CosineHead):
        pass

    models = [
        sv.SiameseModel(tower, head)
        for head in (sv.CosineHead(), sv.EuclideanHead(), Other(), Norm(), Norm(1))
    ]
    models.append(sv.SiameseModel(sv.FlipAverage(tower), sv.CosineHead()))
    preprocessings = [
        sv.Preprocessing((17, 16)),
        sv.Preprocessing(SIZE, 3),
        sv.Preprocessing(SIZE, center_crop=(9, 8)),
    ]
    seen = {read(model) for model in models} | {read(models[0], p) for p in preprocessings}
    assert len(seen) == len(models) + len(preprocessings)
    assert read(models[0], sv.Preprocessing(SIZE, max_pixels=1000)) == read(models[0])


@keras.saving.register_keras_serializable(package="tests")
class Norm(keras.layers.Layer):
    """A head with an argument."""

    def __init__(self, order: int = 2, **kwargs: object):
        super().__init__(**kwargs)
        self.order = order

    def call(self, inputs: tuple) -> object:
        left, right = inputs
        return -keras.ops.norm(left - right, self.order, axis=-1, keepdims=True)

    def get_config(self) -> dict:
        return {**super().get_config(), "order": self.order}


def test_names_and_default_arguments_do_not_change_it() -> None:
    tower = build().tower

    class Older(keras.layers.Layer):  # before it had the argument
        def call(self, inputs: tuple) -> object:
            raise NotImplementedError

    Older.__name__ = "Norm"
    heads = [Norm(), Norm(name="mine", trainable=False), Norm(2), Older()]
    assert len({read(sv.SiameseModel(tower, head)) for head in heads}) == 1


def test_a_changed_head_is_noticed_though_it_has_no_weights() -> None:
    model = sv.SiameseModel(build().tower, Norm())
    reader = ready(model)
    before = reader.read().fingerprint
    model.head.order = 1
    assert reader.read().fingerprint != before


def test_threads_read_the_same() -> None:
    model = build()
    reader = FingerprintReader(model, PREPROCESSING)
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda _: reader.read(), range(100)))
    assert states == {(read(model), ())}
