"""The question put to a file: matching, the reading, when and where, the demonstration."""
