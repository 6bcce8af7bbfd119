"""`Verifier`: decides whether two images show the same identity, and identifies one image.

`Verifier` is made of three classes: `CalibratedModel` holds the model and its threshold,
`Identifier` the gallery, and `Verifier` decides on pairs and has a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sized
from typing import Self

import numpy as np

from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import ImageLike
from siamese_verify.files import PathLike
from siamese_verify.model import SiameseModel
from siamese_verify.scoring import score_pairs
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.bound_calibration import BoundCalibration
from siamese_verify.verification.decision import Decision
from siamese_verify.verification.file import VerifierFileError, load_verifier, save_verifier
from siamese_verify.verification.identifier import Identifier


class Verifier(Identifier):
    """Model that decides whether two images show the same identity, at a calibrated threshold.

    The threshold and the gallery hold only for the model that they were made with. After more
    training, methods that need them raise an error. Every method is safe to call from threads,
    except while another thread trains the model.

    Args:
        model: A `SiameseModel`, or any Keras model that returns one vector for each image. The
            latter requires `head`.
        preprocessing: Preprocessing of images, as in training.
        head: Head for a model that is not a `SiameseModel`, such as `CosineHead()`.

    Attributes:
        index_type: Class that searches the gallery: `ExactIndex`, or `FaissIndex` for millions of
            images and a `CosineHead`.

    Raises:
        ValueError: If `head` is missing, or given along with a `SiameseModel`, or if
            `preprocessing` returns images of another shape than the model needs.
        TypeError: If `head` is not a layer, or `preprocessing` not a `Preprocessing`.

    Examples:
        >>> import warnings
        >>> data = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> train, val = data.split(0.5, by="identity")
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> verifier = Verifier(SiameseModel(tower, CosineHead()), train.preprocessing)
        >>> with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        ...     verifier = verifier.calibrate(val)
        >>> left, right = val.pairs.paths("lfw/lfw2")[0]
        >>> decision = verifier.verify(left, right)
        >>> print("same" if decision else "different")  # doctest: +SKIP
        same
        >>> decision.threshold == verifier.threshold
        True
        >>> verifier.save("faces.keras")
        >>> Verifier.load("faces.keras").verify(left, right) == decision
        True
    """

    def verify(self, one: ImageLike, other: ImageLike) -> Decision:
        """Decide whether two images show the same identity.

        Args:
            one: Path, bytes, file, array or PIL image (see `read_image`).
            other: The image to compare it with.

        Returns:
            The `Decision`, which is true if the images are accepted as the same.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ImageError: If an image cannot be used.
        """
        return self.verify_many([(one, other)])[0]

    def verify_many(self, pairs: Iterable[tuple[ImageLike, ImageLike]]) -> list[Decision]:
        """Decide on many pairs at once, faster than one by one.

        Args:
            pairs: Pairs of images, as for `verify`.

        Returns:
            A `Decision` for each pair. A list is true whatever it holds: use `all(decisions)`.

        Raises:
            RuntimeError, ImageError: As `verify`.
            TypeError: If a pair is not two images.
        """
        bound, pairs = self._valid_calibration(), list(pairs)
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Sized) or isinstance(pair, (str, bytes)) or len(pair) != 2:
                raise TypeError(f"A pair must be two images. Received: pairs[{i}]={pair!r}")
        embeddings = self._embedder.embed(image for pair in pairs for image in pair)
        indices = np.arange(len(embeddings)).reshape(-1, 2)
        scores = score_pairs(self.model.head, embeddings, indices)
        return [bound.decide(score) for score in scores.tolist()]

    def save(self, path: PathLike, *, include_hashes: bool = True) -> None:
        """Write everything but the gallery to one `.keras` file, which Keras can load too.

        Args:
            path: Path of the file, which is replaced only when the new one is complete.
            include_hashes: Whether the file holds salted hashes of identities and validation
                images, so that a loaded verifier's `evaluate` can warn of them. Whoever has the
                file can check a guessed name against them: leave them out of a file for strangers.

        Raises:
            RuntimeError: If the verifier has no threshold, or the model has changed since then.
            ValueError: If the path does not end in `.keras`.

        Warns:
            UserWarning: If weights are not finite. The file then serves to inspect them with
                `keras.saving.load_model`, and `Verifier.load` raises an error.
        """
        state, bound = self._embedder.reader.read(), self._bound
        if bound and state.not_finite:
            warn_user(
                f"{state.explain()}. {path} is written for inspection with "
                "keras.saving.load_model only: Verifier.load raises an error."
            )
        else:
            bound = self._valid_calibration()
        preprocessing = dataclasses.asdict(self.preprocessing)
        settings = {"preprocessing": preprocessing, **bound.to_settings(include_hashes)}
        save_verifier(path, self.model, settings)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a verifier that `save` wrote, without running code from the file.

        Register layers of your own with Keras first.

        Raises:
            VerifierFileError: If the file is damaged, not a verifier's, or of a newer version. Also
                if it holds code, changed weights, or weights that are not finite.
            FileNotFoundError: If there is no such file.
        """
        model, settings = load_verifier(path)
        if not isinstance(model, SiameseModel):
            raise VerifierFileError(
                f"{path} does not hold a SiameseModel. Received: model of {type(model).__name__}"
            )
        try:
            verifier = cls(model, Preprocessing(**settings["preprocessing"]))
            state = verifier._embedder.reader.read()
            bound = BoundCalibration.from_settings(settings, state.fingerprint)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise VerifierFileError(f"{path} is damaged: {error!r} in its settings") from error
        if state.not_finite:
            raise VerifierFileError(f"{path}: {state.explain()}, so its scores mean nothing")
        if bound.fingerprint != state.fingerprint:
            raise VerifierFileError(
                f"{path} was changed: its threshold was chosen for other weights or preprocessing. "
                "Calibrate the model in it again, or get the original file. "
                f"Received: fingerprint={state.fingerprint}, not {bound.fingerprint}"
            )
        verifier._bound = bound
        return verifier
