"""Run the experiments on LFW, keep their results, and write the pages about them.

    python examples/lfw/experiments run --data lfw   train what is missing
    python examples/lfw/experiments report           write docs/lfw-results.md
    python examples/lfw/experiments recipes          write docs/lfw-recipes.md
    python examples/lfw/experiments figures RUN      print a kept run's figures with 95% intervals

Each command explains itself with --help. The last three read kept results only: they need no
image. The pages need the extra `plot`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

MODULES = {
    "run": "run",
    "report": "report_page",
    "recipes": "recipes_page",
    "figures": "figures",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the first argument names."""
    command, *others = sys.argv[1:] if arguments is None else arguments or ["--help"]
    if command not in MODULES:
        print(__doc__)
        sys.exit(0 if command in ("-h", "--help") else 2)
    importlib.import_module(f"experiments.{MODULES[command]}").main(others)


if __name__ == "__main__":
    # Python puts this folder on the path. Its parent holds this package and train.py.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    main(sys.argv[1:] or ["--help"])
