"""Turned images, told from upright images by the layout of their brightness. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.verification.image_measures import LAYOUT_SIDE, TAIL

Floats = npt.NDArray[np.float64]


def learn_turns(layout: npt.NDArray[np.floating]) -> Iterator[list[float]]:
    """Yield weights and limit for each turn that can be told from upright images.

    Args:
        layout: Layouts of upright images `(n, LAYOUT_SIDE**2)`. Images of an identity must stand
            together, because limits are tested on the other half of the images.

    Yields:
        Weights of a layout, then the lowest typical sum.
    """
    upright = layout.astype(np.float64)
    square, half = upright.reshape(-1, LAYOUT_SIDE, LAYOUT_SIDE), len(layout) // 2
    parts = slice(half), slice(half, None)
    for quarters in (1, 2, 3):
        turned = np.rot90(square, quarters, (1, 2)).reshape(upright.shape)
        scores, others = [], []
        for learn, test in (parts, parts[::-1]):
            weights, middle = _discriminant(upright[learn], turned[learn])
            scores.append(upright[test] @ weights - middle)
            others.append(turned[test] @ weights - middle)
        limit = min(float(np.quantile(np.concatenate(scores), TAIL)), 0.0)
        if np.mean(np.concatenate(others) < limit) > _LOWEST_POWER:
            weights, middle = _discriminant(upright, turned)
            yield [*weights.tolist(), limit + middle]


def _discriminant(upright: Floats, turned: Floats) -> tuple[Floats, float]:
    """Compute the weights that best separate two sets of layouts, and the sum halfway between.

    References:
        Fisher, "The use of multiple measurements in taxonomic problems", 1936; Friedman,
        "Regularized discriminant analysis", 1989 (the covariance is shrunk).
    """
    covariance = (np.cov(upright.T) + np.cov(turned.T)) / 2
    n = len(covariance)
    covariance += (_SHRINKAGE * np.trace(covariance) / n + _SMALL) * np.eye(n)
    means = upright.mean(axis=0), turned.mean(axis=0)
    weights = np.linalg.solve(covariance, means[0] - means[1])
    return weights, float(weights @ (means[0] + means[1]) / 2)


_SHRINKAGE = 0.02
_LOWEST_POWER = 0.5  # Share of turned validation images that a limit must find.
_SMALL = 1e-9
