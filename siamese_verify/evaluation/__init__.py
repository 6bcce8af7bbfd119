"""Evaluation of scores: thresholds, error rates and their intervals. NumPy only."""
