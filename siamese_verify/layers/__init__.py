"""Keras layers: the tower that embeds an image, and the heads that score a pair."""
