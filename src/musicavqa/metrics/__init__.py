"""Measures: numpy only, no metric drops a row."""
