"""Pairs and pair lists with LFW's names."""

from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Pair


def same(identity: str, i: int, j: int) -> Pair:
    return Pair(lfw_sample(identity, i), lfw_sample(identity, j), 1)


def different(identity: str, i: int, other: str, j: int) -> Pair:
    return Pair(lfw_sample(identity, i), lfw_sample(other, j), 0)


def many_pairs(n_same: int, n_different: int) -> PairList:
    """Each of their own identities."""
    return PairList(
        [same(f"S{i}", 1, 2) for i in range(n_same)]
        + [different(f"L{i}", 1, f"R{i}", 1) for i in range(n_different)]
    )
