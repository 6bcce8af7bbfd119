"""`siamese-verify identify`: find the identity that an image shows."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import (
    add_json,
    add_model,
    existing,
    existing_file,
    whole_number,
)
from siamese_verify.commands.inputs import enroll_images, load_verifier, read_images
from siamese_verify.commands.outputs import print_json
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify identify faces.keras probe.jpg --gallery staff.npz"
EXIT_CODES = "0 an identity was found, 1 none"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    inputs.add_argument("probe", metavar="PROBE", type=existing_file, help="path of an image")
    inputs.add_argument(
        "--gallery",
        metavar="FILE",
        type=existing,
        required=True,
        help="gallery that enroll wrote (.npz), or a folder with a folder of images for each "
        "identity",
    )
    output.add_argument(
        "-k",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="largest number of identities to name (default: %(default)s)",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Find which identities of a gallery an image may show. Exit code 1 if none."""
    verifier = load_verifier(settings.model)
    if Path(settings.gallery).is_dir():
        enroll_images(verifier, read_images(settings.gallery))
    else:
        verifier.load_gallery(settings.gallery)
    found = verifier.identify(settings.probe, settings.k)
    if settings.json:
        print_json([match.to_dict() for match in found])
    else:
        lines = (f"{shown(match.name)}: score {match.score:.4f}" for match in found)
        print("\n".join(lines) or "no identity")
    return YES if found else NO
