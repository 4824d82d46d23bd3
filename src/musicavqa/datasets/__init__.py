"""Data sets: one file each, `load(root, split)` gives clips and questions."""
