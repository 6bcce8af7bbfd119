"""Text of a report: a line for each figure, and a table of groups of pairs. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping

from siamese_verify.evaluation.groups import GroupFigures
from siamese_verify.evaluation.intervals import STAR_NOTE, Estimate, star
from siamese_verify.evaluation.tables import aligned
from siamese_verify.evaluation.thresholds import tar_name
from siamese_verify.messages import shown

FARS = (0.1, 0.01, 0.001)
"""False accept rates for which a report has the true accept rate."""
LONGEST_GROUP = 40
"""Number of characters of a group's name that is printed."""


def report_text(
    facts: Mapping[str, str],
    figures: Mapping[str, Estimate],
    groups: Mapping[str, GroupFigures],
) -> str:
    """Print facts and figures in a line each, then the groups in a table.

    Args:
        facts: Texts by their titles.
        figures: Figures by their names.
        groups: Figures of groups by the group's name.
    """
    rows = {**facts, **{_TITLES.get(name, name): star(figure) for name, figure in figures.items()}}
    lines = [f"{title:<18}{text}" for title, text in rows.items()]
    if groups:
        heads = ["group", "genuine", "impostor", "FAR", "FRR", "EER"]
        lines += ["", *aligned([heads, *(_row(*group) for group in groups.items())])]
    if any("*" in line for line in lines):
        lines.append(STAR_NOTE)
    return "\n".join(lines)


def _row(name: str, group: GroupFigures) -> list[str]:
    rates = [star(rate) if rate is not None else "-" for rate in (group.far, group.frr, group.eer)]
    return [shown(name, LONGEST_GROUP), f"{group.n_same:,}", f"{group.n_different:,}", *rates]


_TITLES = {
    "far": "FAR",
    "frr": "FRR",
    "best_accuracy": "best accuracy",
    "best_threshold": "best threshold",
    "auc": "AUC",
    "eer": "EER",
    **{tar_name(far): f"TAR at FAR {far:g}" for far in FARS},
}
