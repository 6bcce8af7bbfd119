"""Download of Labeled Faces in the Wild: the funneled images and the pair lists of View 1."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import keras

from siamese_verify.messages import shown

URL = "https://ndownloader.figshare.com/files/"
ARCHIVE = "lfw-funneled.tgz"
# Number at `URL` and SHA-256 of each file, as in scikit-learn's `fetch_lfw_pairs`.
FILES = {
    "pairsDevTrain.txt": (
        "5976012",
        "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    ),
    "pairsDevTest.txt": (
        "5976009",
        "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
    ),
    ARCHIVE: (
        "5976015",
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    ),
}


def download_lfw(folder: Path, url: str = URL, files: dict[str, tuple[str, str]] = FILES) -> None:
    """Fetch the files that `folder` lacks, check their SHA-256 and unpack the images.

    Args:
        folder: Folder for `lfw2/NAME/NAME_0001.jpg` and the two pair lists. The archive stays
            there too, so that an interrupted download need not start from the first file.
        url: Address of the files.
        files: Name, number and SHA-256 of each file.

    Raises:
        ValueError: If a file differs from its SHA-256.
        Exception: If a file cannot be fetched. The message has its address.
        tarfile.FilterError: If the archive would write outside of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (number, sha256) in files.items():
        keras.utils.get_file(
            name,
            url + number,
            cache_subdir=str(folder.resolve()),
            file_hash=sha256,
            hash_algorithm="sha256",
        )
    if not (folder / "lfw2").exists():
        _unpack(folder / ARCHIVE, folder / "lfw2")


def _unpack(archive: Path, images: Path) -> None:
    """Unpack the archive's one folder as `images`, which appears only when complete."""
    print(f"Unpacking {shown(archive)} ...")
    with (
        tempfile.TemporaryDirectory(prefix=".unpacking-", dir=images.parent) as scratch,
        tarfile.open(archive) as tar,
    ):
        # The filter raises an error for devices, and for paths and links that lead outside.
        tar.extractall(scratch, filter="data")
        (Path(scratch) / "lfw_funneled").rename(images)
