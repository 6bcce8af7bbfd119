"""Tests of the metrics, against scikit-learn, SciPy and plain counting.

`test_replicas.py` has those under a strategy of several replicas.
"""

import functools

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from siamese_verify import BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate

FARS = (0.0, 0.25)

# --- What is true


def best_accuracy(scores, labels, weights=None):
    """Try every threshold. Scores at or above it are accepted."""
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights)
    thresholds = [*np.unique(scores), np.inf]
    right = [weights[(scores >= t) == (labels == 1)].sum() for t in thresholds]
    return max(right) / weights.sum()


def roc(scores, labels, weights=None):
    return roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)[:2]


def equal_error_rate(scores, labels, weights=None):
    """Where the ROC curve, drawn with straight lines, meets FAR = 1 - TAR."""
    if len(set(labels)) < 2:
        return np.nan
    far, tar = roc(scores, labels, weights)
    return brentq(lambda x: 1 - x - np.interp(x, far, tar), 0, 1, xtol=1e-12)


def true_accept_rate(scores, labels, allowed, weights=None):
    if len(set(labels)) < 2:
        return np.nan
    far, tar = roc(scores, labels, weights)
    return tar[far <= allowed + 1e-9].max()


def truth(scores, labels, weights=None):
    scores, labels = np.asarray(scores), np.asarray(labels)
    return [
        best_accuracy(scores, labels, weights),
        equal_error_rate(scores, labels, weights),
        *(true_accept_rate(scores, labels, far, weights) for far in FARS),
    ]


# --- What the metrics say


def every_metric(capacity=64):
    return [
        BestThresholdAccuracy(capacity=capacity),
        EqualErrorRate(capacity=capacity),
        *(TrueAcceptRate(far, capacity=capacity) for far in FARS),
    ]


METRICS = every_metric()  # made once, reset before each use
each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@functools.cache
def compiled(metric):
    """Update for batches of any length, since TensorFlow alone runs each operation by itself."""
    if keras.backend.backend() != "tensorflow":
        return metric.update_state
    import tensorflow as tf

    batch = [tf.TensorSpec([None], "int64"), tf.TensorSpec([None], "float32")]
    return tf.function(metric.update_state, input_signature=batch)


def streamed(metric, scores, labels, weights=None, batch_size=None, update=None):
    metric.reset_state()
    update = update or metric.update_state
    batch_size = batch_size or len(scores)
    for start in range(0, len(scores), batch_size):
        part = slice(start, start + batch_size)
        batch = np.asarray(labels)[part], np.asarray(scores, np.float32)[part]
        update(*batch) if weights is None else update(*batch, np.asarray(weights)[part])
    return float(metric.result())


