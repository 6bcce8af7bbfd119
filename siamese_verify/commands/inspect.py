"""`siamese-verify inspect`: check pairs and images before they are used."""

from __future__ import annotations

import contextlib
import warnings
from argparse import Namespace, _ArgumentGroup
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import PAIR_COLUMNS, add_json, add_root
from siamese_verify.commands.inputs import Images, is_table, load_verifier, read_any
from siamese_verify.commands.outputs import print_json, write_table
from siamese_verify.commands.suspects import Suspects, find_suspects, folds_of
from siamese_verify.commands.values import TABLES, existing, file_ending_in, output_file
from siamese_verify.data.folders import describe_missing, find_files
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Sample
from siamese_verify.messages import listed_in_lines, shown

EXAMPLE = "siamese-verify inspect pairs.txt --images images --bad unreadable.csv"
EXIT_CODES = "0 no problems, 1 problems"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    inputs.add_argument(
        "source",
        metavar="SOURCE",
        type=existing,
        help="pair list in LFW's format, table of pairs or of images, or folder with a folder of "
        "images for each identity. Each image is decoded, for LFW's lists if their folder "
        "is given: missing, empty, cut, damaged and over-large files, and other formats are "
        "found",
    )
    add_root(inputs, *PAIR_COLUMNS, "path", "identity")
    inputs.add_argument(
        "--model",
        metavar="MODEL",
        type=file_ending_in(".keras"),
        help="verifier that looks for near-duplicates under two identities or in two folds, and "
        "for images that look mislabelled (default: no verifier looks)",
    )
    output.add_argument(
        "--suspects",
        metavar="FILE",
        type=output_file(*TABLES),
        help="table of the images that look wrong to --model (default: the first ten are printed)",
    )
    output.add_argument(
        "--bad",
        metavar="FILE",
        type=output_file(".csv"),
        help="table of the images that cannot be read, with path and reason (.csv)",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Check pairs or images, and summarize them. Exit code 1 if there are problems."""
    if settings.suspects and not settings.model:
        raise ValueError("--suspects needs --model, the verifier that looks at the images.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read_any(settings.source, settings.images_root, settings.columns)
    problems = [str(warning.message) for warning in caught]
    counts = _count_pairs(found) if isinstance(found, PairList) else _count_images(found.samples)
    suspects = Suspects([], [])
    bad: dict[str, str] = {}
    root = settings.images_root if isinstance(found, PairList) else found.root
    are_found = settings.images_root or settings.source == root or is_table(settings.source)
    if are_found or settings.bad or settings.model:
        with contextlib.redirect_stdout(settings.terminal):
            more, bad, suspects = _check_images(root, found, settings.model, settings.terminal)
        problems += more
    if settings.bad:
        from siamese_verify.data.skipping import Skipped, write_skipped

        write_skipped([Skipped(*row) for row in bad.items()], settings.bad)
    if settings.suspects:
        write_table(settings.suspects, suspects.columns())
    if settings.json:
        each = [{"path": path, "reason": reason} for path, reason in bad.items()]
        print_json(
            {**counts, "problems": problems, "unreadable_images": each, **suspects._asdict()}
        )
    else:
        for name, count in counts.items():
            print(f"{name.replace('_', ' '):<30}{count:>9,}")
        print("\n".join(["", *problems]) if problems else "\nno problems")
    return NO if problems else YES


def _check_images(
    root: str | None, source: PairList | Images, model: str | None, terminal: TextIO
) -> tuple[list[str], dict[str, str], Suspects]:
    """Find and decode the image of each sample, and let a verifier look at them.

    Returns:
        Descriptions of the problems, the reason for each path that cannot be decoded, and images
        that look wrong.
    """
    samples, suspects = source.samples, Suspects([], [])
    located = find_files(root, samples)
    missing = describe_missing(root, samples, located)
    problems = [missing] if missing else []
    if model:
        parts = folds_of(source) if isinstance(source, PairList) else [0] * len(samples)
        verifier = load_verifier(model)
        suspects, unreadable = find_suspects(verifier, samples, located, parts, terminal)
    else:
        files = [file for file in located if file is not None]
        errors = zip(files, _decoding_errors(files, terminal.isatty()), strict=True)
        unreadable = {str(file): reason for file, reason in errors if reason is not None}
    if unreadable:
        # Each reason names its path.
        reasons = listed_in_lines(unreadable.values(), lambda reason: shown(reason, 500))
        problems.append(f"{len(unreadable):,} of {len(samples):,} images cannot be read:{reasons}")
    absent = (sample.path for sample, file in zip(samples, located, strict=True) if file is None)
    bad = {**dict.fromkeys(absent, "the file is missing"), **unreadable}
    return problems + suspects.in_words(), bad, suspects


def _decoding_errors(files: Sequence[Path], verbose: bool) -> Iterable[str | None]:
    """Decode each file, on all cores. Yield the text of its error, or None."""
    import keras

    from siamese_verify.data.decoding import ImageError
    from siamese_verify.data.preprocessing import Preprocessing
    from siamese_verify.data.reading import read_image
    from siamese_verify.data.threads import in_threads

    preprocessing = Preprocessing()

    def error_of(file: Path) -> str | None:
        try:
            read_image(file, preprocessing)
        except (ImageError, OSError) as error:
            return str(error)
        return None

    progress = keras.utils.Progbar(len(files), unit_name="image") if verbose and files else None
    for done, reason in enumerate(in_threads(error_of, files), start=1):
        if progress:
            progress.update(done)
        yield reason


def _count_pairs(pairs: PairList) -> dict[str, int]:
    """Count what a pair list holds, by name."""
    in_pairs = np.sort(pairs.identity_codes, axis=1)
    # An identity that stands on both sides of a pair is in one pair.
    once = np.concatenate([in_pairs[:, 0], in_pairs[in_pairs[:, 0] != in_pairs[:, 1], 1]])
    pairs_of = np.bincount(once, minlength=len(pairs.identities))
    return {
        **pairs.summary()._asdict(),
        "folds": 0 if pairs.folds is None else int(pairs.folds.max()) + 1,
        "identities_in_several_pairs": int((pairs_of > 1).sum()),
        "most_pairs_of_an_identity": int(pairs_of.max()),
        "most_images_of_an_identity": max(_images_of(pairs.samples).values()),
    }


def _count_images(samples: Sequence[Sample]) -> dict[str, int]:
    """Count what a folder or a table of images holds, by name."""
    images_of = _images_of(samples)
    return {
        "images": len(samples),
        "identities": len(images_of),
        "identities_with_one_image": sum(count == 1 for count in images_of.values()),
        "most_images_of_an_identity": max(images_of.values()),
    }


def _images_of(samples: Sequence[Sample]) -> Counter[str]:
    return Counter(sample.identity for sample in samples)
