"""Losses for verification, in addition to Keras's own such as `"binary_crossentropy"`."""
