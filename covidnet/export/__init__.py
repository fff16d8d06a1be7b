"""A run's network as one file for other programs, that says how to use it and was checked to give the same numbers."""
