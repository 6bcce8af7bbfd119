"""`ShardedEnroller`: an enroller of embeddings in files, which one process or many have written."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.embedding_files import IMAGES_PER_SHARD
from siamese_verify.verification.embedding_job import write_embeddings
from siamese_verify.verification.embedding_shards import EmbeddingShards
from siamese_verify.verification.enrolled_images import EnrolledImages
from siamese_verify.verification.enroller import Enroller
from siamese_verify.verification.gallery import GalleryError, Template, check_template
from siamese_verify.verification.looks import Reasons, Unlike, check_unlike, report_unlike

_LARGE = 2**30
"""Bytes of embeddings from which a file holds them, in place of memory."""


class ShardedEnroller(Enroller):
    """Enroller that embeds millions of images into files, and enrolls from them."""

    def write_embeddings(
        self,
        source: Any,
        folder: PathLike,
        *,
        path: str = "path",
        identity: str = "identity",
        images_root: PathLike | None = None,
        images_per_shard: int = IMAGES_PER_SHARD,
        workers: int | None = None,
        verbose: bool = True,
    ) -> EmbeddingShards:
        """Embed the images of a table into Parquet files, for `enroll_embeddings`.

        Each file is whole or absent. A call that was stopped goes on where it was: it writes only
        files that are missing. An image that is missing or cannot be read is left out, and
        `skipped.csv` in the folder lists it with path and reason. The next call tries it again.

        Args:
            source: Table with the column `path`, and `identity` for enrolment: a .csv, .tsv, .jsonl
                or .parquet file, a DataFrame, or a mapping from names to columns. It is read in
                parts. Or a folder with one folder of images for each identity.
            folder: Folder to write to. With `workers` on other machines, all must see it and the
                images under the same paths.
            path: Name of the column of paths.
            identity: Name of the column of identities.
            images_root: Folder that the paths of a table start from. By default they are used as
                they are.
            images_per_shard: Number of rows of the table in a file.
            workers: Number of processes, which needs the extra `scale`. Ray starts them on its
                cluster, if it finds one, or on this machine. By default, this process embeds.
            verbose: Whether to show the progress.

        Returns:
            The written embeddings. Their `skipped` lists the images that were left out.

        Raises:
            TableError: If the table is not as described.
            ValueError: If an argument is out of range. A `ShardError` if the folder holds other
                embeddings: of another table, number of rows, model or version.
            RuntimeError: If weights or embeddings are not finite, or three processes have died of
                the same images.
            ImportError: If pyarrow or Ray is not installed. Names the extra.
            OSError: If a file cannot be written.

        Warns:
            UserWarning: If images are left out. Tells how many.
        """
        looks = self._looks(self._embedder.reader.read_finite())
        return write_embeddings(
            self._embedder,
            looks,
            source,
            folder,
            columns={"path": path, "identity": identity},
            images_root=images_root,
            images_per_shard=images_per_shard,
            workers=workers,
            verbose=verbose,
        )

    def enroll_embeddings(
        self, folder: PathLike, *, template: Template | None = None, unlike: Unlike = "warn"
    ) -> int:
        """Add the images of `write_embeddings` to the gallery: all of them or, if it raises, none.

        The gallery is as if `enroll` had embedded the images. The same call again adds nothing.
        The files are read one by one. Embeddings beyond 1 GiB are not in memory, but in a file in
        the same folder, which has no name and ends with this process.

        Args:
            folder: Folder that `write_embeddings` has written.
            template: As for `enroll`.
            unlike: As for `enroll`. The validation images at the time of `write_embeddings` decide.

        Returns:
            Number of images that were added.

        Raises:
            GalleryError: If another model made the embeddings, or the present gallery.
            ValueError: If the table had no identities, or the gallery has another template. A
                `ShardError` if the folder is incomplete or damaged.
            RuntimeError: If weights are not finite, or change during the call.

        Warns:
            UnlikeValidationWarning: If images are unlike validation, and `unlike` is `"warn"`.
            UserWarning: If an earlier version decoded the images differently.
        """
        if template is not None:
            check_template(template)
        check_unlike(unlike)
        own, shards = self._embedder.empty_gallery(), EmbeddingShards.open(folder)
        self._enrolled.check_fingerprint(own.fingerprint)
        if not shards.frame.is_of_same_model(own):
            raise GalleryError(
                f"{shown(folder)} holds embeddings of another model or of other preprocessing, "
                "which cannot be compared with this verifier's. Write them again by this verifier. "
                f"Received: fingerprint={shown(shards.frame.fingerprint)}, not {own.fingerprint}"
            )
        if shards.frame.is_outdated:
            warn_user(
                f"{shown(folder)} was embedded from images that this version decodes differently. "
                "Write the embeddings again."
            )
        is_large = len(shards) * own.reference.nbytes > _LARGE
        empty = dataclasses.replace(shards.frame, template=template or "each")
        images = EnrolledImages(empty, folder if is_large else None)
        images.reserve(len(shards))
        found: list[tuple[str, Reasons]] = []
        for batch, unlike_of in shards.read():
            if not all(batch.names):
                raise ValueError(
                    f"{shown(folder)} holds images without an identity, so they cannot be "
                    "enrolled. Write the embeddings of a table with the column identity. "
                    f"Received: {batch.names.count(''):,} such images in a file"
                )
            new = np.flatnonzero(self._enrolled.are_new(batch.names, batch.image_digests))
            images.add(batch.selected(new))
            found += [(batch.images[row], (unlike_of[row],)) for row in new if unlike_of[row]]
        report_unlike(found, len(images), unlike)
        return self._enrolled.add_all(images, template, self._check_unchanged(own))
