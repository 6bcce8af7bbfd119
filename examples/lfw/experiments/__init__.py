"""The experiments on LFW behind docs/lfw-results.md and docs/lfw-recipes.md.

They train with `train.py`, keep what is small and shows no image in `results/`, and write the two
pages from it. See `python examples/lfw/experiments --help`.
"""
