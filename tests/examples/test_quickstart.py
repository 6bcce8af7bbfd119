from pathlib import Path

import numpy as np
import pytest
import quickstart
from eagerly import eager  # noqa: F401
from standin import write_standin

import siamese_verify as sv


@pytest.mark.filterwarnings("ignore:The .* pairs .* too few")
def test_a_folder_becomes_a_verifier_that_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_standin(tmp_path / "drawn", train_identities=10, test_identities=5) / "lfw2"
    quickstart.main(folder, tmp_path / "verifier.keras", epochs=1)
    verifier = sv.Verifier.load(tmp_path / "verifier.keras")
    image = np.random.default_rng(0).integers(0, 255, (48, 48, 1), np.uint8)
    assert verifier.verify(image, image).same
    assert verifier.calibration.policy == "eer"
    said = capsys.readouterr().out
    assert "EER" in said
    assert "siamese-verify verify" in said


def test_it_takes_forty_lines_of_code() -> None:
    lines = Path(quickstart.__file__).read_text().split('"""', 2)[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 40


@pytest.mark.slow
def test_unseen_drawn_identities_are_verified_at_090(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_standin(tmp_path / "drawn") / "lfw2"
    quickstart.main(folder, tmp_path / "verifier.keras")
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("accuracy"))
    assert float(line.split()[1]) >= 0.90
