"""The settings of a run: three recipes, each of whose settings is a flag of train.py."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from siamese_verify.evaluation.thresholds import parse_policy

# What the two recipes that are better than the report's have in common.
_BETTER = {
    "tower": "multi-crop",
    "unconstrained_head": False,
    "image_size": 128,
    "crop": 144,
    "dropout": 0.4,
    "l2": 0.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 5e-3,
    "schedule": "cosine",
    "ema": 0.995,
    "augment": "faces",
    "flip_average": True,
    "epochs": 48,
    "patience": 100,
    "split_by": "identity",
    # Of few validation pairs, it varies far less than the one of the highest accuracy.
    "threshold": "eer",
}
# A setting that a recipe does not name is that of the first one, the report's.
RECIPES = {
    "report": {
        "tower": "koch2015",
        "image_size": 105,
        "crop": None,
        "batch_norm": False,
        "dropout": 0.0,
        "l2": 0.001,
        "embedding_l2": 0.0,
        "labels": "pairs",
        "loss": "binary_crossentropy",
        # Koch et al.'s head, in which a larger distance may raise the score.
        "unconstrained_head": True,
        "margin": 0.2,
        "per_identity": None,
        "identities_share": 1.0,
        "optimizer": "adam",
        "learning_rate": 1e-5,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "ema": 0.0,
        "augment": "none",
        "flip_average": False,
        "batch_size": 128,
        "epochs": 20,
        "patience": 10,
        "validation": 0.15,
        "split_by": "pair",
        "threshold": "max_accuracy",
    },
    "restricted": _BETTER
    | {
        "loss": "supervised_contrastive",
        "learning_rate": 0.05,
        "batch_size": 64,
        "validation": 0.1,
    },
    "unrestricted": _BETTER
    | {
        "labels": "names",
        "loss": "margin_softmax",
        "learning_rate": 0.1,
        "epochs": 80,
        "validation": 0.07,
    },
}
# Of the report's recipe on drawn faces, so that it takes minutes.
DRAWN = {
    "batch_size": 64,
    "tower": "small",
    "image_size": 48,
    "learning_rate": 2e-3,
    "l2": 0.0,
    "unconstrained_head": False,
    "epochs": 16,
}
# What runs did before a setting of theirs was there, whose config.json does not name it.
BEFORE = {"unconstrained_head": True}

_PLAIN_TOWERS = ("koch2015", "small")  # The others are residual.
# Of the numbers: the lowest, and what they must be below.
_RANGES = {
    **dict.fromkeys(("batch_size", "epochs", "patience", "image_size", "crop"), (1, math.inf)),
    **dict.fromkeys(("l2", "embedding_l2", "learning_rate", "weight_decay"), (0, math.inf)),
    **dict.fromkeys(("margin", "seed"), (0, math.inf)),
    **dict.fromkeys(("dropout", "momentum", "ema"), (0, 1)),
    "limit": (4, math.inf),
    "shuffle_buffer": (1, math.inf),
    "per_identity": (2, math.inf),
}


def parse_arguments(description: str | None, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_places(parser)
    _add_settings(parser)
    settings = parser.parse_args(arguments)
    given = {name for name, value in vars(settings).items() if value}
    if settings.download and settings.data is None:
        settings.data = Path("lfw")
    for name, default in defaults(settings.recipe, drawn=settings.data is None).items():
        if getattr(settings, name) is None:
            setattr(settings, name, default)
    if settings.run is None:
        recipe = "" if settings.recipe == "report" else f"-{settings.recipe}"
        settings.run = Path("runs") / (("lfw" if settings.data else "drawn") + recipe)
    _check_ranges(parser, settings)
    _check_together(parser, settings)
    for name, needed in without_effect(settings).items():
        if name in given:
            parser.error(f"--{name.replace('_', '-')} goes with {needed}")
    return settings


def defaults(recipe: str, *, drawn: bool = False) -> dict[str, object]:
    """The settings of a recipe; of drawn faces, which are small, the whole is seen."""
    settings = RECIPES["report"] | RECIPES[recipe]
    if drawn:
        settings |= {"crop": None} | (DRAWN if recipe == "report" else {})
    return settings


def has_l1_head(settings: argparse.Namespace) -> bool:
    """Whether pairs are scored by the report's head; else by a cosine."""
    return settings.loss == "binary_crossentropy" and settings.tower in _PLAIN_TOWERS


