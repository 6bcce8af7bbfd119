"""The model card of a verifier: its parts, its figures and its weaknesses, in Markdown."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.report import Evaluation, EvaluationWarning
from siamese_verify.evaluation.review import ReviewBand
from siamese_verify.messages import shown
from siamese_verify.verification.verifier import Verifier

_FIGURES = {
    "accuracy": "right, at the threshold",
    "far": "different pairs accepted, at the threshold (FAR)",
    "frr": "same pairs rejected, at the threshold (FRR)",
    "eer": "error rate where the two are equal (EER)",
    "auc": "area under the ROC curve (AUC)",
}
_FARS = (0.1, 0.01)
_FEWEST = 20  # Number of pairs of a kind below which a rate says nothing.


def model_card(
    verifier: Verifier,
    report: Evaluation,
    *,
    name: str,
    data: str,
    recipe: str,
    intended_use: str,
    groups: Mapping[str, npt.ArrayLike] | None = None,
) -> str:
    """Write a model card in Markdown, with a 95% interval for each figure.

    Args:
        verifier: Calibrated verifier.
        report: Result of `Verifier.evaluate` for test pairs.
        name: Name of the model.
        data: Text about the data of training, calibration and test.
        recipe: Text about the training.
        intended_use: Text about the uses that the model is made for, and about other uses.
        groups: Mask of the test pairs in each group, bool `(n,)`, by the group's name. Groups may
            overlap. The card lists their figures, the least accurate group first.

    Returns:
        The text of the card.

    Raises:
        RuntimeError: If the verifier was not calibrated.
        ValueError: If `report` was made at another threshold than the verifier's, a text is empty,
            or a group is not a bool for each pair.

    Examples:
        >>> import warnings
        >>> pairs = PairDataset.from_lfw(
        ...     "lfw/pairsDevTest.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> verifier = Verifier(SiameseModel(tower, CosineHead()), pairs.preprocessing)
        >>> with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        ...     report = verifier.calibrate(pairs).evaluate(pairs)
        >>> card = model_card(
        ...     verifier,
        ...     report,
        ...     name="drawn faces",
        ...     data="Drawn.",
        ...     recipe="Untrained.",
        ...     intended_use="None.",
        ... )
        >>> print(card.splitlines()[0])
        # drawn faces

    Reference:
        Mitchell et al., "Model Cards for Model Reporting", 2019.
    """
    if report.threshold != verifier.threshold:
        raise ValueError(
            "`report` must be the result of `verifier.evaluate`, at the verifier's threshold. "
            f"Received: report.threshold={report.threshold}, not {verifier.threshold}"
        )
    texts = {"name": name, "data": data, "recipe": recipe, "intended_use": intended_use}
    for argument, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"`{argument}` must be a text that is not empty. "
                f"Received: {argument}={shown(repr(text))}"
            )
    sections = {
        "The model": _describe(verifier),
        "Data": data,
        "Recipe": recipe,
        "Threshold": _threshold(verifier),
        "Figures": _figures(report),
        "Known weaknesses": _weaknesses(report, groups or {}),
        "Intended use": intended_use,
    }
    parts = (f"## {title}\n\n{text.strip()}\n" for title, text in sections.items())
    return "\n".join((f"# {_one_line(name)}\n", *parts))


def _describe(verifier: Verifier) -> str:
    height, width, channels = verifier.preprocessing.shape
    crop = verifier.preprocessing.center_crop
    seen = f"the central {crop[0]} x {crop[1]} pixels" if crop else "the whole image"
    tower, head = verifier.model.tower, verifier.model.head
    free = "Its weights are unconstrained: a larger distance may raise a score. "
    return (
        f"The tower `{tower.name}` has {tower.count_params():,} parameters and returns embeddings "
        f"of {verifier.model.embedding_size} numbers. The head `{type(head).__name__}` scores two "
        "of them: higher is more alike. "
        f"{free if getattr(head, 'unconstrained', False) else ''}"
        f"The model sees {seen}, at {height} x {width} pixels, "
        f"{'in grey' if channels == 1 else 'in colour'}. Its fingerprint is "
        f"`{verifier.fingerprint}`."
    )


def _threshold(verifier: Verifier) -> str:
    calibration = verifier.calibration
    assert calibration is not None  # `verifier.threshold` has raised.
    by_prior = calibration.policy.startswith(("max_accuracy", "cost"))  # Others ignore it.
    prior = f" for {100 * calibration.prior:g}% same pairs in use" if by_prior else ""
    return (
        f"Pairs that score {calibration.threshold:.4f} or more are accepted as same. The policy "
        f"`{calibration.policy}` chose this threshold{prior}, on "
        f"{calibration.n_same:,} same and {calibration.n_different:,} different validation pairs. "
        f"On them, FAR is {calibration.far} and FRR {calibration.frr}."
        f"{_review(calibration.review)}"
    )


def _review(band: ReviewBand | None) -> str:
    if band is None:
        return ""
    return (
        f"\n\nA person should review pairs that score from {band.low:.4f} to below "
        f"{band.high:.4f}. These are {band.same} of the same and {band.different} of the different "
        f"validation pairs. The policies `{band.policies[0]}` and `{band.policies[1]}` chose the "
        f"ends. FRR below the band is {band.frr}, and FAR above it {band.far}."
    )


def _figures(report: Evaluation) -> str:
    rows = [[title, str(getattr(report, name))] for name, title in _FIGURES.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)  # The interval shows it.
        for far in _FARS:
            title = f"same pairs accepted where {far:.0%} of the different pairs are accepted (TAR)"
            rows.append([title, str(report.tar(far))])
    return (
        f"On {report.n_same:,} same and {report.n_different:,} different test pairs, with 95% "
        "intervals:\n\n" + _table(["", "value"], rows) + _by_group(report)
    )


def _by_group(report: Evaluation) -> str:
    if not report.by_group:
        return ""
    rows = [
        [_one_line(name), f"{group.n_same:,} / {group.n_different:,}"]
        + ["-" if rate is None else str(rate) for rate in (group.far, group.frr, group.eer)]
        for name, group in report.by_group.items()
    ]
    heads = ["group", "same / different pairs", "FAR", "FRR", "EER"]
    return (
        "\n\nBy group of pairs, FAR and FRR are at the threshold. EER is of all same pairs against "
        "the different pairs of the group:\n\n" + _table(heads, rows)
    )


def _weaknesses(report: Evaluation, groups: Mapping[str, npt.ArrayLike]) -> str:
    if not groups:
        return "Not measured, because no groups of pairs were given."
    chosen = {_one_line(name): np.asarray(group) for name, group in groups.items()}
    counts = {name: _counts(report, group) for name, group in chosen.items()}
    measured = {
        name: report.among(group) for name, group in chosen.items() if min(counts[name]) >= _FEWEST
    }
    rows = [
        [name, f"{part.n_same:,} / {part.n_different:,}", *map(str, _rates(part))]
        for name, part in sorted(measured.items(), key=lambda item: item[1].accuracy)
    ]
    heads = ["group", "same / different pairs", "accuracy", "FAR", "FRR"]
    texts = []
    if rows:
        texts.append("At the threshold, the least accurate group first:\n\n" + _table(heads, rows))
    if left_out := sorted(chosen.keys() - measured.keys()):
        texts.append(
            f"Too few to measure, below {_FEWEST} same or different pairs: {', '.join(left_out)}."
        )
    return "\n\n".join(texts)


def _counts(report: Evaluation, group: npt.NDArray[np.bool_]) -> tuple[int, int]:
    if group.dtype != bool or group.shape != report.is_same.shape:
        raise ValueError(
            f"`groups` must hold a bool for each of {len(report.is_same):,} pairs. "
            f"Received: {group.dtype} array of shape {group.shape}"
        )
    return int((group & report.is_same).sum()), int((group & ~report.is_same).sum())


def _rates(report: Evaluation) -> Sequence[float]:
    return report.accuracy, report.far, report.frr


def _one_line(name: object) -> str:
    """Remove line breaks, which would end a heading or a cell."""
    return " ".join(str(name).split())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
