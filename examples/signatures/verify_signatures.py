"""Tell genuine signatures from forgeries, of writers that the model never saw.

python examples/signatures/verify_signatures.py            # drawn signatures, about 2 minutes
python examples/signatures/verify_signatures.py TABLE.csv  # your own: path, writer, kind
"""

from __future__ import annotations

import csv
import itertools
import random
import sys
from pathlib import Path

import keras
import numpy as np
from drawn_signatures import draw_signatures

import siamese_verify as sv

PREPROCESSING = sv.Preprocessing(image_size=(48, 96), resize="letterbox")
AUGMENTATION = sv.Augmentation(flip=False, rotation=4, shear=0.1, scale=0.08, shift=3)
OPTIONS = {"preprocessing": PREPROCESSING, "verbose": False}


def main(table: Path | None = None, run: Path = Path("runs/signatures"), epochs: int = 30) -> None:
    keras.utils.set_random_seed(0)
    table = table or draw_signatures(run / "drawn")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))

    # No writer is in two parts, since the verifier is for writers that it has never seen.
    writers = sorted({row["writer"] for row in rows})
    random.Random(0).shuffle(writers)
    n = len(writers) // 5
    parts = [set(part) for part in (writers[:n], writers[n : 2 * n], writers[2 * n :])]
    test, val, train = ([row for row in rows if row["writer"] in part] for part in parts)

    # The forgeries of a writer are an identity of their own, so that the tower tells them apart.
    names = [f"{row['writer']} {row['kind']}" for row in train]
    columns = {"path": [row["path"] for row in train], "identity": names}
    images = sv.IdentityDataset.from_table(columns, images_root=table.parent, **OPTIONS)
    tower = sv.ConvTower.residual((48, 96, 1), filters=(16, 32, 64))
    learner = keras.Sequential([tower])
    learner.compile(keras.optimizers.Adam(2e-3), loss=sv.SupervisedContrastiveLoss(0.1))
    batches = images.batches(64, shuffle=True, per_identity=4, augment=AUGMENTATION)
    learner.fit(batches, epochs=epochs, shuffle=False, verbose=2)

    # The figures come by kind: a skilled forgery is harder to find than another signature.
    val, test = (sv.PairDataset(pairs(part), table.parent, **OPTIONS) for part in (val, test))
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), PREPROCESSING)
    report = verifier.calibrate(val, "eer").evaluate(test)
    print(report)
    verifier.save(run / "signatures.keras")


def pairs(rows: list[dict[str, str]], seed: int = 0) -> sv.PairList:
    """Compare signatures: genuine ones, skilled forgeries, and random ones of another writer."""
    rng = random.Random(seed)
    genuine = [row for row in rows if row["kind"] == "genuine"]
    forged = [row for row in rows if row["kind"] == "skilled"]
    twos = {True: [], False: []}
    for one, other in itertools.combinations(genuine, 2):
        twos[one["writer"] == other["writer"]].append((one, other))
    skilled = [(a, b) for a in genuine for b in forged if a["writer"] == b["writer"]]
    n = len(twos[True])
    chosen = [*twos[True], *rng.sample(skilled, n), *rng.sample(twos[False], n)]
    columns = {
        f"{side}{name}": [two[i][key] for two in chosen]
        for i, side in enumerate(("left", "right"))
        for name, key in (("", "path"), ("_identity", "writer"))
    }
    groups = np.repeat(["", "skilled", "random"], n)
    return sv.PairList.from_table({**columns, "group": groups, "label": np.repeat([1, 0, 0], n)})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
