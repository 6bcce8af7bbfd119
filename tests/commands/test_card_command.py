"""Tests of `siamese-verify card`."""

from pathlib import Path

from siamese_verify import cli


def test_a_card_has_the_texts_and_the_figures(model: str, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.md"
    arguments = ["card", model, str(drawn / "pairsDevTest.txt"), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "-o", str(out), "--use", "Doors of our office."]) == 0
    card = out.read_text()
    assert card.startswith("# faces\n")
    assert "Doors of our office." in card
    assert "(EER)" in card
