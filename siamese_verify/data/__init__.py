"""Samples, pairs and pixels: who is compared with whom, and what the images show."""
