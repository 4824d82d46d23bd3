"""Pictures that show when and where an answer was found."""
