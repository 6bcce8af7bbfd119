"""`siamese-verify demo`: everything once, on drawn faces."""

from __future__ import annotations

import tempfile
from argparse import Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import add_json
from siamese_verify.commands.inputs import read_images
from siamese_verify.commands.train import Texts, finish, train_and_write
from siamese_verify.commands.values import folder_to_make
from siamese_verify.messages import shown

EXAMPLE = "siamese-verify demo"
EXIT_CODES = "0 written"
_IDENTITIES = 450
_EPOCHS = 25
_SIZE = 48
_TEXTS = Texts(
    "Drawn faces",
    "faces that NumPy has drawn",
    "To try the library. The faces are drawn, so the figures say nothing about real faces.",
)


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    output.add_argument(
        "--folder",
        metavar="DIR",
        type=_folder,
        default=Path("siamese-verify-demo"),
        help="folder for images and model (default: %(default)s)",
    )
    add_json(output)


def _folder(text: str) -> Path:
    return Path(folder_to_make(text))


def run(settings: Namespace) -> int:
    """Draw faces, train a verifier on them, and verify faces that it never saw: two minutes."""
    folder: Path = settings.folder
    faces = _draw(folder)
    if not settings.json:
        print(f"The faces in {shown(faces)} are drawn. Training on them ...", flush=True)
    from siamese_verify.commands.training import Recipe

    model = folder / "faces.keras"
    trained = train_and_write(
        read_images(str(faces)), Recipe(_SIZE, epochs=_EPOCHS), model, _TEXTS, settings.terminal
    )
    finish(settings, trained, model)
    if not settings.json:
        print("Then your own images: siamese-verify train FOLDER -o model.keras")
    return YES


def _draw(folder: Path) -> Path:
    """Draw the faces once: the folder appears when all are written."""
    faces = folder / "faces"
    if faces.is_dir():
        return faces
    from siamese_verify.drawn_faces.files import write_faces

    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as scratch:
        partial = Path(scratch) / "faces"
        write_faces(partial, range(1, _IDENTITIES + 1))
        partial.rename(faces)
    return faces
