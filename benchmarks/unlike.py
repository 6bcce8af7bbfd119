"""How often are unlike images accepted, and how often does a verifier tell?

    python benchmarks/unlike.py lfw/lfw2  # a folder for each identity, with its images
    python benchmarks/unlike.py           # drawn faces

It trains a small network for a few minutes, and calibrates it. Then it changes both images of
different test pairs. It prints the share of these pairs that is accepted, and the share of the
images that `Decision.unlike_validation` names, with the most frequent reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageFilter

import siamese_verify as sv
from siamese_verify.data.folders import samples_by_identity

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
EPOCHS = 4
PAIRS = 300
RNG = np.random.default_rng(0)


def _noisy(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image, np.float64)
    noise = RNG.normal(0, 60, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _grey(image: Image.Image) -> Image.Image:
    return Image.blend(Image.new("RGB", image.size, (128, 128, 128)), image, 0.1)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda image: image,
    "blurred by 4 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    "blurred by 8 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(8)),
    "sideways": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "a tenth of the contrast": _grey,
    "all grey": lambda image: Image.new("RGB", image.size, (128, 128, 128)),
    "noise of 60 levels": _noisy,
}


def train(folder: Path) -> tuple[sv.Verifier, sv.PairList]:
    """Train and calibrate a verifier. Return it with test pairs of other identities."""
    keras.utils.set_random_seed(0)
    names = np.random.default_rng(0).permutation(sorted(samples_by_identity(folder))).tolist()
    n = len(names) // 4
    test, validation, training = names[:n], names[n : 2 * n], names[2 * n :]
    size = sv.Preprocessing((64, 64))
    tower = sv.ConvTower.residual((64, 64, 1), filters=(16, 32, 64))
    learner = keras.Sequential([tower])
    learner.compile(keras.optimizers.Adam(2e-3), loss=sv.SupervisedContrastiveLoss(0.1))
    data = sv.IdentityDataset.from_folder(folder, size, identities=training)
    batches = data.batches(64, shuffle=True, per_identity=2, augment=True)
    learner.fit(batches, epochs=EPOCHS, shuffle=False, verbose=2)
    pairs = sv.PairList.sample(folder, identities=validation)
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), size)
    verifier.calibrate(sv.PairDataset(pairs, folder, size), "eer", training_identities=training)
    return verifier, sv.PairList.sample(folder, identities=test)


def main(folder: Path) -> None:
    """Print the table."""
    verifier, pairs = train(folder)
    different = [
        [np.asarray(Image.open(path).convert("RGB")) for path in both]
        for both, label in zip(pairs.paths(folder), pairs.labels, strict=True)
        if not label
    ][:PAIRS]
    print(f"\nFAR of the verifier: {verifier.calibration.far}, {len(different)} different pairs\n")
    print("| both images are changed | pairs accepted | images told | reason |")
    print("|---|---|---|---|")
    for name, change in CHANGES.items():
        changed = [
            tuple(np.asarray(change(Image.fromarray(image))) for image in both)
            for both in different
        ]
        decisions = verifier.verify_many(changed)
        reasons = Counter(
            reason.partition(": ")[2] for one in decisions for reason in one.unlike_validation
        )
        sides = [
            {reason.partition(":")[0] for reason in one.unlike_validation} for one in decisions
        ]
        told = sum(map(len, sides)) / (2 * len(decisions))
        accepted = np.mean([bool(one) for one in decisions])
        most = next(iter(reasons.most_common(1)), ("-",))[0]
        print(f"| {name} | {accepted:.1%} | {told:.1%} | {most} |")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        sys.path.insert(0, str(EXAMPLES / "lfw"))
        from standin import write_standin

        main(write_standin(Path("runs/drawn-faces")) / "lfw2")
