"""A question in free words put to a language model, if wanted with what was perceived of the clip.

The reading is told as what it is: shares of certainty, who sounds when. The model may then say more
than the 42 answers; what it says is its own and is marked so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.llm.contract import Adapter, Generation, Request, put
from musicavqa.llm.sampling import Policy, sample
from musicavqa.records import Reading

SYSTEM = "Answer the question about the music performance that is shown and heard, briefly."
READING = "What was perceived of this performance by another program, which may err:\n"
DEFAULT = Policy(sound="whole")


@dataclass(frozen=True)
class FreeReply:
    """What a model said to one question, and what of the clip it was given."""

    question: str
    text: str
    model: str
    receipt: dict[str, Any]
    refused: str | None = None
    told: str | None = None
    """The reading as the model was told it."""

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return dict(vars(self))


def ask_model(
    path: Path,
    questions: Sequence[str],
    adapter: Adapter,
    reading: Reading | None = None,
    policy: Policy = DEFAULT,
    generation: Generation | None = None,
) -> list[FreeReply]:
    """One reply per question; MediaError for the file, `ModelError` for what was not answered."""
    material = sample(path, policy)
    told = None if reading is None else told_reading(reading)
    replies = []
    for question in questions:
        text = question.strip() if told is None else f"{READING}{told}\n\n{question.strip()}"
        how = generation or Generation(max_tokens=256)
        reply = put(adapter, "generate", Request(text, SYSTEM, material, generation=how))
        replies.append(
            FreeReply(
                question,
                reply.text or "",
                str(adapter.identity()["model"]),
                reply.receipt.as_dict(),
                reply.refused,
                told,
            )
        )
    return replies


def told_reading(reading: Reading) -> str:
    """The reading in words: who is seen, who sounds and when."""
    from musicavqa.ask.lanes import score_of

    score = score_of(reading)
    lines = [f"Length: {reading.duration_s:.0f} s"]
    for lane in score.lanes:
        times = _seconds(lane.sure, reading.tick_s)
        when = f"sounds in seconds {times}" if times else "is not heard to sound"
        lines.append(f"- {lane.title}: {when} (sounds at all: {lane.sounds:.0%})")
    if not score.lanes:
        lines.append("- nobody was surely seen or heard")
    lines.append(f"Somebody speaks: {reading.voiceover:.0%}; outdoors: {reading.outdoor:.0%}")
    if not reading.has_sound:
        lines.append("There is no sound.")
    if not reading.has_picture:
        lines.append("There is no picture.")
    return "\n".join(lines)


def _seconds(sure: np.ndarray, tick_s: float) -> str:
    """'0.0-3.5, 6.0-10.0': where it is likelier than not that somebody sounds; '' for nowhere."""
    edges = np.flatnonzero(np.diff(np.r_[0, sure >= 0.5, 0].astype(int)))
    return ", ".join(
        f"{start * tick_s:.1f}-{end * tick_s:.1f}"
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    )
