"""The commands of `siamese-verify`: each prints its answer and returns its exit code."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese_verify.data.folders import locate_files, samples_by_identity
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import PairListWarning
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier

# The exit codes follow grep and diff: 0 for yes, 1 for no, 2 for an error.
YES, NO, ERROR = 0, 1, 2


def inspect(settings: Namespace) -> int:
    """Check a pair list and summarize it. Exit code 1 if it has problems."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PairListWarning)
        pairs = PairList.from_lfw(settings.pairs)
    problems = [str(warning.message) for warning in caught]
    if settings.images:
        try:
            locate_files(settings.images, pairs.samples)
        except FileNotFoundError as error:
            problems.append(str(error))
    counts = _count(pairs)
    if settings.json:
        _print_json({**counts, "problems": problems})
    else:
        for name, count in counts.items():
            print(f"{name.replace('_', ' '):<30}{count:>9,}")
        print("\n".join(["", *problems]) if problems else "\nno problems")
    return NO if problems else YES


def evaluate(settings: Namespace) -> int:
    """Measure a verifier on a pair list, at its threshold."""
    verifier = load(settings.model)
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
        over_folds = {"folds": [folds.mean, folds.standard_error]} if folds else {}
        lines = {"warnings": one_line_each(settings.warnings)}
        _print_json({**report.to_dict(), **over_folds, **lines})
    else:
        print(report)
        if folds:
            print(f"{'over the folds':<18}{folds}, each at the threshold of the others")
    return YES


def verify(settings: Namespace) -> int:
    """Decide whether two images show the same identity. Exit code 1 if not."""
    decision = load(settings.model).verify(settings.one, settings.other)
    if settings.json:
        _print_json(decision.to_dict())
    else:
        print(
            f"{'same' if decision.same else 'different'}: score {decision.score:.4f}, "
            f"threshold {decision.threshold:.4f}, P(same) {decision.probability:.3f}"
        )
        print(f"at this threshold, FAR {decision.far} and FRR {decision.frr}")
    return YES if decision else NO


def identify(settings: Namespace) -> int:
    """Find which identities of a folder an image may show. Exit code 1 if none."""
    verifier = load(settings.model)
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
        print(
            "\n".join(f"{match.name}: score {match.score:.4f}" for match in found) or "no identity"
        )
    return YES if found else NO


def export(settings: Namespace) -> int:
    """Write the model of a verifier for another runtime: ONNX, LiteRT or SavedModel."""
    verifier = load(settings.model)
    from siamese_verify.verification.export import export_model

    with _quiet():
        export_model(verifier, settings.output, settings.part)
    print(f"{shown(settings.output)}: {settings.part}, threshold {verifier.threshold!r}")
    return YES


def load(path: str) -> Verifier:
    """Load a verifier, without TensorFlow's messages."""
    # TensorFlow's many objects live until the end. Searching them for garbage costs 1.5 s in all.
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


def one_line_each(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """List the text of each different warning, in one line."""
    return list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))


def _count(pairs: PairList) -> dict[str, int]:
    """Count what a pair list holds, by name."""
    pairs_of = Counter(
        identity for pair in pairs for identity in {pair.left.identity, pair.right.identity}
    )
    images_of = Counter(sample.identity for sample in pairs.samples)
    return {
        **pairs.summary()._asdict(),
        "folds": 0 if pairs.folds is None else int(pairs.folds.max()) + 1,
        "identities_in_several_pairs": sum(count > 1 for count in pairs_of.values()),
        "most_pairs_of_an_identity": max(pairs_of.values()),
        "most_images_of_an_identity": max(images_of.values()),
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard what TensorFlow writes while it starts, whatever its settings are."""
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
