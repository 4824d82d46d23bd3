"""VITA 1.0: pictures of 256 tokens each and a whole minute of sound before Mixtral.

Fu et al. 2024 (arXiv 2408.05211). InternViT sees up to 16 pictures, two by two patches are one
token (16 x 256); filter banks, four convolutions and a transformer hear 12.5 tokens a second; two
layers bring each to Mixtral's width. The ear is made for spoken requests, not for music.

The published network has 8x7B parameters: whoever serves it is asked over the network, with
`musicavqa llm` and the address (docs/llm.md). Here is its form, for any size.
"""

from __future__ import annotations

from dataclasses import dataclass

from musicavqa.llm.layers import frames_and_speech
from musicavqa.llm.layers.frames_and_speech import FramesAndSpeech, Sizes, senses_of
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="VITA: towards open-source interactive omni multimodal LLM",
    system="VITA",
    year=2024,
    venue="arXiv",
    senses="AV",
    tier="re-implemented architecture",
    checked="numbers of tokens at full size, patches two by two, the place of each",
    missing="published weights; how three of its four convolutions halve time is our guess",
    licence="Apache-2.0 with exceptions",
    trained_on="unknown",
)


@dataclass(frozen=True)
class Options(Sizes):
    """Defaults are VITA 1.0's."""


TINY = Options(**vars(frames_and_speech.TINY))


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; Mixtral's form of a request."""
    return Wanted(*senses_of(options), "[INST] ", " [/INST]\n")


class Model(FramesAndSpeech):
    """InternViT, the ear for speech, and Mixtral."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.options = options
