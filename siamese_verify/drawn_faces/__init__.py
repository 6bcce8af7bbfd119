"""Drawn faces, for trying the library without images: NumPy draws them, the same ones each time."""
