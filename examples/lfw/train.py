"""Train a face verifier, and show how good it is on identities it has never seen.

    python train.py                                   # drawn faces, about 2 minutes
    python train.py --download --data lfw             # LFW, fetched once (243 MB)
    python train.py --data lfw --recipe unrestricted  # the best recipe for LFW
    KERAS_BACKEND=jax python train.py --hosts host1:9876,host2 --process 0  # and 1 on host2

A run leaves its settings, history, figures, plots, best model, verifier and model card in a folder.
After an interruption, the same command continues from the last finished epoch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path

from siamese_verify.terminal import quiet

# TensorFlow reads these when it is imported: no lines about the machine, and faster kernels.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

with quiet():  # Some lines of TensorFlow come before it reads its settings.
    import keras
    from card_texts import card_texts
    from lfw_data import Data, find_data, load_data, training_batches
    from measuring import Measured, in_words, measure, show
    from networks import Networks, build_networks, compile_networks
    from options import Options, parse_options
    from record import (
        begin,
        load_best,
        read_history,
        write_json,
        write_plot,
        write_scores,
        write_text,
    )
    from run_record import RunRecord
    from traits import groups

import siamese_verify as sv
from siamese_verify.messages import shown
from siamese_verify.plots import plot_history, plot_outcomes, plot_roc


def train(options: Options, callbacks: Sequence[keras.callbacks.Callback] = ()) -> None:
    """Train from pair list to verifier. Exit with a line if data, recipe or folder are unusable."""
    try:
        # One process trains, or several in step. Until the inner block ends, no other command uses
        # the folder.
        with (
            sv.ProcessGroup(options.hosts, options.process) as group,
            sv.RunLock(options.run),
            nullcontext() if group.is_main_process else redirect_stdout(StringIO()),
        ):
            data, networks = prepare(options, group)
            fit(networks, data, options, callbacks)
            group.wait_for_everyone()  # until the best model is written
            best = evaluate(networks, data, options)
            print(in_words(best, options))
    except (OSError, sv.RunFolderError, sv.ProcessGroupError) as error:
        sys.exit(shown(f"{type(error).__name__}: {error}", longest=1_000))


def prepare(options: Options, group: sv.ProcessGroup) -> tuple[Data, Networks]:
    """Load the data and build the networks. Exit if either cannot be done."""
    recipe = options.recipe
    settings = (recipe, options.limit, options.seed)
    group.agree("the options of their commands", lambda: repr(settings).encode())
    keras.utils.set_random_seed(options.seed)
    try:
        # The other processes find what the main process has drawn, fetched or decoded.
        with group.main_process_first():
            folder = find_data(options)
            begin(options, folder)
            # There are pairs for training, for the choice of a threshold, and for the test.
            data = load_data(folder, recipe, options.limit, options.seed)
        # A tower makes an embedding of each image, a head makes a score of two embeddings.
        networks = build_networks(recipe, data.n_identities)
    except ValueError as error:  # The data or the recipe cannot be used.
        sys.exit(shown(f"{type(error).__name__}: {error}", longest=1_000))
    networks.tower.summary()
    return data, networks


def fit(
    networks: Networks,
    data: Data,
    options: Options,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train until the last epoch, or until the training loss falls no more."""
    recipe, model = options.recipe, networks.trained
    batches, n = training_batches(data, recipe, options.seed), networks.n_outputs
    compile_networks(networks, recipe, int(batches.cardinality()))
    if n > 1:
        batches = batches.map(lambda images, labels: (images, (labels,) * n))
    on_pairs = model is networks.verification and not recipe.ema
    inner = [sv.AveragedWeights()] if recipe.ema else []
    inner += [] if on_pairs else [sv.PairEvaluation(networks.verification, data.validation)]
    inner += [sv.EpochSeconds()]
    inner += [sv.Koch2015Schedule(recipe.epochs)] if recipe.schedule == "koch2015" else []
    inner += [keras.callbacks.EarlyStopping("loss", patience=recipe.patience)]
    inner += [RunRecord(options.run, networks.verification, recipe.schedule == "cosine")]
    model.fit(
        batches,
        validation_data=data.validation.batches(recipe.batch_size) if on_pairs else None,
        epochs=recipe.epochs,
        shuffle=False,  # The batches are shuffled already.
        # After an interruption, the run continues from its last finished epoch.
        callbacks=[sv.Resumable(options.run, inner), sv.TimeLeft(), *callbacks],
        verbose=0,  # `TimeLeft` shows the progress.
    )


def evaluate(networks: Networks, data: Data, options: Options) -> Measured:
    """Measure the last and the best model, write all about the run, and return the best."""
    # A verifier is a model with a threshold. The threshold comes from the validation pairs.
    measured, recipe = {}, options.recipe
    if recipe.schedule != "cosine":  # Otherwise the last epoch is the best one.
        measured["last"] = measure(networks.verification, data, recipe)
    if recipe.batch_norm or recipe.tower == "residual":
        # In a short training, batch norm's averages lag behind the weights.
        batches = data.train.batches(recipe.batch_size, shuffle=True)
        sv.recompute_batch_norm(networks.tower, batches)
        measured["recomputed"] = measure(networks.verification, data, recipe)
    measured["best"] = measure(load_best(options.run), data, recipe)
    if (group := sv.ProcessGroup.current()).is_main_process:
        with group.alone():
            show(measured, len(data.test))
            save(measured, data, options)
            plot(measured["best"], data.test, options.run)
    return measured["best"]


def save(measured: dict[str, Measured], data: Data, options: Options) -> None:
    """Save the verifier with its model card, the scores and the figures."""
    run, (verifier, report, _) = options.run, measured["best"]
    verifier.save(run / "verifier.keras")
    card = sv.model_card(verifier, report, groups=groups(data.test), **card_texts(data, options))
    write_text(run / "verifier.md", card)
    write_scores(run, data.test.pairs, {name: m.report.scores for name, m in measured.items()})
    sizes = {"parameters": verifier.model.tower.count_params(), "trained_on": data.size()}
    write_json(run / "figures.json", {name: m.figures for name, m in measured.items()} | sizes)


def plot(best: Measured, test: sv.PairDataset, run: Path) -> None:
    """Plot the history, the ROC curve, and the most confident right and wrong answers."""
    try:
        write_plot(run / "curves.png", plot_history(read_history(run)))
        write_plot(run / "roc.png", plot_roc(best.report))
        outcomes = plot_outcomes(test, best.report.scores, best.report.threshold)
        write_plot(run / "outcomes.png", outcomes)
    except ImportError:
        print("For plots: pip install siamese-verify[plot], then give the same command again.")


def main(arguments: list[str] | None = None) -> None:
    """Train as the command line says."""
    try:
        train(parse_options(__doc__, arguments))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command continues from the last finished epoch.")


if __name__ == "__main__":
    main()
