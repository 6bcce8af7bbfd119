"""Formats of image files: one module for each.

`read_header` reads what must be known before decoding: size, orientation, transparency, and what
would cost much. `decode` decodes the pixels (see `decoders`). Both raise a `ValueError`, an
`IndexError` or a `struct.error` if the file is damaged or of a kind that is not decoded.
"""

DECODING = 2
"""Number to raise whenever the same file results in other pixels. Caches and verifiers note it."""
