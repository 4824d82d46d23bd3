"""Frozen networks and signal transforms, one per file."""
