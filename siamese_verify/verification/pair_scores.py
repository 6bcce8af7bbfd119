"""`PairScores`: scores of a pair list, with the images that cannot be used marked."""

from __future__ import annotations

from typing import NamedTuple

from siamese_verify.scoring import Floats
from siamese_verify.verification.looks import Reasons


class PairScores(NamedTuple):
    """Scores of a pair list, from `Verifier.score`."""

    scores: Floats
    """float32 array `(n,)`, NaN for a pair with an image that cannot be used."""
    failures: dict[str, str]
    """Reason for each sample whose image cannot be used, by the sample's path."""
    unlike_validation: dict[str, Reasons]
    """In what an image is unlike all validation images, by the sample's path."""
