"""Scores of predictions. numpy only; no metric drops a row."""
