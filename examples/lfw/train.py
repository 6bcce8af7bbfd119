"""Trains a verifier on pairs of faces and shows how good it is on people it has never seen.

    python train.py                       # faces drawn on the spot, about 2 minutes
    python train.py --download --data lfw # the photographs of LFW, fetched once (243 MB)
    python train.py --data lfw            # the same, from a folder that is there already

By default, LFW is trained as in the report: 105 x 105, grey, batches of 128 pairs, Adam at a
learning rate of 1e-5, L2 penalty 0.001, 15% of the pairs for validation, the network of Koch et
al. 2015. The drawings get a smaller network, so that they take minutes. Every setting is a flag.

A run leaves its settings, history, figures, pictures, best model and the verifier made of it in a
folder. Interrupted, it goes on from its last epoch when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

# Before TensorFlow is imported: its start-up messages would hide the first thing to read, and it
# chooses its kernels.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import tensorflow as tf
from download import download_lfw
from moving_averages import recompute_averages
from recombination import recombine
from run_folder import RunFolder
from standin import write_standin

import siamese_verify as sv
from siamese_verify.callbacks import EpochSeconds, Koch2015Schedule
from siamese_verify.evaluation import Evaluation
from siamese_verify.thresholds import choose_threshold

REPORT = {
    "batch_size": 128,
    "tower": "koch2015",
    "image_size": 105,
    "learning_rate": 1e-5,
    "l2": 0.001,
    "epochs": 20,
}
STANDIN = {
    "batch_size": 64,
    "tower": "small",
    "image_size": 48,
    "learning_rate": 2e-3,
    "l2": 0.0,
    "epochs": 16,
}

NOT_LFW = """\
These are not photographs: the faces are drawn, so that you can try the whole thing in minutes.
What is measured on them says nothing about real faces. To train on Labeled Faces in the Wild,
  fetch it (243 MB):           python {script} --download --data lfw
  or use the copy that you have: python {script} --data DIR  (DIR holds lfw2/, pairsDevTrain.txt,
                                 pairsDevTest.txt)"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="folder with lfw2/ and the two pair lists")
    add("--download", action="store_true", help="fetch LFW into --data (default: lfw) first")
    add("--run", type=Path, metavar="DIR", help="the run's folder (default: runs/lfw, runs/drawn)")
    add("--tower", choices=("koch2015", "small"), help="the network (report: koch2015)")
    add("--image-size", type=int, metavar="PIXELS", help="height and width (report: 105)")
    add("--batch-norm", action="store_true", help="batch norm after each convolution")
    add("--dropout", type=float, default=0.0, metavar="RATE", help="after each pooling (0)")
    add("--l2", type=float, metavar="PENALTY", help="L2 penalty on other kernels (report: 0.001)")
    add("--embedding-l2", type=float, default=0.0, metavar="PENALTY", help="of the dense layer (0)")
    add("--optimizer", choices=("adam", "sgd"), default="adam", help="(adam)")
    add("--learning-rate", type=float, metavar="RATE", help="(report: 1e-5)")
    add("--momentum", type=float, default=0.0, metavar="M", help="of sgd (0)")
    add("--schedule", action="store_true", help="the paper's, for sgd: rate and momentum change")
    add("--batch-size", type=int, metavar="PAIRS", help="(report: 128)")
    add("--epochs", type=int, metavar="N", help="(report: 20, 30 or 50)")
    add("--patience", type=int, default=10, metavar="N", help="epochs without lower loss (10)")
    add("--validation", type=float, default=0.15, metavar="SHARE", help="of train pairs (0.15)")
    add("--split-by", choices=("pair", "person"), default="pair", help="(pair, as the report)")
    add("--shuffle-buffer", type=int, metavar="PAIRS", help="(the whole list; report: 1000)")
    add("--augment", action="store_true", help="flips and the paper's affine distortions")
    add("--limit", type=int, metavar="PAIRS", help="use so many train and test pairs, for a trial")
    add("--cache", type=Path, metavar="DIR", help="keep decoded photographs for later runs")
    add("--seed", type=int, default=0, help="of weights, order, split and dropout (0)")
    settings = parser.parse_args(arguments)
    if settings.download and settings.data is None:
        settings.data = Path("lfw")
    for name, default in (REPORT if settings.data else STANDIN).items():
        if getattr(settings, name) is None:
            setattr(settings, name, default)
    if settings.run is None:
        settings.run = Path("runs") / ("lfw" if settings.data else "drawn")
    for name in ("batch_size", "epochs", "patience", "image_size", "limit"):
        value = getattr(settings, name)
        if value is not None and value < (4 if name == "limit" else 1):
            parser.error(f"--{name.replace('_', '-')} is too small. Received: {value}")
    if settings.schedule and (settings.optimizer != "sgd" or not settings.momentum):
        parser.error("--schedule goes with --optimizer sgd and a --momentum above 0")
    return settings