@pytest.fixture
def tied():
    """60 scores of 9 values, of which the negative ones are as common as the others."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = (rng.integers(-4, 5, 60) + labels).clip(-4, 4) / np.float32(4)
    return scores.astype(np.float32), labels


# Sizes are few, since JAX compiles again for each.
sizes = st.sampled_from([2, 3, 12])
few_values = st.integers(-2, 2).map(float)
any_value = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def pairs_of(value, n):
    return st.lists(st.tuples(value, st.sampled_from([0, 1])), min_size=n, max_size=n)


@settings(max_examples=20, deadline=None)
@given(
    sizes.flatmap(lambda n: pairs_of(few_values, n) | pairs_of(any_value, n)),
    st.sampled_from([None, 5, 1]),
)
@example([(0.5, 1), (0.5, 0)], None)
@example([(0.5, 1), (0.5, 1)], None)
@example([(-0.5, 0), (-0.5, 0)], None)
@example([(-1.0, 1), (-2.0, 0)], 1)
@example([(-2.0, 1), (-1.0, 0)], 1)
def test_each_metric_is_exact_on_any_pairs_at_any_batch_size(pairs, batch_size):
    scores, labels = zip(*pairs, strict=True)
    actual = [streamed(m, scores, labels, None, batch_size, compiled(m)) for m in METRICS]
    np.testing.assert_allclose(actual, truth(scores, labels), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(pairs_of(few_values, 7), st.lists(st.integers(0, 3), min_size=7, max_size=7))
def test_a_pair_of_weight_3_counts_as_three(pairs, weights):
    scores, labels = (np.array(values) for values in zip(*pairs, strict=True))
    repeated = np.repeat(scores, weights), np.repeat(labels, weights)
    if not len(repeated[0]):
        return
    actual = [streamed(metric, scores, labels, weights) for metric in METRICS]
    np.testing.assert_allclose(actual, truth(*repeated), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [1, 5], ids=["tied", "distinct"])
def test_each_metric_is_exact_on_many_pairs(seed, digits):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 3_000)
    scores = np.round(rng.normal(labels, 1.0), digits).astype(np.float32)
    expected = [
        best_accuracy(scores, labels),
        equal_error_rate(scores, labels),
        *(true_accept_rate(scores, labels, far) for far in (0.001, 0.1, 1.0)),
    ]
    metrics = BestThresholdAccuracy(), EqualErrorRate(), *map(TrueAcceptRate, (0.001, 0.1, 1.0))
    actual = [streamed(metric, scores, labels, batch_size=1_000) for metric in metrics]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_tied_scores_of_opposite_labels_are_inseparable():
    scores, labels = [0.9, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 0, 0]
    assert streamed(BestThresholdAccuracy(), scores, labels) == pytest.approx(0.8)
    assert streamed(EqualErrorRate(), scores, labels) == pytest.approx(2 / 7)
    assert streamed(TrueAcceptRate(0.1), scores, labels) == 0.5


@each_metric
def test_the_order_of_pairs_does_not_matter(metric, tied):
    scores, labels = tied
    order = np.random.default_rng(1).permutation(60)
    assert streamed(metric, scores, labels) == streamed(metric, scores[order], labels[order])


@each_metric
def test_scores_may_be_infinite(metric):
    scores, labels = [np.inf, -np.inf, 1.0, -np.inf], [1, 0, 0, 1]
    finite = [9.0, -9.0, 1.0, -9.0]
    assert streamed(metric, scores, labels) == streamed(metric, finite, labels)


@each_metric
@pytest.mark.parametrize("label", [0, 1])
def test_with_one_kind_of_pair_only_accuracy_is_defined(metric, label):
    value = streamed(metric, [0.3, 0.1, 0.3], [label] * 3)
    assert value == 1.0 if isinstance(metric, BestThresholdAccuracy) else np.isnan(value)


@each_metric
def test_without_pairs_the_result_is_nan(metric):
    metric.reset_state()
    assert np.isnan(float(metric.result()))


@each_metric
@pytest.mark.parametrize("label", [2, -1, 0.5, float("nan")])
def test_labels_other_than_0_and_1_give_nan(metric, label):
    assert np.isnan(streamed(metric, [0.1, 0.2, 0.3], [0, 1, label]))


@pytest.mark.parametrize("dtype", ["bool", "int32", "float64"])
@pytest.mark.parametrize("shape", [(60,), (60, 1)])
def test_labels_and_scores_may_be_vectors_or_columns(tied, dtype, shape):
    scores, labels = tied
    expected = equal_error_rate(scores, labels)
    for score_shape in ((60,), (60, 1)):
        actual = streamed(
            METRICS[1], scores.reshape(score_shape), labels.astype(dtype).reshape(shape)
        )
        assert actual == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(60,), (60, 1)])
def test_weights_may_be_a_vector_or_a_column(tied, shape):
    scores, labels = tied
    weights = np.arange(60) % 4
    actual = streamed(METRICS[1], scores, labels, weights.reshape(shape))
    assert actual == pytest.approx(equal_error_rate(scores, labels, weights), abs=1e-6)


@pytest.mark.parametrize("n_labels", [1, 3])
def test_a_label_for_each_score_is_needed(n_labels):
    with pytest.raises(ValueError, match="Received"):
        EqualErrorRate().update_state(np.ones(n_labels), np.ones(6, np.float32))


@each_metric
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_score_of_nan_gives_nan(metric, position):
    scores = np.array([0.1, 0.2, 0.3])
    scores[position] = np.nan
    assert np.isnan(streamed(metric, scores, [0, 1, 1]))


@each_metric
def test_a_reset_forgets_everything(metric, tied):
    streamed(metric, [np.nan, 0.2, 0.1], [0, 1, 2])
    scores, labels = tied
    again = type(metric).from_config(metric.get_config())
    assert streamed(metric, scores, labels) == streamed(again, scores, labels)


@pytest.mark.parametrize("shape", [(60, 2), (30, 2), (2, 30), (60, 1, 1), (1, 60), ()])
@pytest.mark.parametrize("what", ["y_true", "y_pred"])
def test_other_shapes_of_labels_or_scores_raise(tied, what, shape):
    scores, labels = tied
    arguments = {"y_true": labels, "y_pred": scores}
    arguments[what] = np.zeros(shape, "float32")
    name = {"y_true": "labels", "y_pred": "scores"}[what]
    with pytest.raises(ValueError, match=f"The {name} must have shape .* Received: {name} of"):
        EqualErrorRate().update_state(**arguments)


@pytest.mark.parametrize("shape", [(60, 2), (1, 60), (59,), (1,), (60, 1, 1)])
def test_other_shapes_of_weights_raise(tied, shape):
    scores, labels = tied
    with pytest.raises(ValueError, match=r"sample weight.* Received: .*sample weights"):
        EqualErrorRate().update_state(labels, scores, np.ones(shape, "float32"))


def test_a_mask_is_not_lost_in_silence(tied):
    scores, labels = tied
    for masked in ((labels, np.ma.array(scores, mask=labels)), (np.ma.array(labels), scores)):
        with pytest.raises(ValueError, match="masked array"):
            EqualErrorRate().update_state(*masked)


@pytest.mark.parametrize("scores", [["0.1", "0.9"], [None, 0.1], [1j, 0.1]])
def test_a_score_that_is_not_a_number_raises(scores):
    with pytest.raises(ValueError, match="The scores must be numbers"):
        EqualErrorRate().update_state([0, 1], np.array(scores))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "bool"])
def test_integers_are_scores(dtype):
    metric = TrueAcceptRate(0.0)
    metric.update_state([1, 0, 1, 1, 1], np.array([1, 0, 1, 0, 1], dtype))
    assert float(metric.result()) == 0.75


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("outputs", [2, 3])
def test_a_model_of_several_outputs_raises_in_a_compiled_step_too(outputs, jit_compile):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(outputs)])
    model.compile(loss="mse", metrics=[EqualErrorRate()], jit_compile=jit_compile)
    with pytest.raises(ValueError, match="The scores must have shape"):
        model.evaluate(np.ones((6, 1)), np.ones((6, outputs)), verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX knows all lengths")
@pytest.mark.parametrize("lengths", [(1, 3, 3), (3, 1, 3), (3, 3, 1)])
def test_lengths_known_only_when_a_graph_runs_must_agree_too(lengths):
    import tensorflow as tf

    metric = EqualErrorRate()
    unknown = [tf.TensorSpec([None], "float32")] * 3
    update = tf.function(metric.update_state, input_signature=unknown)
    update(*np.ones((3, 5), "float32"))
    with pytest.raises(tf.errors.InvalidArgumentError):
        update(*(np.ones(n, "float32") for n in lengths))


# --- More scores than there is room for


def shares_at_one_score(scores, labels):
    """The largest share of genuine, of impostor and of all pairs that lie at one score."""
    _, place = np.unique(scores, return_inverse=True)
    counts = [np.bincount(place[kind]).max() / kind.sum() for kind in (labels == 1, labels == 0)]
    return *counts, np.bincount(place).max() / len(labels)


def rounded(scores, step):
    """Scores brought to multiples of `step`, towards the next higher one."""
    return scores if step == 0 else np.ceil(np.float64(scores) / step) * step


def smallest_step(scores, capacity):
    """Tries all powers of two."""
    return next(
        step
        for step in (0.0, *2.0 ** np.arange(-126.0, 128))
        if len(np.unique(rounded(scores, step))) <= capacity
    )


def check_bounds(metric, value, scores, labels, step):
    """Holds a result to the bound that its class states."""
    genuine, impostor, pairs = shares_at_one_score(rounded(scores, step), labels)
    exact = dict(zip([m.name for m in METRICS], truth(scores, labels), strict=True))[metric.name]
    if isinstance(metric, EqualErrorRate):
        assert abs(value - exact) <= min(genuine, impostor) + 1e-6
    else:
        share = genuine if isinstance(metric, TrueAcceptRate) else pairs
        assert exact - share - 1e-6 <= value <= exact + 1e-6


small = every_metric(capacity=5)
moderate = st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6)


@settings(max_examples=10, deadline=None)
@given(
    pairs_of(moderate, 24).filter(lambda pairs: len({label for _, label in pairs}) == 2),
    st.permutations(range(24)),
    st.sampled_from([24, 12, 4]),
)
def test_beyond_capacity_the_rounding_is_the_smallest_and_the_error_bounded(
    pairs, order, batch_size
):
    scores, labels = (np.array(values) for values in zip(*pairs, strict=True))
    scores = scores.astype("float32")
    step = smallest_step(scores, 5)
    for metric in small:
        update = compiled(metric)
        value = streamed(metric, scores, labels, batch_size=24, update=update)
        assert float(metric.rounding) == step
        check_bounds(metric, value, scores, labels, step)
        again = streamed(metric, scores[order], labels[order], None, batch_size, update)
        assert again == value
        assert float(metric.rounding) == step


@pytest.mark.parametrize("kind", ["normal", "cosine", "sigmoid", "wide"])
def test_beyond_capacity_the_result_is_exact_for_the_rounded_scores(kind):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3_000)
    scores = rng.normal(labels)
    transform = {"cosine": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-3 * x)), "wide": np.sinh}
    scores = transform.get(kind, np.asarray)(scores).astype("float32")
    for metric in every_metric(capacity=200):
        value = streamed(metric, scores, labels, batch_size=500)
        step = float(metric.rounding)
        assert step == smallest_step(scores, 200)
        assert step <= 2 * np.ptp(scores) / 199
        same = dict(
            zip([m.name for m in METRICS], truth(rounded(scores, step), labels), strict=True)
        )
        assert value == pytest.approx(same[metric.name], abs=1e-6)
        check_bounds(metric, value, scores, labels, step)


@pytest.mark.parametrize("extreme", [np.finfo("float32").max, np.inf])
def test_any_scores_fit_the_smallest_capacity(extreme):
    scores = np.array([-extreme, -1e30, -1.0, -1e-30, 0, 1e-30, 1.0, 1e30, extreme, 2, 3, 4])
    for metric in every_metric(capacity=4):
        assert 0 <= streamed(metric, scores, np.arange(12) % 2, batch_size=3) <= 1


def test_many_pairs_of_few_scores_stay_exact():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3_000)
    scores = (rng.integers(0, 40, 3_000) + 10 * labels) / np.float32(7)
    for metric, expected in zip(every_metric(capacity=50), truth(scores, labels), strict=True):
        assert streamed(metric, scores, labels, batch_size=700) == pytest.approx(expected, abs=1e-6)
        assert float(metric.rounding) == 0


@pytest.mark.parametrize("metric", [EqualErrorRate(), TrueAcceptRate(0.01)], ids=type)
def test_a_million_pairs(metric):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1_000_000)
    scores = np.tanh(rng.normal(labels)).astype("float32")
    far, tar = roc(scores, labels)
    value = streamed(metric, scores, labels, batch_size=100_000)
    if isinstance(metric, EqualErrorRate):
        expected = brentq(lambda x: 1 - x - np.interp(x, far, tar), 0, 1)
    else:
        expected = tar[far <= 0.01].max()
    # The largest share of pairs at one of the rounded scores is below 0.0007.
    assert value == pytest.approx(expected, abs=7e-4)
    assert 0 < float(metric.rounding) <= 2 * np.ptp(scores) / (2**14 - 1)
    memory = sum(np.prod(v.shape) * np.dtype(v.dtype).itemsize for v in metric.variables)
    assert memory < 200 * 1024


# --- In a model


def scorer(**arguments):
    """A model whose scores are its inputs, also after training."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)]
    )
    model.compile(keras.optimizers.SGD(0.0), loss="mse", **arguments)
    return model


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"run_eagerly": True}, marks=pytest.mark.slow),
        {"jit_compile": False},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=["eager", "graph", "compiled"],
)
def test_fit_and_evaluate_give_the_exact_values(tied, how):
    scores, labels = tied
    # XLA compiles for seconds, hence one metric: the others share what it compiles.
    metrics = every_metric()[: 1 if how.get("jit_compile") else None]
    model = scorer(metrics=metrics, **how)
    expected = dict(zip([metric.name for metric in metrics], truth(*tied), strict=False))
    for batch_size in (60, 7):  # the last batch holds 4
        results = model.evaluate(
            scores[:, None], labels, batch_size=batch_size, verbose=0, return_dict=True
        )
        del results["loss"]
        assert results == pytest.approx(expected, abs=1e-6)
    history = model.fit(
        scores[:, None],
        labels,
        validation_data=(scores[:, None], labels),
        batch_size=7,
        epochs=2,
        verbose=0,
    ).history
    for name, value in expected.items():
        assert history[name] == pytest.approx([value] * 2, abs=1e-6)
        assert history[f"val_{name}"] == pytest.approx([value] * 2, abs=1e-6)


