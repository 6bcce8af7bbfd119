"""Tests of `Verifier`: calibration, decisions, galleries, files."""

import io
import json
import subprocess
import sys
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest
from standin import write_standin

import siamese_verify as sv
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.reading import read_image
from siamese_verify.evaluation.calibration import CalibrationWarning, calibrate
from siamese_verify.evaluation.report import EvaluationWarning, evaluate_scores
from siamese_verify.verification.file import VerifierFileError
from siamese_verify.verification.gallery import Gallery, GalleryError
from siamese_verify.verification.search import ExactIndex, FaissIndex

SIZE = (24, 24)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(
        tmp_path_factory.mktemp("data") / "drawn", train_identities=20, test_identities=8
    )


@pytest.fixture(scope="module")
def pairs(drawn: Path) -> sv.PairDataset:
    """Validation pairs, half of them same; of identities who are in no training pair."""
    return sv.PairDataset.from_lfw(drawn / "pairsDevTrain.txt", drawn / "lfw2", SIZE, verbose=False)


def build(head: keras.layers.Layer | None = None) -> sv.SiameseModel:
    keras.utils.set_random_seed(0)
    blocks = [sv.ConvBlock(8, 3, 2, batch_norm=True, dropout=0.2), sv.ConvBlock(8, 3, 2)]
    return sv.SiameseModel(sv.ConvTower(blocks, (*SIZE, 1), 16), head or sv.WeightedL1Head())


@pytest.fixture(scope="module")
def verifier(pairs: sv.PairDataset) -> sv.Verifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        return sv.Verifier(build(), pairs.preprocessing).calibrate(pairs)


@pytest.fixture(scope="module")
def paths(drawn: Path, pairs: sv.PairDataset) -> list[tuple[Path, Path]]:
    return pairs.pairs.paths(drawn / "lfw2")


def test_the_threshold_and_its_evidence_are_those_of_the_scores(
    verifier: sv.Verifier, pairs: sv.PairDataset
) -> None:
    scores = verifier.model.score(pairs.images, pairs.indices)
    assert verifier.threshold == sv.choose_threshold(scores, pairs.labels)
    identities = [(pair.left.identity, pair.right.identity) for pair in pairs.pairs]
    expected = evaluate_scores(scores, pairs.labels, verifier.threshold, identities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)  # The threshold was chosen on these.
        assert str(verifier.evaluate(pairs)) == str(expected)
    assert verifier.calibration.far == expected.far
    assert verifier.calibration.frr.high == expected.frr.high


def test_a_decision_tells_score_probability_threshold_and_rates(
    verifier: sv.Verifier, pairs: sv.PairDataset, paths: list[tuple[Path, Path]]
) -> None:
    scores = verifier.model.score(pairs.images, pairs.indices)
    for index in (0, -1):
        decision = verifier.verify(*paths[index])
        assert decision.score == pytest.approx(scores[index], abs=1e-5)
        assert decision.same == (decision.score >= verifier.threshold)
        assert decision.probability == verifier.calibration.probability(decision.score)
        assert decision.threshold == verifier.threshold
        assert (decision.far, decision.frr) == (verifier.calibration.far, verifier.calibration.frr)
    many = verifier.verify_many(paths)
    assert [d.score for d in many] == pytest.approx(scores.tolist(), abs=1e-5)
    assert verifier.verify_many([]) == []


def test_an_image_may_be_given_in_many_ways(
    verifier: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    path, other = paths[0]
    expected = verifier.embed([path])
    opened = PIL.Image.open(path)
    with path.open("rb") as file:
        ways = [str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), file, opened]
        ways += [opened.convert("RGB"), np.asarray(opened.convert("L"))]
        ways += [np.asarray(opened.convert("L")).astype(np.float64) / 255]
        for way in ways:
            # Other decoders round grey differently by a level or two.
            np.testing.assert_allclose(verifier.embed([way]), expected, atol=0.02)
    # Pixels as a network sees them are taken as they are.
    pixels = verifier.preprocessing.decode(path.read_bytes())
    np.testing.assert_array_equal(verifier.embed([pixels]), expected)
    np.testing.assert_array_equal(verifier.embed([pixels / 255]), expected)
    assert verifier.verify(pixels, other) == verifier.verify(path, other)


