"""Scores with labels, both of which occur, for Hypothesis."""

from hypothesis import strategies as st

few_values = st.integers(-2, 2).map(float)  # many ties


def labelled(scores):
    """Lists of two to twelve pairs of a score and a label."""
    return st.lists(st.tuples(scores, st.sampled_from([0, 1])), min_size=2, max_size=12).filter(
        lambda pairs: len({label for _, label in pairs}) == 2
    )
