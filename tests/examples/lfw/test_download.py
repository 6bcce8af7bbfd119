import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from download import ARCHIVE, FILES, download_lfw

Serve = Callable[[dict[str, bytes]], tuple[str, dict[str, tuple[str, str]]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve contents on this machine. The function returns the arguments of `download_lfw`."""
    root = tmp_path / "server"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def put(contents: dict[str, bytes]) -> tuple[str, dict[str, tuple[str, str]]]:
        files = {}
        for number, (name, content) in enumerate(contents.items()):
            (root / str(number)).write_bytes(content)
            files[name] = (str(number), hashlib.sha256(content).hexdigest())
        return f"http://127.0.0.1:{server.server_port}/", files

    yield put
    server.shutdown()
    server.server_close()


def archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


LFW = Path(__file__).parents[4] / "shared" / "lfw"
IMAGE = ("lfw_funneled/Ada/Ada_0001.jpg", b"an image")
LISTS = {"pairsDevTrain.txt": b"1\nAda\t1\t2\n", "pairsDevTest.txt": b"1\nBob\t1\t2\n"}


def test_a_download_has_the_layout_that_train_reads(serve: Serve, tmp_path: Path) -> None:
    url, files = serve({**LISTS, ARCHIVE: archive(IMAGE)})
    download_lfw(tmp_path / "lfw", url, files)
    assert (tmp_path / "lfw/lfw2/Ada/Ada_0001.jpg").read_bytes() == b"an image"
    for name, content in LISTS.items():
        assert (tmp_path / "lfw" / name).read_bytes() == content


def test_files_that_are_there_are_not_fetched_again(serve: Serve, tmp_path: Path) -> None:
    url, files = serve({**LISTS, ARCHIVE: archive(IMAGE)})
    download_lfw(tmp_path / "lfw", url, files)
    download_lfw(tmp_path / "lfw", "http://127.0.0.1:9/", files)  # where nobody serves


@pytest.mark.parametrize("altered", [*LISTS, ARCHIVE])
def test_a_file_with_another_sha256_raises(serve: Serve, tmp_path: Path, altered: str) -> None:
    url, files = serve({**LISTS, ARCHIVE: archive(IMAGE)})
    files[altered] = (files[altered][0], "0" * 64)
    with pytest.raises(ValueError, match="does not match"):
        download_lfw(tmp_path / "lfw", url, files)
    assert not (tmp_path / "lfw/lfw2").exists()


def test_an_archive_cannot_write_outside(serve: Serve, tmp_path: Path) -> None:
    url, files = serve({**LISTS, ARCHIVE: archive(IMAGE, ("../../escaped.txt", b"out"))})
    with pytest.raises(tarfile.FilterError):
        download_lfw(tmp_path / "lfw", url, files)
    assert not list(tmp_path.rglob("escaped.txt"))
    assert not (tmp_path / "lfw/lfw2").exists()
    assert not list((tmp_path / "lfw").glob(".unpacking-*"))


def test_a_missing_file_is_named(serve: Serve, tmp_path: Path) -> None:
    url, files = serve(LISTS)
    with pytest.raises(Exception, match="404"):
        download_lfw(tmp_path / "lfw", url, {**files, ARCHIVE: ("nowhere", "0" * 64)})


@pytest.mark.skipif(not LFW.is_dir(), reason="the LFW images are not in ../shared/lfw")
@pytest.mark.parametrize("name", LISTS)
def test_the_official_lists_have_the_expected_sha256(name: str) -> None:
    assert hashlib.sha256((LFW / name).read_bytes()).hexdigest() == FILES[name][1]
