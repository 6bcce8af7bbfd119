"""What experiments.py runs: of each experiment, what train.py is given."""

from __future__ import annotations

# In the order of the report.
REPORT_RUNS = {
    "base": ["--epochs", "20"],
    "base-sgd": ["--epochs", "20", "--optimizer", "sgd"],
    "batch-norm": ["--epochs", "30", "--batch-norm"],
    "dropout-0.1": ["--epochs", "50", "--batch-norm", "--dropout", "0.1"],
    "dropout-0.5": ["--epochs", "50", "--batch-norm", "--dropout", "0.5"],
    # Not of the report, whose validation pairs share identities with the training pairs.
    "by-identity": ["--epochs", "30", "--batch-norm", "--split-by", "identity"],
}

RECIPE_RUNS = {name: ["--recipe", name] for name in ("restricted", "unrestricted")}


def _variants(name: str, settings: list[str], changes: dict[str, str]) -> dict[str, list[str]]:
    """A run, and one for each change of its settings."""
    runs = {f"{name}-{change}": [*settings, *flags.split()] for change, flags in changes.items()}
    return {name: settings, **runs}


# What the recipes have in common, taken out of the one that takes less time.
RESTRICTED_RUNS = _variants(
    "restricted",
    RECIPE_RUNS["restricted"],
    {
        "one-crop": "--tower residual --image-size 64 --crop 96",
        "plain": "--augment none",
        "koch-augmentation": "--augment koch2015",
        "no-dropout": "--dropout 0",
        "no-flip": "--no-flip-average",
        "no-average": "--ema 0",
        "no-decay": "--weight-decay 0",
        "constant": "--schedule constant",
        "adam": "--optimizer adam --learning-rate 1e-3 --weight-decay 0.05",
        "crossentropy": "--loss binary_crossentropy",
    },
)
# What only names allow, and the crops.
UNRESTRICTED_RUNS = _variants(
    "unrestricted",
    RECIPE_RUNS["unrestricted"],
    {
        "one-crop": "--tower residual --image-size 64 --crop 96",
        "no-margin": "--margin 0",
        "contrastive": "--loss supervised_contrastive --per-identity 2",
    },
)
# The report's network, with one ingredient each. At the report's learning rate, a tenth of this,
# those that make training harder would have learned next to nothing by then.
WITH_RUNS = _variants(
    "koch",
    ["--batch-norm", "--split-by", "identity", "--learning-rate", "1e-4", "--epochs", "12"],
    {
        "crop": "--crop 120",
        "augmented": "--augment faces",
        "dropout": "--dropout 0.4",
        "average": "--ema 0.9",
        "contrastive": "--loss supervised_contrastive",
        "contrastive-flip": "--loss supervised_contrastive --flip-average",
        "names": "--labels names --loss margin_softmax",
        "sgd": "--optimizer sgd --learning-rate 0.01 --momentum 0.9 --schedule cosine",
        "residual": "--tower residual --no-batch-norm --learning-rate 1e-3",
        "constrained": "--no-unconstrained-head",
    },
)
# The unrestricted recipe on some of the identities, of whom it sees as many images in all.
CURVE_RUNS = {
    f"identities-{share}": [
        *RECIPE_RUNS["unrestricted"],
        *("--identities-share", share, "--epochs", epochs, "--patience", epochs),
    ]
    for share, epochs in (("0.1", "800"), ("0.3", "267"))
}

GROUPS = {
    "report": REPORT_RUNS,
    "recipes": RECIPE_RUNS,
    "without": RESTRICTED_RUNS | UNRESTRICTED_RUNS,
    "with": WITH_RUNS,
    "curve": CURVE_RUNS,
}
EXPERIMENTS = {name: flags for runs in GROUPS.values() for name, flags in runs.items()}
