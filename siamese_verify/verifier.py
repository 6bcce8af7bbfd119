"""`Verifier`: a model, what it is given, and a threshold with the evidence for it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import platform
import warnings
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify import losses, metrics, optimizers  # noqa: F401  # As those of layers below.
from siamese_verify.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.checks import check_names, whole
from siamese_verify.dataset import PairDataset
from siamese_verify.evaluation import Evaluation, evaluate_scores
from siamese_verify.files import PathLike
from siamese_verify.gallery import Gallery, GalleryError
from siamese_verify.inputs import Image, listed, read_image
from siamese_verify.intervals import Estimate
from siamese_verify.layers import flip, heads, multi_crop, tower  # noqa: F401  # Their classes may be in a file.
from siamese_verify.model import SiameseModel
from siamese_verify.preprocessing import Preprocessing
from siamese_verify.scoring import score_pairs
from siamese_verify.search import ExactIndex, Index
from siamese_verify.verifier_file import VerifierFileError, load_verifier, save_verifier

Embeddings = npt.NDArray[np.float32]
IndexType = Callable[[keras.layers.Layer, Embeddings], Index]


class Decision(NamedTuple):
    """Whether two photographs are the same, and how sure that is."""

    same: bool
    """Whether `score` is at least `threshold`."""
    score: float
    """How alike they are; higher is more alike."""
    probability: float
    """Of being same, calibrated on the validation pairs, for their prior."""
    threshold: float
    """That of the calibration."""
    far: Estimate
    """How often different pairs are accepted at the threshold, with its interval."""
    frr: Estimate
    """How often same pairs are rejected at the threshold, with its interval."""


class Match(NamedTuple):
    """Somebody of a gallery who may be on a photograph."""

    name: str
    """Whose name."""
    score: float
    """How alike their photograph that is most alike is; at least the threshold."""


class Verifier:
    """Decides whether two photographs are the same, at a threshold that can be defended.

    Args:
        model: A `SiameseModel`; or any Keras model that gives one vector for each image, with
            `head`.
        preprocessing: What is done to photographs, as in training.
        head: The head for a model that is no `SiameseModel`, such as `CosineHead()`.

    Attributes:
        model: The `SiameseModel`.
        preprocessing: The `Preprocessing`.
        calibration: The `Calibration`: threshold and evidence; None before `calibrate`.
        gallery: The `Gallery` of people enrolled.
        index_type: How it is searched: `ExactIndex`, or `FaissIndex` for millions and a
            `CosineHead`.

    Raises:
        ValueError: If `head` is missing, or given beside a `SiameseModel`, or `preprocessing` gives
            images of another shape than the model takes.
        TypeError: If `head` is no layer, or `preprocessing` no `Preprocessing`.

    Example:
        >>> data = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> train, val = data.split(0.5, by="person")
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> verifier = Verifier(SiameseModel(tower, CosineHead()), train.preprocessing)
        >>> with warnings.catch_warnings(action="ignore"):  # They are few.
        ...     verifier = verifier.calibrate(val)
        >>> left, right = val.pairs.paths("lfw/lfw2")[0]
        >>> verifier.verify(left, right).threshold == verifier.threshold
        True
        >>> verifier.save("faces.keras")
        >>> Verifier.load("faces.keras").verify(left, right) == verifier.verify(left, right)
        True
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessing: Preprocessing | None = None,
        *,
        head: keras.layers.Layer | None = None,
    ):
        if isinstance(model, SiameseModel) == (head is not None):
            raise ValueError(
                "`head` goes with an embedding model, and only with one. "
                f"Received: model of type {type(model).__name__}, head={head}"
            )
        if head is not None and not isinstance(head, keras.layers.Layer):
            raise TypeError(f"`head` must be a layer, such as CosineHead(). Received: {head!r}")
        # A copy of the frame, so that optimizer and metrics are not saved.
        if isinstance(model, SiameseModel):
            model, head = model.tower, model.head
        self.model = SiameseModel(model, head)
        self.preprocessing = preprocessing or Preprocessing()
        _check_fits(self.model.tower, self.preprocessing)
        self.calibration: Calibration | None = None
        self.index_type: IndexType = ExactIndex
        self._indexed: tuple[Gallery, IndexType, Index] | None = None
        self.model.build(((None, *self.preprocessing.shape),) * 2)

    @functools.cached_property
    def gallery(self) -> Gallery:
        """The people enrolled, by the model as it was at the first of them."""
        return self._empty_gallery()

    def _empty_gallery(self) -> Gallery:
        preprocessing = self.preprocessing
        digest = hashlib.sha256(repr((preprocessing.shape, preprocessing.center_crop)).encode())
        for variable in self.model.tower.weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
        pixels = np.arange(np.prod(preprocessing.shape)) ** 2 % 251  # without symmetry
        image = pixels.astype(np.uint8).reshape(preprocessing.shape)
        (reference,) = self.embed([image])
        nobody = np.empty((0, len(reference)), np.float32)
        return Gallery((), nobody, digest.hexdigest(), reference)

    @property
    def threshold(self) -> float:
        """Pairs that score as much or more are accepted as same.

        Raises:
            RuntimeError: If it was not calibrated.
        """
        return self._calibrated().threshold

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError(
                "This verifier has no threshold. Call calibrate(validation_pairs) first."
            )
        return self.calibration

    def calibrate(
        self,
        pairs: PairDataset,
        policy: str = "max_accuracy",
        prior: float = 0.5,
        training_people: Iterable[str] | None = None,
    ) -> Self:
        """Chooses the threshold on validation pairs, which the model has not been trained on.

        Args:
            pairs: Validation pairs; never those on which the verifier is then evaluated.
            policy: `"max_accuracy"`, `"eer"`, or a false accept rate such as `"far=0.01"`; see
                `choose_threshold`.
            prior: The share of same pairs that is expected in use, whatever it is among `pairs`.
            training_people: Whom the model has been trained on. Pairs that `split` gave know.

        Returns:
            The verifier itself.

        Raises:
            ValueError: If an argument is out of range, all pairs are same or different, or their
                preprocessing is not the verifier's.
            TypeError: If `training_people` is one name.

        Warns:
            CalibrationWarning: If pairs share people with training, are few, or are far from half
                same and half different.
        """
        check_names(training_people)
        known = training_people if training_people is not None else pairs.training_people
        people = set(pairs.pairs.people)
        if shared := people & set(known or ()):
            warnings.warn(
                f"{len(shared):,} of {len(people):,} validation people are in training too, whom "
                "the model knows: the threshold will do worse on others. Use split(by='person').",
                CalibrationWarning,
                stacklevel=2,
            )
        scores = self._score(pairs)
        self.calibration = calibrate(scores, pairs.labels, policy, prior, _people(pairs))
        return self

    def evaluate(self, pairs: PairDataset) -> Evaluation:
        """Measures the verifier on test pairs, at its threshold, allowing for repeated people.

        Args:
            pairs: Test pairs, of people who are in neither training nor validation.

        Returns:
            The figures; see `evaluate_scores`.

        Raises:
            RuntimeError: If the verifier has no threshold.
            ValueError: If the preprocessing of the pairs is not the verifier's, or all are same or
                different.
        """
        return evaluate_scores(self._score(pairs), pairs.labels, self.threshold, _people(pairs))

    def _score(self, pairs: PairDataset) -> npt.NDArray[np.float32]:
        if pairs.preprocessing != self.preprocessing:
            raise ValueError(
                "The pairs must be preprocessed as the verifier's photographs are. "
                f"Received: {pairs.preprocessing}, not {self.preprocessing}"
            )
        return self.model.score(pairs.images, pairs.indices)

    def embed(self, images: Iterable[Image]) -> Embeddings:
        """The embeddings of photographs: float32 `(n, size)`.

        Args:
            images: Paths, bytes, files, arrays or PIL images; see `inputs.read_image`.

        Raises:
            ImageError: If one cannot be used as a photograph.
            TypeError: If it is one photograph, not in a list.
            RuntimeError: If the model gives numbers that are not finite.
        """
        pixels = [read_image(image, self.preprocessing) for image in listed(images)]
        embeddings = self.model.embed(np.array(pixels).reshape(-1, *self.preprocessing.shape))
        if not np.isfinite(embeddings).all():
            raise RuntimeError(
                f"The embeddings of {self.model.tower.name!r} are not finite: its weights are NaN "
                "or too large. Train it anew, at a lower learning rate."
            )
        return embeddings

    def verify(self, one: Image, other: Image) -> Decision:
        """Decides whether two photographs are the same.

        Args:
            one: A path, bytes, a file, an array or a PIL image; see `inputs.read_image`.
            other: The same.

        Raises:
            RuntimeError: If the verifier was not calibrated.
            ImageError: If one cannot be used as a photograph.
        """
        return self.verify_many([(one, other)])[0]

    def verify_many(self, pairs: Iterable[tuple[Image, Image]]) -> list[Decision]:
        """Decides for each of many pairs, faster than one by one.

        Args:
            pairs: As for `verify`.

        Raises:
            RuntimeError, ImageError: As `verify`.
            TypeError: If a pair is not two photographs.
        """
        calibration, pairs = self._calibrated(), list(pairs)
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Sized) or isinstance(pair, (str, bytes)) or len(pair) != 2:
                raise TypeError(f"A pair is two photographs. Received: pair {i}, {pair!r}")
        embeddings = self.embed(image for pair in pairs for image in pair)
        indices = np.arange(len(embeddings)).reshape(-1, 2)
        scores = score_pairs(self.model.head, embeddings, indices).tolist()
        return [
            Decision(
                score >= calibration.threshold,
                score,
                calibration.probability(score),
                calibration.threshold,
                calibration.far,
                calibration.frr,
            )
            for score in scores
        ]

    def enroll(self, people: Mapping[str, Iterable[Image]]) -> None:
        """Adds people to the gallery.

        Args:
            people: The photographs of each, by name.

        Raises:
            ImageError: If a photograph cannot be used; nobody is added then.
            TypeError: If a name is no str, or somebody's photograph not in a list; nobody is added
                then.
            GalleryError: If the model has been trained since others were enrolled, whose embeddings
                cannot be compared any more; nobody is added then.
        """
        names, images = [], []
        for name, photographs in people.items():
            if not isinstance(name, str):
                raise TypeError(f"A person's name is a str. Received: {name!r}")
            for image in listed(photographs):
                names.append(name)
                images.append(image)
        nobody = self._empty_gallery()
        gallery = self.gallery if len(self.gallery) else nobody
        if not gallery.is_of(nobody):
            raise GalleryError(
                f"The model has changed since {len(gallery):,} photographs were enrolled. Enroll "
                f"all again, in a new Verifier. Received: {len(images):,} photographs"
            )
        self.gallery = gallery.extended(names, self.embed(images))

    def identify(self, probe: Image, k: int = 1) -> list[Match]:
        """Who of the gallery is on a photograph.

        The threshold is that of one comparison: with n photographs enrolled, a stranger is accepted
        up to n times as often as the false accept rate says.

        Args:
            probe: The photograph; see `verify`.
            k: The most people to name.

        Returns:
            The people most alike, best first, who score at least the threshold; empty if nobody.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError, ImageError: As `verify`.
        """
        k = whole("k", k)
        threshold, gallery = self.threshold, self.gallery
        index, embedding = self._index_of(gallery), self.embed([probe])
        best: dict[str, float] = {}
        count = k  # of photographs, of which several may be of one person
        while len(gallery):
            scores, indices = (found[0].tolist() for found in index.search(embedding, count))
            for score, i in zip(scores, indices, strict=True):
                if score >= threshold:
                    best.setdefault(gallery.names[i], score)
            if len(best) >= k or count >= len(gallery) or scores[-1] < threshold:
                break
            count *= 4
        return [Match(*found) for found in list(best.items())[:k]]

    def _index_of(self, gallery: Gallery) -> Index:
        kept, index_type = self._indexed, self.index_type
        if kept is None or kept[0] is not gallery or kept[1] is not index_type:
            index = index_type(self.model.head, gallery.embeddings)
            kept = self._indexed = gallery, index_type, index
        return kept[2]

    def save_gallery(self, path: PathLike) -> None:
        """Writes the gallery to a `.npz` file."""
        self.gallery.save(path)

    def load_gallery(self, path: PathLike) -> None:
        """Reads a gallery that this verifier's model made.

        Raises:
            GalleryError: If it is of another model or other preprocessing, damaged, or of a newer
                version.
            FileNotFoundError: If there is none.
        """
        gallery = Gallery.load(path)
        if not gallery.is_of(self._empty_gallery()):
            raise GalleryError(
                f"{path} was made by another model or with other preprocessing, so that its "
                "embeddings mean nothing to this verifier. Enroll the people again."
            )
        self.gallery = gallery

    def save(self, path: PathLike) -> None:
        """Writes all but the gallery to one `.keras` file, which Keras itself can load too.

        Args:
            path: Of the file; replaced only when the new one is complete.

        Raises:
            RuntimeError: If the verifier was not calibrated.
            ValueError: If the path does not end in `.keras`.
        """
        settings = {
            "preprocessing": dataclasses.asdict(self.preprocessing),
            "calibration": self._calibrated().to_dict(),
            "versions": _versions(),
        }
        save_verifier(path, self.model, settings)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Reads what `save` wrote; runs no code of the file.

        Layers of your own must have been registered with Keras before.

        Raises:
            VerifierFileError: If the file is damaged, no verifier's, of a newer version, or holds
                code.
            FileNotFoundError: If there is none.
        """
        model, settings = load_verifier(path)
        if not isinstance(model, SiameseModel):
            raise VerifierFileError(f"{path} holds a {type(model).__name__}, no SiameseModel")
        try:
            preprocessing = Preprocessing(**settings["preprocessing"])
            calibration = Calibration.from_dict(settings["calibration"])
        except (KeyError, TypeError, ValueError) as error:
            raise VerifierFileError(f"{path} is damaged: {error!r} in its settings") from error
        verifier = cls(model, preprocessing)
        verifier.calibration = calibration
        return verifier


def _check_fits(embedding_model: keras.Model, preprocessing: Any) -> None:
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(f"`preprocessing` must be a Preprocessing. Received: {preprocessing!r}")
    taken, given = getattr(embedding_model, "input_shape", (None,))[1:], preprocessing.shape
    if taken and tuple(size or own for size, own in zip(taken, given, strict=False)) != given:
        raise ValueError(
            f"`preprocessing` must give images as {embedding_model.name!r} takes them, of shape "
            f"{taken}. Received: {preprocessing}, of shape {given}"
        )


def _people(pairs: PairDataset) -> list[tuple[str, str]]:
    return [(pair.left.person, pair.right.person) for pair in pairs.pairs]


def _versions() -> dict[str, Any]:
    packages = ("siamese-verify", "keras", "tensorflow", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **versions}
