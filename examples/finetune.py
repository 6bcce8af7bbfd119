"""Fine-tune a pretrained network for your images: its embedding first, then the whole of it.

    python examples/finetune.py FOLDER           # a folder for each identity, with its images
    python examples/finetune.py                  # drawn faces, to try it at once
    python examples/finetune.py --weights none   # without the weights of ImageNet, for a test

After an interruption, the same command continues from the last finished epoch. A run leaves the
weights of its best epochs, the events of TensorBoard and the verifier in its folder.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import keras

import siamese_verify as sv

SIZE = (96, 96)
AUGMENTATION = sv.Augmentation(
    rotation=10.0, scale=0.1, shift=3.0, probability=0.7, brightness=0.2, contrast=0.3
)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(options.dtype)
    folder = options.folder or draw_faces()

    # No identity is in two parts, since the verifier is for identities that it has never seen.
    images = sv.IdentityDataset.from_folder(folder, sv.Preprocessing(SIZE, channels=3))
    train, validation, test = images.split((0.6, 0.2, 0.2))
    validation, test = validation.pairs(), test.pairs()

    tower = sv.backbone(
        options.backbone, weights=options.weights, image_size=SIZE, embedding_size=128
    )
    verification = sv.SiameseModel(tower, sv.CosineHead())
    # The new embedding learns first. Its first, large errors would spoil pretrained features.
    frozen, whole = options.epochs
    fit(tower.freeze(), verification, train, validation, options.run / "frozen", 1e-3, frozen)
    fit(tower.unfreeze(), verification, train, validation, options.run / "whole", 3e-4, whole)

    verifier = sv.Verifier(verification, train.preprocessing).calibrate(validation, "eer")
    report = verifier.evaluate(test)
    print(report)
    verifier.save(options.run / "verifier.keras")
    print(f"Try: siamese-verify verify {options.run / 'verifier.keras'} A.jpg B.jpg")


def fit(
    tower: sv.BackboneTower,
    verification: sv.SiameseModel,
    train: sv.IdentityDataset,
    validation: sv.PairDataset,
    run: Path,
    learning_rate: float,
    epochs: int,
) -> None:
    """Train the parts of the tower that are not frozen, and keep its best weights."""
    learner = keras.Sequential([keras.Input(tower.input_shape[1:]), tower])
    # The network changes at a tenth of the rate of its new embedding.
    optimizer = sv.BackboneAdam(learning_rate, backbone_rate=0.1)
    learner.compile(optimizer, loss=sv.SupervisedContrastiveLoss(0.1))
    best = {"monitor": "val_equal_error_rate", "mode": "min"}
    callbacks = [
        sv.PairEvaluation(verification, validation),  # It measures what the others watch.
        keras.callbacks.EarlyStopping(**best, patience=5, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(str(run / "best.weights.h5"), **best, **BEST_WEIGHTS),
    ]
    if importlib.util.find_spec("tensorboard"):  # Look with: tensorboard --logdir RUN
        callbacks.append(keras.callbacks.TensorBoard(str(run / "events")))
    batches = train.batches(64, shuffle=True, per_identity=2, augment=AUGMENTATION)
    resumable = sv.Resumable(run, callbacks)
    learner.fit(batches, epochs=epochs, shuffle=False, verbose=2, callbacks=[resumable])


BEST_WEIGHTS = {"save_best_only": True, "save_weights_only": True}


def draw_faces() -> Path:
    from lfw.standin import write_standin

    return write_standin(Path("runs/drawn-faces")) / "lfw2"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--run", type=Path, default=Path("runs/finetune"), metavar="DIR")
    parser.add_argument("--backbone", default="MobileNetV3Small", metavar="NAME")
    parser.add_argument("--weights", default="imagenet", type=lambda w: None if w == "none" else w)
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=(10, 20), metavar=("FROZEN", "WHOLE")
    )
    parser.add_argument("--dtype", default="float32", help="or mixed_bfloat16, mixed_float16")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