def without_effect(settings: argparse.Namespace) -> dict[str, str]:
    """The settings that do nothing beside the others, and what they go with."""
    plain, towers = settings.tower in _PLAIN_TOWERS, f"--tower {' or '.join(_PLAIN_TOWERS)}"
    goes_with = {
        "batch_norm": (plain, f"{towers}: the others have it already"),
        "l2": (plain, towers),
        "embedding_l2": (plain, towers),
        "margin": (settings.loss == "margin_softmax", "--loss margin_softmax"),
        "momentum": (settings.optimizer == "sgd", "--optimizer sgd"),
        "per_identity": (settings.labels == "names", "--labels names"),
        "identities_share": (settings.labels == "names", "--labels names"),
        "shuffle_buffer": (
            settings.loss == "binary_crossentropy",
            "--loss binary_crossentropy: others shuffle the whole list",
        ),
        "unconstrained_head": (
            has_l1_head(settings),
            f"--loss binary_crossentropy and {towers}",
        ),
        "flip_average": (
            not has_l1_head(settings),
            "another --loss: this one trains a weighted L1 head",
        ),
    }
    return {name: needed for name, (is_there, needed) in goes_with.items() if not is_there}


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="folder with lfw2/ and the two pair lists")
    add("--download", action="store_true", help="fetch LFW into --data (default: lfw) first")
    add("--run", type=Path, metavar="DIR", help="its folder (runs/lfw or runs/drawn, -RECIPE)")
    add("--cache", type=Path, metavar="DIR", help="keep decoded images for later runs")
    add("--limit", type=int, metavar="PAIRS", help="use so many train and test pairs, for a trial")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--recipe", choices=RECIPES, default="report", help="where the defaults are from (report)")
    add("--tower", choices=("koch2015", "small", "residual", "multi-crop"), help="the network")
    add("--image-size", type=int, metavar="PIXELS", help="height and width")
    add("--crop", type=int, metavar="PIXELS", help="see the central square only")
    add("--batch-norm", action=argparse.BooleanOptionalAction, help="residual towers have it")
    add("--dropout", type=float, metavar="RATE", help="after each pooling, or residual tower")
    add("--l2", type=float, metavar="PENALTY", help="L2 penalty on all but the dense layer")
    add("--embedding-l2", type=float, metavar="PENALTY", help="on the dense layer")
    add("--labels", choices=("pairs", "names"), help="learn from the pairs, or from who is who")
    add("--loss", choices=("binary_crossentropy", "supervised_contrastive", "margin_softmax"))
    head = "let a larger distance raise the score (report, on LFW: yes)"
    add("--unconstrained-head", action=argparse.BooleanOptionalAction, help=head)
    add("--margin", type=float, metavar="M", help="cosine margin of margin_softmax")
    add("--per-identity", type=int, metavar="K", help="with names: images of each in a batch")
    add("--optimizer", choices=("adam", "sgd"))
    add("--learning-rate", type=float, metavar="RATE", help="the highest, with a schedule")
    add("--momentum", type=float, metavar="M", help="of sgd")
    add("--weight-decay", type=float, metavar="RATE", help="decoupled, of the kernels")
    add("--schedule", choices=("constant", "koch2015", "cosine"), help="koch2015 is for sgd")
    add("--ema", type=float, metavar="M", help="momentum of the weights' moving average; 0: none")
    add("--augment", choices=("none", "koch2015", "faces"), help="what is done to images")
    add("--flip-average", action=argparse.BooleanOptionalAction, help="embed the mirror image too")
    add("--batch-size", type=int, metavar="N", help="pairs, or with names images")
    add("--epochs", type=int, metavar="N")
    add("--patience", type=int, metavar="N", help="epochs without lower training loss")
    add("--validation", type=float, metavar="SHARE", help="of the train pairs")
    add("--split-by", choices=("pair", "identity"), help="who may be in training and validation")
    add("--threshold", metavar="POLICY", help="max_accuracy, eer or far=RATE, of validation pairs")
    add("--identities-share", type=float, metavar="SHARE", help="of identities, by name")
    add("--shuffle-buffer", type=int, metavar="PAIRS", help="(the whole list; report: 1000)")
    add("--seed", type=int, default=0, help="of weights, order, split and dropout (0)")


def _check_ranges(parser: argparse.ArgumentParser, settings: argparse.Namespace) -> None:
    for name, (lowest, bound) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not lowest <= value < bound:  # written so that NaN fails
            range_ = f"at least {lowest}" + (f" and below {bound}" if bound < math.inf else "")
            parser.error(f"--{name.replace('_', '-')} must be {range_}. Received: {value}")
    if not 0 < settings.validation < 1:
        parser.error(f"--validation must be above 0 and below 1. Received: {settings.validation}")
    if not 0 < settings.identities_share <= 1:
        share = settings.identities_share
        parser.error(f"--identities-share must be above 0 and at most 1. Received: {share}")
    try:
        parse_policy(settings.threshold)
    except ValueError as error:
        parser.error(f"--threshold: {error}")


def _check_together(parser: argparse.ArgumentParser, settings: argparse.Namespace) -> None:
    if settings.schedule == "koch2015" and (settings.optimizer != "sgd" or not settings.momentum):
        parser.error("--schedule koch2015 goes with --optimizer sgd and a --momentum above 0")
    if settings.per_identity and settings.batch_size % settings.per_identity:
        parser.error(f"--per-identity must divide --batch-size, {settings.batch_size}")
    if settings.labels == "pairs" and settings.loss == "margin_softmax":
        parser.error("--loss margin_softmax goes with --labels names")
    if settings.labels == "names" and settings.loss == "binary_crossentropy":
        parser.error("--loss binary_crossentropy goes with --labels pairs")
    if settings.labels == "names" and settings.split_by == "pair":
        parser.error("--labels names goes with --split-by identity: all others would be known")
