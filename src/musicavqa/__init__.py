"""Answer questions about a music performance from its picture and its sound."""

__version__ = "0.1.0"
