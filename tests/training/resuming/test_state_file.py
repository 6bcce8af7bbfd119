"""Tests of states in a file."""

import math

import keras
import numpy as np
import pytest

from siamese_verify.training.resuming.state_file import read_state, write_state


def test_a_state_comes_back_with_its_types(tmp_path):
    path = tmp_path / "folder" / "state.npz"
    state = {
        "none": None,
        "true": True,
        "text": "é\n",
        "nested": [{"a": [1, 2.5]}, []],
        "big": 2**70,
    }
    write_state(path, state)
    assert read_state(path) == state
    write_state(path, {"figures": (math.inf, -math.inf, 0.1), "scalar": np.float32(0.1)})
    back = read_state(path)
    assert back["figures"] == [math.inf, -math.inf, 0.1]
    assert np.float32(back["scalar"]) == np.float32(0.1)
    write_state(path, {"nan": math.nan})
    assert math.isnan(read_state(path)["nan"])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "uint32", "bool"])
def test_arrays_come_back_with_their_bits(dtype, tmp_path):
    array = np.arange(6).reshape(2, 3).astype(np.dtype(dtype))
    write_state(tmp_path / "state.npz", {"list": [array, [array[:0], array[0, 0]]]})
    whole, (empty, _) = read_state(tmp_path / "state.npz")["list"]
    assert whole.dtype == array.dtype
    assert whole.tobytes() == array.tobytes()
    assert empty.shape == (0, 3)


def test_tensors_of_the_backend_become_arrays(tmp_path):
    write_state(tmp_path / "state.npz", {"tensor": keras.ops.ones((2, 1))})
    np.testing.assert_array_equal(read_state(tmp_path / "state.npz")["tensor"], [[1.0], [1.0]])


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()])])
def test_what_needs_pickle_raises_and_leaves_the_former_state(value, tmp_path):
    path = tmp_path / "state.npz"
    write_state(path, {"epoch": 1})
    with pytest.raises(TypeError, match=f"Received: value of {type(value).__name__}"):
        write_state(path, {"epoch": 2, "value": [value]})
    assert read_state(path) == {"epoch": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.npz"]
