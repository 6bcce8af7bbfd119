"""The `siamese-verify` command: its arguments, its exit codes and its errors."""

from __future__ import annotations

import argparse
import contextlib
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from typing_extensions import override

from siamese_verify import commands
from siamese_verify.commands import ERROR
from siamese_verify.terminal import one_line, one_line_each, quiet

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["_Parser"]
    Groups = tuple[argparse._ArgumentGroup, argparse._ArgumentGroup]

EXAMPLES = {
    "inspect": "siamese-verify inspect pairs.txt --images images",
    "evaluate": "siamese-verify evaluate faces.keras pairs.txt --images images --roc roc.png",
    "verify": "siamese-verify verify faces.keras one.jpg other.jpg && echo same",
    "identify": "siamese-verify identify faces.keras probe.jpg --gallery images",
    "export": "siamese-verify export faces.keras faces.onnx",
}
_MODEL = "file that Verifier.save wrote"
_PAIRS = "pair list in LFW's format"
_IMAGE = "path of an image file"
_FOLDER = "folder with one folder of images for each identity"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    settings = _make_parser().parse_args(arguments)
    try:
        with _warnings_in_lines() as settings.warnings, quiet() as settings.terminal:
            code: int = settings.run(settings)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        print(f"siamese-verify: {one_line(error)}", file=sys.stderr)
        return ERROR
    except Exception:  # Python itself would exit with 1, which here is the answer "no".
        traceback.print_exc()
        return ERROR
    return code


class _Parser(argparse.ArgumentParser):
    """Parser that ends with one line of error, as the commands do."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"siamese-verify: {one_line(message)}. See {self.prog} --help.\n")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "siamese-verify",
        description="Decide whether images show the same identity: a person, a part, a product.",
        epilog="\n  ".join(["examples:", *EXAMPLES.values()]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_inspect(subparsers)
    _add_evaluate(subparsers)
    _add_verify(subparsers)
    _add_identify(subparsers)
    _add_export(subparsers)
    return parser


def _add_inspect(subparsers: Subparsers) -> None:
    inputs, output = _add(
        subparsers,
        commands.inspect,
        "PAIRS [--images DIR] [--json]",
        "0 no problems, 1 problems",
    )
    inputs.add_argument("pairs", metavar="PAIRS", help=_PAIRS)
    inputs.add_argument(
        "--images",
        metavar="DIR",
        help=f"{_FOLDER}, to check that each image of the list is there and can be decoded: "
        "missing, empty, cut, damaged and over-large files, and other formats",
    )
    _add_json(output)


def _add_evaluate(subparsers: Subparsers) -> None:
    inputs, output = _add(
        subparsers,
        commands.evaluate,
        "MODEL PAIRS --images DIR [--roc FILE] [--json]",
        "0 measured",
    )
    inputs.add_argument("model", metavar="MODEL", help=_MODEL)
    inputs.add_argument("pairs", metavar="PAIRS", help=_PAIRS)
    inputs.add_argument("--images", metavar="DIR", required=True, help=_FOLDER)
    output.add_argument(
        "--roc", metavar="FILE", help="file for the plotted ROC curve (requires the extra plot)"
    )
    _add_json(output)


def _add_verify(subparsers: Subparsers) -> None:
    inputs, output = _add(subparsers, commands.verify, "MODEL A B [--json]", "0 same, 1 different")
    inputs.add_argument("model", metavar="MODEL", help=_MODEL)
    inputs.add_argument("one", metavar="A", help=_IMAGE)
    inputs.add_argument("other", metavar="B", help="path of the image file to compare A with")
    _add_json(output)


def _add_identify(subparsers: Subparsers) -> None:
    inputs, output = _add(
        subparsers,
        commands.identify,
        "MODEL PROBE --gallery DIR [-k N] [--json]",
        "0 an identity was found, 1 none",
    )
    inputs.add_argument("model", metavar="MODEL", help=_MODEL)
    inputs.add_argument("probe", metavar="PROBE", help=_IMAGE)
    inputs.add_argument("--gallery", metavar="DIR", required=True, help=_FOLDER)
    output.add_argument(
        "-k",
        type=int,
        default=1,
        metavar="N",
        help="largest number of identities to name (default: %(default)s)",
    )
    _add_json(output)


def _add_export(subparsers: Subparsers) -> None:
    inputs, output = _add(subparsers, commands.export, "MODEL OUTPUT [--part PART]", "0 written")
    inputs.add_argument("model", metavar="MODEL", help=_MODEL)
    output.add_argument(
        "output", metavar="OUTPUT", help="NAME.onnx, NAME.tflite, or a folder for a SavedModel"
    )
    output.add_argument(
        "--part",
        choices=("pair", "tower"),
        default="pair",
        help="scores of pairs, or embeddings of images (default: %(default)s)",
    )


def _add(
    subparsers: Subparsers, run: Callable[[argparse.Namespace], int], usage: str, exit_codes: str
) -> Groups:
    """Add a command, and return its groups of arguments for input and output."""
    name = run.__name__
    command = subparsers.add_parser(
        name,
        help=run.__doc__,
        usage=f"siamese-verify {name} {usage}",
        description=run.__doc__,
        epilog=f"exit code: {exit_codes}, 2 error\n\nexample:\n  {EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command.add_argument_group("input"), command.add_argument_group("output")


def _add_json(output: argparse._ArgumentGroup) -> None:
    output.add_argument("--json", action="store_true", help="print the answer as JSON")


@contextlib.contextmanager
def _warnings_in_lines() -> Iterator[list[warnings.WarningMessage]]:
    """Collect warnings, and print each as a line on standard error in the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield caught
        finally:
            for line in one_line_each(caught):
                print(f"siamese-verify: warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
