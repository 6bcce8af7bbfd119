"""Folders of empty image files, one folder for each identity."""

from pathlib import Path

# One name in Unicode's two forms: "é" as one character, and as "e" with a combining accent.
NFC, NFD = "Jos\u00e9", "Jose\u0301"
FILES = {
    "Ada": ["Ada_0001.jpg", "Ada_0002.jpg", "Ada_0003.jpg"],
    "Bob the Builder": ["front view.JPEG", "left.PNG", "x.bmp", "anim.gif"],
    "Zoë": ["só.jpg", "1.jpg"],
    "Only one": ["1.png"],
}


def make_folders(root: Path, files: dict[str, list[str]] = FILES) -> Path:
    for identity, names in files.items():
        (root / identity).mkdir(parents=True)
        for name in names:
            (root / identity / name).touch()
    return root
