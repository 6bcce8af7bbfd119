"""`siamese-verify identify`: find the identities that images show."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from pathlib import Path
from typing import TYPE_CHECKING

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import add_json, add_model
from siamese_verify.commands.inputs import (
    images_by_identity,
    load_gallery,
    load_verifier,
    read_images,
)
from siamese_verify.commands.outputs import print_json
from siamese_verify.commands.values import existing, existing_file, whole_number
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.verification.decision import Match

EXAMPLE = "siamese-verify identify faces.keras probe.jpg --gallery staff.npz"
EXIT_CODES = "0 an identity was found for each image, 1 not for each"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    inputs.add_argument(
        "probes", metavar="PROBE", nargs="+", type=existing_file, help="paths of images"
    )
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
        help="largest number of identities to name for an image (default: %(default)s)",
    )
    output.add_argument(
        "--below-threshold",
        action="store_true",
        help="also name identities that score below the threshold (default: only identities that "
        "reach it)",
    )
    add_json(output)


def run(settings: Namespace) -> int:
    """Find which identities of a gallery images may show. Exit code 1 if none for an image."""
    verifier = load_verifier(settings.model)
    if Path(settings.gallery).is_dir():
        verifier.enroll(images_by_identity(read_images(settings.gallery)))
    else:
        load_gallery(verifier, settings.gallery)
    found = verifier.identify_many(
        settings.probes, settings.k, below_threshold=settings.below_threshold
    )
    by_probe = list(zip(settings.probes, found, strict=True))
    if settings.json:
        print_json(
            [{"probe": probe, "matches": [m.to_dict() for m in found]} for probe, found in by_probe]
        )
    else:
        for probe, matches in by_probe:
            start = f"{shown(probe)}: " if len(by_probe) > 1 else ""
            for line in map(_line, matches) if matches else ["no identity"]:
                print(start + line)
    return YES if all(any(matches) for matches in found) else NO


def _line(match: Match) -> str:
    """Describe a match on one line."""
    image = f", image {shown(match.image)}" if match.image else ""
    metadata = "".join(f", {shown(k)} {shown(v)}" for k, v in match.metadata.items())
    below = "" if match else ", below the threshold"
    return f"{shown(match.name)}: score {match.score:.4f}{below}{image}{metadata}"
