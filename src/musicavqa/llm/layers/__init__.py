"""Parts that two or more of our own language models share, and the interface that all have."""
