"""Scores with labels, genuine and impostor pairs among them, drawn at random."""

import numpy as np
from hypothesis import strategies as st

few_values = st.integers(-2, 2).map(float)  # many ties


def labelled(scores):
    """Draw lists of two to twelve tuples of a score and a label, for Hypothesis."""
    return st.lists(st.tuples(scores, st.sampled_from([0, 1])), min_size=2, max_size=12).filter(
        lambda pairs: len({label for _, label in pairs}) == 2
    )


any_scores = labelled(few_values) | labelled(st.floats(-1e3, 1e3))


def draw_normal(rng, n_genuine=300, n_impostor=300, distance=1.5):
    """Draw normal scores and their labels, whose figures are all known."""
    scores = np.append(rng.normal(distance, 1, n_genuine), rng.normal(0, 1, n_impostor))
    return scores, np.repeat([1, 0], [n_genuine, n_impostor])


def draw_by_identity(rng, count=100, n=500, spread=0.5):
    """Draw scores, labels and identities. Some identities resemble all others more than most."""
    identity = rng.normal(0, spread / 2**0.5, count)
    a, b = rng.integers(count, size=(2, n))
    c = (b + rng.integers(1, count, n)) % count
    genuine = 1.5 + 2 * identity[a] + rng.normal(0, (1 - 2 * spread**2) ** 0.5, n)
    impostor = identity[b] + identity[c] + rng.normal(0, (1 - spread**2) ** 0.5, n)
    identities = np.concatenate([np.stack([a, a], 1), np.stack([b, c], 1)])
    return np.append(genuine, impostor), np.repeat([1, 0], n), identities


def all_pairs(n, times):
    """List every two of `n` identities, several times."""
    return np.repeat(np.stack(np.triu_indices(n, 1), 1), times, 0)
