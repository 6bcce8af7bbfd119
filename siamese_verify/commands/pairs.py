"""`siamese-verify pairs`: draw pairs from images."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_images, add_json, add_output, add_seed
from siamese_verify.commands.inputs import Images, load_verifier, read_images
from siamese_verify.commands.outputs import print_json
from siamese_verify.commands.values import TABLES, file_ending_in, share, whole_number
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
        "--same",
        metavar="N",
        type=whole_number(0),
        help="number of genuine pairs, in place of --size (default: as many as impostor pairs)",
    )
    inputs.add_argument(
        "--different",
        metavar="N",
        type=whole_number(0),
        help="number of impostor pairs, in place of --size (default: as many as genuine pairs)",
    )
    inputs.add_argument(
        "--far",
        metavar="RATE",
        type=share,
        help="false accept rate to measure, such as 0.001. It replaces --different: as many "
        "impostor pairs are drawn as it needs (default: no rate)",
    )
    inputs.add_argument(
        "--all",
        action="store_true",
        help="all pairs, in place of a number (default: pairs are drawn)",
    )
    inputs.add_argument(
        "--hard",
        metavar="MODEL",
        type=file_ending_in(".keras"),
        help="the pairs that are hardest for this verifier: the least alike genuine ones and the "
        "most alike impostor ones (default: pairs are drawn)",
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
    """Draw or choose pairs of images, and write them. By default half are genuine."""
    _check(settings)
    images = read_images(settings.source, settings.images_root, settings.columns)
    pairs = _choose(settings, images)
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
        if images.root is not None:
            root = shown(images.root)
            print(f"Its paths start from {root}. Name this folder with --images {root}.")
    return YES


def _check(settings: Namespace) -> None:
    """Raise an error if flags exclude each other."""
    way = "--all" if settings.all else "--hard" if settings.hard else None
    others = {"--far": settings.far, "--folds": settings.n_folds}
    if settings.all:
        counts = {"--size": settings.size, "--same": settings.same}
        others |= {"--hard": settings.hard, "--different": settings.different, **counts}
    given = [flag for flag, value in others.items() if value is not None]
    if way and given:
        raise ValueError(f"{way} cannot be used with {', '.join(given)}. Leave one out.")


def _choose(settings: Namespace, images: Images) -> PairList:
    counts = {"same": settings.same, "different": settings.different}
    if settings.all:
        return PairList.all_pairs(images.samples)
    if settings.hard:
        folder = Path(images.root or "")
        embeddings = load_verifier(settings.hard).embed(
            [folder / sample.path for sample in images.samples]
        )
        return PairList.hardest(images.samples, embeddings, settings.size, **counts)
    return PairList.sample(
        images.samples,
        settings.size,
        **counts,
        far=settings.far,
        n_folds=settings.n_folds,
        seed=settings.seed,
    )
