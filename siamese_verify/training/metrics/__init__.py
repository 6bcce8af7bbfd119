"""Metrics of verification for `compile(metrics=[...])`."""
