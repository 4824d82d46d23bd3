"""Kinds of answers: official question types mix them, so a score per type hides what was asked.

'Counting' asks for a number or for yes and no, 'Location' for an instrument, a side, a scene or yes
and no. Which kind a question asks for follows from its template alone, in every row of every file.
"""

from __future__ import annotations

from functools import cache

from musicavqa.answers import NUMBERS
from musicavqa.questions import INSTRUMENTS, TEMPLATES

KINDS: dict[str, tuple[str, ...]] = {
    "yes/no": ("yes", "no"),
    "count": NUMBERS,
    "instrument": INSTRUMENTS,
    "side": ("left", "right", "middle", "simultaneously"),
    "scene": ("indoor", "outdoor"),
}
_SCENE, _WHICH_SIDE = "Where is the performance?", "Which <Object> makes the sound <FL>?"


@cache
def kind_asked(template: int) -> str | None:
    """The kind of answer that a template (1 to 33) asks for; None for any other number."""
    if not 1 <= template <= len(TEMPLATES):
        return None
    text = TEMPLATES[template - 1].text
    if text == _SCENE:
        return "scene"
    if text == _WHICH_SIDE:
        return "side"
    first = text.split()[0]
    return {"Is": "yes/no", "Are": "yes/no", "How": "count", "Where": "side"}.get(
        first, "instrument"
    )
