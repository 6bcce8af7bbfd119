"""The usual way in Keras: two calls of the tower, and images decoded in each epoch."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from network import BLOCKS, EMBEDDING, IMAGE, L2, LEARNING_RATE, Pairs, Weights

layers = keras.layers


class Contender:
    """Contender. `worker.py` explains its methods."""

    def __init__(self, weights: Weights, batch_norm: bool, jit_compile: bool | str = "auto"):
        l2 = keras.regularizers.L2(L2)
        image = x = keras.Input((IMAGE, IMAGE, 1))
        for index, (filters, kernel) in enumerate(BLOCKS, start=1):
            name = f"conv_{index}"
            x = layers.Conv2D(filters, kernel, activation="relu", kernel_regularizer=l2, name=name)(
                x
            )
            if batch_norm:
                x = layers.BatchNormalization()(x)
            if index < len(BLOCKS):
                x = layers.MaxPooling2D()(x)
        x = layers.Flatten()(x)
        x = layers.Dense(EMBEDDING, "sigmoid", kernel_regularizer=l2, name="embedding")(x)
        tower = keras.Model(image, x)
        left, right = keras.Input((IMAGE, IMAGE, 1)), keras.Input((IMAGE, IMAGE, 1))
        distance = keras.ops.abs(layers.Subtract()([tower(left), tower(right)]))
        score = layers.Dense(1, "sigmoid", kernel_regularizer=l2, name="head")(distance)
        self.model = keras.Model([left, right], score)
        for layer in (*tower.layers, self.model.layers[-1]):
            if f"{layer.name}/kernel" in weights:
                layer.set_weights([weights[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
        self.model.compile(
            keras.optimizers.Adam(LEARNING_RATE),
            "binary_crossentropy",
            metrics=["accuracy"],
            jit_compile=jit_compile,
        )

    def loss(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> float:
        return float(self.model.evaluate((left, right), labels, batch_size=32, verbose=0)[0])

    def step(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> None:
        self.model.train_on_batch((left, right), labels)

    def epoch(self, pairs: Pairs) -> None:
        def decode(path: tf.Tensor) -> tf.Tensor:
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=1)
            return tf.image.resize(image, (IMAGE, IMAGE)) / 255

        left, right = np.array(pairs.files)[pairs.indices.T]
        batches = (
            tf.data.Dataset.from_tensor_slices((left, right, pairs.labels))
            .map(lambda a, b, y: ((decode(a), decode(b)), y), tf.data.AUTOTUNE)
            .shuffle(1000)
            .batch(128)
            .prefetch(tf.data.AUTOTUNE)
        )
        self.model.fit(batches, epochs=1, shuffle=False, verbose=0)

    def verify(self, pairs: Pairs) -> np.ndarray:
        left, right = (pairs.images[pairs.indices[:, side]] / np.float32(255) for side in (0, 1))
        return self.model.predict((left, right), batch_size=128, verbose=0)[:, 0]
