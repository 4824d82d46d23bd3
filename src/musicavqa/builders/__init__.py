"""Constructions of published data sets, for any list of questions: balance, head/tail, rephrase."""
