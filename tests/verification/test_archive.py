"""Tests of archives: a small file cannot fill the memory, and only files are read."""

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from verifiers import make_enrolled

import siamese_verify as sv
from siamese_verify.verification.archive import checked_archive, reason
from siamese_verify.verification.file import VerifierFileError
from siamese_verify.verification.gallery import GalleryError

ERRORS = {".keras": VerifierFileError, ".npz": GalleryError}
BIGGEST = {".keras": "model.weights.h5", ".npz": "embeddings.npy"}
MUCH = 2**26


@pytest.fixture(scope="module")
def verifier() -> sv.Verifier:
    return make_enrolled()


@pytest.fixture(scope="module", params=[".keras", ".npz"])
def whole(
    request: pytest.FixtureRequest, verifier: sv.Verifier, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("whole") / f"whole{request.param}"
    verifier.save(path) if request.param == ".keras" else verifier.save_gallery(path)
    return path


def load(verifier: sv.Verifier, path: Path) -> None:
    verifier.load_gallery(path) if path.suffix == ".npz" else sv.Verifier.load(path)


def copied(whole: Path, target: Path, method: int = zipfile.ZIP_STORED, **changed: bytes) -> Path:
    """Write a file again, with members changed or added."""
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in {**members, **changed}.items():
            archive.writestr(name, content)
    return target


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MUCH / 4


def bomb(whole: Path, path: Path) -> None:
    copied(whole, path, zipfile.ZIP_DEFLATED, **{BIGGEST[path.suffix]: bytes(MUCH)})


def text_bomb(whole: Path, path: Path) -> None:
    copied(whole, path, zipfile.ZIP_DEFLATED, **{"config.json": b" " * MUCH})


def other_method(whole: Path, path: Path) -> None:
    copied(whole, path, zipfile.ZIP_BZIP2)


def more_members(whole: Path, path: Path) -> None:
    copied(whole, path, **{"more.txt": b""})


def many_members(whole: Path, path: Path) -> None:
    copied(whole, path, **{str(i): b"" for i in range(2_000)})


def a_member_twice(whole: Path, path: Path) -> None:
    copied(whole, path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(BIGGEST[path.suffix], b"")


def more_at_the_end(whole: Path, path: Path) -> None:
    path.write_bytes(whole.read_bytes() + b"more")


def hidden_directory(whole: Path, path: Path) -> None:
    content = whole.read_bytes()
    end = content.rindex(b"PK\5\6")
    path.write_bytes(content[:end] + b"PK\6\7" + bytes(16) + content[end:])


@pytest.mark.parametrize(
    "damage",
    [bomb, text_bomb, other_method, more_members, many_members, a_member_twice, more_at_the_end,
     hidden_directory],
)  # fmt: skip
def test_an_archive_that_was_not_written_so_raises_and_needs_little_memory(
    damage: Callable[[Path, Path], None], whole: Path, verifier: sv.Verifier, tmp_path: Path
) -> None:
    path = tmp_path / f"damaged{whole.suffix}"
    damage(whole, path)
    with little_memory(), pytest.raises(ERRORS[path.suffix], match="damaged"):
        load(verifier, path)


def test_a_file_that_was_compressed_again_loads(
    whole: Path, verifier: sv.Verifier, tmp_path: Path
) -> None:
    load(verifier, copied(whole, tmp_path / f"small{whole.suffix}", zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "null"])
def test_only_files_are_read(kind: str, whole: Path, verifier: sv.Verifier, tmp_path: Path) -> None:
    path = tmp_path / f"other{whole.suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path(f"a\0b{whole.suffix}")
    with pytest.raises(ERRORS[path.suffix], match=r"is not a (regular file|path)"):
        load(verifier, path)


def test_a_file_that_is_missing_or_closed_is_an_error_of_the_system(
    whole: Path, verifier: sv.Verifier, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        load(verifier, tmp_path / f"none{whole.suffix}")
    loop = tmp_path / f"loop{whole.suffix}"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        load(verifier, loop)


def test_memory_that_runs_out_is_not_damage(
    whole: Path, verifier: sv.Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(zipfile.ZipFile, "infolist", fail)
    with pytest.raises(MemoryError):
        load(verifier, whole)


def test_the_reason_of_an_error_is_its_first_cause_on_one_line() -> None:
    try:
        try:
            raise KeyError("a\nb" * 1_000)
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        said = reason(error)
    assert said.startswith("KeyError('a")
    assert "\n" not in said
    assert len(said) < 500


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_short_file_that_is_not_an_archive_is_told_in_words(content: bytes) -> None:
    with pytest.raises(ValueError, match="It does not end as an archive does"):
        checked_archive(io.BytesIO(content), ())
