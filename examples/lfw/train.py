"""Trains a verifier on faces and shows how good it is on identities it has never seen.

    python train.py                       # faces drawn on the spot, about 2 minutes
    python train.py --download --data lfw # the images of LFW, fetched once (243 MB)
    python train.py --data lfw            # the same, from a folder that is there already
    python train.py --data lfw --recipe unrestricted  # the best that these images give

There are three recipes. By default, LFW is trained as in the report: 105 x 105, grey, batches of
128 pairs, Adam at a learning rate of 1e-5, L2 penalty 0.001, 15% of the pairs for validation, the
network of Koch et al. 2015; the drawings get a smaller network, so that they take minutes.
`restricted` learns from the same pairs and labels, `unrestricted` from the images and names of
the same identities. Every setting is a flag.

A run leaves its settings, history, figures, pictures, best model and the verifier made of it, with
its model card, in a folder. Interrupted, it goes on from its last epoch when the same command is
given again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before TensorFlow is imported: its start-up messages would hide the first thing to read, and it
# chooses its kernels.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import tensorflow as tf
from card_texts import card_texts
from download import download_lfw
from lfw_data import TEST_LIST, TRAIN_LIST, Data, load_data, training_batches
from moving_averages import recompute_averages
from networks import Networks, build_networks, compile_networks
from recombination import recombine
from run_folder import RunFolder
from settings import BEFORE, parse_arguments, without_effect
from standin import write_standin
from traits import groups

import siamese_verify as sv
from siamese_verify import EpochSeconds, Koch2015Schedule, PairEvaluation
from siamese_verify.evaluation.report import Evaluation, EvaluationWarning
from siamese_verify.evaluation.thresholds import tar_name
from siamese_verify.files import replacing
from siamese_verify.training.averages import averaged_weights

NOT_LFW = """\
These are not images: the faces are drawn, so that you can try the whole thing in minutes.
What is measured on them says nothing about real faces. To train on Labeled Faces in the Wild,
  fetch it (243 MB):           python {script} --download --data lfw
  or use the copy that you have: python {script} --data DIR  (DIR holds lfw2/, pairsDevTrain.txt,
                                 pairsDevTest.txt)"""


def find_data(settings: argparse.Namespace) -> Path:
    """The folder of images and pair lists; drawn or downloaded where need be."""
    if settings.data is None:
        print(NOT_LFW.format(script=sys.argv[0]), end="\n\n")
        return write_standin(Path("runs") / "drawn-faces")
    if settings.download:
        download_lfw(settings.data)
    return Path(settings.data)


def train_networks(
    networks: Networks,
    data: Data,
    settings: argparse.Namespace,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    model = networks.trained
    steps_per_epoch = int(training_batches(data, settings).cardinality())
    compile_networks(networks, settings, steps_per_epoch)
    finished = run.restore(networks, steps_per_epoch)
    if finished:
        print(f"\n{finished} of {settings.epochs} epochs were finished before; going on.")
    if finished >= settings.epochs or run.has_stopped(model):
        return
    scheduled = settings.schedule == "koch2015"
    schedule = [Koch2015Schedule(settings.epochs)] if scheduled else []
    # Keras validates with the weights of the last step, also where averages are kept.
    on_pairs = model is networks.verification and not settings.ema
    evaluation = [] if on_pairs else [PairEvaluation(networks.verification, data.validation)]
    batches, n = training_batches(data, settings, initial_epoch=finished), networks.n_outputs
    if n > 1:
        batches = batches.map(lambda images, labels: (images, (labels,) * n))
    model.fit(
        batches,
        validation_data=data.validation.batches(settings.batch_size) if on_pairs else None,
        epochs=settings.epochs,
        initial_epoch=finished,
        shuffle=False,  # The batches come shuffled.
        callbacks=[
            *evaluation,
            EpochSeconds(),
            *schedule,
            run.early_stopping,
            run,
            *callbacks,
        ],
    )


def measure(
    model: sv.SiameseModel, data: Data, settings: argparse.Namespace
) -> tuple[dict[str, float], sv.Verifier, Evaluation]:
    """The verifier made of a model, and its figures on the test pairs."""
    verifier = sv.Verifier(model, data.test.preprocessing)
    verifier.calibrate(data.validation, settings.threshold)
    report = verifier.evaluate(data.test)
    figures = {
        "threshold": verifier.threshold,
        "accuracy_at_threshold": float(report.accuracy),
        "auc": float(report.auc),
        "equal_error_rate": float(report.eer),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)  # A trial has few pairs.
        figures |= {tar_name(far): float(report.tar(far)) for far in (0.1, 0.01)}
    if settings.loss == "binary_crossentropy":  # Only then 0.5 means something.
        model.compile(loss="binary_crossentropy", metrics=["accuracy"], jit_compile=False)
        test = data.test.batches(settings.batch_size)
        figures |= model.evaluate(test, verbose=0, return_dict=True)
        new_pairs, labels = recombine(data.train)
        if len(labels):
            accepted = model.score(data.train.images, new_pairs) >= 0.5
            figures["recombined_accuracy"] = float((accepted == (labels == 1)).mean())
    return figures, verifier, report


def show(figures: dict[str, dict[str, float]], n_pairs: int) -> None:
    print(f"\nOn {n_pairs:,} test pairs of identities never seen in training:")
    print(f"{'':<24}" + "".join(f"{which:>12}" for which in figures))
    for name in figures["best"]:
        print(f"{name:<24}" + "".join(f"{values[name]:>12.4f}" for values in figures.values()))


def write_verifier(
    run: RunFolder,
    verifier: sv.Verifier,
    report: Evaluation,
    data: Data,
    settings: argparse.Namespace,
) -> None:
    """The verifier in one file, and its model card beside it."""
    verifier.save(run.folder / "verifier.keras")
    card = sv.model_card(verifier, report, groups=groups(data.test), **card_texts(data, settings))
    with replacing(run.folder / "verifier.md") as unfinished:
        unfinished.write_text(card)
    print(f"\nThe best model: {verifier.calibration}")
    print(f"On the test pairs, with 95% intervals that allow for repeated identities:\n{report}")


def draw(run: RunFolder, test: sv.PairDataset, report: Evaluation) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("For pictures: pip install siamese-verify[plot], and the same command again.")
        return
    from siamese_verify.plots import plot_history, plot_outcomes, plot_roc

    plot_history(run.history).savefig(run.folder / "curves.png", dpi=120)
    plot_roc(report).savefig(run.folder / "roc.png", dpi=120)
    outcomes = plot_outcomes(test, report.scores, report.threshold)
    outcomes.savefig(run.folder / "outcomes.png", dpi=120)


def check_settings(run: RunFolder, settings: argparse.Namespace, data: Path) -> None:
    """Writes `config.json`; refuses a folder of a run that this command cannot go on with."""
    config = {name: str(v) if isinstance(v, Path) else v for name, v in vars(settings).items()}
    lists = {name: digest(data / name) for name in (TRAIN_LIST, TEST_LIST)}
    if finished := len(run.read_history()):
        check_kept(run, config, lists, finished)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions |= {"tensorflow": tf.__version__, "keras": keras.__version__}
    run.write_json("config.json", {"settings": config, "lists": lists, "versions": versions})


def check_kept(
    run: RunFolder, config: dict[str, Any], lists: dict[str, str], finished: int
) -> None:
    """Exits if the run that stands in the folder has other settings, pairs, or more epochs."""
    kept = json.loads((run.folder / "config.json").read_text())
    # More epochs prolong a run; where the data lie and how it is measured is no matter.
    free = {"data", "download", "cache", "run", "threshold"}
    if config["schedule"] == "constant":  # Else, each rate depends on how many are to come.
        free.add("epochs")
    free |= without_effect(argparse.Namespace(**config)).keys()
    before = BEFORE | kept["settings"]
    changed = sorted(n for n in config.keys() - free if config[n] != before.get(n))
    if changed:
        there = ", ".join(f"{name}={before.get(name)}" for name in changed)
        here = ", ".join(f"{name}={config[name]}" for name in changed)
        problem = f"a run with {there}; this command says {here}"
    elif kept.get("lists", lists) != lists:
        problem = f"a run on other pairs, those of {kept['settings']['data']}"
    elif finished > config["epochs"]:
        problem = f"a run of {finished} epochs; this command says epochs={config['epochs']}"
    else:
        return
    sys.exit(f"{run.folder} holds {problem}. Give the new run another folder: --run DIR")


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(
    arguments: list[str] | None = None, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> None:
    settings = parse_arguments(__doc__, arguments)
    keras.utils.set_random_seed(settings.seed)
    early_stopping = keras.callbacks.EarlyStopping("loss", patience=settings.patience)
    run = RunFolder(settings.run, early_stopping, last_is_best=settings.schedule == "cosine")
    try:
        folder = find_data(settings)
        check_settings(run, settings, folder)
        data = load_data(folder, settings)
        networks = build_networks(
            settings, len(data.identities.identities) if data.identities else 0
        )
    except (OSError, ValueError) as error:  # What was asked for, or is in the files, won't do.
        sys.exit(f"{type(error).__name__}: {error}")
    networks.tower.summary()
    try:
        train_networks(networks, data, settings, run, callbacks)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from the last finished epoch.")
    print("\nMeasuring ...")
    model = networks.verification
    measured: dict[str, tuple[dict[str, float], sv.Verifier, Evaluation]] = {}
    with averaged_weights(networks.trained):
        if not run.last_is_best:
            measured["last"] = measure(model, data, settings)
        if settings.batch_norm or settings.tower == "residual":
            recompute_averages(networks.tower, data.train, settings.batch_size)
            measured["recomputed"] = measure(model, data, settings)
    best = keras.models.load_model(run.folder / "best.keras")
    measured["best"] = measure(best, data, settings)
    figures = {which: figures for which, (figures, _, _) in measured.items()}
    run.write_scores(data.test.pairs, {which: r.scores for which, (_, _, r) in measured.items()})
    sizes = {"parameters": model.tower.count_params(), "trained_on": data.size()}
    run.write_json("figures.json", figures | sizes)
    show(figures, len(data.test))
    _, verifier, report = measured["best"]
    write_verifier(run, verifier, report, data, settings)
    draw(run, data.test, report)
    print(f"\nEverything about this run is in {run.folder}/")


if __name__ == "__main__":
    main()
