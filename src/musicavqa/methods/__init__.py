"""Answering methods, one per file; the file name is the registration."""
