"""Language models that look and listen, measured so that the number means something.

An adapter (`contract`) puts one prompt (`prompts`) with the pictures and the sound that a policy
took from a clip (`sampling`) to a model. What came of it goes, whatever it is, into an append-only
file (`store`); the runner (`running`) fills that file and reads predictions from it, so that
everything that scores predictions scores these too. `reporting` prints what is needed to believe
the number. docs/llm.md is the guide.
"""
