"""Small models and verifiers, pairs of random images, and changed files, for tests."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.verification.file import digests

SIZE = (16, 16)
FACE_SIZE = (24, 24)
PREPROCESSING = sv.Preprocessing(SIZE)
IMAGES = np.random.default_rng(0).integers(0, 256, (100, *SIZE, 1), np.uint8)


def build(head: keras.layers.Layer | None = None) -> sv.SiameseModel:
    keras.utils.set_random_seed(0)
    tower = sv.ConvTower([sv.ConvBlock(4, 3, 2, batch_norm=True)], (*SIZE, 1), 8)
    model = sv.SiameseModel(tower, head or sv.SigmoidCosineHead())
    model.build(((None, *SIZE, 1),) * 2)
    return model


def draw_pairs(
    folder: Path,
    names: Sequence[str],
    seed: int = 0,
    preprocessing: sv.Preprocessing = PREPROCESSING,
) -> sv.PairDataset:
    """Draw pairs of three images for each name. A seed draws the same images under any names."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(1, 4):
            png = tf.io.encode_png(rng.integers(0, 256, (*SIZE, 1), np.uint8))
            (folder / name / f"{name}_{i:04d}.png").write_bytes(png.numpy())
    return sv.PairDataset(sv.PairList.sample(folder), folder, preprocessing, verbose=False)


def build_for_faces(head: keras.layers.Layer | None = None) -> sv.SiameseModel:
    keras.utils.set_random_seed(0)
    blocks = [sv.ConvBlock(8, 3, 2, batch_norm=True, dropout=0.2), sv.ConvBlock(8, 3, 2)]
    return sv.SiameseModel(sv.ConvTower(blocks, (*FACE_SIZE, 1), 16), head or sv.WeightedL1Head())


def make_enrolled(head: keras.layers.Layer | None = None) -> sv.Verifier:
    """Make a verifier with a threshold and two identities enrolled."""
    verifier = sv.Verifier(build(head), PREPROCESSING)
    labels = np.repeat([1, 0], 200)
    scores = np.random.default_rng(0).normal(0.2 * labels, 0.2)
    verifier.calibration = calibrate(scores, labels)
    verifier.enroll({"Ada": IMAGES[:2], "Bob": IMAGES[2:4]})
    return verifier


def train(verifier: sv.Verifier) -> None:
    """Train the model further, as its owner may."""
    model = sv.SiameseModel(verifier.model.tower, verifier.model.head)
    model.compile("sgd", "binary_crossentropy")
    images = IMAGES[:4] / np.float32(255)
    model.train_on_batch((images, images[::-1]), np.arange(4) % 2)


def add(path: str) -> Callable[[sv.Verifier], None]:
    """Make a function that changes a weight."""

    def change(verifier: sv.Verifier) -> None:
        (weight,) = (w for w in verifier.model.weights if path in w.path)
        weight.assign(weight + 0.5)

    return change


def rewritten(
    source: Path, target: Path, member: str, change: Callable[[Any], Any], *, signed: bool = True
) -> Path:
    """Copy a file with one JSON member changed, and digests that fit. Both may be one file."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = json.dumps(change(json.loads(members[member]))).encode()
    settings = json.loads(members.pop("verifier.json"))
    if signed and isinstance(settings, dict) and "digests" in settings:
        settings["digests"] = digests(members, settings)
    members["verifier.json"] = json.dumps(settings).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target
