"""`Verifier`: a model, its preprocessing, and a threshold with the evidence for it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Mapping, Sized
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import check_name_list, whole_number
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import ImageLike, image_list, read_image
from siamese_verify.evaluation.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.evaluation.report import Evaluation, EvaluationWarning, evaluate_scores
from siamese_verify.files import PathLike
from siamese_verify.layers import flip, heads, multi_crop, tower  # noqa: F401  # As above.
from siamese_verify.model import SiameseModel
from siamese_verify.scoring import score_pairs
from siamese_verify.training import (
    losses,  # noqa: F401
    metrics,  # noqa: F401
    optimizers,  # noqa: F401
)
from siamese_verify.verification.decision import Decision, Match
from siamese_verify.verification.enrolled import Embeddings, Enrolled, IndexType, check_fits
from siamese_verify.verification.file import VerifierFileError, load_verifier, save_verifier
from siamese_verify.verification.fingerprint import FingerprintReader, first_gallery_digest
from siamese_verify.verification.gallery import Gallery, GalleryError
from siamese_verify.verification.search import ExactIndex
from siamese_verify.verification.seen import SeenData


@dataclasses.dataclass(frozen=True)
class _Bound:
    """A calibration, the model that it holds for, and what the two have seen."""

    calibration: Calibration
    fingerprint: str
    seen: SeenData | None = None


class Verifier:
    """Decides whether two images show the same identity, at a threshold that can be defended.

    The threshold and the gallery hold only for the model that they were made with. After more
    training, methods that need them raise an error. Every method is safe to call from threads,
    except while another thread trains the model.

    Args:
        model: A `SiameseModel`; or any Keras model that gives one vector for each image, with
            `head`.
        preprocessing: What is done to images, as in training.
        head: The head for a model that is not a `SiameseModel`, such as `CosineHead()`.

    Attributes:
        index_type: How the gallery is searched: `ExactIndex`, or `FaissIndex` for millions and a
            `CosineHead`.

    Raises:
        ValueError: If `head` is missing, or given beside a `SiameseModel`, or `preprocessing` gives
            images of another shape than the model needs.
        TypeError: If `head` is not a layer, or `preprocessing` not a `Preprocessing`.

    Examples:
        >>> data = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> train, val = data.split(0.5, by="identity")
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> verifier = Verifier(SiameseModel(tower, CosineHead()), train.preprocessing)
        >>> with warnings.catch_warnings(action="ignore"):  # They are few.
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

    def __init__(
        self,
        model: keras.Model,
        preprocessing: Preprocessing | None = None,
        *,
        head: keras.layers.Layer | None = None,
    ):
        if isinstance(model, SiameseModel) == (head is not None):
            raise ValueError(
                "`head` goes with an embedding model, and only with one. "
                f"Received: model of type {type(model).__name__}, head={head}"
            )
        if head is not None and not isinstance(head, keras.layers.Layer):
            raise TypeError(f"`head` must be a layer, such as CosineHead(). Received: {head!r}")
        # Re-wrap tower and head uncompiled, so that the optimizer is not saved. The weights are
        # shared.
        if isinstance(model, SiameseModel):
            model, head = model.tower, model.head
        self._model = SiameseModel(model, head)
        self._preprocessing = preprocessing or Preprocessing()
        _check_preprocessing(self.model.tower, self.preprocessing)
        self.model.build(((None, *self.preprocessing.shape),) * 2)
        self.index_type: IndexType = ExactIndex
        self._bound: _Bound | None = None
        self._share(None)

    def _share(self, gallery: Gallery | None) -> None:
        """Set the parts that hold locks, which cannot be copied."""
        self._reader = FingerprintReader(self.model, self.preprocessing)
        self._enrolled = Enrolled(gallery)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_reader": None, "_enrolled": self._enrolled.gallery}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._share(state["_enrolled"])

    @property
    def model(self) -> SiameseModel:
        """The `SiameseModel`. It shares its weights with the model that was passed."""
        return self._model

    @property
    def preprocessing(self) -> Preprocessing:
        """The `Preprocessing` of images."""
        return self._preprocessing

    @property
    def fingerprint(self) -> str:
        """Digest of weights, head and preprocessing. It binds threshold and gallery to them."""
        return self._reader.read().fingerprint

    @property
    def calibration(self) -> Calibration | None:
        """The `Calibration`, with threshold and evidence; None before `calibrate`.

        Setting it binds it to the present weights.
        """
        return None if self._bound is None else self._bound.calibration

    @calibration.setter
    def calibration(self, calibration: Calibration | None) -> None:
        self._bound = None if calibration is None else _Bound(calibration, self.fingerprint)

    @property
    def threshold(self) -> float:
        """Score from which a pair is accepted.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
        """
        return self._valid().calibration.threshold

    def _valid(self) -> _Bound:
        """Return the calibration, if it holds for the present model."""
        bound = self._bound
        if bound is None:
            raise RuntimeError(
                "This verifier has no threshold. Call calibrate(validation_pairs) first."
            )
        if self._reader.read_finite() != bound.fingerprint:
            raise RuntimeError(
                "The weights or the head have changed since calibrate(): the threshold "
                f"{bound.calibration.threshold:.4g} no longer holds. "
                "Call calibrate(validation_pairs) again."
            )
        return bound

    def calibrate(
        self,
        pairs: PairDataset,
        policy: str = "max_accuracy",
        prior: float = 0.5,
        training_identities: Iterable[str] | None = None,
    ) -> Self:
        """Choose the threshold on validation pairs, which the model has not been trained on.

        The verifier keeps salted hashes of the identities of training, and of the identities and
        images of `pairs`, so that `evaluate` can warn of them.

        Args:
            pairs: Validation pairs; never those on which the verifier is then evaluated.
            policy: `"max_accuracy"`, `"eer"`, or a false accept rate such as `"far=0.01"`; see
                `choose_threshold`.
            prior: The share of same pairs that is expected in use, whatever it is among `pairs`.
            training_identities: Identities that the model has been trained on. Pairs from `split` know
                them.

        Returns:
            The verifier itself.

        Raises:
            ValueError: If an argument is out of range, all pairs are same or different, or their
                preprocessing is not the verifier's.
            TypeError: If `training_identities` is one name.
            RuntimeError: If weights or embeddings are not finite.

        Warns:
            CalibrationWarning: If pairs share identities with training, are few, or are far from
                half same and half different, or if an image compared with itself would be rejected.
        """
        check_name_list(training_identities)
        known = (
            training_identities if training_identities is not None else pairs.training_identities
        )
        training = frozenset(known or ())
        identities = set(pairs.pairs.identities)
        if shared := identities & training:
            warnings.warn(
                f"{len(shared):,} of {len(identities):,} validation identities are in training too, whom "
                "the model knows: the threshold will do worse on others. Use split(by='identity').",
                CalibrationWarning,
                stacklevel=2,
            )
        fingerprint = self._reader.read_finite()
        embeddings, indices = self._embed_pairs(pairs)
        scores = score_pairs(self.model.head, embeddings, indices)
        calibration = calibrate(scores, pairs.labels, policy, prior, _identities(pairs))
        itself = np.repeat(np.arange(len(embeddings))[:, None], 2, axis=1)
        own = score_pairs(self.model.head, embeddings, itself)
        if rejected := np.count_nonzero(own < calibration.threshold):
            warnings.warn(
                f"{rejected:,} of {len(own):,} validation images score below the threshold "
                f"{calibration.threshold:.4g} when compared with themselves: an identical pair "
                "would be rejected. Use a head whose score never rises with the distance, such as "
                "CosineHead() or WeightedL1Head().",
                CalibrationWarning,
                stacklevel=2,
            )
        seen = SeenData.of(pairs, training)
        self._reader.check_still(fingerprint)
        self._bound = _Bound(calibration, fingerprint, seen)
        return self

    def evaluate(self, pairs: PairDataset) -> Evaluation:
        """Measure the verifier on test pairs, at its threshold, allowing for repeated identities.

        Args:
            pairs: Test pairs, of identities that are in neither training nor validation.

        Returns:
            The figures; see `evaluate_scores`.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ValueError: If the preprocessing of the pairs is not the verifier's, or all are same or
                different.

        Warns:
            EvaluationWarning: If identities of the pairs were in training or calibration, or images
                in calibration.
        """
        bound = self._valid()
        embeddings, indices = self._embed_pairs(pairs)
        scores = score_pairs(self.model.head, embeddings, indices)
        for overlap in bound.seen.overlaps(pairs) if bound.seen else ():
            warnings.warn(overlap, EvaluationWarning, stacklevel=2)
        threshold = bound.calibration.threshold
        return evaluate_scores(scores, pairs.labels, threshold, _identities(pairs))

    def _embed_pairs(self, pairs: PairDataset) -> tuple[Embeddings, npt.NDArray[np.int64]]:
        """Each image's embedding, and which of them are the two of each pair."""
        if pairs.preprocessing != self.preprocessing:
            raise ValueError(
                "The pairs must be preprocessed as the verifier's images are. "
                f"Received: {pairs.preprocessing}, not {self.preprocessing}"
            )
        rows, indices = np.unique(pairs.indices, return_inverse=True)
        return self._embed_pixels(pairs.images[rows]), indices.reshape(pairs.indices.shape)

    def embed(self, images: Iterable[ImageLike]) -> Embeddings:
        """Compute the embeddings of images: float32 `(n, size)`.

        Args:
            images: Paths, bytes, files, arrays or PIL images; see `read_image`.

        Raises:
            ImageError: If an image cannot be used.
            TypeError: If it is one image, not in a list.
            RuntimeError: If weights or embeddings are not finite.
        """
        self._reader.read_finite()
        return self._embed(images)

    def _embed(self, images: Iterable[ImageLike]) -> Embeddings:
        pixels = [read_image(image, self.preprocessing) for image in image_list(images)]
        return self._embed_pixels(np.array(pixels).reshape(-1, *self.preprocessing.shape))

    def _embed_pixels(self, pixels: Pixels) -> Embeddings:
        embeddings = self.model.embed(pixels)
        if not np.isfinite(embeddings).all():
            raise RuntimeError(
                f"The embeddings of {self.model.tower.name!r} are not finite: its weights are too "
                "large. Train the model again with a lower learning rate."
            )
        return embeddings

    def verify(self, one: ImageLike, other: ImageLike) -> Decision:
        """Decide whether two images show the same identity.

        Args:
            one: A path, bytes, a file, an array or a PIL image; see `read_image`.
            other: The same.

        Returns:
            The `Decision`, which is true if the images are accepted as the same.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ImageError: If an image cannot be used.
        """
        return self.verify_many([(one, other)])[0]

    def verify_many(self, pairs: Iterable[tuple[ImageLike, ImageLike]]) -> list[Decision]:
        """Decide for each of many pairs, faster than one by one.

        Args:
            pairs: As for `verify`.

        Returns:
            A `Decision` for each pair. A list is true whatever is in it: ask `all(decisions)`.

        Raises:
            RuntimeError, ImageError: As `verify`.
            TypeError: If a pair is not two images.
        """
        bound, pairs = self._valid(), list(pairs)
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Sized) or isinstance(pair, (str, bytes)) or len(pair) != 2:
                raise TypeError(f"A pair is two images. Received: pair {i}, {pair!r}")
        embeddings = self._embed(image for pair in pairs for image in pair)
        indices = np.arange(len(embeddings)).reshape(-1, 2)
        scores = score_pairs(self.model.head, embeddings, indices).tolist()
        calibration = bound.calibration
        return [
            Decision(
                score >= calibration.threshold,
                score,
                calibration.probability(score),
                calibration.threshold,
                calibration.far,
                calibration.frr,
                calibration.policy,
                bound.fingerprint,
            )
            for score in scores
        ]

    def enroll(self, identities: Mapping[str, Iterable[ImageLike]]) -> None:
        """Add identities to the gallery: all of them or, if it raises, none.

        Args:
            identities: The images of each identity, by name.

        Raises:
            ImageError: If an image cannot be used.
            TypeError: If a name is not a str, or somebody's image not in a list.
            GalleryError: If the model has changed since others were enrolled, whose embeddings
                cannot be compared any more.
            RuntimeError: If weights or embeddings are not finite, or change during the call.
        """
        names, images = [], []
        for name, given in identities.items():
            if not isinstance(name, str):
                raise TypeError(f"An identity's name is a str. Received: {name!r}")
            for image in image_list(given):
                names.append(name)
                images.append(image)
        fingerprint, gallery = self._reader.read_finite(), self.gallery
        check_fits(gallery, fingerprint)
        embeddings = self._embed(images)
        self._enrolled.extend(
            gallery, names, embeddings, lambda: self._reader.check_still(fingerprint)
        )

    @property
    def gallery(self) -> Gallery:
        """The `Gallery` of everybody enrolled; immutable."""
        return self._enrolled.gallery or self._nobody()

    def _nobody(self) -> Gallery:
        """Return an empty gallery of the present model."""
        shape, fingerprint = self.preprocessing.shape, self._reader.read_finite()
        pixels = np.arange(np.prod(shape)) ** 2 % 251  # without symmetry
        (reference,) = self._embed([pixels.astype(np.uint8).reshape(shape)])
        return Gallery((), np.empty((0, len(reference)), np.float32), fingerprint, reference)

    def identify(self, probe: ImageLike, k: int = 1) -> list[Match]:
        """Find who of the gallery is on an image.

        The threshold is for one comparison: with n images enrolled, a stranger is accepted up to n
        times as often as the false accept rate says.

        Args:
            probe: The image; see `verify`.
            k: The most identities to name.

        Returns:
            The identities most alike, best first, that score at least the threshold. The list is
            empty, and so false, if nobody does.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError, ImageError: As `verify`.
            GalleryError: If the model has changed since the gallery was made.
        """
        k, bound, gallery = whole_number("k", k), self._valid(), self._enrolled.gallery
        if gallery:
            check_fits(gallery, bound.fingerprint)
        embedding = self._embed([probe])
        if not gallery:
            return []
        head, threshold = self.model.head, bound.calibration.threshold
        return self._enrolled.search(gallery, self.index_type, head, embedding, threshold, k)

    def save_gallery(self, path: PathLike) -> None:
        """Write the gallery to a `.npz` file.

        Raises:
            ValueError: If the path does not end in `.npz`.
            GalleryError: If the model has changed since the gallery was made.
            RuntimeError: If weights are not finite.
        """
        gallery = self.gallery
        check_fits(gallery, self._reader.read_finite())
        gallery.save(path)

    def load_gallery(self, path: PathLike) -> None:
        """Read a gallery that this verifier's model made. It replaces the present one.

        Raises:
            GalleryError: If it is of another model or other preprocessing, damaged, or of a newer
                version.
            FileNotFoundError: If there is none.
            RuntimeError: If weights or embeddings are not finite.
        """
        gallery, nobody = Gallery.load(path), self._nobody()
        if gallery.fingerprint != nobody.fingerprint:  # It may be of format 1.
            gallery = gallery.upgraded(
                first_gallery_digest(self.model, self.preprocessing), nobody.fingerprint
            )
        if not gallery.is_of(nobody):
            raise GalleryError(
                f"{path} was made by another model or with other preprocessing, so that its "
                "embeddings mean nothing to this verifier. Enroll the identities again."
            )
        self._enrolled.replace(gallery)

    def save(self, path: PathLike, *, include_hashes: bool = True) -> None:
        """Write all but the gallery to one `.keras` file, which Keras itself can load too.

        Args:
            path: Path of the file; replaced only when the new one is complete.
            include_hashes: Whether the file holds salted hashes of identities and validation
                images, so that a loaded verifier's `evaluate` can warn of them. Whoever has the
                file can check a guessed name against them: leave them out of a file for strangers.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ValueError: If the path does not end in `.keras`.

        Warns:
            UserWarning: If weights are not finite. The file then serves to inspect them with
                `keras.saving.load_model`, and `Verifier.load` raises an error.
        """
        state, bound = self._reader.read(), self._bound
        if bound and state.not_finite:
            warnings.warn(
                f"{state.explain()}. {path} is written for inspection with "
                "keras.saving.load_model only: Verifier.load raises an error.",
                stacklevel=2,
            )
        else:
            bound = self._valid()
        seen = bound.seen.to_dict() if bound.seen and include_hashes else None
        settings = {
            "preprocessing": dataclasses.asdict(self.preprocessing),
            "calibration": bound.calibration.to_dict(),
            "fingerprint": bound.fingerprint,
            "seen": seen,
        }
        save_verifier(path, self.model, settings)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote; run no code of the file.

        Layers of your own must have been registered with Keras before.

        Raises:
            VerifierFileError: If the file is damaged, not a verifier's, of a newer version, or
                holds code, other weights than it was written with, or weights that are not finite.
            FileNotFoundError: If there is none.
        """
        model, settings = load_verifier(path)
        if not isinstance(model, SiameseModel):
            raise VerifierFileError(f"{path} holds a {type(model).__name__}, no SiameseModel")
        try:
            preprocessing = Preprocessing(**settings["preprocessing"])
            calibration = Calibration.from_dict(settings["calibration"])
            fingerprint = settings["fingerprint"] if settings["format"] > 1 else None
            seen = settings.get("seen") and SeenData.from_dict(settings["seen"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise VerifierFileError(f"{path} is damaged: {error!r} in its settings") from error
        verifier = cls(model, preprocessing)
        state = verifier._reader.read()
        if state.not_finite:
            raise VerifierFileError(f"{path}: {state.explain()}, so its scores mean nothing")
        if fingerprint not in (None, state.fingerprint):
            raise VerifierFileError(
                f"{path} was changed: its threshold was chosen for other weights or preprocessing. "
                "Calibrate the model in it again, or take the file from where it was written."
            )
        verifier._bound = _Bound(calibration, state.fingerprint, seen or None)
        return verifier


def _check_preprocessing(embedding_model: keras.Model, preprocessing: Any) -> None:
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(f"`preprocessing` must be a Preprocessing. Received: {preprocessing!r}")
    taken, given = getattr(embedding_model, "input_shape", (None,))[1:], preprocessing.shape
    if taken and tuple(size or own for size, own in zip(taken, given, strict=False)) != given:
        raise ValueError(
            f"`preprocessing` must give images as {embedding_model.name!r} takes them, of shape "
            f"{taken}. Received: {preprocessing}, of shape {given}"
        )


def _identities(pairs: PairDataset) -> list[tuple[str, str]]:
    return [(pair.left.identity, pair.right.identity) for pair in pairs.pairs]