def test_evaluate_one_pair_at_a_time_gives_the_exact_values(tied):
    scores, labels = tied
    model = scorer(metrics=every_metric())
    results = model.evaluate(scores[:, None], labels, batch_size=1, verbose=0)
    assert results[1:] == pytest.approx(truth(*tied), abs=1e-6)


def test_evaluate_weighs_pairs(tied):
    scores, labels = tied
    weights = np.arange(60) % 4
    model = scorer(weighted_metrics=every_metric())
    results = model.evaluate(scores[:, None], labels, sample_weight=weights, verbose=0)
    assert results[1:] == pytest.approx(truth(scores, labels, weights), abs=1e-6)


# --- Names and configuration


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (BestThresholdAccuracy(), "best_threshold_accuracy"),
        (EqualErrorRate(), "equal_error_rate"),
        (TrueAcceptRate(), "tar_at_far_1e-1"),
        (TrueAcceptRate(0.001), "tar_at_far_1e-3"),
        (TrueAcceptRate(1), "tar_at_far_1"),
        (TrueAcceptRate(0.01, name="tar"), "tar"),
    ],
)
def test_a_metric_has_a_name_and_is_made_again_from_its_configuration(metric, name):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert metric.name == again.name == name
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_the_configuration_keeps_every_argument():
    metric = TrueAcceptRate(0.25, capacity=7)
    again = TrueAcceptRate.from_config(metric.get_config())
    assert (again.far, again.capacity) == (0.25, 7)


