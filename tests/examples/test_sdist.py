import tomllib
from pathlib import Path

from experiments.run import RESULTS

ROOT = Path(__file__).parents[2]


def test_the_source_distribution_has_the_examples_without_the_results() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "examples" in build["targets"]["sdist"]["include"]
    assert RESULTS.relative_to(ROOT).as_posix() in build["targets"]["sdist"]["exclude"]
