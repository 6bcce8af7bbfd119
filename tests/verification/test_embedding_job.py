"""Tests of embeddings in files that this process writes."""

import csv
import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from embedding_tables import read, states, write
from pyarrow import parquet

import siamese_verify as sv
from siamese_verify.verification.shard_embedder import ShardEmbedder


@pytest.fixture
def copy(shards: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in shards.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_shard_holds_the_embeddings_of_its_rows_in_their_order(
    verifier: sv.Verifier, table: dict[str, list[str]], shards: Path
) -> None:
    bad = {path for path in table["path"] if path.endswith(("damaged.png", "missing.png"))}
    paths, embeddings = read(shards)
    assert paths == [path for path in table["path"] if path not in bad]
    np.testing.assert_allclose(embeddings, verifier.embed(paths), atol=1e-6)
    first = parquet.read_table(shards / "embeddings-0000000.parquet")
    assert first["path"].to_pylist() == table["path"][:20]
    assert first["identity"].to_pylist() == table["identity"][:20]
    assert first.schema.field("embedding").type.list_size == embeddings.shape[1]
    record = json.loads(first.schema.metadata[b"siamese_verify"])
    assert record["fingerprint"] == verifier.fingerprint


def test_an_image_that_cannot_be_used_is_a_row_of_the_table_of_errors(
    verifier: sv.Verifier, table: dict[str, list[str]], tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=r"2 of .* images are left out"):
        shards = verifier.write_embeddings(table, tmp_path, images_per_shard=20, verbose=False)
    rows = list(csv.reader((tmp_path / "skipped.csv").read_text().splitlines()))
    assert rows[0] == ["path", "reason"]
    assert [Path(path).name for path, _ in rows[1:]] == ["damaged.png", "missing.png"]
    assert rows[2][1] == "the file is missing"
    assert [list(one) for one in shards.skipped] == rows[1:]
    assert len(shards) == len(table["path"]) - 2


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "frame"])
def test_every_kind_of_table_has_the_same_shards(
    ending: str, verifier: sv.Verifier, table: dict[str, list[str]], tmp_path: Path, shards: Path
) -> None:
    frame = pandas.DataFrame(table)
    source: Any = tmp_path / f"table.{ending}"
    if ending == "csv":
        frame.to_csv(source, index=False)
    elif ending == "tsv":
        frame.to_csv(source, index=False, sep="\t")
    elif ending == "jsonl":
        frame.to_json(source, orient="records", lines=True)
    elif ending == "parquet":
        parquet.write_table(pyarrow.table(table), source)
    else:
        source = frame
    write(verifier, source, tmp_path / "shards")
    for file in shards.iterdir():
        assert (tmp_path / "shards" / file.name).read_bytes() == file.read_bytes()


def test_columns_may_be_named_otherwise_and_paths_start_from_a_folder(
    verifier: sv.Verifier, drawn: Path, tmp_path: Path
) -> None:
    files = sorted((drawn / "lfw2").glob("*/*"))[:3]
    names = [file.relative_to(drawn).as_posix() for file in files]
    table = {"file": [*names, "../outside.png"], "who": ["a", "a", "b", "b"]}
    shards: Any = write(verifier, table, tmp_path, path="file", identity="who", images_root=drawn)
    assert read(tmp_path)[0] == names
    assert [one.path for one in shards.skipped] == ["../outside.png"]


def test_a_folder_of_identities_is_embedded_too(
    verifier: sv.Verifier, drawn: Path, tmp_path: Path
) -> None:
    shards: Any = write(verifier, drawn / "lfw2", tmp_path)
    assert len(shards) == len(list((drawn / "lfw2").glob("*/*")))


