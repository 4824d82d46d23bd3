"""One file per method; the file name is the registration. `card` holds Card and Recipe."""
