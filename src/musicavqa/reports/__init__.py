"""Tables, figures and pages. Reads run folders and the catalogue, never torch."""
