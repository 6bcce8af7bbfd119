"""Indexes of a gallery: in memory, on disk, or in a vector database, behind one protocol."""