def test_each_rate_has_a_name_of_its_own_without_a_dot():
    rates = [0, 1, 1.0, 0.1, 0.01, 0.001, 0.015, 0.05, 0.5, 1e-7, 1 / 3, 0.33, 0.101]
    names = {TrueAcceptRate(far).name for far in rates}
    assert len(names) == len(set(rates))
    assert not any("." in name for name in names)


def test_memory_is_12_bytes_a_score():
    metric = EqualErrorRate(capacity=1_000)
    memory = sum(np.prod(v.shape) * np.dtype(v.dtype).itemsize for v in metric.variables)
    assert 12_000 <= memory <= 12_100


# --- Keras's callbacks


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        (EqualErrorRate(capacity=8), min),
        (TrueAcceptRate(0.25, capacity=8), max),
        (BestThresholdAccuracy(capacity=8), max),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_callbacks_know_which_values_are_better(tmp_path, metric, best):
    scores, labels = np.arange(8.0)[:, None], np.arange(8) >= 4

    class Flip(keras.callbacks.Callback):
        """Ranks all pairs the right way, then the wrong way, then the right way again."""

        def on_epoch_begin(self, epoch, logs=None):
            self.model.set_weights([np.array([[-1.0 if epoch == 1 else 1.0]])])

    monitor = f"val_{metric.name}"
    stop = keras.callbacks.EarlyStopping(monitor, patience=9, restore_best_weights=True)
    path = str(tmp_path / f"m-{{epoch}}-{{{monitor}:.2f}}.keras")
    save = keras.callbacks.ModelCheckpoint(path, monitor, save_best_only=True)
    model = scorer(metrics=[metric], run_eagerly=True)
    history = model.fit(
        scores,
        labels,
        validation_data=(scores, labels),
        epochs=3,
        verbose=0,
        callbacks=[Flip(), stop, save],
    ).history[monitor]
    assert history[0] != history[1]
    assert stop.best == save.best == best(history)
    assert stop.best_epoch == 0
    assert [file.name for file in tmp_path.iterdir()] == [f"m-1-{history[0]:.2f}.keras"]


