"""`SeenData`: whom and what training and calibration have seen, so that an evaluation can tell."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import unicodedata
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from siamese_verify.data.pair_dataset import PairDataset

Hashes = frozenset[str]


@dataclasses.dataclass(frozen=True)
class SeenData:
    """Salted hashes of the identities of training, and of the identities and images of calibration.

    A hash does not show a name, but whoever guesses a name can check it. Leave the record out of a
    file that strangers may read, if it must not tell who is in the data.

    Args:
        salt: Random bytes as hexadecimal digits, so that records cannot be compared.
        training: Identities of training; empty where they are not known.
        calibration: Identities of the validation pairs.
        images: Images of the validation pairs, by their decoded pixels.
    """

    salt: str
    training: Hashes
    calibration: Hashes
    images: Hashes

    @classmethod
    def of(cls, pairs: PairDataset, training_identities: Iterable[str]) -> Self:
        """A record of validation pairs, with a salt of its own."""
        salt = os.urandom(hashlib.blake2b.SALT_SIZE).hex()
        training = _hash_names(training_identities, salt)
        return cls(
            salt, training, _hash_names(pairs.pairs.identities, salt), _hash_images(pairs, salt)
        )

    def overlaps(self, pairs: PairDataset) -> list[str]:
        """What of test pairs was seen before: a sentence for each kind, none for strangers."""
        names, images = (
            _hash_names(pairs.pairs.identities, self.salt),
            _hash_images(pairs, self.salt),
        )
        kinds = (
            (names, self.training, "identities", "training"),
            (names, self.calibration, "identities", "calibration"),
            (images, self.images, "images", "calibration"),
        )
        return [
            f"{_share(len(found & seen), len(found))} test {what} were in {where}, so the figures "
            "will be better than on strangers. Evaluate on pairs of other identities."
            for found, seen, what, where in kinds
            if found & seen
        ]

    def to_dict(self) -> dict[str, str]:
        """Everything as text, for JSON."""
        hashes = {n: " ".join(sorted(getattr(self, n))) for n in _HASHES}
        return {"salt": self.salt, **hashes}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: If `values` is something else.
        """
        bytes.fromhex(values["salt"])
        return cls(values["salt"], *(frozenset(values[name].split()) for name in _HASHES))


_HASHES = ("training", "calibration", "images")


def _hash_names(names: Iterable[str], salt: str) -> Hashes:
    # The same letters may be encoded in several ways.
    return frozenset(_hash(unicodedata.normalize("NFC", name).encode(), salt) for name in names)


def _hash_images(pairs: PairDataset, salt: str) -> Hashes:
    """Hashes of pixels, so that a copy under another name is found."""
    rows = np.unique(pairs.indices).tolist()
    return frozenset(_hash(np.ascontiguousarray(pairs.images[row]), salt) for row in rows)


def _hash(contents: Any, salt: str) -> str:
    return hashlib.blake2b(contents, digest_size=16, salt=bytes.fromhex(salt)).hexdigest()


def _share(part: int, whole: int) -> str:
    return f"All {whole:,}" if part == whole else f"{part:,} of {whole:,}"
