"""The commands of `siamese-verify`, a module each: its arguments, and the function that runs it."""

# The exit codes follow grep and diff: 0 for yes, 1 for no, 2 for an error.
YES, NO, ERROR = 0, 1, 2
