"""Chest X-ray classification experiments whose numbers say what they are worth. Research only, never a diagnosis."""

__version__ = "0.1.0"
