"""Fetches Labeled Faces in the Wild: the funneled photographs and the pair lists of View 1."""

from __future__ import annotations

import tarfile
from pathlib import Path

import keras

BASE_URL = "https://ndownloader.figshare.com/files/"
ARCHIVE = ("lfw-funneled.tgz", "5976015")
FILES = {
    "lfw-funneled.tgz": (
        "5976015",
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    ),
    "pairsDevTrain.txt": (
        "5976012",
        "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    ),
    "pairsDevTest.txt": (
        "5976009",
        "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
    ),
}


def download_lfw(folder: Path) -> None: ...
