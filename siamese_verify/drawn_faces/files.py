"""Files of drawn faces: a folder for each identity."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from siamese_verify.drawn_faces.painting import draw_face
from siamese_verify.lazy_tensorflow import tf

IMAGES = 3, 6  # The fewest and the most images of an identity.
JPEG_QUALITY = 90


def write_faces(folder: Path, identities: Iterable[int], *, seed: int = 0) -> list[str]:
    """Draw all images of identities, and write them as `NAME/NAME_0001.jpg`.

    Args:
        folder: Folder for the folders of the identities, of which none exists.
        identities: Numbers of the identities, from 1. The same number is the same face.
        seed: Seed of the population that the identities come from.

    Returns:
        Names of the identities.
    """
    names = []
    for identity in identities:
        name = f"Drawn_Person_{identity:04d}"
        names.append(name)
        (folder / name).mkdir(parents=True)
        n_samples = np.random.default_rng((seed, identity)).integers(*IMAGES, endpoint=True)
        for sample in range(1, n_samples + 1):
            jpeg = tf.io.encode_jpeg(draw_face(identity, sample, seed=seed), quality=JPEG_QUALITY)
            (folder / name / f"{name}_{sample:04d}.jpg").write_bytes(jpeg.numpy())
    return names
