"""Samples, pairs and pixels: which images are compared, and what they show."""
