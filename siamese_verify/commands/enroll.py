"""`siamese-verify enroll`: the identities of a gallery."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path
from typing import Any

from typing_extensions import override

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_images, add_json, add_model
from siamese_verify.commands.inputs import (
    images_by_identity,
    load_gallery,
    load_verifier,
    read_images,
    read_metadata,
)
from siamese_verify.commands.outputs import print_json
from siamese_verify.commands.values import names_of_columns, output_file
from siamese_verify.messages import images_of, shown
from siamese_verify.verification.embedding_files import holds_embeddings

EXAMPLE = "siamese-verify enroll faces.keras staff --gallery staff.npz"
EXIT_CODES = "0 written"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_images(inputs, ", or a folder of embeddings that embed has written")
    inputs.add_argument(
        "--metadata",
        metavar="COLUMN,...",
        type=names_of_columns,
        default=(),
        help="columns of a table that identify shows with an identity (default: none)",
    )
    inputs.add_argument(
        "--template",
        choices=("each", "mean"),
        help="compare probes with each image of an identity, or with the mean of its embeddings "
        "(default: as the gallery, or each for a new one)",
    )
    inputs.add_argument(
        "--unlike",
        choices=("warn", "raise", "ignore"),
        default="warn",
        help="answer to images that look unlike all validation images, such as blurred ones, which "
        "may match anybody (default: %(default)s)",
    )
    inputs.add_argument(
        "--replace",
        action="store_true",
        help="remove the other images of these identities, which must be enrolled (default: add "
        "images)",
    )
    inputs.add_argument(
        "--remove",
        dest="names",
        metavar="NAME",
        nargs="+",
        default=[],
        action=_NeedsNoImages,
        help="identities to remove. They are removed before others are added (default: none)",
    )
    inputs.add_argument(
        "--reembed",
        nargs=0,
        default=False,
        action=_NeedsNoImages,
        help="embed the images of a gallery of an older model again. Their paths start from "
        "--images (default: such a gallery is an error)",
    )
    output.add_argument(
        "--gallery",
        "-o",
        metavar="FILE",
        type=output_file(".npz"),
        required=True,
        help="gallery (.npz). If it exists, the identities are added to it",
    )
    add_json(output)


class _NeedsNoImages(Action):
    """Flag with which IMAGES may be left out."""

    @override
    def __call__(
        self, parser: ArgumentParser, settings: Namespace, values: Any, flag: str | None = None
    ) -> None:
        setattr(settings, self.dest, values or True)
        for action in parser._actions:
            if action.dest == "source":
                action.required = False


def run(settings: Namespace) -> int:
    """Put identities into a gallery for identify, replace or remove them."""
    _check(settings)
    metadata = read_metadata(settings) if settings.metadata else None
    is_embedded = bool(settings.source) and holds_embeddings(settings.source)
    images = None
    if settings.source and not is_embedded:
        images = read_images(settings.source, settings.images_root, settings.columns)
    verifier = load_verifier(settings.model)
    version = _version_of(settings.gallery)
    if version:
        load_gallery(verifier, settings.gallery, settings.reembed, settings.images_root)
    removed = verifier.remove(settings.names) if settings.names else 0
    before = len(verifier.gallery)
    if is_embedded:
        verifier.enroll_embeddings(
            settings.source, template=settings.template, unlike=settings.unlike
        )
    elif images and settings.replace:
        verifier.replace(images_by_identity(images), metadata=metadata, unlike=settings.unlike)
    elif images:
        verifier.enroll(
            images_by_identity(images),
            template=settings.template,
            metadata=metadata,
            unlike=settings.unlike,
        )
    gallery = verifier.gallery
    if _version_of(settings.gallery) != version:
        raise RuntimeError(
            f"Another process has written {shown(settings.gallery)} meanwhile, so its images would "
            "be lost. Nothing was changed. Give the command again. "
            f"Received: --gallery={shown(settings.gallery)}"
        )
    verifier.save_gallery(settings.gallery)
    sizes = {"images": len(gallery), "identities": len(gallery.identities)}
    if settings.json:
        print_json({**sizes, "added": len(gallery) - before, "removed": removed})
    else:
        print(
            f"{shown(settings.gallery)} holds {images_of(*sizes.values())}. "
            f"Images before: {before + removed:,}."
        )
    return YES


def _check(settings: Namespace) -> None:
    """Raise an error if there is nothing to do, or nothing to do it with."""
    changes = settings.names or settings.reembed
    if (settings.replace or changes) and not settings.gallery.exists():
        raise ValueError(
            f"{shown(settings.gallery)} does not exist, so it holds nothing to replace, to remove "
            f"or to embed again. Received: --gallery={shown(settings.gallery)}"
        )
    if settings.source is None and (settings.replace or settings.metadata or settings.template):
        raise ValueError("--replace, --metadata and --template need IMAGES.")
    if settings.replace and holds_embeddings(settings.source):
        raise ValueError(
            "--replace needs images in place of embeddings. Name their folder or table."
        )
    if settings.replace and settings.template:
        raise ValueError("--template is for images that are added. Leave out --replace.")


def _version_of(gallery: Path) -> tuple[int, ...] | None:
    """Tell one state of a file from the next, which is a new file. None if there is none."""
    if not gallery.exists():
        return None
    state = gallery.stat()
    return state.st_ino, state.st_mtime_ns, state.st_size
