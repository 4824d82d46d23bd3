"""What each question means: the rules of the 33 templates on a table of facts."""
