"""`siamese-verify enroll`: put identities into a gallery."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_images, add_json, add_model, output_file
from siamese_verify.commands.inputs import enroll_images, load_verifier, read_images
from siamese_verify.commands.outputs import print_json
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify enroll faces.keras staff --gallery staff.npz"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_images(inputs)
    output.add_argument(
        "--gallery",
        metavar="FILE",
        type=output_file(".npz"),
        required=True,
        help="gallery (.npz). If it exists, the identities are added to it",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Put the identities of images into a gallery, for identify."""
    verifier = load_verifier(settings.model)
    if settings.gallery.exists():
        verifier.load_gallery(settings.gallery)
    images = read_images(settings.source, settings.images_root, settings.columns)
    enroll_images(verifier, images)
    verifier.save_gallery(settings.gallery)
    names = verifier.gallery.names
    sizes = {"images": len(names), "identities": len(set(names))}
    if settings.json:
        print_json(sizes)
    else:
        print(
            f"{shown(settings.gallery)} holds {sizes['images']:,} images of "
            f"{sizes['identities']:,} identities."
        )
    return YES
