"""Count planted duplicates and swapped labels that `siamese-verify inspect --model` finds.

    siamese-verify demo && python benchmarks/suspects.py siamese-verify-demo/faces.keras

The verifier looks at drawn faces of identities that it has never seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

import siamese_verify as sv
from siamese_verify.data.reading import read_image
from siamese_verify.drawn_faces.files import write_faces

IDENTITIES, PLANTED = range(1_001, 1_451), 40


def changed(jpeg: bytes) -> dict[str, bytes]:
    """Make copies of an image, each changed in one way."""
    image = tf.io.decode_jpeg(jpeg)
    side, cut = int(image.shape[0]), int(image.shape[0]) // 40
    smaller = tf.cast(tf.image.resize(image, (side // 2, side // 2), antialias=True), tf.uint8)
    brighter = tf.cast(tf.minimum(tf.cast(image, tf.float32) * 1.15, 255), tf.uint8)
    images = {
        "encoded again, quality 50": tf.io.encode_jpeg(image, quality=50),
        "half as large": tf.io.encode_jpeg(smaller),
        "brighter by 15%": tf.io.encode_jpeg(brighter),
        "2.5% cut off each side": tf.io.encode_jpeg(image[cut:-cut, cut:-cut]),
    }
    return {"the same file": jpeg, **{name: bytes(x.numpy()) for name, x in images.items()}}


def main() -> None:
    """Print a table of the images that were planted and found."""
    verifier = sv.Verifier.load(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        write_faces(Path(folder), IDENTITIES)
        data = sv.IdentityDataset.from_folder(folder, verifier.preprocessing, verbose=False)
        files = [Path(folder, sample.path).read_bytes() for sample in data.samples]
    pixels, labels = np.asarray(data.images), data.labels
    rng = np.random.default_rng(0)
    rows = rng.choice(len(pixels), PLANTED, replace=False)
    copies = [changed(files[row]) for row in rows]
    n, kinds = len(pixels), list(copies[0])
    planted = [read_image(copy[kind], verifier.preprocessing) for kind in kinds for copy in copies]
    images = np.concatenate([pixels, np.stack(planted)])
    # Each copy has an identity of its own, so that copies of one image count too.
    names = np.concatenate([labels, labels.max() + 1 + np.arange(len(planted))])
    embeddings = verifier.model.embed(images)
    found = sv.near_duplicates(sv.thumbnails(images), embeddings, names)
    pairs = {*map(tuple, found.pairs.tolist())}
    print(f"| planted among {n:,} images | planted | found |\n|---|---|---|")
    for number, kind in enumerate(kinds):
        first = n + number * PLANTED
        hits = sum((row, first + i) in pairs for i, row in enumerate(rows.tolist()))
        print(f"| {kind} | {PLANTED} | {hits} |")
    print(f"| no duplicate, but named | 0 | {sum(right < n for _, right in pairs)} |")
    others = rng.choice(n, PLANTED, replace=False)
    swapped = labels.copy()
    swapped[others] = (labels[others] + rng.integers(1, labels.max(), PLANTED)) % labels.max()
    head, threshold = verifier.model.head, verifier.threshold
    wrong = {*sv.mislabelled_images(embeddings[:n], swapped, head, threshold).rows.tolist()}
    print(f"| swapped label | {PLANTED} | {len(wrong & {*others.tolist()})} |")
    print(f"| right label, but named | 0 | {len(wrong - {*others.tolist()})} |")


if __name__ == "__main__":
    main()