def test_an_array_is_cropped_and_resized_as_a_file() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    png = io.BytesIO()
    PIL.Image.fromarray(image).save(png, "png")
    for preprocessing in (
        sv.Preprocessing((16, 16), 3),
        sv.Preprocessing((16, 16), 3, center_crop=(40, 30)),
    ):
        expected = preprocessing.decode(png.getvalue())
        np.testing.assert_array_equal(read_image(image, preprocessing), expected)
        with_alpha = np.dstack([image, np.zeros((60, 50), np.uint8)])
        np.testing.assert_array_equal(read_image(with_alpha, preprocessing), expected)


@pytest.mark.parametrize(
    ("image", "error", "match"),
    [
        (np.full(SIZE, 255.0), ImageError, "Divide pixels by 255"),
        (np.full(SIZE, np.nan), ImageError, r"lie in \[0, 1\]"),
        (np.full(SIZE, 7, np.int64), ImageError, "dtype=int64"),
        (np.zeros((2, *SIZE, 1), np.uint8), ImageError, r"shape \(2, 24, 24, 1\)"),
        (np.zeros((24, 24, 2), np.uint8), ImageError, r"shape \(24, 24, 2\)"),
        (np.zeros((0, 24), np.uint8), ImageError, r"shape \(0, 24\)"),
        (b"no image", ImageError, "no JPEG, PNG, BMP or GIF"),
        ("nowhere.jpg", FileNotFoundError, r"nowhere\.jpg"),
        (io.StringIO("text"), TypeError, "binary mode"),
        (7, TypeError, "Received: int"),
    ],
)
def test_what_is_no_image_is_refused(
    verifier: sv.Verifier, image: object, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        verifier.embed([image])


def test_a_verifier_without_a_threshold_decides_nothing(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier(build(), pairs.preprocessing)
    for attempt in (
        lambda: verifier.threshold,
        lambda: verifier.verify(*paths[0]),
        lambda: verifier.evaluate(pairs),
        lambda: verifier.identify(paths[0][0]),
        lambda: verifier.save(tmp_path / "faces.keras"),
    ):
        with pytest.raises(RuntimeError, match="calibrate"):
            attempt()


def test_validation_identities_who_are_in_training_are_warned_of(drawn: Path) -> None:
    data = sv.PairDataset.from_lfw(drawn / "pairsDevTrain.txt", drawn / "lfw2", SIZE, verbose=False)
    _, by_pair = data.split(0.5)
    with pytest.warns(CalibrationWarning) as caught:
        sv.Verifier(build(), data.preprocessing).calibrate(by_pair)
    assert any("validation identities are in training too" in str(w.message) for w in caught)
    _, by_identity = data.split(0.5, by="identity")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sv.Verifier(build(), data.preprocessing).calibrate(by_identity)
    assert not any("in training too" in str(w.message) for w in caught)
    with pytest.warns(CalibrationWarning) as caught:
        sv.Verifier(build(), data.preprocessing).calibrate(
            by_identity, training_identities=by_identity.pairs.identities[:1]
        )
    assert str(caught[0].message).startswith("1 of ")


def test_pairs_preprocessed_otherwise_are_refused(verifier: sv.Verifier, drawn: Path) -> None:
    other = sv.PairDataset.from_lfw(
        drawn / "pairsDevTest.txt", drawn / "lfw2", (32, 32), verbose=False
    )
    with pytest.raises(ValueError, match=r"image_size=\(32, 32\).*not.*\(24, 24\)"):
        verifier.evaluate(other)


def test_any_keras_model_with_a_head_will_do(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    embedding = keras.Sequential(
        [keras.Input((*SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(8)]
    )
    with pytest.raises(ValueError, match="An embedding model requires `head`"):
        sv.Verifier(embedding, pairs.preprocessing)
    with pytest.raises(ValueError, match="An embedding model requires `head`"):
        sv.Verifier(build(), pairs.preprocessing, head=sv.CosineHead())
    verifier = sv.Verifier(embedding, pairs.preprocessing, head=sv.CosineHead())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier.calibrate(pairs, "eer")
    verifier.save(tmp_path / "faces.keras")
    again = sv.Verifier.load(tmp_path / "faces.keras")
    assert again.verify(*paths[0]) == verifier.verify(*paths[0])
    assert again.calibration == verifier.calibration


@pytest.mark.parametrize(
    "wrong", [sv.Preprocessing(SIZE, channels=3), sv.Preprocessing((SIZE[0] + 2, SIZE[1]))]
)
def test_preprocessing_must_give_what_the_model_takes(wrong: sv.Preprocessing) -> None:
    with pytest.raises(
        ValueError, match=r"`preprocessing` must return images of the shape .*Received: preproc"
    ):
        sv.Verifier(build(), wrong)


def test_a_head_is_a_layer_and_preprocessing_a_preprocessing() -> None:
    with pytest.raises(TypeError, match=r"`head` must be a layer.*Received: head='cosine'"):
        sv.Verifier(build().tower, sv.Preprocessing(SIZE), head="cosine")
    with pytest.raises(TypeError, match=r"`preprocessing` must be .*Received: "):
        sv.Verifier(build(), SIZE)


@pytest.fixture(scope="module")
def saved(verifier: sv.Verifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "faces.keras"
    verifier.save(path)
    return path


def test_a_fresh_process_gives_the_same_bits(
    verifier: sv.Verifier, saved: Path, paths: list[tuple[Path, Path]]
) -> None:
    code = (
        "import sys, siamese_verify as sv\n"
        "print(repr(sv.Verifier.load(sys.argv[1]).verify(*sys.argv[2:])))"
    )
    command = [sys.executable, "-c", code, saved, *paths[0]]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == repr(verifier.verify(*paths[0]))


def test_keras_itself_loads_the_file_too(
    verifier: sv.Verifier, saved: Path, pairs: sv.PairDataset
) -> None:
    model = keras.models.load_model(saved)
    np.testing.assert_array_equal(
        model.score(pairs.images, pairs.indices),
        verifier.model.score(pairs.images, pairs.indices),
    )


def test_a_failed_save_leaves_the_old_file(
    verifier: sv.Verifier, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="no space"):
        verifier.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_damaged_files_are_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        weights, directory = archive.getinfo("model.weights.h5"), archive.start_dir
    middle = weights.header_offset + weights.file_size // 2

    def changed(position: int) -> bytes:
        return whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]

    damages = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "changed": changed(middle),
        "compressed": changed(directory + 10),  # by a method that there is not
        "encrypted": changed(directory + 8),
        "text": b"no archive",
    }
    for name, content in damages.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(content)
        with pytest.raises(VerifierFileError, match=f"{name}.keras is damaged"):
            sv.Verifier.load(path)
    with pytest.raises(FileNotFoundError):
        sv.Verifier.load(tmp_path / "none.keras")


def rewritten(saved: Path, path: Path, member: str, change: object) -> Path:
    """A copy of a file with one JSON member changed."""
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == member:
                content = json.dumps(change(json.loads(content)))
            new.writestr(name, content)
    return path


def test_a_newer_file_is_refused(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "x.keras", "verifier.json", lambda x: {**x, "format": 99})
    with pytest.raises(VerifierFileError, match=r"newer siamese-verify.*Received: format=99"):
        sv.Verifier.load(path)


def test_a_model_that_is_no_verifier_is_refused(tmp_path: Path) -> None:
    build().save(tmp_path / "model.keras")
    with pytest.raises(VerifierFileError, match="without preprocessing and threshold"):
        sv.Verifier.load(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ({"module": "keras.layers", "class_name": "Lambda", "config": {}}, "holds code"),
        ({"class_name": "__lambda__", "config": {}}, "holds code"),
        ({"module": "os", "class_name": "function", "config": "system"}, "not registered"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, "holds code"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "not part of"),
        ({"module": "keras.models", "class_name": "function", "config": "load_model"}, "not part"),
        ({"module": "keras", "class_name": "function", "config": "utils.get_file"}, "not part of"),
        ({"module": "keras.src.saving", "class_name": "function", "config": "load"}, "not part of"),
        ({"module": "keras", "class_name": "layers.Lambda", "config": {}}, "not part of"),
        (
            {
                "module": "keras_hub.x",
                "class_name": "function",
                "config": "f",
                "registered_name": "siamese_verify>ConvTower",
            },
            "'f', which is not registered",
        ),
        ({"module": None, "class_name": "Own", "config": {}}, "'Own', which is not registered"),
        ({"class_name": "__typespec__", "config": [], "spec_name": "X"}, "holds code"),
        ({"module": 3, "class_name": "Layer", "config": {}}, "not registered"),
        ({"module": "keras.models", "class_name": "load_model", "config": {}}, "not part of"),
        ({"module": "keras.layers", "class_name": "Nothing", "config": {}}, "loaded by Keras"),
        ({"module": "evil", "class_name": "Layer", "registered_name": "evil>Layer"}, "evil>Layer"),
    ],
)
def test_code_in_a_file_is_not_run(
    saved: Path, tmp_path: Path, part: dict[str, object], match: str
) -> None:
    def change(config: dict[str, object]) -> dict[str, object]:
        return {**config, "config": {**config["config"], "head": part}}

    path = rewritten(saved, tmp_path / "x.keras", "config.json", change)
    with pytest.raises(VerifierFileError, match=match):
        sv.Verifier.load(path)


def test_any_model_of_parts_of_keras_is_saved_and_loaded(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    images = keras.Input((*SIZE, 1))
    x = keras.layers.Conv2D(
        4, 3, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm",
        kernel_initializer=keras.initializers.HeNormal(keras.random.SeedGenerator(1)),
    )(images)  # fmt: skip
    x = keras.layers.Dropout(0.1, seed=1)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Activation(keras.activations.gelu)(keras.ops.sqrt(keras.ops.abs(x)) / 2 + x)
    x = keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(x)
    tower = keras.Model(images, keras.layers.Dense(8, dtype="float32")(x))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    tower.compile(keras.optimizers.SGD(schedule), loss=keras.losses.MeanSquaredError())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier = sv.Verifier(tower, pairs.preprocessing, head=sv.CosineHead()).calibrate(pairs)
    verifier.save(tmp_path / "faces.keras")
    again = sv.Verifier.load(tmp_path / "faces.keras")
    assert again.verify(*paths[0]) == verifier.verify(*paths[0])


def test_the_layers_of_a_network_of_keras_are_known(tmp_path: Path) -> None:
    network = keras.applications.ConvNeXtTiny(
        weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg"
    )
    preprocessing = sv.Preprocessing((32, 32), 3)
    verifier = sv.Verifier(network, preprocessing, head=sv.CosineHead())
    verifier.calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    verifier.save(tmp_path / "faces.keras")
    assert sv.Verifier.load(tmp_path / "faces.keras").preprocessing == preprocessing


def test_a_file_of_another_ending_is_not_read(saved: Path, tmp_path: Path) -> None:
    # Keras would read one that ends in .h5 as HDF5, which may stand before the checked archive.
    path = tmp_path / "faces.h5"
    path.write_bytes(saved.read_bytes())
    with pytest.raises(VerifierFileError, match=r"must end in \.keras"):
        sv.Verifier.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: {**settings, "format": "one"},
        lambda settings: {**settings, "format": float("inf")},
        lambda settings: {**settings, "preprocessing": {"size": 3}},
        lambda settings: {**settings, "preprocessing": {"image_size": [0, 0]}},
        lambda settings: {**settings, "calibration": None},
        lambda settings: {"format": 1},
        lambda settings: [],
    ],
)
def test_a_file_with_damaged_settings_is_refused(
    saved: Path, tmp_path: Path, change: object
) -> None:
    path = rewritten(saved, tmp_path / "x.keras", "verifier.json", change)
    with pytest.raises(VerifierFileError, match=r"is damaged: .* in its settings"):
        sv.Verifier.load(path)


@pytest.mark.parametrize("name", ["faces", "faces.h5"])
def test_a_file_of_another_name_is_refused(
    verifier: sv.Verifier, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        verifier.save(tmp_path / name)


def test_threads_get_the_same_answers_as_one(
    saved: Path, verifier: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    shared = sv.Verifier.load(saved)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: shared.verify(*pair), paths[:64]))
    assert together == [verifier.verify(*pair) for pair in paths[:64]]


@pytest.fixture
def enrolled(saved: Path, drawn: Path, pairs: sv.PairDataset) -> sv.Verifier:
    """Everyone but the last identity."""
    verifier = sv.Verifier.load(saved)
    identities = {}
    for sample in pairs.pairs.samples:
        identities.setdefault(sample.identity, []).append(drawn / "lfw2" / sample.path)
    identities.pop(pairs.pairs.identities[-1])
    verifier.enroll(identities)
    return verifier


def test_somebody_enrolled_is_found_first(
    enrolled: sv.Verifier, drawn: Path, pairs: sv.PairDataset
) -> None:
    sample = pairs.pairs.samples[0]
    found = enrolled.identify(drawn / "lfw2" / sample.path, k=3)
    assert found[0].name == sample.identity
    assert len({match.name for match in found}) == len(found) <= 3
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= enrolled.threshold


def test_another_index_type_counts_from_then_on(
    enrolled: sv.Verifier, drawn: Path, pairs: sv.PairDataset
) -> None:
    path = drawn / "lfw2" / pairs.pairs.samples[0].path
    found = enrolled.identify(path)
    made = []

    def index_type(*arguments: object) -> ExactIndex:
        made.append(ExactIndex(*arguments))
        return made[-1]

    enrolled.index_type = index_type
    assert enrolled.identify(path) == enrolled.identify(path) == found
    assert len(made) == 1


def test_identities_are_found_however_many_images_they_have(
    saved: Path, drawn: Path, pairs: sv.PairDataset
) -> None:
    verifier = sv.Verifier.load(saved)
    calibration = verifier.calibration
    verifier.calibration = type(calibration)(**{**vars(calibration), "threshold": -1.0})
    path = drawn / "lfw2" / pairs.pairs.samples[0].path
    others = {
        name: [next((drawn / "lfw2" / name).iterdir())] for name in pairs.pairs.identities[1:4]
    }
    verifier.enroll({"Many": [path] * 30, **others})
    found = verifier.identify(path, k=3)
    assert found[0].name == "Many"
    assert len({match.name for match in found}) == 3


def test_faiss_finds_them_too(drawn: Path, pairs: sv.PairDataset) -> None:
    pytest.importorskip("faiss")
    verifier = sv.Verifier(build(sv.CosineHead()), pairs.preprocessing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier.calibrate(pairs)
    verifier.enroll({p.identity: [drawn / "lfw2" / p.path] for p in pairs.pairs.samples})
    probe = drawn / "lfw2" / pairs.pairs.samples[0].path
    exact = verifier.identify(probe, 3)
    verifier.index_type = FaissIndex
    verifier.enroll({})
    found = verifier.identify(probe, 3)
    assert [match.name for match in found] == [match.name for match in exact]
    assert [match.score for match in found] == pytest.approx([m.score for m in exact], abs=1e-5)


def test_nobody_is_an_answer(enrolled: sv.Verifier, saved: Path, drawn: Path) -> None:
    assert sv.Verifier.load(saved).identify(np.zeros(SIZE, np.uint8)) == []
    calibration = enrolled.calibration
    enrolled.calibration = type(calibration)(**{**vars(calibration), "threshold": 2.0})
    sample = enrolled.gallery.identities[0]
    assert enrolled.identify(next((drawn / "lfw2" / sample).iterdir())) == []


def test_a_gallery_is_saved_and_loaded(
    enrolled: sv.Verifier, saved: Path, drawn: Path, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    enrolled.save_gallery(tmp_path / "identities.npz")
    again = sv.Verifier.load(saved)
    again.load_gallery(tmp_path / "identities.npz")
    assert again.gallery.identities == enrolled.gallery.identities == pairs.pairs.identities[:-1]
    probe = drawn / "lfw2" / pairs.pairs.samples[0].path
    assert again.identify(probe, 5) == enrolled.identify(probe, 5)


def test_a_gallery_of_another_model_is_refused(
    enrolled: sv.Verifier, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    enrolled.save_gallery(tmp_path / "identities.npz")
    model = build()
    model.set_weights([2 * weights for weights in model.get_weights()])
    with pytest.raises(GalleryError, match="made by another model"):
        sv.Verifier(model, pairs.preprocessing).load_gallery(tmp_path / "identities.npz")


def test_a_gallery_of_the_same_weights_used_otherwise_is_refused(
    saved: Path, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier.load(saved)
    verifier.enroll({"Ada": paths[0]})
    verifier.save_gallery(tmp_path / "identities.npz")
    model = verifier.model
    mirrored = sv.SiameseModel(sv.FlipAverage(model.tower), model.head)
    crops = [sv.Preprocessing(SIZE, center_crop=(n, n)) for n in (100, 101)]
    of_crop, of_another = (sv.Verifier(model, crop) for crop in crops)
    of_crop.save_gallery(tmp_path / "cropped.npz")
    with pytest.raises(GalleryError, match="made by another model or with other preproc"):
        of_another.load_gallery(tmp_path / "cropped.npz")
    for other in (sv.Verifier(mirrored, verifier.preprocessing), of_crop):
        with pytest.raises(GalleryError, match="made by another model or with other preproc"):
            other.load_gallery(tmp_path / "identities.npz")


def test_damaged_and_newer_galleries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "identities.npz"
    gallery = Gallery(("Ada",), np.zeros((1, 4), np.float32), "digest", np.ones(4, np.float32))
    gallery.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(GalleryError, match="cannot be read as a gallery"):
        Gallery.load(path)
    kept = {"model": "", "names": ["Ada"], "embeddings": np.zeros((1, 4))}
    np.savez(path, format=9, **kept)
    with pytest.raises(GalleryError, match=r"newer siamese-verify.*Received: format=9"):
        Gallery.load(path)
    for reference in (np.zeros(3), np.zeros((4, 1)), np.float32(0)):
        np.savez(path, format=1, reference=reference, **kept)
        with pytest.raises(GalleryError, match=r"is not a gallery.*1 names, embeddings \(1, 4\)"):
            Gallery.load(path)
    with pytest.raises(FileNotFoundError):
        Gallery.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        gallery.save(tmp_path / "identities.txt")


def test_an_image_that_cannot_be_read_enrolls_nobody(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    with pytest.raises(ImageError):
        enrolled.enroll({"Eve": [paths[0][0], b"no image"]})
    assert enrolled.gallery.names == before


def test_one_image_without_a_list_is_refused(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    path = paths[0][0]
    array = np.zeros((*SIZE, 3), np.uint8)
    image = PIL.Image.fromarray(array)
    for one in (path, str(path), path.read_bytes(), io.BytesIO(), array, image):
        with pytest.raises(TypeError, match="come in a list, also a single one"):
            enrolled.embed(one)
        with pytest.raises(TypeError, match="come in a list, also a single one"):
            enrolled.enroll({"Eve": [path], "Bob": one})
    assert enrolled.gallery.names == before


def test_a_name_that_is_no_str_enrolls_nobody(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    with pytest.raises(TypeError, match="Received: 5"):
        enrolled.enroll({"Eve": paths[0], 5: paths[1]})
    assert enrolled.gallery.names == before


def test_images_may_come_in_one_array(enrolled: sv.Verifier) -> None:
    for shape in ((2, *SIZE), (2, *SIZE, 1), (2, *SIZE, 3)):
        assert enrolled.embed(np.zeros(shape, np.uint8)).shape == (2, 16)


def test_an_empty_gallery_is_of_the_model_that_enrolls(
    saved: Path, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier.load(saved)
    assert len(verifier.gallery) == 0
    verifier.model.set_weights([2 * weights for weights in verifier.model.get_weights()])
    verifier.enroll({"Ada": paths[0]})
    verifier.save_gallery(tmp_path / "identities.npz")
    verifier.load_gallery(tmp_path / "identities.npz")


def test_k_below_one_is_refused(enrolled: sv.Verifier) -> None:
    with pytest.raises(ValueError, match="Received: k=0"):
        enrolled.identify(np.zeros(SIZE, np.uint8), 0)


def test_a_model_trained_since_enrolls_nobody(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery
    enrolled.enroll({"Ada": paths[0]})  # Unchanged, it may.
    enrolled.model.set_weights([1.1 * weights for weights in enrolled.model.get_weights()])
    known = enrolled.gallery.names
    message = f"changed since {len(before) + 2} images were enrolled"
    with pytest.raises(GalleryError, match=message):
        enrolled.enroll({"Eve": paths[1]})
    assert enrolled.gallery.names == known


def test_a_pair_is_two_images(verifier: sv.Verifier, paths: list[tuple[Path, Path]]) -> None:
    (one, other), *_ = paths
    for wrong in ((one,), (one, other, one), (one, other, one, other), one, "ab"):
        with pytest.raises(TypeError, match=r"A pair must be two images\. Received: pairs\[1\]="):
            verifier.verify_many([(one, other), wrong])
    pixels = np.zeros((3, 2, *SIZE, 1), np.uint8)
    assert len(verifier.verify_many(pixels)) == 3


def test_weights_that_are_not_finite_give_no_answer(
    saved: Path, paths: list[tuple[Path, Path]]
) -> None:
    verifier = sv.Verifier.load(saved)
    verifier.model.set_weights([np.nan * weights for weights in verifier.model.get_weights()])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.verify(*paths[0])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.enroll({"Ada": paths[0]})


def test_training_identities_come_in_a_list(pairs: sv.PairDataset) -> None:
    with pytest.raises(TypeError, match="come in a list, also a single one"):
        sv.Verifier(build(), pairs.preprocessing).calibrate(pairs, training_identities="Ada")
