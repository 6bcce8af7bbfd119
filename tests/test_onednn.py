"""Tests of `onednn`: whoever trains without oneDNN is told, unless it was chosen."""

import warnings

import keras
import pytest

import siamese_verify as sv
from siamese_verify import onednn

NAME = "TF_ENABLE_ONEDNN_OPTS"


def compile_model() -> None:
    tower = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    sv.SiameseModel(tower, sv.EuclideanHead()).compile("adam", sv.ContrastiveLoss())


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow as on a CPU without oneDNN, whose user has not chosen."""
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setattr(onednn, "_is_on", lambda: False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])


@pytest.mark.usefixtures("without")
def test_training_without_onednn_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=f"1.5 times as long.*{NAME} to 1") as caught:
        compile_model()
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("choice", ["0", "1"])
def test_a_choice_is_respected(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, choice)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_model()


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        (onednn, "_is_on", True),
        (keras.backend, "backend", "jax"),
        (keras.distribution, "list_devices", ["gpu:0"]),
    ],
)
def test_training_where_onednn_is_on_or_does_not_matter_is_not_warned_of(
    part: object, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, name, lambda: value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_model()
