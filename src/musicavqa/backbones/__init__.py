"""Networks that methods reach into: walked block by block, each block in two halves.

A method that puts its own layers between those of a frozen encoder (adapters) needs more of it than
the rows that `features` keeps. Here an encoder is a `Tower` (`tower.py`): it begins, attends and
thinks in each block, merges tokens between stages, and ends; whoever walks it adds what he likes in
between. The networks are those that the encoders run (transformers' Swin-V2 and HTS-AT, extra
`encoders`; the vision and text transformers of this package); official weights are handed over by
`features.towers`, random ones are made without any.
"""
