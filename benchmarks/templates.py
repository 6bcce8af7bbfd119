"""Measure two templates: each image of an identity, or the mean of its images. Print a table.

    python benchmarks/templates.py      # about 2 minutes on two cores

A small network learns 200 drawn identities. From 1 to 8 images each of 100 others are enrolled, and
two more are probes. Strangers with one image each choose the threshold for an FPIR of 2%. More
strangers, which the threshold has not seen, measure the FPIR again. All drawings are repeated with
three seeds, and the table shows the mean.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np

import siamese_verify as sv
from siamese_verify.drawn_faces.painting import draw_face
from siamese_verify.verification.gallery import TEMPLATES

SIZE, FPIR, SEEDS, EPOCHS = 32, 0.02, 3, 30
TRAINED, ENROLLED, STRANGERS = 200, 100, 500
IMAGES, PROBES = 8, 2


def draw(first: int, n: int, images: int, seed: int) -> np.ndarray:
    """Draw `images` images of `n` identities, uint8 `(n, images, height, width, 3)`."""
    return np.array(
        [
            [draw_face(i, j + 1, seed=seed, size=SIZE) for j in range(images)]
            for i in range(first, first + n)
        ]
    )


def train(faces: np.ndarray, seed: int) -> sv.SiameseModel:
    keras.utils.set_random_seed(seed)
    blocks = [sv.ConvBlock(n, 3, 2, batch_norm=True) for n in (16, 32, 64)]
    tower = sv.ConvTower(blocks, (SIZE, SIZE, 3), embedding_size=32)
    tower.compile(keras.optimizers.Adam(2e-3), sv.SupervisedContrastiveLoss(0.1))
    rng, floats = np.random.default_rng(seed), faces / np.float32(255)
    for _ in range(EPOCHS):
        # Each batch holds 32 identities with 4 images each.
        order = rng.permutation(len(faces))
        chosen = floats[order][:, rng.permutation(faces.shape[1])[:4]].reshape(-1, SIZE, SIZE, 3)
        tower.fit(chosen, np.repeat(order, 4), 128, shuffle=False, verbose=0)
    sv.recompute_batch_norm(tower, floats.swapaxes(0, 1))
    return sv.SiameseModel(tower, sv.CosineHead())


def figures(model: sv.SiameseModel, seed: int) -> dict[tuple[int, str], np.ndarray]:
    """Measure FNIR, FPIR on new strangers, and the number of templates."""
    enrolled = draw(TRAINED + 1, ENROLLED, IMAGES + PROBES, seed)
    others = draw(TRAINED + ENROLLED + 1, 2 * STRANGERS, 1, seed)
    strangers = {f"stranger {i}": image for i, image in enumerate(others[:STRANGERS])}
    found = {}
    for count in (1, 2, 4, 8):
        for template in TEMPLATES:
            verifier = sv.Verifier(model, sv.Preprocessing((SIZE, SIZE), channels=3))
            identities = {f"{i}": images[:count] for i, images in enumerate(enrolled)}
            probes = {f"{i}": images[IMAGES:] for i, images in enumerate(enrolled)}
            verifier.enroll(identities, template=template)
            verifier.calibrate_identification(strangers, FPIR, known=probes)
            new = verifier.identify_many(others[STRANGERS:, 0])
            rate = np.mean([bool(matches) for matches in new])
            measured = verifier.identification
            found[count, template] = np.array([measured.fnir, rate, measured.gallery_size])
    return found


def main() -> None:
    runs = []
    for seed in range(SEEDS):
        with warnings.catch_warnings(action="ignore"):  # The strangers are few.
            runs.append(figures(train(draw(1, TRAINED, IMAGES, seed), seed), seed))
    print(f"| images each | template | templates | FNIR at FPIR {FPIR:.0%} | FPIR, new strangers |")
    print("|---|---|---|---|---|")
    for count, template in runs[0]:
        fnir, fpir, size = np.mean([run[count, template] for run in runs], axis=0)
        print(f"| {count} | {template} | {size:.0f} | {fnir:.3f} | {fpir:.3f} |")


if __name__ == "__main__":
    main()
