"""Tests of the index that follows a gallery."""

import numpy as np
import pytest
from verifiers import IMAGES, make_enrolled

import siamese_verify as sv
from siamese_verify.verification.indexes.exact import ExactIndex


class Recording(ExactIndex):
    """Exact index that counts what it is given."""

    added: list[int]
    removed: list[int]

    def __init__(self, head: object, size: int) -> None:
        super().__init__(head, size)
        self.added, self.removed = [], []

    def add(self, ids: np.ndarray, embeddings: np.ndarray) -> None:
        super().add(ids, embeddings)
        self.added.append(len(ids))

    def remove(self, ids: np.ndarray) -> None:
        super().remove(ids)
        self.removed.append(len(ids))


def test_an_index_that_follows_finds_what_a_new_one_finds() -> None:
    verifier, made = make_enrolled(sv.CosineHead()), []

    def index_type(head: object, size: int) -> Recording:
        made.append(Recording(head, size))
        return made[-1]

    verifier.index_type = index_type
    for change in (
        lambda: verifier.enroll({"Eve": IMAGES[4:6]}),
        lambda: verifier.replace({"Ada": IMAGES[6:7]}),
        lambda: verifier.remove(["Bob"]),
        lambda: verifier.enroll({"Bob": IMAGES[8:9]}),
    ):
        verifier.identify(IMAGES[9])
        change()
        found = verifier.identify_many(IMAGES[:12], 5, below_threshold=True)
        verifier.index_type = ExactIndex
        assert verifier.identify_many(IMAGES[:12], 5, below_threshold=True) == found
        verifier.index_type = index_type
    # Each switch of the type makes an index. Between switches, it is only changed.
    assert [index.added for index in made] == [[4, 2], [6, 1], [5], [3, 1]]
    assert [index.removed for index in made] == [[], [2], [2], []]


def test_an_index_that_raises_is_made_again() -> None:
    verifier, fails = make_enrolled(sv.CosineHead()), [False]

    class Failing(ExactIndex):
        def add(self, *arguments: np.ndarray) -> None:
            if fails[0]:
                raise OSError("no space")
            super().add(*arguments)

    verifier.index_type = Failing
    verifier.identify(IMAGES[0])
    verifier.enroll({"Eve": IMAGES[4:5]})
    fails[0] = True
    with pytest.raises(OSError, match="no space"):
        verifier.identify(IMAGES[4])
    fails[0] = False
    assert verifier.identify(IMAGES[4])[0].name == "Eve"


class Old:
    def __init__(self, head: object, embeddings: np.ndarray) -> None:
        self.n = len(embeddings)

    def search(self, probes: np.ndarray, k: int) -> None: ...


def test_an_index_class_of_the_earlier_form_is_told_what_it_lacks() -> None:
    verifier = make_enrolled()
    verifier.index_type = Old
    with pytest.raises(TypeError, match=r"Old'> without add, remove, __len__"):
        verifier.identify(IMAGES[0])


def test_an_id_that_is_not_enrolled_raises() -> None:
    class Wrong(ExactIndex):
        def search(self, probes: np.ndarray, k: int) -> object:
            found = super().search(probes, k)
            return found._replace(ids=found.ids + 100)

    verifier = make_enrolled()
    verifier.index_type = Wrong
    with pytest.raises(RuntimeError, match=r"returned the id 10., which is not enrolled"):
        verifier.identify(IMAGES[0])
