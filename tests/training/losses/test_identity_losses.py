"""Tests of the losses on classes: `MarginSoftmaxLoss` and `SupervisedContrastiveLoss`."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from siamese_verify import MarginSoftmaxLoss, SupervisedContrastiveLoss
from siamese_verify.testing.gradients import value_and_gradients

LOSSES = [MarginSoftmaxLoss, SupervisedContrastiveLoss]
every_loss = pytest.mark.parametrize("loss_class", LOSSES)
seeds = st.integers(0, 2**32 - 1)


def cross_entropy(classes, logits):
    """Cross entropy of softmax, sample by sample."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = np.arange(len(classes))
    return -np.log(exponentials[rows, classes] / exponentials.sum(axis=1))


def margin_softmax(classes, cosines, scale, angular_margin, cosine_margin):
    """Equation 4 of ArcFace, by the angles. With one margin 0, equation 3 of ArcFace or CosFace."""
    logits = cosines.astype(np.float64)
    rows = np.arange(len(classes))
    angles = np.arccos(logits[rows, classes]) + angular_margin
    assert angles.max() <= np.pi
    logits[rows, classes] = np.cos(angles) - cosine_margin
    return cross_entropy(classes, scale * logits)


def supervised_contrastive(classes, embeddings, temperature):
    """Equation 2 of Khosla et al., the term of each anchor i, in their letters."""
    z = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    terms = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if classes[p] == classes[i]]
        denominator = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        logs = [np.log(np.exp(z[i] @ z[p] / temperature) / denominator) for p in positives]
        terms.append(-np.sum(logs) / max(1, len(positives)))
    return np.array(terms)


