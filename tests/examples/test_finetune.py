"""Tests of the example that fine-tunes a pretrained network, with random weights."""

from pathlib import Path

import finetune
import keras
import pytest
from eagerly import eager  # noqa: F401
from standin import write_standin

import siamese_verify as sv


def few_layers(
    include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Make a network in the way of `keras.applications`, which takes less time to save."""
    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 3, 2, name="conv")(images)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(images, keras.layers.Conv2D(8, 3, 2)(x))


few_layers.__module__ = keras.applications.MobileNetV3Small.__module__  # It knows the pixels.


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_trains_frozen_then_whole_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "SIZE", (32, 32))
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", few_layers)
    folder = write_standin(tmp_path / "drawn", train_identities=16, test_identities=5) / "lfw2"
    run = tmp_path / "run"
    arguments = [str(folder), "--run", str(run), "--weights", "none", "--epochs", "1", "1"]
    try:
        finetune.main([*arguments, "--dtype", "mixed_bfloat16"])
    finally:
        keras.config.set_dtype_policy("float32")
    assert "EER" in capsys.readouterr().out
    assert {path.name for path in (run / "whole").iterdir()} >= {"best.weights.h5", "state.npz"}
    verifier = sv.Verifier.load(run / "verifier.keras")
    tower = verifier.model.tower
    assert tower.get_layer("embedding").compute_dtype == "bfloat16"
    assert tower.network.get_layer("conv").compute_dtype == "bfloat16"
    fingerprint = verifier.fingerprint
    try:
        finetune.main([*arguments, "--dtype", "mixed_bfloat16"])
    finally:
        keras.config.set_dtype_policy("float32")
    assert sv.Verifier.load(run / "verifier.keras").fingerprint == fingerprint