@pytest.mark.parametrize("far", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_and_1_raises(far):
    with pytest.raises(ValueError, match=f"`far`.*Received: far={far}"):
        TrueAcceptRate(far)


@pytest.mark.parametrize("metric_class", [BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate])
def test_a_capacity_below_4_raises(metric_class):
    with pytest.raises(ValueError, match=r"`capacity`.*at least 4.*Received: capacity=3"):
        metric_class(capacity=3)


@pytest.mark.parametrize("dtype", ["float64", "float16", "mixed_bfloat16"])
def test_a_metric_counts_in_float32_whatever_its_dtype(dtype):
    # In float16, 2048 + 1 is 2048.
    labels, scores = np.arange(6000) % 3 == 0, np.linspace(0, 1, 6000)
    for other, expected in zip((EqualErrorRate, BestThresholdAccuracy), (0.5, 2 / 3), strict=True):
        metric = other(dtype=dtype)
        metric.update_state(labels, scores)
        assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


def test_lists_of_other_lengths_raise_too():
    with pytest.raises(ValueError, match="Received: 3 labels, 2 scores"):
        EqualErrorRate().update_state([1, 0, 1], [0.1, 0.2])


def test_the_capacity_is_a_whole_number():
    assert EqualErrorRate(capacity=np.int64(1000)).capacity == 1000
    with pytest.raises(ValueError, match=r"`capacity`.*Received: capacity=1.5"):
        EqualErrorRate(capacity=1.5)
