"""The parts of `bench/thesis.py`: eight small methods made of parts that are learned apart."""
