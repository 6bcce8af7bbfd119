"""Tests of the example that fine-tunes a pretrained network, with random weights."""

from pathlib import Path

import finetune
import keras
import pytest
from eagerly import eager  # noqa: F401
from standin import write_standin

import siamese_verify as sv


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_trains_frozen_then_whole_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "SIZE", (32, 32))
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
