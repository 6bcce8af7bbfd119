"""From the scores of validation pairs to a threshold. NumPy only."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Floats
from siamese_verify.evaluation.roc import checked, counts_by_score


def best_threshold(
    scores: npt.ArrayLike, labels: npt.ArrayLike, prior: float | None = None
) -> float:
    """The threshold of the highest accuracy: pairs that score as much or more count as same.

    It lies halfway between the neighbouring scores, and among equally good ones in the middle.
    Choose it on validation pairs, never on those that are then reported.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        prior: The share of same pairs for which accuracy is highest, whatever it is here; 0.5 for
            balanced accuracy. By default that of `labels`.

    Returns:
        The threshold.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1, or
            `prior` is not between 0 and 1.

    Examples:
        >>> best_threshold([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0])
        0.5
    """
    cuts = Cuts(scores, labels)
    return cuts.threshold(cuts.most_accurate(prior))


def choose_threshold(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    policy: str = "max_accuracy",
    prior: float = 0.5,
) -> float:
    """A threshold by policy, whatever the mix of same and different pairs.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        policy: `"max_accuracy"`, the highest accuracy; `"eer"`, where false accept and false reject
            rate are nearest to each other, which varies less on few pairs; or a highest false
            accept rate, such as `"far=0.01"`.
        prior: For `"max_accuracy"`, the share of same pairs that is expected in use.

    Returns:
        The threshold, halfway between the neighbouring scores.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1, or
            another argument is out of range.

    Examples:
        >>> scores, labels = [0.9, 0.7, 0.5, 0.3, 0.1], [1, 0, 1, 0, 0]
        >>> choose_threshold(scores, labels, "far=0.01")
        0.8

    Reference:
        Kim, Pollard, "Cube root asymptotics", Annals of Statistics 18(1), 1990: how slowly the
        threshold of the highest accuracy settles.
    """
    kind, far = parse_policy(policy)
    cuts = Cuts(scores, labels)
    if kind == "max_accuracy":
        return cuts.threshold(cuts.most_accurate(prior))
    if kind == "eer":
        return cuts.threshold(cuts.nearest_rates())
    return cuts.threshold(cuts.at_far(far))


def parse_policy(policy: str) -> tuple[str, float]:
    """The kind of a policy and its false accept rate, NaN where it has none.

    Raises:
        ValueError: If there is no such policy.
    """
    kind, _, value = policy.partition("=")
    if policy in ("max_accuracy", "eer"):
        return policy, float("nan")
    try:
        far = float(value)
    except ValueError:
        far = float("nan")
    if kind == "far" and 0 < far < 1:
        return kind, far
    raise ValueError(
        "`policy` must be 'max_accuracy', 'eer', or a false accept rate between 0 and 1 such as "
        f"'far=0.01'. Received: policy={policy!r}"
    )


def tar_name(far: float) -> str:
    """Name the true accept rate at a false accept rate, without a dot: a path can hold it.

    Examples:
        >>> tar_name(0.1), tar_name(0.015), tar_name(1)
        ('tar_at_far_1e-1', 'tar_at_far_15e-3', 'tar_at_far_1')
    """
    _, digits, exponent = Decimal(repr(float(far))).normalize().as_tuple()
    power = f"e{exponent}" if exponent else ""
    return f"tar_at_far_{''.join(map(str, digits))}{power}"


class Cuts:
    """All ways to cut sorted scores in two: cut `i` rejects the `i` lowest distinct ones.

    Attributes:
        rejected: How many pairs each cut rejects `(k + 1,)`.
        far: The false accept rate of each.
        frr: The false reject rate of each.
    """

    def __init__(self, scores: npt.ArrayLike, labels: npt.ArrayLike):
        self._values, same, different = counts_by_score(*checked(scores, labels))
        self.n_same, self.n_different = same.sum(), different.sum()
        self.rejected = np.append(0.0, np.cumsum(same + different))
        self.frr = np.append(0.0, np.cumsum(same)) / self.n_same
        self.far = 1 - np.append(0.0, np.cumsum(different)) / self.n_different

    def errors(self, prior: float | None = None) -> Floats:
        """The share of wrong pairs of each cut, where a share `prior` of all is same."""
        if prior is None:
            prior = self.n_same / (self.n_same + self.n_different)
        if not 0 < prior < 1:
            raise ValueError(f"`prior` must be between 0 and 1. Received: prior={prior}")
        errors: Floats = prior * self.frr + (1 - prior) * self.far
        return errors

    def most_accurate(self, prior: float | None = None) -> int:
        """The one with the fewest errors."""
        return self._lowest(self.errors(prior))

    def nearest_rates(self) -> int:
        """The one whose false accept and false reject rate are nearest to each other."""
        return self._lowest(np.abs(self.far - self.frr))

    def at_far(self, far: float) -> int:
        """The one that accepts most, of those that accept no larger share of different pairs."""
        return int(np.argmax(self.far <= far + _ROUNDING))

    def threshold(self, cut: int) -> float:
        """Halfway between the scores on either side of a cut."""
        values = self._values
        lowest = np.minimum(values[:1] - 1, np.nextafter(values[:1], -np.inf))
        edges = np.concatenate([lowest, values, values[-1:] + 1])
        # Halved first, since a sum may overflow; rounded, the middle may be the lower score itself.
        middle = edges[cut] / 2 + edges[cut + 1] / 2
        return float(max(middle, np.nextafter(edges[cut], np.inf)))

    def _lowest(self, values: Floats) -> int:
        """The middle one of the cuts with the lowest value."""
        (best,) = np.nonzero(values <= values.min() + _ROUNDING)
        return int(best[len(best) // 2])


_ROUNDING = 1e-12  # Rates that differ by less are equal.
