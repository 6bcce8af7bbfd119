"""Keras layers: towers, which embed an image, and heads, which score a pair of embeddings."""
