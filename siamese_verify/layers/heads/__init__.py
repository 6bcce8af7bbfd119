"""Heads, which score a pair of embeddings. In every head, higher is more alike.

A head is a Keras layer. It is called with a tuple of the left and right embeddings, each
`(..., size)`, and returns scores `(..., 1)`. The dimensions before the last are broadcast:
`(m, 1, size)` and `(1, n, size)` return the scores of all m x n pairs. The heads of this package
score in float32 at least, whatever the precision of the tower, because float16 separates few
scores.

A head of your own keeps these rules:

- Exchanging left and right does not change the score.
- An embedding compared with itself scores highest.
- Scores are float32 at least, so embeddings in half precision are cast first.
- `get_config` returns the arguments of `__init__`, and the class is registered with
  `keras.saving.register_keras_serializable`, so that its model loads from a file.
- The class attribute `score_kind` states what the score is: `"probability"`, `"negative distance"`
  or `"cosine"`. From it, `SiameseModel.compile` finds a loss that contradicts the head. Leave it
  out, or set it to None, where none of the three is true: then every loss is allowed.

`siamese_verify.testing.check_head` tests these rules on your head.

Examples:
    >>> import keras
    >>> from siamese_verify.testing import check_head
    >>> @keras.saving.register_keras_serializable(package="docs")
    ... class ChebyshevHead(keras.layers.Layer):
    ...     score_kind = "negative distance"
    ...
    ...     def call(self, inputs):
    ...         left, right = (keras.ops.cast(x, "float32") for x in inputs)
    ...         return -keras.ops.max(keras.ops.abs(left - right), axis=-1, keepdims=True)
    >>> check_head(ChebyshevHead())
"""
