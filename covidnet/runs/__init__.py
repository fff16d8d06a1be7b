"""Run directories: their names, their layout, and what they were made with."""
