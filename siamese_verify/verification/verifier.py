"""`Verifier`: decides whether two images show the same identity, and identifies one image.

`Verifier` is made of five classes. `CalibratedModel` holds the model and its threshold, and
`Enroller` the gallery, which `ShardedEnroller` fills from files. `Identifier` searches it, and
`Verifier` decides on pairs and has a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from siamese_verify.data.alignment import UnknownAlignError
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import ImageLike
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.archive import explaining
from siamese_verify.verification.bound_calibration import BoundCalibration
from siamese_verify.verification.decision import Decision
from siamese_verify.verification.embedded_images import image_pairs
from siamese_verify.verification.file import VerifierFileError, load_verifier, save_verifier
from siamese_verify.verification.identifier import Identifier
from siamese_verify.verification.looks import of_both
from siamese_verify.verification.pair_scores import PairScores, score_list


class Verifier(Identifier):
    """Model that decides whether two images show the same identity, at a calibrated threshold.

    The threshold and the gallery hold only for the model that they were made with. After more
    training, methods that need them raise an error. Every method is safe to call from threads,
    except while another thread trains the model.

    Args:
        model: A `SiameseModel`, or any Keras model that returns one vector for each image. The
            latter requires `head`.
        preprocessing: Preprocessing of images, as in training.
        head: Head for a model that is not a `SiameseModel`, such as `CosineHead()`.

    Attributes:
        index_type: Class that searches the gallery: `ExactIndex`, or `FaissIndex` for millions of
            images and a `CosineHead`.

    Raises:
        ValueError: If `head` is missing, or given along with a `SiameseModel`, or if
            `preprocessing` returns images of another shape than the model needs.
        TypeError: If `head` is not a layer, or `preprocessing` not a `Preprocessing`.

    Examples:
        >>> import warnings
        >>> data = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> train, val = data.split(0.5, by="identity")
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> verifier = Verifier(SiameseModel(tower, CosineHead()), train.preprocessing)
        >>> with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        ...     verifier = verifier.calibrate(val)
        >>> left, right = val.pairs.paths("lfw/lfw2")[0]
        >>> decision = verifier.verify(left, right)
        >>> print("same" if decision else "different")  # doctest: +SKIP
        same
        >>> decision.threshold == verifier.threshold
        True
        >>> verifier.save("faces.keras")
        >>> Verifier.load("faces.keras").verify(left, right) == decision
        True
    """

    def __repr__(self) -> str:
        threshold = f"{self._bound.calibration.threshold:.4f}" if self._bound else None
        return (
            f"{type(self).__name__}(image_size={self.preprocessing.image_size}, "
            f"threshold={threshold})"
        )

    def verify(self, one: ImageLike, other: ImageLike) -> Decision:
        """Decide whether two images show the same identity.

        Args:
            one: Path, bytes, file, array or PIL image (see `read_image`).
            other: The image to compare it with.

        Returns:
            The `Decision`, which is true if the images are accepted as the same.

        Raises:
            RuntimeError: If the verifier has no threshold, the model has changed since then, or
                weights, embeddings or scores are not finite.
            ImageError: If an image cannot be used.
        """
        return self.verify_many([(one, other)])[0]

    def verify_many(self, pairs: Iterable[tuple[ImageLike, ImageLike]]) -> list[Decision]:
        """Decide on many pairs at once, faster than one by one.

        Images are read on all cores. Equal paths, and the same objects, are embedded once.

        Args:
            pairs: Pairs of images, as for `verify`.

        Returns:
            A `Decision` for each pair. A list is true whatever it holds: use `all(decisions)`.

        Raises:
            RuntimeError, ImageError: As `verify`.
            TypeError: If a pair is not two images.
        """
        bound = self._valid_calibration()
        images = [image for pair in image_pairs(pairs) for image in pair]
        embedded = self._embedder.embed_each(images, looks=bound.looks)
        rows = embedded.rows.reshape(-1, 2)
        scores = self._embedder.score(embedded.embeddings, rows)
        return [
            bound.decide(score, of_both(*(embedded.unlike[row] for row in both)))
            for score, both in zip(scores.tolist(), rows.tolist(), strict=True)
        ]

    def score(
        self, pairs: PairList, images_root: PathLike | None = None, *, verbose: bool = True
    ) -> PairScores:
        """Score the pairs of a list. An image that cannot be used only marks its pairs.

        Each image is read and embedded once, on all cores. Only embeddings are kept in memory.

        Args:
            pairs: The pairs.
            images_root: Folder that the samples' paths start from. By default paths are used as
                they are.
            verbose: Whether to show a progress bar.

        Returns:
            The `PairScores`.

        Raises:
            ValueError: If a path leads out of `images_root`.
            RuntimeError: If weights, embeddings or scores are not finite.
        """
        looks = self._looks(self._embedder.reader.read_finite())
        return score_list(self._embedder, pairs, images_root, looks, verbose)

    def save(self, path: PathLike, *, include_hashes: bool = True) -> None:
        """Write everything but the gallery to one `.keras` file, which Keras can load too.

        Before the file replaces an older one, it is loaded again, and must compute what this
        verifier computes. For a moment, the memory holds the model twice.

        The file holds digests of all its parts. They find a file that was changed by accident, or
        whose parts stem from several files. They are not a signature: they do not show who made
        the file.

        Args:
            path: Path of the file, which is replaced only when the new one is complete.
            include_hashes: Whether the file holds salted hashes of identities and validation
                images, so that a loaded verifier's `evaluate` can warn of them. Whoever has the
                file can check a guessed name against them: leave them out of a file for strangers.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ValueError: If the path does not end in `.keras`.
            VerifierFileError: If `load` could not read the file. The model may have a lambda, or a
                part that is not registered with Keras or does not keep its arguments or weights.
                An older file stays unchanged.

        Warns:
            UserWarning: If weights are not finite. The file then serves to inspect them with
                `keras.saving.load_model`, and `Verifier.load` raises an error.
        """
        state, bound = self._embedder.reader.read(), self._bound
        if bound and state.not_finite:
            warn_user(
                f"{state.explain()}. {shown(path)} is written for inspection with "
                "keras.saving.load_model only: Verifier.load raises an error."
            )
        else:
            bound = self._valid_calibration()
        preprocessing = self.preprocessing.to_dict()
        settings = {"preprocessing": preprocessing, **bound.to_settings(include_hashes)}
        save_verifier(path, self.model, settings, self._check_saved)

    def _check_saved(self, path: PathLike) -> None:
        """Raise a `VerifierFileError` unless a file computes what this verifier computes."""
        again, _ = self._read(path)
        if difference := self._embedder.difference(again._embedder):
            raise VerifierFileError(f"{shown(path)} {difference}")

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a verifier that `save` wrote, without running code from the file.

        Register layers of your own, and a function that aligns, with Keras first. The file must be
        as it was saved: digests find parts that were damaged, or that stem from another file. They
        do not find changes by somebody who computes the digests again.

        Raises:
            VerifierFileError: If the file is damaged, changed, not a verifier's, or of a newer
                version. Also if it holds code, or weights that are not finite, or needs far more
                memory than its size.
            OSError: If the file cannot be opened, such as `FileNotFoundError`.

        Warns:
            UserWarning: If the file is of an earlier version, which decoded images differently.
        """
        verifier, bound = cls._read(path)
        state = verifier._embedder.reader.read()
        if state.not_finite:
            raise VerifierFileError(f"{shown(path)}: {state.explain()}, so its scores mean nothing")
        if bound.fingerprint != state.fingerprint:
            raise VerifierFileError(
                f"{shown(path)} was changed: its threshold was chosen for other weights or "
                "preprocessing. Calibrate the model in it again, or get the original file. "
                f"Received: fingerprint={state.fingerprint}, not {bound.fingerprint}"
            )
        if bound.is_outdated:
            warn_user(
                f"{shown(path)} was calibrated on images that this version decodes differently. "
                "Calibrate again with calibrate(validation_pairs), and save."
            )
        return verifier

    @classmethod
    def _read(cls, path: PathLike) -> tuple[Self, BoundCalibration]:
        """Read a verifier and its calibration, which may be for other weights."""
        model, settings = load_verifier(path)
        if not isinstance(model, SiameseModel):
            raise VerifierFileError(
                f"{shown(path)} does not hold a SiameseModel. "
                f"Received: model of {type(model).__name__}"
            )
        with explaining(VerifierFileError, f"{shown(path)} is damaged", " in its settings"):
            try:
                preprocessing = Preprocessing.from_dict(settings["preprocessing"])
            except UnknownAlignError as error:
                raise VerifierFileError(f"{shown(path)} cannot be loaded. {error}") from error
            verifier = cls(model, preprocessing)
            bound = BoundCalibration.from_settings(settings, verifier.fingerprint)
        verifier._bound = bound
        return verifier, bound
