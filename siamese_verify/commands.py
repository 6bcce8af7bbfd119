"""The commands of `siamese-verify`: each prints its answer and returns its exit code."""

from __future__ import annotations

import contextlib
import gc
import json
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamese_verify.data.folders import describe_missing, find_files, samples_by_identity
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import PairListWarning, Sample
from siamese_verify.files import replacing
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.terminal import one_line_each

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier

# The exit codes follow grep and diff: 0 for yes, 1 for no, 2 for an error.
YES, NO, ERROR = 0, 1, 2


def inspect(settings: Namespace) -> int:
    """Check a pair list and its images, and summarize it. Exit code 1 if there are problems."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PairListWarning)
        pairs = PairList.from_lfw(settings.pairs)
    problems = [str(warning.message) for warning in caught]
    unreadable: dict[str, str] = {}
    if settings.images:
        with contextlib.redirect_stdout(settings.terminal):
            found, unreadable = _check_images(
                settings.images, pairs.samples, settings.terminal.isatty()
            )
        problems += found
    counts = _count(pairs)
    if settings.json:
        each = [{"path": path, "reason": reason} for path, reason in unreadable.items()]
        _print_json({**counts, "problems": problems, "unreadable_images": each})
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
    with contextlib.redirect_stdout(settings.terminal):
        data = PairDataset(
            pairs,
            settings.images,
            verifier.preprocessing,
            verbose=settings.terminal.isatty(),
        )
    report = verifier.evaluate(data)
    folds = None
    if pairs.folds is not None:
        folds = evaluate_folds(report.scores, data.labels, pairs.folds)
    if settings.roc:
        from siamese_verify.plots import plot_roc

        with replacing(settings.roc) as unfinished:
            plot_roc(report).savefig(unfinished, dpi=150)
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
            "\n".join(f"{shown(match.name)}: score {match.score:.4f}" for match in found)
            or "no identity"
        )
    return YES if found else NO


def export(settings: Namespace) -> int:
    """Write the model of a verifier for another runtime: ONNX, LiteRT or SavedModel."""
    verifier = load(settings.model)
    from siamese_verify.verification.export import export_model

    export_model(verifier, settings.output, settings.part)
    print(f"{shown(settings.output)}: {settings.part}, threshold {verifier.threshold!r}")
    return YES


def load(path: str) -> Verifier:
    """Load a verifier."""
    # TensorFlow's many objects live until the end. Searching them for garbage costs 1.5 s in all.
    collects = gc.isenabled()
    gc.disable()
    try:
        from siamese_verify.verification.verifier import Verifier

        return Verifier.load(path)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _check_images(
    images_root: str, samples: Sequence[Sample], verbose: bool
) -> tuple[list[str], dict[str, str]]:
    """Find and decode the image of each sample.

    Returns:
        Descriptions of the problems, and the reason for each path that cannot be decoded.
    """
    located = find_files(images_root, samples)
    missing = describe_missing(images_root, samples, located)
    problems = [missing] if missing else []
    files = [file for file in located if file is not None]
    unreadable = {
        str(file): reason
        for file, reason in zip(files, _decoding_errors(files, verbose), strict=True)
        if reason is not None
    }
    if unreadable:
        # Each reason names its path.
        reasons = listed_in_lines(unreadable.values(), lambda reason: shown(reason, 500))
        problems.append(f"{len(unreadable):,} of {len(samples):,} images cannot be read:{reasons}")
    return problems, unreadable


def _decoding_errors(files: Sequence[Path], verbose: bool) -> Iterable[str | None]:
    """Decode each file, on all cores. Yield the text of its error, or None."""
    import keras

    from siamese_verify.data.decoding import ImageError
    from siamese_verify.data.preprocessing import Preprocessing
    from siamese_verify.data.reading import read_image

    preprocessing = Preprocessing()

    def error_of(file: Path) -> str | None:
        try:
            read_image(file, preprocessing)
        except (ImageError, OSError) as error:
            return str(error)
        return None

    progress = keras.utils.Progbar(len(files), unit_name="image") if verbose and files else None
    with ThreadPoolExecutor() as pool:
        for done, reason in enumerate(pool.map(error_of, files), start=1):
            if progress:
                progress.update(done)
            yield reason


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


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2))
