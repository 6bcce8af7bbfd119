"""Layers that compute what Keras computes, in less time."""
