"""The `siamese-verify` command."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese_verify.data.folders import locate_files, samples_by_identity
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import PairListWarning

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier

# Exit codes, as of grep and diff.
YES, NO, ERROR = 0, 1, 2

EXAMPLES = """\
examples:
  siamese-verify inspect pairs.txt --images images
  siamese-verify evaluate faces.keras pairs.txt --images images --roc roc.png
  siamese-verify verify faces.keras one.jpg other.jpg && echo same
  siamese-verify identify faces.keras probe.jpg --gallery images
  siamese-verify export faces.keras faces.onnx
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    settings = _parse(arguments)
    try:
        with _warnings_in_lines() as settings.warnings:
            code: int = settings.run(settings)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        print(f"siamese-verify: {error}", file=sys.stderr)
        return ERROR
    except Exception:  # Python's own exit code would be that of NO.
        traceback.print_exc()
        return ERROR
    return code


def inspect(settings: argparse.Namespace) -> int:
    """What is in a pair list, and what is wrong with it; 1 if something is."""
    problems = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PairListWarning)
        pairs = PairList.from_lfw(settings.pairs)
    problems += [str(warning.message) for warning in caught]
    if settings.images:
        try:
            locate_files(settings.images, pairs.samples)
        except FileNotFoundError as error:
            problems.append(str(error))
    in_pairs = Counter(
        identity for pair in pairs for identity in {pair.left.identity, pair.right.identity}
    )
    per_identity = Counter(sample.identity for sample in pairs.samples)
    summary = {
        **pairs.summary()._asdict(),
        "folds": 0 if pairs.folds is None else int(pairs.folds.max()) + 1,
        "identities in several pairs": sum(count > 1 for count in in_pairs.values()),
        "most pairs of an identity": max(in_pairs.values()),
        "most images of an identity": max(per_identity.values()),
    }
    if settings.json:
        _print_json({**summary, "problems": problems})
    else:
        for name, value in summary.items():
            print(f"{name:<30}{value:>9,}")
        print("\n".join(["", *problems]) if problems else "\nno problems")
    return NO if problems else YES


def evaluate(settings: argparse.Namespace) -> int:
    """Figures of a verifier on a pair list, at its threshold."""
    verifier = _load(settings.model)
    from siamese_verify.data.pair_dataset import PairDataset
    from siamese_verify.evaluation.folds import evaluate_folds

    pairs = PairList.from_lfw(settings.pairs)
    data = PairDataset(pairs, settings.images, verifier.preprocessing, verbose=sys.stderr.isatty())
    report = verifier.evaluate(data)
    folds = None
    if pairs.folds is not None:
        folds = evaluate_folds(report.scores, data.labels, pairs.folds)
    if settings.roc:
        from siamese_verify.plots import plot_roc

        plot_roc(report).savefig(settings.roc, dpi=150)
    if settings.json:
        of_folds = {"folds": [folds.mean, folds.standard_error]} if folds else {}
        said = {"warnings": _lines(settings.warnings)}
        _print_json({**report.to_dict(), **of_folds, **said})
    else:
        print(report)
        if folds:
            print(f"{'over the folds':<18}{folds}, each at the threshold of the others")
    return YES


def verify(settings: argparse.Namespace) -> int:
    """Whether two images are the same."""
    decision = _load(settings.model).verify(settings.one, settings.other)
    if settings.json:
        _print_json(decision.to_dict())
    else:
        print(
            f"{'same' if decision.same else 'different'}: score {decision.score:.4f}, "
            f"threshold {decision.threshold:.4f}, P(same) {decision.probability:.3f}"
        )
        print(f"at this threshold, FAR {decision.far} and FRR {decision.frr}")
    return YES if decision else NO


