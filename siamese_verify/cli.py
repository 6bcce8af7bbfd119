"""The `siamese-verify` command: its parser, its exit codes and its errors."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from typing_extensions import override

from siamese_verify.commands import ERROR, arguments
from siamese_verify.terminal import named_as_typed, one_line, one_line_each, quiet

COMMANDS = (
    *("demo", "train", "inspect", "shard", "pairs", "score", "calibrate", "evaluate"),
    *("verify", "embed", "enroll", "identify", "export", "card"),
)
"""Names of the commands, which are the names of their modules."""
_INTERRUPTED = 130
"""Exit code of a command that Ctrl+C ends, as shells have it."""


def main(given: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = sys.argv[1:] if given is None else given
    called = [name for name in COMMANDS if name in words[:1]]
    # The modules of the other commands are imported only where help or an error lists them.
    settings = _make_parser(called or COMMANDS).parse_args(words)
    flags = arguments.flags_for(settings)
    try:
        with _warnings_in_lines(flags) as settings.warnings, quiet() as settings.terminal:
            arguments.check_overwrites(settings, settings.flags)
            code: int = settings.run(settings)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        print(f"siamese-verify: {named_as_typed(one_line(error), flags)}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print("\nsiamese-verify: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except Exception:  # Python itself would exit with 1, which here is the answer "no".
        traceback.print_exc()
        return ERROR
    return code


class _Parser(argparse.ArgumentParser):
    """Parser that ends with one line of error, as the commands do."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"siamese-verify: {one_line(message)}. See {self.prog} --help.\n")


class _Version(argparse.Action):
    """Flag that prints the version, which is slow to read."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"siamese-verify {version('siamese-verify')}")
        parser.exit()


def _make_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    commands = {name: importlib.import_module(f"siamese_verify.commands.{name}") for name in names}
    parser = _Parser(
        "siamese-verify",
        description="Decide whether images show the same identity: a person, a part, a product.",
        epilog="\n  ".join(["examples:", *(command.EXAMPLE for command in commands.values())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command in commands.items():
        summary, *_ = str(command.run.__doc__).splitlines()
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"exit code: {command.EXIT_CODES}, 2 error\n\nexample:\n  {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        groups = (subparser.add_argument_group(title) for title in ("input", "output"))
        command.add_arguments(*groups)
        subparser.usage = arguments.usage(subparser)
        subparser.set_defaults(run=command.run, flags=arguments.flags(subparser))
    return parser


@contextlib.contextmanager
def _warnings_in_lines(flags: dict[str, str]) -> Iterator[list[warnings.WarningMessage]]:
    """Collect warnings, and print each as a line on standard error in the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield caught
        finally:
            for line in one_line_each(caught):
                print(f"siamese-verify: warning: {named_as_typed(line, flags)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
