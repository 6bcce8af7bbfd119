"""The threshold for identification, chosen on images of strangers. NumPy only."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number, whole_number
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.evaluation.intervals import Estimate, check_rate, rate_from_list, wilson
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user

# With so many errors in expectation, the interval reaches from half to twice the rate.
_ENOUGH_ERRORS = 10
# A gallery may grow by this factor before its threshold is called out of date.
_GROWTH = 1.1


@dataclasses.dataclass(frozen=True)
class IdentificationCalibration:
    """A threshold for identification and the evidence for it (ISO/IEC 19795-1).

    Attributes:
        threshold: Score from which an identity is accepted.
        target: Largest false positive identification rate (FPIR) that was asked for.
        fpir: Share of the strangers' images for which the gallery returned an identity, with its
            interval.
        n_strangers: Number of strangers.
        n_images: Number of their images.
        gallery_size: Number of templates in the gallery, which the rate depends on.
        fnir: Share of the known identities' images whose identity was not the best match above the
            threshold (FNIR), with its interval. None if no such images were passed.

    Raises:
        ValueError: If an attribute is of another type or out of range.
    """

    threshold: float
    target: float
    fpir: Estimate
    n_strangers: int
    n_images: int
    gallery_size: int
    fnir: Estimate | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", finite_number("threshold", self.threshold))
        object.__setattr__(self, "target", check_fpir(self.target))
        for name in ("n_strangers", "n_images", "gallery_size"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        check_rate("fpir", self.fpir)
        if self.fnir is not None:
            check_rate("fnir", self.fnir)

    def __str__(self) -> str:
        missed = "" if self.fnir is None else f", FNIR {self.fnir}"
        return (
            f"threshold {self.threshold:.4f} for {self.gallery_size:,} templates, from "
            f"{self.n_images:,} images of {self.n_strangers:,} strangers: FPIR {self.fpir}{missed}"
        )

    def growth_warning(self, gallery_size: int) -> str:
        """Say that a gallery has outgrown the threshold, or nothing."""
        growth = gallery_size / self.gallery_size
        if growth < _GROWTH:
            return ""
        return (
            f"The gallery has {growth:.1f} times the {self.gallery_size:,} templates that its "
            "threshold was measured with. Strangers may be accepted that many times as often as "
            f"the FPIR of {float(self.fpir):.2g} says. Call calibrate_identification(strangers) "
            "again."
        )

    def to_dict(self) -> dict[str, Any]:
        """Make a record for JSON, with each rate as `[value, low, high]`."""
        fnir = None if self.fnir is None else self.fnir.to_list()
        return {**vars(self), "fpir": self.fpir.to_list(), "fnir": fnir}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            TypeError, ValueError, KeyError: If `values` is something else.
        """
        rates = {
            name: rate_from_list(name, values[name])
            for name in ("fpir", "fnir")
            if values[name] is not None
        }
        return cls(**{**values, **rates})


def calibrate_identification(
    scores: npt.NDArray[np.float32],
    identities: Sequence[str],
    fpir: float,
    gallery_size: int,
) -> IdentificationCalibration:
    """Choose the threshold for identification.

    It is the smallest of the strangers' scores whose false positive identification rate is at most
    `fpir`. For new strangers, the rate is at most `fpir` on average over calibrations, if each
    stranger has one image. Its value in one calibration varies as the interval says.

    Args:
        scores: Score of the best match of each stranger's image, float32 `(n,)`.
        identities: Name of the stranger on each image.
        fpir: Largest share of strangers' images that may be accepted, in (0, 1).
        gallery_size: Number of templates in the gallery.

    Raises:
        ValueError: If there are fewer than `1 / fpir` images.

    Warns:
        CalibrationWarning: If the strangers are so few that the rate may be more than twice `fpir`.

    References:
        ISO/IEC 19795-1:2021, "Biometric performance testing and reporting".
    """
    fpir, n = check_fpir(fpir), len(scores)
    needed = math.ceil(1 / fpir * (1 - 1e-9))
    if n < needed:
        raise ValueError(
            f"An FPIR of {fpir:g} needs at least {needed:,} images of strangers: with fewer, no "
            f"threshold is known to keep it. Pass more, or a larger fpir. Received: {n:,} images"
        )
    allowed = math.floor(fpir * n * (1 + 1e-9))
    ordered = np.sort(scores)[::-1]
    # Equal scores are accepted together, so that a tie may forbid the score that `allowed` names.
    accepted = np.searchsorted(-ordered, -ordered, side="right")
    fitting = np.flatnonzero(accepted <= allowed)
    above_all = float(np.nextafter(ordered[0], np.float32(np.inf)))
    threshold = float(ordered[fitting[-1]]) if len(fitting) else above_all
    n_strangers, independent = _count(identities)
    enough = math.ceil(_ENOUGH_ERRORS / fpir)
    if independent < enough * (1 - 1e-9):
        warn_user(
            f"The threshold rests on {n:,} images of {n_strangers:,} strangers, so its FPIR may be "
            f"more than twice the {fpir:g} asked for. {enough:,} strangers keep it below. "
            f"Received: fpir={fpir:g}",
            CalibrationWarning,
        )
    return IdentificationCalibration(
        threshold,
        fpir,
        rate_of_images(scores >= threshold, identities),
        n_strangers,
        n,
        gallery_size,
    )


def rate_of_images(errors: npt.NDArray[np.bool_], identities: Sequence[str]) -> Estimate:
    """Estimate the share of images that are errors.

    Images of one identity are not independent. They count as if each repeated the other, so that
    the interval is wider than needed where an identity has several.

    References:
        Kish, "Survey Sampling", 1965 (number of independent cases).
    """
    n_identities, independent = _count(identities)
    conservative = n_identities < len(errors)
    return wilson(float(np.mean(errors)), independent, conservative=conservative)


def check_fpir(fpir: Any) -> float:
    """Return a rate in (0, 1).

    Raises:
        ValueError: If it is something else.
    """
    rate = finite_number("fpir", fpir)
    if not 0 < rate < 1:
        raise ValueError(f"`fpir` must lie between 0 and 1. Received: fpir={shown(repr(fpir))}")
    return rate


def _count(identities: Sequence[str]) -> tuple[int, float]:
    """Count identities, and the independent cases that their images are worth at least."""
    images = np.array([*Counter(identities).values()], float)
    return len(images), float(images.sum() ** 2 / (images**2).sum())
