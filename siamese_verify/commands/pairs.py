"""`siamese-verify pairs`: draw pairs from images."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import (
    TABLES,
    add_images,
    add_json,
    add_output,
    add_seed,
    whole_number,
)
from siamese_verify.commands.inputs import read_images
from siamese_verify.commands.outputs import print_json
from siamese_verify.data.pairs import PairList
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify pairs images -o pairs.csv"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_images(inputs)
    inputs.add_argument(
        "--size",
        metavar="N",
        type=whole_number(2),
        help="number of pairs, half genuine and half impostor (default: twice the images, or "
        "as many as there are)",
    )
    inputs.add_argument(
        "--folds",
        dest="n_folds",
        metavar="N",
        type=whole_number(2),
        help="number of folds, of which no two share an identity (default: no folds)",
    )
    add_seed(inputs)
    add_output(
        output,
        ".txt",
        *TABLES,
        metavar="PAIRS",
        description="pair list to write, in LFW's format or as a table",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Draw pairs of images, half genuine and half impostor, and write them."""
    samples = read_images(settings.source, settings.images_root, settings.columns).samples
    pairs = PairList.sample(samples, settings.size, n_folds=settings.n_folds, seed=settings.seed)
    if settings.output.suffix.lower() in TABLES:
        pairs.to_table(settings.output)
    else:
        pairs.to_lfw(settings.output)
    counts = pairs.summary()._asdict()
    if settings.json:
        print_json(counts)
    else:
        print(
            f"{shown(settings.output)} holds {counts['same']:,} genuine and "
            f"{counts['different']:,} impostor pairs of {counts['identities']:,} identities."
        )
    return YES
