"""Rendered performances with exact truth."""
