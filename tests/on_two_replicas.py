"""Runs the metrics on two replicas, for `test_replicas.py`: prints a line of JSON for each case.

It is a process of its own, since TensorFlow accepts logical devices only before it starts.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from siamese_verify import BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate
from siamese_verify.testing.replicas import scores_as_given, two_replicas

STRATEGY = two_replicas()


def pairs(n):
    rng = np.random.default_rng(n)
    labels = np.arange(n) % 2
    scores = np.round(rng.normal(labels * 1.5), 2).astype("float32")
    return scores, labels, np.arange(n) % 3 + 1


def metrics(capacity=2**14):
    return [m(capacity=capacity) for m in (EqualErrorRate, TrueAcceptRate, BestThresholdAccuracy)]


def scorer(made, **arguments):
    """A model whose scores are its inputs, also after training."""
    model = scores_as_given()
    model.compile(keras.optimizers.SGD(0.0), loss="mse", weighted_metrics=made, **arguments)
    return model


def tell(case, made, values):
    names = [metric.name for metric in made]
    values = [float(values[name]) for name in names]
    print(json.dumps({"case": case, "values": values, "rounding": rounding(made)}), flush=True)


def rounding(made):
    return [float(metric.rounding) for metric in made]


def evaluate(case, n, made=None, weighted=False, **arguments):
    scores, labels, weights = pairs(n)
    with STRATEGY.scope():
        made = made or [EqualErrorRate()]
        model = scorer(made, **arguments)
    for _ in range(2):  # the second time after a reset
        values = model.evaluate(
            scores[:, None],
            labels,
            batch_size=10,
            sample_weight=weights if weighted else None,
            verbose=0,
            return_dict=True,
        )
    tell(case, made, values)


def main():
    evaluate("last batch of 1", 41)
    evaluate("eager", 43, run_eagerly=True)
    evaluate("weights", 43, weighted=True, steps_per_execution=3)
    evaluate("made outside of the scope", 43, made=[EqualErrorRate()])
    with STRATEGY.scope():
        made = metrics(capacity=16)
    evaluate("beyond capacity", 203, made, jit_compile=False)

    scores, labels, _ = pairs(43)
    data = scores[:, None], labels
    with STRATEGY.scope():
        made = [EqualErrorRate()]
        model = scorer(made, jit_compile=False)
    history = model.fit(*data, validation_data=data, batch_size=10, epochs=2, verbose=0).history
    for epoch in range(2):
        for kind in ("", "val_"):
            values = {m.name: history[kind + m.name][epoch] for m in made}
            tell(f"fit, {kind}epoch {epoch}", made, values)

    for metric in made:
        metric.reset_state()
        for part in np.array_split(np.arange(43), 4):
            metric.update_state(labels[part], scores[part])
    tell("updated outside of the scope", made, {m.name: m.result() for m in made})

    with STRATEGY.scope():
        for metric in made:
            metric.reset_state()
            metric.update_state(labels, scores)
        tell("updated in the scope", made, {m.name: m.result() for m in made})
        for metric in made:
            STRATEGY.run(tf.function(metric.update_state), (labels[:4], scores[:4]))
    tell("outside and on replicas", made, {m.name: m.result() for m in made})


if __name__ == "__main__":
    main()