def labelled(seed, lowest=-1.0):
    """Few classes and cosines to them, always of one shape, since JAX compiles for each shape."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, 30), rng.uniform(lowest, 1, (30, 5)).astype(np.float32)


def embedded(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, 8), rng.normal(size=(8, 3)).astype(np.float32)


def each(loss, classes, predictions):
    return ops.convert_to_numpy(loss(classes, predictions))


def slope(loss, classes, predictions):
    """The gradient to the predictions."""
    layer = keras.layers.Lambda(lambda x: loss(classes, x))
    layer.build(predictions.shape)
    return value_and_gradients(layer, predictions, 1.0)[1]


# Margin softmax


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([1.0, 30.0, 64.0]), st.sampled_from([0.0, 0.1, 0.35]))
def test_cosface_is_equation_4_of_the_paper(seed, scale, margin):
    classes, cosines = labelled(seed)
    loss = MarginSoftmaxLoss(scale, cosine_margin=margin, reduction="none")
    expected = margin_softmax(classes, cosines, scale, 0, margin)
    np.testing.assert_allclose(each(loss, classes, cosines), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([0.1, 0.5]), st.sampled_from([0.0, 0.2]))
def test_arcface_is_equation_3_of_the_paper_and_may_have_both_margins(seed, angular, cosine):
    classes, cosines = labelled(seed, lowest=-0.87)
    loss = MarginSoftmaxLoss(64.0, angular, cosine, reduction="none")
    expected = margin_softmax(classes, cosines, 64, angular, cosine)
    np.testing.assert_allclose(each(loss, classes, cosines), expected, rtol=1e-4, atol=1e-4)


def test_without_a_margin_it_is_the_cross_entropy_of_softmax():
    classes, cosines = labelled(0)
    loss = MarginSoftmaxLoss(10.0, cosine_margin=0.0)
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(classes, 10 * cosines)
    assert float(loss(classes, cosines)) == pytest.approx(float(expected), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    seeds,
    st.lists(st.floats(0, 3.1), min_size=2, max_size=2),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_a_larger_margin_never_lowers_the_loss(seed, angular, cosine):
    classes, cosines = labelled(seed)
    low, high = (
        each(MarginSoftmaxLoss(8.0, a, c, reduction="none"), classes, cosines)
        for a, c in zip(sorted(angular), sorted(cosine), strict=True)
    )
    assert np.all(high >= low - 1e-4)


@pytest.mark.parametrize("angular_margin", [0.0, 0.5, 1.5, 3.0])
def test_nearer_to_the_true_class_is_always_better(angular_margin):
    # Beyond pi, the cosine of the angle with its margin would rise again.
    cosines, classes = np.zeros((30, 5), np.float32), np.zeros(30, int)
    cosines[:, 0] = np.linspace(-1, 1, 30)
    loss = MarginSoftmaxLoss(4.0, angular_margin, reduction="none")
    assert np.all(np.diff(each(loss, classes, cosines)) < 0)
    assert np.all(slope(loss, classes, cosines)[:-1, 0] < 0)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001, -1.0000001])
@pytest.mark.parametrize("angular_margin", [0.0, 0.5])
def test_the_gradient_is_finite_where_the_angle_has_none(cosine, angular_margin):
    loss = MarginSoftmaxLoss(angular_margin=angular_margin)
    classes, cosines = labelled(0)
    cosines[:20, 0], cosines[10:, 1:] = cosine, cosine
    assert np.isfinite(float(loss(classes, cosines)))
    assert np.all(np.isfinite(slope(loss, classes, cosines)))


def test_the_gradient_equals_the_formulas():
    classes, cosines = labelled(0, lowest=-0.8)
    actual = slope(MarginSoftmaxLoss(4.0, 0.5, 0.1, reduction="sum"), classes, cosines)
    for index in np.ndindex(*cosines.shape):
        step = np.zeros(cosines.shape)
        step[index] = 1e-5
        ends = [margin_softmax(classes, cosines + s, 4.0, 0.5, 0.1).sum() for s in (step, -step)]
        assert actual[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3, abs=1e-4)


# Supervised contrast


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([0.07, 0.1, 1.0]))
def test_supervised_contrast_is_equation_2_of_the_paper(seed, temperature):
    classes, embeddings = embedded(seed)
    expected = supervised_contrastive(classes, embeddings, temperature)
    for reduction, total in (("none", expected), ("sum", expected.sum())):
        actual = each(
            SupervisedContrastiveLoss(temperature, reduction=reduction), classes, embeddings
        )
        np.testing.assert_allclose(actual, total, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_mean_is_that_over_samples_with_another_of_their_class(seed):
    classes, embeddings = embedded(seed)
    anchors = [list(classes).count(c) > 1 for c in classes]
    expected = supervised_contrastive(classes, embeddings, 0.1)[anchors].mean()
    actual = float(SupervisedContrastiveLoss()(classes, embeddings))
    assert actual == pytest.approx(expected, rel=1e-4, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(seeds, st.permutations(range(8)))
def test_the_order_of_a_batch_does_not_count(seed, order):
    classes, embeddings = embedded(seed)
    loss = SupervisedContrastiveLoss(reduction="none")
    np.testing.assert_allclose(
        each(loss, classes[order], embeddings[order]),
        each(loss, classes, embeddings)[order],
        rtol=1e-4,
        atol=1e-5,
    )


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([1e-6, 0.3, 1e6]))
def test_the_length_of_an_embedding_does_not_count(seed, length):
    classes, embeddings = embedded(seed)
    longer = embeddings * np.array([length, *[1] * 7], np.float32)[:, None]
    loss = SupervisedContrastiveLoss()
    expected = float(loss(classes, embeddings))
    assert float(loss(classes, longer)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("classes", [range(8), [5]], ids=["all different", "alone"])
def test_a_batch_without_two_of_a_class_gives_0(classes):
    embeddings = embedded(0)[1][: len(classes)]
    assert float(SupervisedContrastiveLoss()(np.array(classes), embeddings)) == 0
    np.testing.assert_array_equal(
        slope(SupervisedContrastiveLoss(), np.array(classes), embeddings), 0
    )


def test_extreme_temperatures_and_embeddings_of_zero_leave_numbers():
    classes, embeddings = embedded(0)
    embeddings[:2] = 0
    for temperature in (1e-12, 1e-4, 1e4):
        loss = SupervisedContrastiveLoss(temperature)
        assert np.isfinite(float(loss(classes, embeddings)))
        assert np.all(np.isfinite(slope(loss, classes, embeddings)))


def test_it_trains_a_model():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((24, 6), np.float32)
    classes = np.arange(24) % 6
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8)])
    model.compile(keras.optimizers.Adam(0.02), loss=SupervisedContrastiveLoss())
    history = model.fit(x, classes, epochs=5, batch_size=24, verbose=0)
    assert np.all(np.diff(history.history["loss"]) < 0)
    # With a last batch that is smaller.
    assert np.isfinite(model.evaluate(x, classes, batch_size=10, verbose=0))


# Both


@every_loss
@pytest.mark.parametrize("shape", [(30,), (30, 1)])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
def test_classes_may_be_a_vector_or_a_column(loss_class, shape, dtype):
    classes, predictions = labelled(0)
    loss = loss_class(reduction="none")
    actual = each(loss, classes.astype(dtype).reshape(shape), predictions)
    assert actual.shape == (30,)
    np.testing.assert_array_equal(actual, each(loss, classes, predictions))


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_lower_precision_tells_all_classes_apart(loss_class, dtype):
    # float16 holds integers up to 2048, bfloat16 up to 256.
    predictions = np.random.default_rng(0).uniform(-1, 1, (4, 2052)).astype(np.float32)
    classes = np.array([2048, 2049, 2049, 2051])
    actual = float(loss_class(dtype=dtype)(classes, predictions))
    assert actual == pytest.approx(float(loss_class()(classes, predictions)), rel=1e-6)


@every_loss
@pytest.mark.parametrize(
    ("classes", "predictions"),
    [
        (np.zeros(1, int), np.zeros((6, 5))),
        (np.zeros((6, 5), int), np.zeros((6, 5))),  # one-hot
        (np.zeros(6, int), np.zeros((6, 1, 5))),
    ],
)
def test_one_class_for_each_row_is_needed(loss_class, classes, predictions):
    with pytest.raises(ValueError, match=r"one integer class.*Received"):
        loss_class()(classes, predictions)


@pytest.mark.parametrize(
    ("loss_class", "name", "value"),
    [
        (MarginSoftmaxLoss, "scale", 0),
        (MarginSoftmaxLoss, "scale", float("nan")),
        (MarginSoftmaxLoss, "scale", float("inf")),
        (MarginSoftmaxLoss, "angular_margin", -0.1),
        (MarginSoftmaxLoss, "angular_margin", np.pi),
        (MarginSoftmaxLoss, "angular_margin", float("nan")),
        (MarginSoftmaxLoss, "cosine_margin", -0.1),
        (MarginSoftmaxLoss, "cosine_margin", float("nan")),
        (MarginSoftmaxLoss, "cosine_margin", float("inf")),
        (SupervisedContrastiveLoss, "temperature", 0),
        (SupervisedContrastiveLoss, "temperature", -1.0),
        (SupervisedContrastiveLoss, "temperature", float("nan")),
        (SupervisedContrastiveLoss, "temperature", float("inf")),
    ],
)
def test_an_argument_out_of_its_range_raises(loss_class, name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        loss_class(**{name: value})


@pytest.mark.parametrize(
    "loss",
    [
        MarginSoftmaxLoss(30.0, 0.5, 0.1, name="mine", reduction="sum"),
        SupervisedContrastiveLoss(0.5, name="mine", reduction="sum"),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_a_loss_is_made_again_from_its_configuration(loss):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert (again.name, again.reduction) == ("mine", "sum")
    classes, predictions = labelled(0)
    assert float(again(classes, predictions)) == float(loss(classes, predictions))


@pytest.mark.parametrize("wrong", [0.2, -1, np.nan, np.inf, 2**24, 3_000_000_001])
def test_what_is_no_class_that_float32_tells_apart_gives_nan(wrong):
    classes, embeddings = np.array([0, 0, wrong, wrong]), np.eye(4)
    losses = each(SupervisedContrastiveLoss(reduction="none"), classes, embeddings)
    np.testing.assert_array_equal(np.isnan(losses), [False, False, True, True])
    alone = each(SupervisedContrastiveLoss(reduction="none"), np.array([0, 0, 1, 2]), embeddings)
    np.testing.assert_array_equal(losses[:2], alone[:2])


@pytest.mark.parametrize("wrong", [0.2, 1.7, -0.5, -1, np.nan])
def test_what_is_no_class_has_no_cosine(wrong):
    loss = MarginSoftmaxLoss(reduction="none")
    losses = each(loss, np.array([0, wrong]), np.eye(2, 3) * 0.5)
    np.testing.assert_array_equal(np.isnan(losses), [False, True])


def test_a_weighted_mean_takes_the_terms_of_the_paper():
    classes, embeddings = np.array([0, 0, 1, 1, 2, 3]), embedded(0)[1][:6]
    terms = each(SupervisedContrastiveLoss(reduction="none"), classes, embeddings)
    weights = np.array([1.0, 1, 2, 2, 0, 0])  # none for those alone, who have no term
    loss = SupervisedContrastiveLoss(reduction="mean_with_sample_weight")
    expected = (terms * weights).sum() / weights.sum()
    assert float(loss(classes, embeddings, weights)) == pytest.approx(expected, rel=1e-5)