def test_a_stopped_call_goes_on_and_writes_only_what_is_missing(
    verifier: sv.Verifier, table: dict[str, list[str]], shards: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_one = ShardEmbedder.write

    def write_two(self: ShardEmbedder, block: Any) -> Any:
        if block.number == 2:
            raise KeyboardInterrupt
        return write_one(self, block)

    monkeypatch.setattr(ShardEmbedder, "write", write_two)
    with pytest.raises(KeyboardInterrupt):
        write(verifier, table, tmp_path)
    with pytest.raises(sv.ShardError, match="is missing, so that no complete embeddings"):
        verifier.enroll_embeddings(tmp_path)
    before = states(tmp_path)
    assert len(before) == 2
    monkeypatch.undo()
    write(verifier, table, tmp_path)
    assert before.items() <= states(tmp_path).items()
    for file in shards.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    before = states(tmp_path)
    write(verifier, table, tmp_path)
    assert states(tmp_path) == before


def test_images_that_were_left_out_are_tried_again(
    verifier: sv.Verifier, drawn: Path, tmp_path: Path
) -> None:
    good = sorted((drawn / "lfw2").glob("*/*"))[:6]
    late = tmp_path / "late.jpg"
    table = {"path": [*map(str, good), str(late)]}
    write(verifier, table, tmp_path / "shards", images_per_shard=4)
    before = states(tmp_path / "shards")
    late.write_bytes(good[0].read_bytes())
    shards = verifier.write_embeddings(
        table, tmp_path / "shards", images_per_shard=4, verbose=False
    )
    assert (len(shards), shards.skipped) == (7, ())
    assert not (tmp_path / "shards" / "skipped.csv").exists()
    after = states(tmp_path / "shards")
    assert [name for name in after if after[name] != before[name]] == ["embeddings-0000001.parquet"]


def test_shards_of_another_model_table_or_number_of_rows_are_not_continued(
    verifier: sv.Verifier, table: dict[str, list[str]], copy: Path
) -> None:
    before = states(copy)
    preprocessing = dataclasses.replace(verifier.preprocessing, background=(9, 9, 9))
    other = sv.Verifier(verifier.model, preprocessing)
    with pytest.raises(sv.ShardError, match=r"another model.*Received: fingerprint="):
        write(other, table, copy)
    swapped = {**table, "identity": table["identity"][::-1]}
    with pytest.raises(sv.ShardError, match="does not hold the rows"):
        write(verifier, swapped, copy)
    with pytest.raises(sv.ShardError, match="does not hold the rows"):
        write(verifier, table, copy, images_per_shard=30)
    shorter = {name: column[:20] for name, column in table.items()}
    with pytest.raises(sv.ShardError, match=r"0000001\.parquet does not hold the rows"):
        write(verifier, shorter, copy)
    assert states(copy) == before


@pytest.mark.parametrize("content", [b"", b"PAR1 no more", None])
def test_a_damaged_shard_is_named(
    content: bytes | None, verifier: sv.Verifier, table: dict[str, list[str]], copy: Path
) -> None:
    file = copy / "embeddings-0000001.parquet"
    if content is None:
        parquet.write_table(pyarrow.table({"path": ["1.png"]}), file)
    else:
        file.write_bytes(content)
    with pytest.raises(sv.ShardError, match=r"0000001\.parquet is damaged or no file"):
        write(verifier, table, copy)
    with pytest.raises(sv.ShardError, match=r"0000001\.parquet is damaged or no file"):
        verifier.enroll_embeddings(copy)


def test_a_table_without_a_usable_image_or_column_raises(
    verifier: sv.Verifier, tmp_path: Path
) -> None:
    with pytest.raises(sv.TableError, match="lacks a column"):
        write(verifier, {"file": ["1.png"]}, tmp_path)
    with pytest.raises(sv.TableError, match="no rows"):
        write(verifier, {"path": []}, tmp_path)
    with pytest.raises(ValueError, match="`images_per_shard` must be"):
        write(verifier, {"path": ["1.png"]}, tmp_path, images_per_shard=0)
    with pytest.raises(ValueError, match="No image can be used"):
        write(verifier, {"path": ["1.png", "2.png"]}, tmp_path)


def test_weights_that_change_meanwhile_raise_and_write_nothing(
    verifier: sv.Verifier, table: dict[str, list[str]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    embedder = verifier._embedder
    embed = embedder.embed_pixels
    weights = verifier.model.get_weights()

    def change(pixels: Any) -> Any:
        embeddings = embed(pixels)
        if len(pixels) > 1:
            verifier.model.set_weights([2 * array for array in weights])
        return embeddings

    monkeypatch.setattr(embedder, "embed_pixels", change)
    with pytest.raises(RuntimeError, match="weights have changed"):
        write(verifier, table, tmp_path)
    verifier.model.set_weights(weights)
    assert not states(tmp_path)


def test_missing_packages_are_named_with_their_extra(
    verifier: sv.Verifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"siamese-verify\[scale\].*Received: workers=2"):
        write(verifier, {"path": ["1.png"]}, tmp_path, workers=2)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"siamese-verify\[tables\]"):
        write(verifier, {"path": ["1.png"]}, tmp_path)


def test_warnings_of_left_out_images_are_the_only_ones(
    verifier: sv.Verifier, table: dict[str, list[str]], tmp_path: Path
) -> None:
    good = {name: column[:5] for name, column in table.items()}
    with warnings.catch_warnings(action="error"):
        verifier.write_embeddings(good, tmp_path, verbose=False)
