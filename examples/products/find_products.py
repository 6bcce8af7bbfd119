"""Find which product an image shows, in a catalogue that changes each night.

    python examples/products/find_products.py    # drawn parts, about 3 minutes

The images are RGB, in PNG and WebP, and a few files are broken. A DataFrame names them.
"""

from __future__ import annotations

from pathlib import Path

import keras
import pandas as pd
from drawn_products import draw_products

import siamese_verify as sv

PREPROCESSING = sv.Preprocessing(image_size=(64, 64), channels=3)
AUGMENTATION = sv.Augmentation(flip=False, rotation=20, scale=0.1, shift=4, brightness=0.2)


def main(run: Path = Path("runs/products"), epochs: int = 20, products: int = 150) -> None:
    keras.utils.set_random_seed(0)
    folder = run / "drawn"
    frame = pd.DataFrame(draw_products(folder, products), index=["image_path", "sku"]).T
    images = sv.IdentityDataset.from_table(
        frame, "image_path", "sku", folder, PREPROCESSING, on_error="skip", verbose=False
    )
    images.write_skipped(run / "broken.csv")
    print(f"{len(images.skipped)} broken files are in {run / 'broken.csv'}")
    train, validation, catalogue = images.split((0.5, 0.2, 0.3))

    tower = sv.ConvTower.residual((64, 64, 3), filters=(16, 32, 64))
    learner = keras.Sequential([tower])
    learner.compile(keras.optimizers.Adam(2e-3), loss=sv.SupervisedContrastiveLoss(0.1))
    batches = train.batches(64, shuffle=True, per_identity=2, augment=AUGMENTATION)
    learner.fit(batches, epochs=epochs, shuffle=False, verbose=2)
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), PREPROCESSING)
    verifier.calibrate(validation.pairs(), "far=0.01")

    # The last image of each product is the probe, and the others are in the catalogue.
    by_sku: dict[str, list[Path]] = {}
    for sample in catalogue.samples:
        by_sku.setdefault(sample.identity, []).append(folder / sample.path)
    probes = {sku: paths.pop() for sku, paths in by_sku.items()}
    verifier.enroll(by_sku, metadata={sku: {"shelf": i} for i, sku in enumerate(by_sku)})
    show_recall(verifier, probes)

    sync(verifier, by_sku)
    verifier.save(run / "products.keras")
    verifier.save_gallery(run / "catalogue.npz")


def show_recall(verifier: sv.Verifier, probes: dict[str, Path]) -> dict[int, float]:
    """Print how often the right product is among the first, whatever its score."""
    found = verifier.identify_many(probes.values(), k=5, below_threshold=True)
    names = [[match.name for match in matches] for matches in found]
    recall = {
        k: sum(sku in best[:k] for sku, best in zip(probes, names, strict=True)) / len(probes)
        for k in (1, 5)
    }
    print(f"recall@1 {recall[1]:.3f}, recall@5 {recall[5]:.3f} of {len(probes)} products")
    return recall


def sync(verifier: sv.Verifier, by_sku: dict[str, list[Path]]) -> None:
    """Bring the gallery to tonight's catalogue: one product is gone, one has new images."""
    tonight = dict(by_sku)
    gone, changed = list(tonight)[:2]
    del tonight[gone]
    tonight[changed] = tonight[changed][:1]
    verifier.remove(set(verifier.gallery.identities) - set(tonight))
    verifier.replace({changed: tonight[changed]})
    added = verifier.enroll(tonight)  # Known images are not added twice.
    print(f"after the sync: {len(verifier.gallery.identities)} products, {added} new images")


if __name__ == "__main__":
    main()
