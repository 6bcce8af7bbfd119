"""Write the files of one backend: `KERAS_BACKEND=torch python tests/backend_files/write.py`.

`tests/test_backends.py` reads the files of each backend on the backend that it runs on.
"""

import json
import warnings
from pathlib import Path

import keras
import numpy as np

import siamese_verify as sv

BACKENDS = ("tensorflow", "jax", "torch")
FOLDER = Path(__file__).parent
RNG = np.random.default_rng(0)
# Images of 8 identities, four of each in a row, which differ in brightness. Their height is odd, so
# that pooling meets the edge.
_brightness = 30 * np.repeat(np.arange(8), 4)[:, None, None, None]
IMAGES = (RNG.integers(60, size=(32, 13, 12, 1)) * 0.7 + _brightness).clip(0, 255).astype(np.uint8)
INDICES = RNG.integers(32, size=(200, 2))
LABELS = (INDICES[:, 0] // 4 == INDICES[:, 1] // 4).astype(np.int32)
SIDES = tuple(IMAGES[INDICES.T] / np.float32(255))


def trained() -> sv.SiameseModel:
    keras.utils.set_random_seed(0)
    blocks = [
        sv.ConvBlock(4, 3, 1, batch_norm=True, method="spectral"),
        sv.ResidualBlock(6, stride=2),
    ]
    tower = sv.ConvTower(blocks, (13, 12, 1), embedding_size=8, name="tower")
    model = sv.SiameseModel(tower, sv.WeightedL1Head(name="head"), name="model")
    metrics = [sv.EqualErrorRate(name="eer")]
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=metrics)
    model.fit(SIDES, LABELS, epochs=8, batch_size=50, shuffle=False, verbose=0)
    return model


def pairs() -> sv.PairDataset:
    names = [f"id{row // 4}" for row in range(32)]
    return sv.PairDataset.from_arrays(IMAGES, LABELS, indices=INDICES, identities=names)


def next_step(model: sv.SiameseModel) -> dict[str, float]:
    """Measure the model, make a step, and measure it again."""
    before = model.evaluate(SIDES, LABELS, batch_size=50, verbose=0, return_dict=True)
    model.train_on_batch(SIDES, LABELS)
    after = model.evaluate(SIDES, LABELS, batch_size=50, verbose=0, return_dict=True)
    return {"loss": before["loss"], "eer": before["eer"], "loss of next step": after["loss"]}


def main() -> None:
    backend, model = keras.backend.backend(), trained()
    warnings.simplefilter("ignore")  # The pairs are few.
    verifier = sv.Verifier(model, sv.Preprocessing((13, 12))).calibrate(pairs())
    verifier.enroll({"Ada": IMAGES[:2], "Bob": IMAGES[-2:]})
    verifier.save(FOLDER / f"{backend}_verifier.keras")
    verifier.save_gallery(FOLDER / f"{backend}_gallery.npz")
    model.save(FOLDER / f"{backend}_model.keras")
    expected = {
        "fingerprint": verifier.fingerprint,
        "threshold": verifier.threshold,
        "scores": model.score(IMAGES, INDICES).tolist(),
        "match": verifier.identify(IMAGES[2])[0].name,
        **next_step(model),
    }
    (FOLDER / f"{backend}.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
