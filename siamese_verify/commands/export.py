"""`siamese-verify export`: write a model for another runtime."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_json, add_model
from siamese_verify.commands.inputs import load_verifier
from siamese_verify.commands.outputs import print_json
from siamese_verify.commands.values import check_folder, output_file
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify export faces.keras faces.onnx"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, outputs: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    outputs.add_argument(
        "output",
        metavar="OUTPUT",
        type=_output,
        help="NAME.onnx, NAME.tflite, or a new folder for a SavedModel",
    )
    outputs.add_argument(
        "--part",
        choices=("pair", "tower"),
        default="pair",
        help="scores of pairs, or embeddings of images (default: %(default)s)",
    )
    add_json(outputs)


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix:
        return output_file(".onnx", ".tflite")(text)
    check_folder(path.parent)
    if path.is_file():
        raise ArgumentTypeError(f"{shown(text)} exists and is not a folder")
    return path


def run(settings: Namespace) -> int:
    """Write the model of a verifier for another runtime: ONNX, LiteRT or SavedModel."""
    verifier = load_verifier(settings.model)
    from siamese_verify.verification.export import export_model

    export_model(verifier, settings.output, settings.part)
    if settings.json:
        print_json({"part": settings.part, "threshold": verifier.threshold})
    else:
        print(f"{shown(settings.output)}: {settings.part}, threshold {verifier.threshold:.4f}")
    return YES
