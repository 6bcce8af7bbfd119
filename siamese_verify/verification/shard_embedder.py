"""`ShardEmbedder`: embeds rows of a table into a shard, in this process or an actor of Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from siamese_verify.data.folders import path_below
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.sample_blocks import SampleBlock
from siamese_verify.data.samples import Sample
from siamese_verify.data.skipping import Skipped, reason_of
from siamese_verify.data.threads import in_threads
from siamese_verify.files import PathLike
from siamese_verify.verification.embedder import Embedder
from siamese_verify.verification.embedding_files import (
    Embedded,
    Shard,
    file_of,
    read_facts,
    write_shard,
)
from siamese_verify.verification.enrolment import (
    BLOCK,
    ReadImages,
    embed_blocks,
    read_with_digests,
)
from siamese_verify.verification.gallery import DIGEST_SIZE, Gallery
from siamese_verify.verification.looks import Looks, find_unlike

Read = tuple[Pixels, bytes] | Skipped


class ShardEmbedder:
    """Model that embeds blocks of a table, and writes each as a shard.

    Args:
        embedder: Model with its preprocessing.
        own: Empty gallery of the model.
        looks: Limits of validation images, to tell which images are unlike them.
        folder: Folder of the shards.
        images_root: Folder that the paths of images start from, or None.
    """

    def __init__(
        self,
        embedder: Embedder,
        own: Gallery,
        looks: Looks | None,
        folder: PathLike,
        images_root: PathLike | None,
    ):
        self._embedder, self._own, self._looks = embedder, own, looks
        self.folder, self._root = Path(folder), images_root

    def check_same_model(self) -> None:
        """Raise a `RuntimeError` if this process computes other embeddings."""
        if not self._own.is_of_same_model(self._embedder.empty_gallery()):
            raise RuntimeError(
                "A process of Ray computes other embeddings with the same model. Install the same "
                "versions of siamese-verify and Keras on all machines."
            )

    def write(self, block: SampleBlock) -> Shard:
        """Embed a block and write its shard, unless the shard is as it would be written."""
        done = read_facts(file_of(self.folder, block.number), self._own)
        if done is not None and self._holds_still(done):
            return done
        skipped: list[Skipped] = []
        unlike: list[str] = []

        def embed(images: ReadImages) -> np.ndarray:
            embeddings = self._embedder.embed_pixels(images.pixels)
            reasons = find_unlike(self._looks, images.pixels, embeddings)
            unlike.extend(map(", ".join, reasons))
            return embeddings

        starts = range(0, len(block.paths), BLOCK)
        parts = (self._read_part(block, start, skipped) for start in starts)
        images = embed_blocks(self._own, filter(lambda part: len(part.names), parts), embed)
        shard = Shard(block.number, block.digest(), len(images), tuple(skipped))
        self._embedder.reader.check_unchanged(self._own.fingerprint)
        write_shard(self.folder, shard, Embedded(images, unlike))
        return shard

    def _read_part(self, block: SampleBlock, start: int, skipped: list[Skipped]) -> ReadImages:
        """Read some images on all cores, and note which cannot be used."""
        paths = block.paths[start : start + BLOCK]
        names = (block.identities or [""] * len(block.paths))[start : start + BLOCK]
        found = list(in_threads(self._read, paths))
        skipped += [one for one in found if isinstance(one, Skipped)]
        good = [(i, one) for i, one in enumerate(found) if not isinstance(one, Skipped)]
        shape = self._embedder.preprocessing.shape
        return ReadImages(
            [names[i] for i, _ in good],
            [paths[i] for i, _ in good],
            [start + i + 1 for i, _ in good],
            np.array([pixels for _, (pixels, _) in good], np.uint8).reshape(-1, *shape),
            np.frombuffer(b"".join(digests for _, (_, digests) in good), np.uint8).reshape(
                -1, 2, DIGEST_SIZE
            ),
        )

    def _read(self, path: str) -> Read:
        """Read an image, or say why it cannot be used."""
        try:
            path.encode()  # A name that is not UTF-8 on disk has surrogates.
            file = path_below(self._root, Sample(path, ""))
            return read_with_digests(file, self._embedder.preprocessing)
        except (OSError, ValueError) as error:  # ImageError is a ValueError.
            return Skipped(path, reason_of(error))

    def _holds_still(self, done: Shard) -> bool:
        """Try the images that were left out again, and tell whether their reasons are the same."""
        again = in_threads(self._read, [one.path for one in done.skipped])
        # Pixels that are an array now cannot be compared with a reason.
        found = [one if isinstance(one, Skipped) else None for one in again]
        return found == [*done.skipped]
