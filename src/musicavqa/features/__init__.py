"""What is seen, heard and asked as named streams of numbers: encoders, extraction, stores."""
