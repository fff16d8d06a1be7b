"""One training, from its settings to its results; what happens around its epochs."""