def identify(settings: argparse.Namespace) -> int:
    """Who of a folder of identities is on an image; 1 if nobody."""
    verifier = _load(settings.model)
    folder = Path(settings.gallery)
    verifier.enroll(
        {
            identity: [folder / sample.path for sample in samples]
            for identity, samples in samples_by_identity(folder).items()
        }
    )
    found = verifier.identify(settings.probe, settings.k)
    if settings.json:
        _print_json([match.to_dict() for match in found])
    else:
        print("\n".join(f"{match.name}: score {match.score:.4f}" for match in found) or "nobody")
    return YES if found else NO


def export(settings: argparse.Namespace) -> int:
    """Writes a verifier's model for another runtime."""
    verifier = _load(settings.model)
    from siamese_verify.verification.export import export_model

    with _quiet():
        export_model(verifier.model, settings.output, settings.part)
    print(f"{settings.output}: {settings.part}, threshold {verifier.threshold:.6f}")
    return YES


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "siamese-verify",
        description="Are two images of the same identity, part or product?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Any, example: int, exit_codes: str) -> argparse.ArgumentParser:
        shown = EXAMPLES.splitlines()[example]
        command: argparse.ArgumentParser = commands.add_parser(
            run.__name__,
            help=run.__doc__,
            description=run.__doc__,
            epilog=f"example:\n{shown}\n\nexit code: {exit_codes}, 2 error",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    command = add(inspect, 1, "0 no problems, 1 problems")
    command.add_argument("pairs", metavar="PAIRS", help="file in LFW's format")
    command.add_argument("--images", metavar="DIR", help="folder with one folder for each identity")
    command.add_argument("--json", action="store_true")

    command = add(evaluate, 2, "0")
    command.add_argument("model", metavar="MODEL", help="what Verifier.save wrote")
    command.add_argument("pairs", metavar="PAIRS", help="file in LFW's format")
    command.add_argument(
        "--images", metavar="DIR", required=True, help="folder with one folder for each identity"
    )
    command.add_argument("--roc", metavar="FILE", help="draw the ROC curve (extra: plot)")
    command.add_argument("--json", action="store_true")

    command = add(verify, 3, "0 same, 1 different")
    command.add_argument("model", metavar="MODEL", help="what Verifier.save wrote")
    command.add_argument("one", metavar="A", help="an image")
    command.add_argument("other", metavar="B", help="another one")
    command.add_argument("--json", action="store_true")

    command = add(identify, 4, "0 somebody, 1 nobody")
    command.add_argument("model", metavar="MODEL", help="what Verifier.save wrote")
    command.add_argument("probe", metavar="PROBE", help="an image")
    command.add_argument(
        "--gallery", metavar="DIR", required=True, help="folder with one folder for each identity"
    )
    command.add_argument(
        "-k", type=int, default=1, metavar="N", help="the most identities to name (1)"
    )
    command.add_argument("--json", action="store_true")

    command = add(export, 5, "0")
    command.add_argument("model", metavar="MODEL", help="what Verifier.save wrote")
    command.add_argument(
        "output", metavar="OUTPUT", help="NAME.onnx, NAME.tflite, or a folder for a SavedModel"
    )
    command.add_argument("--part", choices=("pair", "tower"), default="pair", help="(pair)")
    return parser.parse_args(arguments)


def _load(path: str) -> Verifier:
    # TensorFlow's many objects stay to the end: to search them for garbage takes 1.5 s in all.
    collects = gc.isenabled()
    gc.disable()
    try:
        with _quiet():
            from siamese_verify.verification.verifier import Verifier

            return Verifier.load(path)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


@contextlib.contextmanager
def _warnings_in_lines() -> Iterator[list[warnings.WarningMessage]]:
    """Collects warnings. In the end, each of them is a line on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield caught
        finally:
            for line in _lines(caught):
                print(f"siamese-verify: warning: {line}", file=sys.stderr)


def _lines(caught: list[warnings.WarningMessage]) -> list[str]:
    """Each text once, in one line."""
    return list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what TensorFlow writes while it starts, whatever its settings are."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2))


if __name__ == "__main__":
    sys.exit(main())
