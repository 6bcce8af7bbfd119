"""`siamese-verify shard`: decode images into files that are streamed."""

from __future__ import annotations

import contextlib
from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import (
    add_images,
    add_json,
    add_preprocessing,
    add_seed,
    add_shards,
)
from siamese_verify.commands.inputs import read_images
from siamese_verify.commands.outputs import print_shards
from siamese_verify.data.sample_list import SampleList
from siamese_verify.messages import images_of

EXAMPLE = "siamese-verify shard images -o shards"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_images(inputs)
    add_preprocessing(inputs, "48", "1")
    add_seed(inputs)
    add_shards(output, "largest number of images in a file (default: as many as fit into 32 MiB)")
    add_json(output)


def run(settings: Namespace) -> int:
    """Decode images of identities into files that ShardedImages streams, for any number of them."""
    images = read_images(settings.source, settings.images_root, settings.columns)
    from siamese_verify.data.preprocessing import Preprocessing
    from siamese_verify.data.shard_writing import write_shards

    size = settings.image_size or 48
    with contextlib.redirect_stdout(settings.terminal):
        written = write_shards(
            SampleList.of(images.samples)[0],
            settings.folder,
            Preprocessing((size, size), settings.channels or 1),
            images_root=images.root,
            images_per_shard=settings.images_per_shard,
            seed=settings.seed,
            on_error="skip",
            verbose=settings.terminal.isatty(),
        )
    counts = {
        "images": len(written),
        "identities": len(written.identities),
        "files": written.n_files,
        "skipped": len(written.skipped),
    }
    print_shards(
        settings.folder, counts, images_of(counts["images"], counts["identities"]), settings.json
    )
    return YES
