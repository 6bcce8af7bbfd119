"""`BoundCalibration`: a calibration, and the fingerprint of the model that it holds for."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Self

from siamese_verify.checks import whole_number
from siamese_verify.data.formats import DECODING
from siamese_verify.evaluation.calibration import Calibration
from siamese_verify.messages import shown
from siamese_verify.verification.decision import Decision
from siamese_verify.verification.looks import Looks
from siamese_verify.verification.seen import SeenData


@dataclasses.dataclass(frozen=True)
class BoundCalibration:
    """Calibration with the state of the model that it holds for.

    Args:
        calibration: Threshold and its evidence.
        fingerprint: Fingerprint of the model and preprocessing that were calibrated.
        seen: Hashes of the data that training and calibration have seen, if known.
        decoding: Number of the way in which the validation images were decoded.
        looks: What the validation images look like, if known.

    Raises:
        TypeError, ValueError: If an argument is of another type or out of range.
    """

    calibration: Calibration
    fingerprint: str
    seen: SeenData | None = None
    decoding: int = DECODING
    looks: Looks | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.fingerprint):
            raise ValueError(
                "A fingerprint must have 64 hexadecimal digits. "
                f"Received: fingerprint={shown(self.fingerprint)}"
            )
        if whole_number("decoding", self.decoding) > DECODING:
            raise ValueError(f"Received: decoding={shown(self.decoding)}, above {DECODING}")

    @property
    def is_outdated(self) -> bool:
        """Whether this version decodes images differently than they were for the calibration."""
        return self.decoding < DECODING

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise a `RuntimeError` if the fingerprint of the model has changed."""
        if fingerprint != self.fingerprint:
            raise RuntimeError(
                "The weights or the head have changed since calibrate(): the threshold "
                f"{self.calibration.threshold:.4g} no longer holds. "
                "Call calibrate(validation_pairs) again."
            )

    def decide(self, score: float, unlike_validation: tuple[str, ...] = ()) -> Decision:
        """Decide on the score of a pair, at the threshold."""
        calibration = self.calibration
        return Decision(
            same=score >= calibration.threshold,
            score=score,
            probability=calibration.probability(score),
            threshold=calibration.threshold,
            far=calibration.far,
            frr=calibration.frr,
            policy=calibration.policy,
            fingerprint=self.fingerprint,
            review=calibration.review is not None and score in calibration.review,
            unlike_validation=unlike_validation,
        )

    def to_settings(self, include_hashes: bool) -> dict[str, Any]:
        """Make the part of a file's settings that `from_settings` reads."""
        return {
            "calibration": self.calibration.to_dict(),
            "fingerprint": self.fingerprint,
            "seen": self.seen.to_dict() if self.seen and include_hashes else None,
            "decoding": self.decoding,
            "looks": None if self.looks is None else self.looks.to_dict(),
        }

    @classmethod
    def from_settings(cls, settings: dict[str, Any], fingerprint: str) -> Self:
        """Read settings of any format.

        Args:
            settings: Settings of a file.
            fingerprint: Fingerprint of the model in the file, for format 1, which had none.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: If the settings are damaged.
        """
        seen, looks = settings.get("seen"), settings.get("looks")
        return cls(
            Calibration.from_dict(settings["calibration"]),
            settings["fingerprint"] if settings["format"] > 1 else fingerprint,
            None if seen is None else SeenData.from_dict(seen),
            settings["decoding"] if settings["format"] > 2 else 1,
            None if looks is None else Looks.from_dict(looks),
        )