def find_data(settings: argparse.Namespace) -> Path:
    """The folder of photographs and pair lists; drawn or downloaded where need be."""
    if settings.data is None:
        print(NOT_LFW.format(script=Path(__file__).name), end="\n\n")
        return write_standin(Path("runs") / "drawn-faces")
    if settings.download:
        download_lfw(settings.data)
    return Path(settings.data)


def load_pairs(
    data: Path, settings: argparse.Namespace
) -> tuple[sv.PairDataset, sv.PairDataset, sv.PairDataset]:
    """Training, validation and test pairs, with a table of them."""

    def load(name: str) -> sv.PairDataset:
        pairs = sv.PairList.from_lfw(data / name)
        if settings.limit and settings.limit < len(pairs):
            _, pairs = pairs.split(settings.limit / len(pairs), seed=settings.seed)
        size = (settings.image_size, settings.image_size)
        preprocessing = sv.Preprocessing(size)
        return sv.PairDataset(pairs, data / "lfw2", preprocessing, cache=settings.cache)

    development, test = load("pairsDevTrain.txt"), load("pairsDevTest.txt")
    train, validation = development.split(
        settings.validation, seed=settings.seed, by=settings.split_by
    )
    parts = {"training": train, "validation": validation, "test": test}
    table = {name: part.pairs for name, part in parts.items()}
    table["all"] = development.pairs + test.pairs
    print(f"\n{'':<12}" + "".join(f"{field:>12}" for field in sv.PairList([]).summary()._fields))
    for name, pairs in table.items():
        print(f"{name:<12}" + "".join(f"{count:>12,}" for count in pairs.summary()))
    known = set(train.pairs.people) & set(validation.pairs.people)
    if known:
        print(
            f"{len(known):,} of {len(validation.pairs.people):,} validation people are in training "
            "too, so validation figures are optimistic; --split-by person keeps them apart."
        )
    return train, validation, test


def build_model(settings: argparse.Namespace) -> sv.SiameseModel:
    shape = (settings.image_size, settings.image_size, 1)
    norm, dropout, l2 = settings.batch_norm, settings.dropout, settings.l2
    embedding_l2 = settings.embedding_l2
    if settings.tower == "koch2015":
        tower = sv.ConvTower.koch2015(norm, dropout, l2, shape, embedding_l2)
    else:
        blocks = [sv.ConvBlock(filters, 3, 2, norm, dropout, l2) for filters in (16, 32, 64)]
        tower = sv.ConvTower(blocks, shape, 128, None, embedding_l2, normalize=True)
    model = sv.SiameseModel(tower, sv.WeightedL1Head(l2))
    compile_model(model, settings)
    return model


def compile_model(model: sv.SiameseModel, settings: argparse.Namespace) -> None:
    rate = settings.learning_rate
    if settings.optimizer == "adam":
        optimizer = sv.Adam(rate)
    else:
        optimizer = keras.optimizers.SGD(rate, settings.momentum)
    model.compile(
        optimizer,
        loss="binary_crossentropy",
        metrics=["accuracy", sv.EqualErrorRate(), sv.TrueAcceptRate(0.1), sv.TrueAcceptRate(0.01)],
        # XLA's convolutions are slower on a CPU than TensorFlow's own.
        jit_compile=False,
    )


