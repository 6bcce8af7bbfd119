"""The experiments: recipes by name, in groups."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from recipes import RECIPES, Recipe

Plans = dict[str, Recipe]

_REPORT = RECIPES["report"]
_BATCH_NORM = replace(_REPORT, epochs=30, batch_norm=True)
# In the order of the report.
REPORT_RUNS = {
    "base": _REPORT,
    "base-sgd": replace(_REPORT, optimizer="sgd"),
    "batch-norm": _BATCH_NORM,
    "dropout-0.1": replace(_BATCH_NORM, epochs=50, dropout=0.1),
    "dropout-0.5": replace(_BATCH_NORM, epochs=50, dropout=0.5),
    # The report has no such run: its validation pairs share identities with its training pairs.
    "by-identity": replace(_BATCH_NORM, split_by="identity"),
}
RECIPE_RUNS = {name: RECIPES[name] for name in ("restricted", "unrestricted")}


def _variants(name: str, recipe: Recipe, changes: dict[str, dict[str, Any]]) -> Plans:
    """Plan a run, and one run for each change of its recipe."""
    return {name: recipe} | {f"{name}-{key}": replace(recipe, **c) for key, c in changes.items()}


_ONE_CROP = {"tower": "residual", "image_size": 64, "crop": 96}
# The ingredients that both recipes have, left out of the recipe that trains faster.
RESTRICTED_RUNS = _variants(
    "restricted",
    RECIPES["restricted"],
    {
        "one-crop": _ONE_CROP,
        "plain": {"augment": "none"},
        "koch-augmentation": {"augment": "koch2015"},
        "no-dropout": {"dropout": 0.0},
        "no-flip": {"flip_average": False},
        "no-average": {"ema": 0.0},
        "no-decay": {"weight_decay": 0.0},
        "constant": {"schedule": "constant"},
        "adam": {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.05},
        "crossentropy": {"loss": "binary_crossentropy"},
    },
)
# The crops, and the ingredients that need names.
UNRESTRICTED_RUNS = _variants(
    "unrestricted",
    RECIPES["unrestricted"],
    {
        "one-crop": _ONE_CROP,
        "no-margin": {"margin": 0.0},
        "contrastive": {"loss": "supervised_contrastive", "per_identity": 2},
    },
)
# The report's network with one ingredient each. The learning rate is ten times the report's. At the
# report's own, ingredients that make training harder would have learnt next to nothing by then.
WITH_RUNS = _variants(
    "koch",
    replace(_REPORT, batch_norm=True, split_by="identity", learning_rate=1e-4, epochs=12),
    {
        "crop": {"crop": 120},
        "augmented": {"augment": "faces"},
        "dropout": {"dropout": 0.4},
        "average": {"ema": 0.9},
        "contrastive": {"loss": "supervised_contrastive"},
        "contrastive-flip": {"loss": "supervised_contrastive", "flip_average": True},
        "names": {"labels": "names", "loss": "margin_softmax"},
        "sgd": {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "schedule": "cosine"},
        "residual": {"tower": "residual", "batch_norm": False, "learning_rate": 1e-3},
        "constrained": {"unconstrained_head": False},
    },
)
# `unrestricted` on some of the identities, in as many epochs as show it as many images in all.
CURVE_RUNS = {
    f"identities-{share}": replace(
        RECIPES["unrestricted"], identities_share=share, epochs=epochs, patience=epochs
    )
    for share, epochs in ((0.1, 800), (0.3, 267))
}

GROUPS: dict[str, Plans] = {
    "report": REPORT_RUNS,
    "recipes": RECIPE_RUNS,
    "without": RESTRICTED_RUNS | UNRESTRICTED_RUNS,
    "with": WITH_RUNS,
    "curve": CURVE_RUNS,
}
EXPERIMENTS = {name: recipe for runs in GROUPS.values() for name, recipe in runs.items()}


def changes(recipe: Recipe, base: Recipe) -> str:
    """Name the fields in which a recipe differs from another, with their values."""
    pairs = ((f.name, getattr(recipe, f.name), getattr(base, f.name)) for f in fields(Recipe))
    return ", ".join(f"{name}={value}" for name, value, before in pairs if value != before)
