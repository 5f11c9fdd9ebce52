"""Pixels: decoded once into a memory-mapped store, augmented in batches."""
