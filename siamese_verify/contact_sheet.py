"""Contact sheet of decided pairs: an image that needs neither matplotlib nor Pillow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.files import PathLike, replacing
from siamese_verify.lazy_tensorflow import tf

_RIGHT, _WRONG = (0, 150, 70), (210, 30, 30)
_SIDE = 96
"""Height and width of an image on the sheet, in pixels."""
_FRAME, _GAP = 4, 8
_DOT = 3
"""Size of a dot of a digit, in pixels."""
# Each digit is 3 dots wide and 5 high: a number of 3 bits for each row.
_GLYPHS = {
    **{"0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7)},
    **{"4": (5, 5, 7, 1, 1), "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 1, 1, 1)},
    **{"8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7), "-": (0, 0, 7, 0, 0), ".": (0, 0, 0, 0, 2)},
}


def contact_sheet(
    pairs: PairDataset, scores: npt.ArrayLike, threshold: float, count: int = 6
) -> Pixels:
    """Draw pairs with their scores, in a green frame if the decision is right, else in red.

    The rows show genuine pairs accepted, impostor pairs rejected, impostor pairs accepted and
    genuine pairs rejected. Each row starts with the pairs whose score is farthest from the
    threshold.

    Args:
        pairs: The pairs.
        scores: Scores of the pairs `(n,)`, higher is more alike.
        threshold: Score from which a pair is accepted.
        count: Highest number of pairs in a row.

    Returns:
        The sheet, a uint8 array `(height, width, 3)`.
    """
    score = np.asarray(scores, np.float64)
    accepted, genuine = score >= threshold, pairs.labels == 1
    far_first = np.argsort(-np.abs(score - threshold), kind="stable")
    rows = []
    for accepts, is_genuine in ((True, True), (False, False), (True, False), (False, True)):
        chosen = (accepted == accepts) & (genuine == is_genuine)
        indices = far_first[chosen[far_first]][:count].tolist()
        cells = [_cell(pairs, index, score[index], accepts == is_genuine) for index in indices]
        cells += [_blank() for _ in range(count - len(cells))]
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def write_png(path: PathLike, image: Pixels) -> None:
    """Write an image as a PNG file, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(tf.io.encode_png(image).numpy())


def _blank() -> Pixels:
    height = _SIDE + 2 * _FRAME + _GAP + 7 * _DOT
    return np.full((height, 2 * (_SIDE + _FRAME) + _GAP, 3), 255, np.uint8)


def _cell(pairs: PairDataset, index: int, score: float, is_right: bool) -> Pixels:
    """Draw a pair in its frame, with its score below."""
    cell, colour = _blank(), _RIGHT if is_right else _WRONG
    bottom, right = _SIDE + 2 * _FRAME, 2 * (_SIDE + _FRAME)
    cell[:bottom, :right] = colour
    both = np.concatenate([_fitted(pairs.images[row]) for row in pairs.indices[index]], axis=1)
    cell[_FRAME : _FRAME + _SIDE, _FRAME : _FRAME + 2 * _SIDE] = both
    ink = _written(f"{score:.3f}")
    cell[bottom + _DOT :][: ink.shape[0], _FRAME : _FRAME + ink.shape[1]][ink] = colour
    return cell


def _fitted(image: Pixels) -> Pixels:
    """Bring an image to the size of the sheet, in colour, by repeating pixels."""
    down, right = (np.arange(_SIDE) * size // _SIDE for size in image.shape[:2])
    return np.broadcast_to(image[down[:, None], right], (_SIDE, _SIDE, 3))


def _written(text: str) -> npt.NDArray[np.bool_]:
    """Draw a number in dots."""
    glyphs = [
        [[bool(row >> bit & 1) for bit in (2, 1, 0)] + [False] for row in _GLYPHS[c]] for c in text
    ]
    return np.kron(np.concatenate(glyphs, axis=1), np.ones((_DOT, _DOT))).astype(bool)
