"""`CalibratedModel`: a model, its preprocessing, and a threshold with the evidence for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import keras
import numpy as np

from siamese_verify.checks import check_name_list
from siamese_verify.data.formats import DECODING
from siamese_verify.data.pair_dataset import PairDataset, check_pair_dataset
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import ImageLike
from siamese_verify.data.stored_images import images_at
from siamese_verify.evaluation.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.evaluation.report import Evaluation, EvaluationWarning, evaluate_scores
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.names import normalized
from siamese_verify.scoring import Floats
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.bound_calibration import BoundCalibration
from siamese_verify.verification.embedder import Embedder
from siamese_verify.verification.image_measures import measure
from siamese_verify.verification.looks import Looks
from siamese_verify.verification.seen import SeenData


class CalibratedModel:
    """Model that embeds images, with a threshold that is chosen and measured on pairs.

    Args:
        model: `SiameseModel`, or any Keras model that returns one vector for each image, which
            requires `head`.
        preprocessing: Preprocessing of images. By default 105 x 105 pixels, grey.
        head: Head for an embedding model.
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
                "An embedding model requires `head`, and a SiameseModel has its own. "
                f"Received: model of type {type(model).__name__}, head={shown(repr(head))}"
            )
        if head is not None and not isinstance(head, keras.layers.Layer):
            raise TypeError(
                f"`head` must be a layer, such as CosineHead(). Received: head={shown(repr(head))}"
            )
        # Re-wrap tower and head uncompiled, so that the optimizer is not saved. The weights are
        # shared.
        if isinstance(model, SiameseModel):
            model, head = model.tower, model.head
        self._embedder = Embedder(SiameseModel(model, head), preprocessing or Preprocessing())
        self._bound: BoundCalibration | None = None

    @property
    def model(self) -> SiameseModel:
        """The `SiameseModel`. It shares its weights with the model that was passed."""
        return self._embedder.model

    @property
    def preprocessing(self) -> Preprocessing:
        """The `Preprocessing` of images."""
        return self._embedder.preprocessing

    @property
    def fingerprint(self) -> str:
        """Digest of weights, head and preprocessing. It binds threshold and gallery to them."""
        return self._embedder.reader.read().fingerprint

    @property
    def calibration(self) -> Calibration | None:
        """The `Calibration`, with threshold and evidence. It is None before `calibrate`.

        A calibration that is set here is bound to the present weights. If the present one stems
        from images that an earlier version decoded differently, the new one is taken for it too,
        unless `calibrate` chooses it.
        """
        return None if self._bound is None else self._bound.calibration

    @calibration.setter
    def calibration(self, calibration: Calibration | None) -> None:
        fingerprint = self.fingerprint
        decoding = self._bound.decoding if self._bound else DECODING
        self._bound = (
            BoundCalibration(calibration, fingerprint, None, decoding, self._looks(fingerprint))
            if calibration
            else None
        )

    @property
    def threshold(self) -> float:
        """Score from which a pair is accepted.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
        """
        return self._valid_calibration().calibration.threshold

    def _valid_calibration(self) -> BoundCalibration:
        """Return the calibration, if it holds for the present model."""
        bound = self._bound
        if bound is None:
            raise RuntimeError(
                "This verifier has no threshold. Call calibrate(validation_pairs) first."
            )
        bound.check_fingerprint(self._embedder.reader.read_finite())
        return bound

    def _looks(self, fingerprint: str) -> Looks | None:
        """Return the look of the validation images, if it is known for this state of the model."""
        bound = self._bound
        return bound.looks if bound and bound.fingerprint == fingerprint else None

    def calibrate(
        self,
        pairs: PairDataset,
        policy: str = "max_accuracy",
        prior: float = 0.5,
        training_identities: Iterable[str] | None = None,
        *,
        review: tuple[str, str] | None = None,
    ) -> Self:
        """Choose the threshold on validation pairs, on which the model has not been trained.

        The verifier keeps salted hashes of the identities of training, and of the identities and
        images of `pairs`. With them, `evaluate` can warn of pairs that were seen before. It also
        keeps what the images look like, so that `verify` can tell which images are unlike them.

        Args:
            pairs: Validation pairs. Do not evaluate the verifier on them afterwards.
            policy: `"max_accuracy"`, `"eer"`, or a highest false accept or false reject rate,
                such as `"far=0.01"` or `"frr=0.01"`. Or the costs of a false accept and a false
                reject, such as `"cost=10:1"` (see `choose_threshold`).
            prior: Share of genuine pairs that you expect in use, whatever it is among `pairs`.
            training_identities: Identities on which the model has been trained. Pairs from
                `split` know them.
            review: Policies for the ends of a band of scores to review by hand, such as
                `("frr=0.01", "far=0.001")`. At most 1% of the genuine pairs then score below the
                band, and at most 0.1% of the impostor pairs above it.

        Returns:
            The verifier itself.

        Raises:
            ValueError: If an argument is out of range, all pairs are same or different, or their
                preprocessing is not the verifier's.
            TypeError: If `pairs` is not a `PairDataset`, or `training_identities` is one name.
            RuntimeError: If weights, embeddings or scores are not finite, or the weights change
                during the call.

        Warns:
            CalibrationWarning: If pairs share identities with training, or are few for the policy.
                Also if an image compared with itself would be rejected (see also
                `evaluation.calibration.calibrate`).
        """
        check_name_list(training_identities)
        check_pair_dataset(pairs)
        if training_identities is None:
            training_identities = pairs.training_identities
        training = frozenset(map(normalized, training_identities or ()))
        _warn_of_shared_identities(pairs, training)
        fingerprint = self._embedder.reader.read_finite()
        embeddings, indices = self._embedder.embed_pairs(pairs)
        scores = self._embedder.score(embeddings, indices)
        identities = pairs.pairs.identity_codes
        calibration = calibrate(scores, pairs.labels, policy, prior, identities, review)
        self._warn_of_rejected_images(embeddings, calibration.threshold)
        seen = SeenData.of(pairs, training)
        looks = Looks.of(measure(images_at(pairs.images, np.unique(pairs.indices))), embeddings)
        self._embedder.reader.check_unchanged(fingerprint)
        self._bound = BoundCalibration(calibration, fingerprint, seen, looks=looks)
        return self

    def evaluate(self, pairs: PairDataset) -> Evaluation:
        """Measure the verifier on test pairs, at its threshold, allowing for repeated identities.

        If the pair list has groups, such as skilled and random forgeries, the report has figures by
        group.

        Args:
            pairs: Test pairs, of identities that are in neither training nor validation.

        Returns:
            The `Evaluation`, as `evaluate_scores` returns it.

        Raises:
            RuntimeError: If the verifier has no threshold, the model has changed since then, or
                weights, embeddings or scores are not finite.
            ValueError: If the preprocessing of the pairs is not the verifier's, or all pairs are
                same or different.

        Warns:
            EvaluationWarning: If identities of the pairs were in training or calibration, or images
                in calibration.
        """
        bound = self._valid_calibration()
        scores = self._embedder.score(*self._embedder.embed_pairs(pairs))
        for overlap in bound.seen.overlaps(pairs) if bound.seen else ():
            warn_user(overlap, EvaluationWarning)
        threshold = bound.calibration.threshold
        identities, groups = pairs.pairs.identity_codes, pairs.pairs.groups
        return evaluate_scores(scores, pairs.labels, threshold, identities, groups)

    def embed(self, images: Iterable[ImageLike]) -> Floats:
        """Compute the embeddings of images.

        Args:
            images: Paths, bytes, files, arrays or PIL images (see `read_image`).

        Returns:
            float32 array `(n, size)`.

        Raises:
            ImageError: If an image cannot be used.
            TypeError: If `images` is one image, not in a list.
            RuntimeError: If weights or embeddings are not finite.
        """
        self._embedder.reader.read_finite()
        return self._embedder.embed(images)

    def _warn_of_rejected_images(self, embeddings: Floats, threshold: float) -> None:
        n = len(embeddings)
        scores = self._embedder.score(embeddings, np.repeat(np.arange(n)[:, None], 2, axis=1))
        if rejected := np.count_nonzero(scores < threshold):
            warn_user(
                f"{rejected:,} of {n:,} validation images score below the threshold "
                f"{threshold:.4g} when compared with themselves: an identical pair would be "
                "rejected. Use a head whose score never rises with the distance, such as "
                "CosineHead() or WeightedL1Head().",
                CalibrationWarning,
            )


def _warn_of_shared_identities(pairs: PairDataset, training: frozenset[str]) -> None:
    identities = set(pairs.pairs.identities)
    if shared := identities & training:
        warn_user(
            f"{len(shared):,} of {len(identities):,} validation identities are in training too. "
            "The model knows them, so the threshold will do worse on others. "
            "Use split(by='identity').",
            CalibrationWarning,
        )
