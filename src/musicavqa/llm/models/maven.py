"""MAVEN: VITA taught to answer unlike its guesses from question, sound or pictures alone.

Ma et al. 2025 (FortisAVQA, arXiv 2504.00487). The same network answers four times: from everything,
from the question alone, from the sound alone and from the pictures alone; p_f, p_q, p_a, p_v are
what it says, mean over the words. Beside the loss of words (MCCD for a generator):

* apart:  the sum over m of q, a, v of 1 / KL(p_f || p_m), share 0.001;
* a cycle: KL(p_a || p_q) + KL(p_v || p_a) + KL(p_q || p_v), share 0.005. Released switched off.

1 / KL grows without bound where a guess equals the whole answer, as it does at first; by default KL
counts at least `least`, and only words of the answer count. `compat="released"`: all words of
prompt and answer, and 1e-8 added to KL. The paper's body could not be read; this is the released
program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from musicavqa.llm.layers import frames_and_speech
from musicavqa.llm.layers.clip_tensors import ClipTensors, Prompt
from musicavqa.llm.layers.frames_and_speech import FramesAndSpeech, Sizes, senses_of
from musicavqa.llm.layers.speaking import NO_LABEL, word_loss
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="FortisAVQA and MAVEN: a benchmark dataset and debiasing framework",
    system="MAVEN",
    year=2025,
    venue="arXiv",
    senses="AV",
    tier="re-implemented architecture",
    checked="both losses by their equations, what each guess is made from",
    missing="published weights; wording of its four system prompts; its paper could not be read",
    licence="MIT; data GPL-3",
    trained_on="fine-tuned on its training split",
)


@dataclass(frozen=True)
class Options(Sizes):
    """Defaults are VITA 1.0's sizes and the released shares."""

    compat: Literal["paper", "released"] = "paper"
    apart: float = 0.001
    cycle: float = 0.0
    """0.005 in the released program, where it is switched off."""
    least: float = 0.01
    """Of a KL that is divided by, with compat 'paper'."""


TINY = Options(**vars(frames_and_speech.TINY), cycle=0.005)


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; Mixtral's form of a request."""
    return Wanted(*senses_of(options), "[INST] ", " [/INST]\n")


class Model(FramesAndSpeech):
    """VITA's network with the losses of MCCD."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.options = options

    def loss(
        self, clips: ClipTensors, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]
    ) -> Tensor:
        """Loss of words with everything, and of guesses that are kept apart and in a cycle."""
        logits, labels = self.taught(clips, prompts, answers)
        total = word_loss(logits, labels)
        if clips.pictures is None or clips.sound is None:
            return total  # nothing to hold against each other
        o, whole = self.options, self._said(logits, labels)
        guesses = {
            name: self._said(*self.taught(*given, answers))
            for name, given in guesses_from(clips, prompts).items()
        }
        floor = None if o.compat == "released" else o.least
        return (
            total + o.apart * keep_apart(whole, guesses, floor) + o.cycle * agree_in_turn(guesses)
        )

    def _said(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, V) log-probabilities: of the mean logits over the answer, or over all."""
        if self.options.compat == "released":
            return logits.mean(1).log_softmax(-1)
        there = (labels != NO_LABEL)[..., None].to(logits.dtype)
        return ((logits * there).sum(1) / there.sum(1)).log_softmax(-1)


def guesses_from(
    clips: ClipTensors, prompts: Sequence[Prompt]
) -> dict[str, tuple[ClipTensors, Sequence[Prompt]]]:
    """What each guess is made from: the question without a clip, a sense without the question."""
    mute = [Prompt(prompt.before, (), prompt.after) for prompt in prompts]
    return {
        "question": (ClipTensors(), prompts),
        "sound": (clips.without("pictures"), mute),
        "pictures": (clips.without("sound"), mute),
    }


def divergence(wanted_: Tensor, given: Tensor) -> Tensor:
    """KL(wanted || given) of log-probabilities (B, V), mean over B."""
    return functional.kl_div(given, wanted_, reduction="batchmean", log_target=True)


def keep_apart(whole: Tensor, guesses: dict[str, Tensor], least: float | None) -> Tensor:
    """Sum over guesses of 1 / KL(whole || guess); KL at least `least`, or 1e-8 added where None."""
    terms = []
    for guess in guesses.values():
        distance = divergence(whole, guess)
        terms.append(1 / (distance + 1e-8 if least is None else distance.clamp(min=least)))
    return torch.stack(terms).sum()


def agree_in_turn(guesses: dict[str, Tensor]) -> Tensor:
    """KL(sound || question) + KL(pictures || sound) + KL(question || pictures)."""
    turns = (("sound", "question"), ("pictures", "sound"), ("question", "pictures"))
    return torch.stack([divergence(guesses[a], guesses[b]) for a, b in turns]).sum()
