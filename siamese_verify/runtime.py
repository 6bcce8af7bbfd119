"""`OnnxVerifier`: the decisions of a `Verifier` from its ONNX export, without TensorFlow.

It needs the extra `runtime`: onnxruntime and Pillow. Nothing here imports a backend of Keras.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.data.alignment import Align, UnknownAlignError, register
from siamese_verify.data.preprocessing import Preprocessing, scale
from siamese_verify.data.reading import ImageLike
from siamese_verify.evaluation.calibration import Calibration
from siamese_verify.files import PathLike, open_regular_file
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification import onnx_record
from siamese_verify.verification.archive import explaining
from siamese_verify.verification.bound_calibration import BoundCalibration
from siamese_verify.verification.decision import Decision
from siamese_verify.verification.embedded_images import DistinctImages, image_pairs, read_block
from siamese_verify.verification.image_measures import Floats
from siamese_verify.verification.looks import Looks, find_unlike, of_both

_PAIRS = 256  # Number of pairs whose pixels are in memory at once.
_BATCH = 8  # Number of pairs that the network gets at once. More need memory and save no time.


class OnnxFileError(ValueError):
    """Error for a file that cannot be loaded as the export of a verifier. Its text says why."""


class OnnxVerifier:
    """Verifier from an ONNX file, which `export_model` wrote for a calibrated `Verifier`.

    It decides as the `Verifier` does, with scores that differ by rounding only. Threads may call it
    at once.

    Attributes:
        preprocessing: The `Preprocessing` of images.
        calibration: The `Calibration`, with threshold and evidence.
        fingerprint: Digest of the weights, head and preprocessing that were exported.

    Examples:
        >>> verifier = OnnxVerifier.load("faces.onnx")  # doctest: +SKIP
        >>> decision = verifier.verify("one.jpg", "other.jpg")  # doctest: +SKIP
    """

    def __init__(self, session: Any, preprocessing: Preprocessing, bound: BoundCalibration):
        self._session, self._bound = session, bound
        self.preprocessing = preprocessing
        self.calibration: Calibration = bound.calibration
        self.fingerprint = bound.fingerprint

    @property
    def threshold(self) -> float:
        """Score from which a pair is accepted."""
        return self.calibration.threshold

    @classmethod
    def load(cls, path: PathLike, align: Align | None = None) -> Self:
        """Read the ONNX file of a verifier, which holds no code.

        The file must be as it was exported: a digest finds damage and changes. It is not a
        signature, and does not show who made the file.

        Args:
            path: File that `export_model(verifier, path)` or `siamese-verify export` wrote.
            align: The function that aligned the images of the verifier. The file holds only its
                name. It can be left out if this process has registered the function.

        Raises:
            OnnxFileError: If the file is damaged, changed, not an export of a whole verifier, or of
                another version. Also if it needs `align`.
            ValueError: If `align` is given for a verifier whose images are not aligned.
            ImportError: If onnxruntime is not installed.
            OSError: If the file cannot be opened, such as `FileNotFoundError`.

        Warns:
            UserWarning: If an earlier version, which decoded images differently, calibrated it.
        """
        runtime = _onnxruntime()
        with _opened(path) as file, explaining(OnnxFileError, f"{shown(path)} cannot be loaded"):
            session = _session(runtime, path)
            record = _record(session)
            onnx_record.check_digest(file)
            if not os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                raise ValueError("another file replaced it at the same time. Load it again")
        if align is not None:
            _register(align, record["preprocessing"])
        with explaining(OnnxFileError, f"{shown(path)} cannot be loaded", " in its record"):
            try:
                preprocessing = Preprocessing.from_dict(record["preprocessing"])
            except UnknownAlignError as error:
                raise OnnxFileError(
                    f"{shown(path)} cannot be loaded. {error}. Or pass the function: "
                    "OnnxVerifier.load(path, align=function)"
                ) from error
            bound = _bound(record)
        if bound.is_outdated:
            warn_user(
                f"{shown(path)} was calibrated on images that this version decodes differently. "
                "Calibrate the verifier again, and export it."
            )
        return cls(session, preprocessing, bound)

    def verify(self, one: ImageLike, other: ImageLike) -> Decision:
        """Decide whether two images show the same identity.

        Args:
            one: Path, bytes, file, array or PIL image (see `read_image`).
            other: The image to compare it with.

        Returns:
            The `Decision`, which is true if the images are accepted as the same.

        Raises:
            RuntimeError: If the score is not finite.
            ImageError: If an image cannot be used.
        """
        return self.verify_many([(one, other)])[0]

    def verify_many(self, pairs: Iterable[tuple[ImageLike, ImageLike]]) -> list[Decision]:
        """Decide on many pairs. Images are read on all cores.

        Args:
            pairs: Pairs of images, as for `verify`.

        Returns:
            A `Decision` for each pair. A list is true whatever it holds: use `all(decisions)`.

        Raises:
            RuntimeError, ImageError: As `verify`.
            TypeError: If a pair is not two images.
        """
        listed = image_pairs(pairs)
        blocks = (listed[start : start + _PAIRS] for start in range(0, len(listed), _PAIRS))
        return [decision for block in blocks for decision in self._decide(block)]

    def _decide(self, pairs: list[tuple[ImageLike, ImageLike]]) -> Iterator[Decision]:
        distinct = DistinctImages([image for pair in pairs for image in pair])
        (block,) = distinct.blocks()
        pixels, failed = read_block(block, self.preprocessing)
        if failed:
            raise next(iter(failed.values()))
        rows = np.reshape(distinct.numbers, (-1, 2))
        scores, left, right = self._run(pixels, rows)
        embeddings = np.empty((len(pixels), left.shape[1]), np.float32)
        embeddings[rows[:, 0]], embeddings[rows[:, 1]] = left, right
        unlike = find_unlike(self._bound.looks, pixels, embeddings)
        for score, (one, other) in zip(scores[:, 0].tolist(), rows.tolist(), strict=True):
            yield self._bound.decide(score, of_both(unlike[one], unlike[other]))

    def _run(self, pixels: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> list[Floats]:
        """Compute the scores of pairs, and the embeddings of their left and right images."""
        results = []
        for start in range(0, len(rows), _BATCH):
            left, right = (scale(pixels[side]) for side in rows[start : start + _BATCH].T)
            results.append(self._session.run(None, {"left": left, "right": right}))
        scores, *embeddings = (np.concatenate(parts) for parts in zip(*results, strict=True))
        if wrong := np.count_nonzero(~np.isfinite(scores)):
            raise RuntimeError(
                f"{wrong:,} of {len(scores):,} scores are not finite, so they mean nothing. Train "
                "the model again with a lower learning rate, and export it."
            )
        return [scores.astype(np.float32), *embeddings]


def _opened(path: PathLike) -> BinaryIO:
    try:
        return open_regular_file(path)
    except ValueError as error:
        raise OnnxFileError(f"{shown(path)} cannot be loaded. {error}") from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ImportError(
            "An ONNX file is run by onnxruntime, which is not installed. Install it: "
            'pip install "siamese-verify[runtime]"'
        ) from None
    return onnxruntime


def _session(onnxruntime: Any, path: PathLike) -> Any:
    """Let onnxruntime read a model, so that it keeps little memory beyond the weights."""
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4  # Its errors are raised, so it need not print them too.
    # Idle threads would otherwise wait for the next batch in a loop, at full load.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # It would keep a copy of bytes, but not of a file.
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _record(session: Any) -> dict[str, Any]:
    """Read the record of a verifier's whole model.

    Raises:
        ValueError: If the file has no such record.
    """
    text = session.get_modelmeta().custom_metadata_map.get(onnx_record.KEY)
    if text is None:
        raise ValueError("it holds no record of a verifier. Write it with export_model(verifier)")
    record: dict[str, Any] = json.loads(text)
    if (found := record["format"]) > onnx_record.FORMAT:
        raise ValueError(
            "a newer version of siamese-verify wrote it. Update siamese-verify. "
            f"Received: format={shown(found)}, above {onnx_record.FORMAT}"
        )
    if found < onnx_record.FORMAT:
        raise ValueError("an earlier version of siamese-verify wrote it. Export the verifier again")
    if record["part"] != "pair":
        raise ValueError(
            "it holds a tower, which returns embeddings and no scores. Export the whole verifier: "
            f"export_model(verifier, path). Received: part={shown(record['part'])}"
        )
    if "fingerprint" not in record:
        raise ValueError("it holds a model without a threshold. Export a calibrated Verifier")
    return record


def _register(align: Align, settings: dict[str, Any]) -> None:
    if "align" not in settings:
        raise ValueError(
            "The images of this verifier are not aligned: leave out `align`. "
            f"Received: align={shown(repr(align))}"
        )
    register(settings["align"], align)


def _bound(record: dict[str, Any]) -> BoundCalibration:
    names = [field.name for field in dataclasses.fields(Calibration)]
    looks = record["looks"]
    return BoundCalibration(
        Calibration.from_dict({name: record[name] for name in names}),
        record["fingerprint"],
        decoding=record["decoding"],
        looks=None if looks is None else Looks.from_dict(looks),
    )
