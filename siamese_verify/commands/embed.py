"""`siamese-verify embed`: embed many images into files that `enroll` reads."""

from __future__ import annotations

import contextlib
from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_images, add_json, add_model, add_shards
from siamese_verify.commands.inputs import load_verifier, naming_the_flag
from siamese_verify.commands.outputs import print_shards
from siamese_verify.commands.values import whole_number
from siamese_verify.verification.embedding_files import IMAGES_PER_SHARD

EXAMPLE = "siamese-verify embed faces.keras images.csv -o embeddings"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_images(inputs)
    inputs.add_argument(
        "--workers",
        metavar="N",
        type=whole_number(1),
        help="number of processes that Ray starts, on its cluster or on this machine. Needs the "
        "extra scale (default: this process, without Ray)",
    )
    add_shards(
        output, "number of rows of the table in a file (default: %(default)s)", IMAGES_PER_SHARD
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Embed images into files that enroll reads, for any number of them, on any number of cores."""
    verifier = load_verifier(settings.model)
    with (
        contextlib.redirect_stdout(settings.terminal),
        naming_the_flag(settings.columns),
    ):
        written = verifier.write_embeddings(
            settings.source,
            settings.folder,
            images_root=settings.images_root,
            **settings.columns,
            images_per_shard=settings.images_per_shard,
            workers=settings.workers,
            verbose=settings.terminal.isatty(),
        )
    counts = {
        "images": len(written),
        "files": written.n_files,
        "skipped": len(written.skipped),
    }
    print_shards(
        settings.folder, counts, f"the embeddings of {counts['images']:,} images", settings.json
    )
    return YES
