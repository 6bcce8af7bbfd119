"""Tables in Markdown, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def markdown(heads: str, rows: Iterable[Sequence[str]]) -> str:
    """Write a table. `heads` are separated by commas."""
    names = heads.split(", ")
    lines = (f"| {' | '.join(row)} |" for row in (names, *rows))
    return "\n".join((next(lines), "|---" * len(names) + "|", *lines))


def thousandths(values: Iterable[float]) -> list[str]:
    """Format values with three decimals."""
    return [f"{value:.3f}" for value in values]


def standard_error(values: np.ndarray) -> float:
    """Estimate the standard error of the mean."""
    return float(values.std(ddof=1) / len(values) ** 0.5)


def compare(right: np.ndarray, wrong: np.ndarray) -> list[str]:
    """Write means and standard errors, in bold if wrong pairs differ by more than chance."""
    if min(len(right), len(wrong)) < 2:
        return [f"({len(values)} pairs)" for values in (right, wrong)]
    means = [values.mean() for values in (right, wrong)]
    errors = [standard_error(values) for values in (right, wrong)]
    cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(means, errors, strict=True)]
    if abs(means[1] - means[0]) > 2 * np.hypot(*errors):
        cells[1] = f"**{cells[1]}**"
    return cells
