"""From scores and labels to a threshold. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def best_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The threshold of the highest accuracy: pairs that score as much or more count as same.

    It lies halfway between the neighbouring scores, and among equally good ones in the middle.
    Choose it on validation pairs, never on those that are then reported.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.

    Returns:
        The threshold.

    Raises:
        ValueError: If lengths differ, a score is not finite, or labels are not both 0 and 1.

    Example:
        >>> best_threshold([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0])
        0.5
    """
    score, label = np.asarray(scores).ravel(), np.asarray(labels).ravel()
    # The threshold is a value of the scores' own precision, in which it will be compared.
    score = score.astype(np.result_type(score, np.float16))
    if len(score) != len(label):
        raise ValueError(
            f"Each score needs a label. Received: {len(score)} scores, {len(label)} labels"
        )
    if not np.all(np.isfinite(score)):
        raise ValueError("Scores must be finite. Received: NaN or infinity among them")
    if set(np.unique(label).tolist()) != {0, 1}:
        raise ValueError(
            "Labels must be 1 (same) and 0 (different), and both must occur. "
            f"Received: labels {np.unique(label).tolist()[:10]}"
        )
    values, inverse = np.unique(score, return_inverse=True)
    same = np.bincount(inverse, weights=label == 1, minlength=len(values))
    different = np.bincount(inverse, weights=label == 0, minlength=len(values))
    # Correct at the threshold below values[i], for i = 0 ... n: all of which n accepts nothing.
    below = np.concatenate([[0.0], np.cumsum(different)])
    above = np.concatenate([np.cumsum(same[::-1])[::-1], [0.0]])
    (best,) = np.nonzero(below + above == np.max(below + above))
    chosen = int(best[len(best) // 2])
    lowest = np.minimum(values[:1] - 1, np.nextafter(values[:1], -np.inf))
    edges = np.concatenate([lowest, values, values[-1:] + 1])
    # Halved first, since a sum may overflow; rounded, the middle may be the lower score itself.
    middle = edges[chosen] / 2 + edges[chosen + 1] / 2
    return float(max(middle, np.nextafter(edges[chosen], np.inf)))
