"""`siamese-verify verify`: decide on two images."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from pathlib import Path
from typing import TYPE_CHECKING

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import add_json, add_model
from siamese_verify.commands.values import existing_file

if TYPE_CHECKING:
    from siamese_verify.runtime import OnnxVerifier
    from siamese_verify.verification.verifier import Verifier

EXAMPLE = "siamese-verify verify faces.keras one.jpg other.jpg && echo same"
EXIT_CODES = "0 same, 1 different"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs, ".onnx")
    inputs.add_argument("one", metavar="A", type=existing_file, help="path of an image")
    inputs.add_argument(
        "other", metavar="B", type=existing_file, help="path of the image to compare A with"
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Decide whether two images show the same identity. Exit code 1 if not."""
    decision = load_verifier(settings.model).verify(settings.one, settings.other)
    if settings.json:
        from siamese_verify.commands.outputs import print_json

        print_json(decision.to_dict())
    else:
        print(
            f"{'same' if decision.same else 'different'}: score {decision.score:.4f}, "
            f"threshold {decision.threshold:.4f}, P(same) {decision.probability:.3f}"
        )
        print(f"at this threshold, FAR {decision.far} and FRR {decision.frr}")
        if decision.review:
            print("review: the score is in the band to be decided by eye")
        if decision.unlike_validation:
            print(f"unlike all validation images: {', '.join(decision.unlike_validation)}")
    return YES if decision else NO


def load_verifier(path: str) -> Verifier | OnnxVerifier:
    """Load a verifier, or its export, which needs no TensorFlow."""
    if Path(path).suffix.lower() == ".onnx":
        from siamese_verify.runtime import OnnxVerifier

        return OnnxVerifier.load(path)
    from siamese_verify.commands import inputs

    return inputs.load_verifier(path)