def train_model(
    model: sv.SiameseModel,
    train: sv.PairDataset,
    validation: sv.PairDataset,
    settings: argparse.Namespace,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    steps_per_epoch = -(-len(train) // settings.batch_size)
    finished = run.restore(model, steps_per_epoch)
    if finished:
        print(f"\n{finished} of {settings.epochs} epochs were finished before; going on.")
    if finished >= settings.epochs or run.has_stopped(model):
        return
    schedule = [Koch2015Schedule(settings.epochs)] if settings.schedule else []
    model.fit(
        train.batches(
            settings.batch_size,
            shuffle=True,
            seed=settings.seed,
            augment=settings.augment,
            buffer=settings.shuffle_buffer,
            initial_epoch=finished,
        ),
        validation_data=validation.batches(settings.batch_size),
        epochs=settings.epochs,
        initial_epoch=finished,
        shuffle=False,  # The batches come shuffled.
        callbacks=[EpochSeconds(), *schedule, run.early_stopping, run, *callbacks],
    )


def measure(
    model: sv.SiameseModel, validation: sv.PairDataset, test: sv.PairDataset, batch_size: int
) -> tuple[dict[str, float], np.ndarray]:
    """Figures on the test pairs, at 0.5 and at a threshold from validation; and the scores."""
    threshold = choose_threshold(
        model.score(validation.images, validation.indices), validation.labels
    )
    scores = model.score(test.images, test.indices)
    figures = model.evaluate(test.batches(batch_size), verbose=0, return_dict=True)
    right = (scores >= threshold) == (test.labels == 1)
    figures |= {"threshold": threshold, "accuracy_at_threshold": float(right.mean())}
    return figures, scores


def show(figures: dict[str, dict[str, float]], n_pairs: int) -> None:
    print(f"\nOn {n_pairs:,} test pairs of people never seen in training:")
    print(f"{'':<24}" + "".join(f"{which:>12}" for which in figures))
    for name in figures["last"]:
        print(f"{name:<24}" + "".join(f"{values[name]:>12.4f}" for values in figures.values()))


def draw(run: RunFolder, test: sv.PairDataset, scores: np.ndarray, report: Evaluation) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("For pictures: pip install siamese-verify[plot], and the same command again.")
        return
    from siamese_verify.plots import plot_history, plot_outcomes, plot_roc

    plot_history(run.history).savefig(run.folder / "curves.png", dpi=120)
    plot_roc(report).savefig(run.folder / "roc.png", dpi=120)
    plot_outcomes(test, scores, report.threshold).savefig(run.folder / "outcomes.png", dpi=120)


def check_settings(run: RunFolder, settings: argparse.Namespace) -> None:
    """Writes `config.json`; a folder in which a run with other settings stands is refused."""
    config = {name: str(v) if isinstance(v, Path) else v for name, v in vars(settings).items()}
    path = run.folder / "config.json"
    if path.exists():
        # More epochs only prolong a run, and where the data or the cache lie is no matter.
        kept = json.loads(path.read_text())["settings"]
        free = {"epochs", "data", "download", "cache", "run"}
        changed = sorted(n for n in config.keys() - free if config[n] != kept.get(n))
        if changed:
            there = ", ".join(f"{name}={kept.get(name)}" for name in changed)
            here = ", ".join(f"{name}={config[name]}" for name in changed)
            sys.exit(
                f"{run.folder} holds a run with {there}; this command says {here}. "
                "Give the new run another folder: --run DIR"
            )
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions |= {"tensorflow": tf.__version__, "keras": keras.__version__}
    run.write_json("config.json", {"settings": config, "versions": versions})


def main(
    arguments: list[str] | None = None, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> None:
    settings = parse_arguments(arguments)
    keras.utils.set_random_seed(settings.seed)
    run = RunFolder(settings.run, keras.callbacks.EarlyStopping("loss", patience=settings.patience))
    check_settings(run, settings)
    train, validation, test = load_pairs(find_data(settings), settings)
    model = build_model(settings)
    model.tower.summary()
    try:
        train_model(model, train, validation, settings, run, callbacks)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from the last finished epoch.")
    print("\nMeasuring ...")
    figures, scores = {}, {}
    new_pairs, labels = recombine(train)
    models = ("last", "recomputed", "best") if settings.batch_norm else ("last", "best")
    for which in models:
        if which == "recomputed":
            recompute_averages(model, train, settings.batch_size)
        if which == "best":
            model = keras.models.load_model(run.folder / "best.keras")
            compile_model(model, settings)
        figures[which], scores[which] = measure(model, validation, test, settings.batch_size)
        if len(labels):
            accepted = model.score(train.images, new_pairs) >= 0.5
            figures[which]["recombined_accuracy"] = float((accepted == (labels == 1)).mean())
    run.write_scores(test.pairs, scores)
    run.write_json("figures.json", figures)
    show(figures, len(test))
    verifier = sv.Verifier(model, test.preprocessing).calibrate(validation)
    verifier.save(run.folder / "verifier.keras")
    report = verifier.evaluate(test)
    print(f"\nThe best model: {verifier.calibration}")
    print(f"On the test pairs, with 95% intervals that allow for repeated people:\n{report}")
    draw(run, test, scores["best"], report)
    print(f"\nEverything about this run is in {run.folder}/")


if __name__ == "__main__":
    main()
