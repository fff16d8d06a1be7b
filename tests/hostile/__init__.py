"""Hostile files, tables and run directories, made from a seed: each must be read rightly, skipped or refused."""
