"""`siamese-verify evaluate`: measure a verifier on a pair list."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_json, add_model, add_pairs
from siamese_verify.commands.inputs import load_pairs, load_verifier
from siamese_verify.commands.outputs import need_matplotlib, print_json
from siamese_verify.commands.values import output_file
from siamese_verify.files import replacing
from siamese_verify.terminal import one_line_each

EXAMPLE = "siamese-verify evaluate faces.keras pairs.txt --images images --roc roc.png"
EXIT_CODES = "0 measured"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    output.add_argument(
        "--roc",
        metavar="FILE",
        type=output_file(".png", ".svg", ".pdf"),
        help="file for the plotted ROC curve (.png, .svg, .pdf). It requires the extra plot",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Measure a verifier on a pair list, at its threshold."""
    if settings.roc:
        need_matplotlib("--roc")
    verifier = load_verifier(settings.model)
    data = load_pairs(settings, verifier.preprocessing)
    report = verifier.evaluate(data)
    folds = None
    if data.pairs.folds is not None:
        from siamese_verify.evaluation.folds import evaluate_folds

        folds = evaluate_folds(report.scores, data.labels, data.pairs.folds)
    if settings.roc:
        from siamese_verify.plots import plot_roc

        with replacing(settings.roc) as unfinished:
            plot_roc(report).savefig(unfinished, dpi=150)
    if settings.json:
        over_folds = {"folds": [folds.mean, folds.standard_error]} if folds else {}
        lines = {"warnings": one_line_each(settings.warnings)}
        print_json({**report.to_dict(), **over_folds, **lines})
    else:
        print(report)
        if folds:
            print(f"{'over the folds':<18}{folds}, each at the threshold of the others")
    return YES
