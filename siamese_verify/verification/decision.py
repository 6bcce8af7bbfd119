"""`Decision` and `Match`: the answers of a `Verifier`."""

from __future__ import annotations

import dataclasses
from typing import Any

from siamese_verify.evaluation.intervals import Estimate


@dataclasses.dataclass(frozen=True)
class Decision:
    """Answer to whether two images show the same identity, with its evidence.

    A decision is true if the images are accepted as the same. `if verifier.verify(a, b):` therefore
    does what it says.

    Examples:
        >>> from siamese_verify.evaluation.intervals import Estimate
        >>> rate = Estimate(0.1, 0.05, 0.2)
        >>> decision = Decision(False, 0.4, 0.3, 0.5, rate, rate, "eer", "a fingerprint")
        >>> bool(decision), decision.to_dict()["far"]
        (False, [0.1, 0.05, 0.2])
    """

    same: bool
    """Whether `score` is at least `threshold`."""
    score: float
    """Similarity of the images: higher is more alike."""
    probability: float
    """Probability that both images show the same identity, calibrated for `prior`."""
    threshold: float
    """Score from which a pair is accepted."""
    far: Estimate
    """False accept rate of the threshold on the validation pairs, with its interval."""
    frr: Estimate
    """False reject rate of the threshold on the validation pairs, with its interval."""
    policy: str
    """Policy by which the threshold was chosen."""
    fingerprint: str
    """Fingerprint of the model and the preprocessing that decided."""
    review: bool = False
    """Whether a person should review the pair: `score` is in the band of the calibration."""
    unlike_validation: tuple[str, ...] = ()
    """In what the images differ from all validation images, such as `"left: blurred"`."""

    def __bool__(self) -> bool:
        return bool(self.same)

    def to_dict(self) -> dict[str, Any]:
        """Make a record for JSON, with each rate as `[value, low, high]`."""
        rates = {"far": self.far.to_list(), "frr": self.frr.to_list()}
        return {**vars(self), **rates, "unlike_validation": list(self.unlike_validation)}


@dataclasses.dataclass(frozen=True)
class Match:
    """Enrolled identity that an image may show."""

    name: str
    """Name under which the identity was enrolled."""
    score: float
    """Score of its best-matching image, never below the threshold."""

    def to_dict(self) -> dict[str, Any]:
        """Make a record for JSON."""
        return {**vars(self)}
