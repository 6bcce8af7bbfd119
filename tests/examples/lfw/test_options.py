from pathlib import Path

import pytest
from options import parse_options
from recipes import RECIPES


def test_without_data_the_recipe_is_for_drawn_faces() -> None:
    options = parse_options(None, [])
    assert options.recipe == RECIPES["drawn"]
    assert options.data is None
    assert options.run == Path("runs/drawn")


def test_with_data_the_recipe_is_the_reports() -> None:
    options = parse_options(None, ["--data", "faces", "--seed", "3", "--limit", "64"])
    assert options.recipe == RECIPES["report"]
    assert (options.data, options.run) == (Path("faces"), Path("runs/lfw"))
    assert (options.seed, options.limit, options.download) == (3, 64, False)


@pytest.mark.parametrize("data", ["", "--data lfw"])
def test_another_recipe_has_a_folder_of_its_own(data: str) -> None:
    options = parse_options(None, [*data.split(), "--recipe", "unrestricted"])
    assert options.recipe.name == "unrestricted"
    assert options.run.name == ("lfw" if data else "drawn") + "-unrestricted"
    # Drawn faces fill their images.
    assert options.recipe.crop == (144 if data else None)


def test_lfw_is_fetched_into_a_folder_of_that_name() -> None:
    options = parse_options(None, ["--download"])
    assert (options.data, options.download) == (Path("lfw"), True)
    assert options.recipe.name == "report"


def test_flags_change_the_recipe() -> None:
    flags = "--data lfw --batch-norm --dropout 0.5 --epochs 50 --run runs/report"
    options = parse_options(None, flags.split())
    recipe = options.recipe
    assert (recipe.batch_norm, recipe.dropout, recipe.epochs) == (True, 0.5, 50)
    assert options.run == Path("runs/report")
    assert parse_options(None, ["--recipe", "restricted", "--dropout", "0"]).recipe.dropout == 0


def test_help_is_in_groups_and_has_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options("Train.", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{group}: --" in text for group in ("data", "training", "output"))
    assert "20 (report), 48 (restricted), 80 (unrestricted), 16 (drawn)" in text
    assert text.count("--") - text.count("--data (") < 40
    assert text.count("default") >= 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--recipe unrestricted --batch-norm", "`batch_norm` requires a plain tower"),
        ("--epochs 0", "`epochs` requires a number of at least 1"),
        ("--dropout nan", "`dropout` requires a rate of at least 0 and below 1"),
        ("--seed -1", "--seed must be at least 0. Received: --seed -1"),
        ("--limit 0", "--limit must be at least 4. Received: --limit 0"),
        ("--recipe best", "invalid choice"),
    ],
)
def test_bad_flags_end_with_a_message(
    flags: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse_options(None, flags.split())
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
