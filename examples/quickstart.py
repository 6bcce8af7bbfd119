"""From a folder of images to a verifier, in about a minute.

    python examples/quickstart.py FOLDER  # a folder for each identity, with its images
    python examples/quickstart.py         # drawn faces, to try it at once

It needs two or more images of most identities. A hundred identities are a start.
"""

import sys
from pathlib import Path

import keras

import siamese_verify as sv


def main(folder: Path, output: Path = Path("quickstart.keras"), epochs: int = 20) -> None:
    keras.utils.set_random_seed(0)

    # No identity is in two parts, since the verifier is for identities that it has never seen.
    size = sv.Preprocessing(image_size=(48, 48))
    images = sv.IdentityDataset.from_folder(folder, size)
    training, validation, test = images.split((0.6, 0.2, 0.2))

    # The tower learns to embed images of one identity close together, and others far apart.
    tower = sv.ConvTower.residual((48, 48, 1), filters=(16, 32, 64))
    learner = keras.Sequential([tower])
    learner.compile(keras.optimizers.Adam(2e-3), loss=sv.SupervisedContrastiveLoss(0.1))
    batches = training.batches(64, shuffle=True, per_identity=2, augment=True)
    learner.fit(batches, epochs=epochs, shuffle=False, verbose=2)

    # A verifier is a model with a threshold, here at equal error rates on the validation pairs.
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), size)
    verifier.calibrate(validation.pairs(), "eer")
    unseen = test.pairs()
    print(verifier.evaluate(unseen))
    left, right = unseen.pairs.paths(folder)[0]
    print(f"{left.name} and {right.name}:", verifier.verify(left, right))
    verifier.save(output)
    print(f"The verifier is in {output}. Try: siamese-verify verify {output} {left} {right}")


if __name__ == "__main__":
    if not sys.argv[1:]:
        from lfw.standin import write_standin

        main(write_standin(Path("runs/drawn-faces")) / "lfw2")
    elif Path(sys.argv[1]).is_dir():
        main(Path(sys.argv[1]))
    else:
        sys.exit(f"{__doc__}\nReceived: {sys.argv[1]}, which is not a folder")
