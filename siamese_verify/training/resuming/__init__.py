"""Training that goes on after an interruption as if nothing had happened."""
