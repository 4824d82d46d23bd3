"""What may be added to the training of any method: one file per plug-in, see `contract`."""
