"""The selection of clean samples: the algorithm, its networks, its files."""
