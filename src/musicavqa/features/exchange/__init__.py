"""Features that others made come in, and ours go out in the layouts that their programs read."""
