"""`Identifier`: a calibrated model that finds enrolled identities on images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Self

import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.data.reading import ImageLike
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.messages import listed, shown
from siamese_verify.scoring import Floats
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.decision import Match
from siamese_verify.verification.enrolment import Identities
from siamese_verify.verification.gallery import Gallery
from siamese_verify.verification.identification import (
    IdentificationCalibration,
    calibrate_identification,
    check_fpir,
    rate_of_images,
)
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.index import IndexType
from siamese_verify.verification.sharded_enroller import ShardedEnroller


class Identifier(ShardedEnroller):
    """Calibrated model with a gallery, which finds enrolled identities on images."""

    index_type: IndexType = ExactIndex

    def identify(
        self, probe: ImageLike, k: int = 1, *, below_threshold: bool = False
    ) -> list[Match]:
        """Find the identities of the gallery that an image may show.

        The threshold is chosen by `calibrate_identification`. Without that, it is the threshold of
        `calibrate`, which holds for one comparison. With n images enrolled, a stranger is then
        accepted up to n times as often as the false accept rate says.

        Args:
            probe: Image to identify, in any form that `verify` accepts.
            k: Largest number of identities to return.
            below_threshold: Whether to return matches that score below the threshold too. They are
                not `accepted`, and therefore false.

        Returns:
            The best-matching identities that score at least the threshold, best first. The list is
            empty, and so false, if no identity does. With `below_threshold`, look at `accepted`.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError, ImageError: As `verify`.
            GalleryError: If the model has changed since the gallery was made.

        Warns:
            UserWarning: If the gallery has outgrown its threshold for identification.
        """
        return self.identify_many([probe], k, below_threshold=below_threshold)[0]

    def identify_many(
        self, probes: Iterable[ImageLike], k: int = 1, *, below_threshold: bool = False
    ) -> list[list[Match]]:
        """Identify many images at once, in one batch and one search.

        Args:
            probes: Images to identify.
            k: As for `identify`.
            below_threshold: As for `identify`.

        Returns:
            Matches of each image, as `identify` returns them.

        Raises:
            TypeError: If `probes` is one image, not in a list.
            ValueError, RuntimeError, ImageError, GalleryError: As `identify`.

        Warns:
            UserWarning: As `identify`.
        """
        k, identification = whole_number("k", k), self.identification
        if identification is None:
            bound = self._valid_calibration()
            threshold, fingerprint = bound.calibration.threshold, bound.fingerprint
        else:
            threshold, fingerprint = identification.threshold, self._embedder.reader.read_finite()
            if outgrown := identification.growth_warning(self._enrolled.n_templates):
                warn_user(outgrown)
        self._enrolled.check_fingerprint(fingerprint)
        embeddings = self._embedder.embed(probes)
        return self._search(embeddings, k, threshold, below_threshold)

    @property
    def identification(self) -> IdentificationCalibration | None:
        """Threshold for identification with its evidence, from `calibrate_identification`."""
        frame = self._enrolled.frame
        return None if frame is None else frame.identification

    def calibrate_identification(
        self, strangers: Identities, fpir: float = 0.01, *, known: Identities | None = None
    ) -> Self:
        """Choose the threshold for identification, on images of identities that are not enrolled.

        The threshold of `calibrate` holds for one comparison. A search compares a stranger with the
        whole gallery, so that it is accepted far more often. The threshold that is chosen here is
        the smallest score whose false positive identification rate (FPIR) is at most `fpir` with
        the present gallery. The gallery and its file keep it, and `identify` uses it from then on.

        The FPIR grows with the gallery, at most in proportion to the number of templates.
        `identify` warns once there are a tenth more than now.

        Args:
            strangers: Images of identities that are neither enrolled nor in training, by name. An
                FPIR of 1% needs 100 images at least, and 1,000 strangers to be known within a
                factor of two.
            fpir: Largest share of strangers' images for which `identify` may return an identity.
            known: New images of enrolled identities, by name, to measure how many are missed.

        Returns:
            The verifier itself. `identification` holds the threshold and its evidence.

        Raises:
            ValueError: If `fpir` is not between 0 and 1, there are too few images for it, no
                identity is enrolled, or one in `known` is not.
            ImageError, TypeError, GalleryError, RuntimeError: As `enroll`.

        Warns:
            CalibrationWarning: If strangers are enrolled, by name or by an image. Also if they are
                so few that the FPIR may be more than twice `fpir`.

        References:
            ISO/IEC 19795-1:2021, "Biometric performance testing and reporting".
        """
        fpir, gallery = check_fpir(fpir), self._enrolled.gallery
        if not gallery:
            raise ValueError(
                "No identity is enrolled, and the FPIR depends on the gallery. Call "
                "enroll(identities) first."
            )
        self._enrolled.check_known({*(known or {})})
        batch = self._embedded(strangers, None, skip_known=False)
        _warn_of_enrolled(batch, gallery)
        best = [matches[0] for matches in self._search(batch.embeddings, 1, -math.inf)]
        scores = np.array([match.score for match in best], np.float32)
        n_templates = self._enrolled.n_templates
        calibration = calibrate_identification(scores, batch.names, fpir, n_templates)
        if known:
            mated = self._embedded(known, None, skip_known=False)
            found = self._search(mated.embeddings, 1, calibration.threshold)
            missed = [
                [match.name for match in matches] != [name]
                for matches, name in zip(found, mated.names, strict=True)
            ]
            fnir = rate_of_images(np.array(missed), mated.names)
            calibration = dataclasses.replace(calibration, fnir=fnir)
        self._check_unchanged(batch)()
        self._enrolled.set_identification(calibration, batch.fingerprint)
        return self

    def _search(
        self, embeddings: Floats, k: int, threshold: float, below_threshold: bool = False
    ) -> list[list[Match]]:
        head = self.model.head
        return self._enrolled.search(
            self.index_type, head, embeddings, k, threshold, below_threshold
        )


def _warn_of_enrolled(strangers: Gallery, gallery: Gallery) -> None:
    """Warn of strangers that are enrolled, by name or by an image."""
    names = {*strangers.names} & {*gallery.names}
    enrolled = {digest.tobytes() for digest in gallery.image_digests[:, 0] if digest.any()}
    same = {
        name
        for name, digest in zip(strangers.names, strangers.image_digests[:, 0], strict=True)
        if digest.tobytes() in enrolled
    }
    if found := sorted(names | same):
        warn_user(
            f"{len(found):,} of {len({*strangers.names}):,} strangers are enrolled, by name or by "
            "an image, so the threshold is higher than it has to be. Pass identities that are not "
            f"enrolled. Received: {listed(found, lambda name: shown(repr(name)))}",
            CalibrationWarning,
        )
