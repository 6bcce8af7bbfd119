"""Exact resume: training that continues after an interruption as if undisturbed."""
