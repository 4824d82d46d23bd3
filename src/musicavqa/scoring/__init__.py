"""What predictions are worth: scores, comparisons, priors, disturbances, imported files."""
