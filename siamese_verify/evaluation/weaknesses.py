"""Reasons why a threshold is less certain than it looks. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from siamese_verify.evaluation.report import Evaluation
from siamese_verify.evaluation.review import ReviewBand
from siamese_verify.evaluation.thresholds import parse_policy
from siamese_verify.messages import shown
from siamese_verify.sample_size import pairs_for_rate


def find_weaknesses(
    report: Evaluation, policies: Sequence[str], band: ReviewBand | None
) -> Iterator[str]:
    """Yield reasons why a threshold from these pairs is less certain than it looks.

    Args:
        report: Evaluation of the validation pairs, at the threshold.
        policies: Policy of the threshold, then the policies of the band's ends.
        band: Band of scores for review, or None.
    """
    fewer, pairs = min(report.n_same, report.n_different), report.n_same + report.n_different
    received = f"Received: {report.n_same:,} genuine and {report.n_different:,} impostor pairs"
    if fewer < _MIN_PAIRS:
        yield (
            f"A threshold needs {_MIN_PAIRS} pairs of either kind or more. With fewer, its error "
            f"rates are uncertain. Calibrate on more pairs. {received}"
        )
    elif policies[0] == "max_accuracy" and fewer < _MIN_SHARE * pairs:
        yield (
            "Half of the validation pairs should be genuine, half impostor. Otherwise one of FAR "
            f"and FRR is less certain. Calibrate on a balanced list. {received}"
        )
    for policy in policies:
        yield from _too_few(report, policy, received)
    if band is not None and not band.low <= report.threshold <= band.high:
        yield (
            f"The threshold {report.threshold:.4f} is not in the band for review, from "
            f"{band.low:.4f} to {band.high:.4f}. So pairs near the threshold are not reviewed. "
            "Choose a stricter rate for the band, or another policy. "
            f"Received: policy={shown(policies[0])}, review={band.policies}"
        )
    yield from _undecided(report)


def _too_few(report: Evaluation, policy: str, received: str) -> Iterator[str]:
    """Yield a sentence if the pairs are too few for the rate that a policy names."""
    kind, rate = parse_policy(policy)
    if kind not in ("far", "frr"):
        return
    what, n = ("impostor", report.n_different) if kind == "far" else ("genuine", report.n_same)
    if n < pairs_for_rate(rate):
        yield (
            f"The policy {shown(policy)!r} needs {pairs_for_rate(rate):,} {what} pairs or more. "
            f"With fewer, {kind.upper()} may be higher in use. "
            f"Add {what} pairs or allow a higher rate. {received}"
        )


def _undecided(report: Evaluation) -> Iterator[str]:
    """Yield reasons why a threshold decides nothing."""
    if np.ptp(report.scores) == 0:
        yield (
            f"The scores tell nothing: all {len(report.scores):,} are {report.scores[0]:g}. The "
            "network may have collapsed, so that all its embeddings are equal. Train it again."
        )
    elif report.auc.low <= 0.5:
        reason = (
            "Use pairs of more identities. If this does not help, the model does not tell genuine "
            "from impostor pairs."
        )
        if report.auc.high < 0.5:
            reason = "Scores must be higher for genuine pairs: change the sign of distances."
        yield (
            "The scores tell nothing: the interval of their AUC is not above chance, 0.5. "
            f"{reason} Received: AUC {report.auc}"
        )
    for rate, what in (
        (report.far, "accepts all impostor pairs (FAR 1)"),
        (report.frr, "rejects all genuine pairs (FRR 1)"),
    ):
        if float(rate) == 1.0:
            yield (
                f"The threshold {report.threshold:.4f} {what}, so it decides nothing. "
                "Choose another policy, or train a better model."
            )


_MIN_PAIRS = 100  # A rate of 0.1 is then known to about 0.06.
_MIN_SHARE = 0.4  # of the rarer kind
