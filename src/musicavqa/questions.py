"""The 33 question templates of MUSIC-AVQA, their slots and their nine (modality, type) cells.

Texts are verbatim (two end in a blank, one in a full-width question mark); order and slot values
are those of the official annotation. `fill` and `parse` are inverse to each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

INSTRUMENTS = (
    "accordion", "acoustic_guitar", "bagpipe", "banjo", "bassoon", "cello", "clarinet", "congas",
    "drum", "electric_bass", "erhu", "flute", "guzheng", "piano", "pipa", "saxophone", "suona",
    "trumpet", "tuba", "ukulele", "violin", "xylophone",
)  # fmt: skip

SLOTS: dict[str, tuple[str, ...]] = {
    "Object": INSTRUMENTS,
    "LR": ("left", "right", "middle"),
    "LRer": ("leftest", "rightest"),
    "FL": ("first", "last"),
    "LL": ("loudest", "lowest"),
    "TH": ("first", "second", "third", "fourth", "fifth"),
    "BA": ("before", "after"),
}

CELLS = (
    "A-Counting", "A-Comparative", "V-Counting", "V-Location", "AV-Existential",
    "AV-Counting", "AV-Location", "AV-Comparative", "AV-Temporal",
)  # fmt: skip

_TYPES = {"A": "Audio", "V": "Visual", "AV": "Audio-Visual"}
_SLOT = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Template:
    """One of the 33: `number` from 1, verbatim `text` with `<Slot>` marks, `cell`."""

    number: int
    text: str
    cell: str

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Slot names from left to right."""
        return tuple(_SLOT.findall(self.text))

    @property
    def type_pair(self) -> tuple[str, str]:
        """(modality, type) as annotation files write it, such as ('Audio-Visual', 'Temporal')."""
        modality, kind = self.cell.split("-")
        return _TYPES[modality], kind


_TABLE = {
    "A-Counting": (
        "Are there <Object> and <Object> sound? ",
        "How many musical instruments were heard throughout the video?",
        "Is there a <Object> sound?",
    ),
    "A-Comparative": (
        "Is the <Object> louder than the <Object>?",
        "Is the <Object> more rhythmic than the <Object>?",
        "Is the <Object> playing longer than the <Object>?",
    ),
    "V-Counting": (
        "Are there <Object> and <Object> instruments in the video?",
        "How many <Object> are in the entire video?",
        "How many types of musical instruments appeared in the entire video?",
        "Is there a <Object> in the entire video?",
    ),
    "V-Location": (
        "What is the instrument on the <LR> of <Object>?",
        "What kind of instrument is the <LRer> instrument? ",
        "What kind of musical instrument is it?",
        "Where is the performance?",
    ),
    "AV-Existential": (
        "Is the <Object> in the video always playing?",
        "Is there a voiceover?",
        "Is this sound from the instrument in the video?",
    ),
    "AV-Counting": (
        "How many instruments are sounding in the video?",
        "How many instruments in the video did not sound from beginning to end?",
        "How many sounding <Object> in the video？",
        "How many types of musical instruments sound in the video?",
    ),
    "AV-Location": (
        "Is the <FL> sound coming from the <LR> instrument?",
        "What is the <LR> instrument of the <FL> sounding instrument?",
        "Where is the <LL> instrument?",
        "Which is the musical instrument that sounds at the same time as the <Object>?",
    ),
    "AV-Comparative": (
        "Is the <Object> on the <LR> louder than the <Object> on the <LR>?",
        "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?",
        "Is the instrument on the <LR> louder than the instrument on the <LR>?",
        "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?",
    ),
    "AV-Temporal": (
        "What is the <TH> instrument that comes in?",
        "Where is the <FL> sounding instrument?",
        "Which <Object> makes the sound <FL>?",
        "Which instrument makes sounds <BA> the <Object>?",
    ),
}

_STATEMENTS = {
    "A-Counting": (
        "The <Object> and the <Object> are sounding.",
        "Musical instruments are heard throughout the video.",
        "The <Object> is sounding.",
    ),
    "A-Comparative": (
        "The <Object> is louder than the <Object>.",
        "The <Object> is more rhythmic than the <Object>.",
        "The <Object> is playing longer than the <Object>.",
    ),
    "V-Counting": (
        "The <Object> and the <Object> are instruments in the video.",
        "Instruments of the kind <Object> are in the video.",
        "Several types of musical instruments appear in the video.",
        "The <Object> is in the video.",
    ),
    "V-Location": (
        "An instrument is on the <LR> of the <Object>.",
        "This is the <LRer> instrument.",
        "This is a musical instrument.",
        "The performance is in this place.",
    ),
    "AV-Existential": (
        "The <Object> in the video is always playing.",
        "There is a voiceover.",
        "The sound is from the instrument in the video.",
    ),
    "AV-Counting": (
        "Instruments in the video are sounding.",
        "Instruments in the video do not sound from beginning to end.",
        "Sounding instruments of the kind <Object> are in the video.",
        "Several types of musical instruments sound in the video.",
    ),
    "AV-Location": (
        "The <FL> sound is coming from the <LR> instrument.",
        "An instrument is on the <LR> of the <FL> sounding instrument.",
        "The <LL> instrument is in this place.",
        "A musical instrument sounds at the same time as the <Object>.",
    ),
    "AV-Comparative": (
        "The <Object> on the <LR> is louder than the <Object> on the <LR>.",
        "The <Object> on the <LR> is more rhythmic than the <Object> on the <LR>.",
        "The instrument on the <LR> is louder than the instrument on the <LR>.",
        "The instrument on the <LR> is more rhythmic than the instrument on the <LR>.",
    ),
    "AV-Temporal": (
        "This is the <TH> instrument that comes in.",
        "The <FL> sounding instrument is in this place.",
        "This <Object> makes the sound <FL>.",
        "An instrument makes sounds <BA> the <Object>.",
    ),
}
"""What each template is about, said as a statement; slots stand in the template's order."""

TEMPLATES: tuple[Template, ...] = tuple(
    Template(number, text, cell)
    for number, (cell, text) in enumerate(
        ((cell, text) for cell, texts in _TABLE.items() for text in texts), start=1
    )
)


def template(number: int) -> Template:
    """The template with this number (1 to 33)."""
    if not 1 <= number <= len(TEMPLATES):
        raise ValueError(f"There is no template {number}; templates are numbered 1 to 33.")
    return TEMPLATES[number - 1]


def fill(number: int, slots: tuple[str, ...] | list[str]) -> str:
    """The question text: template `number` with its slots filled from left to right.

    Raises ValueError when the number of values is wrong or a value is not allowed in its slot.
    """
    names = template(number).slots
    if len(names) != len(slots):
        raise ValueError(f"Template {number} has {len(names)} slots, got {len(slots)}: {slots}.")
    for name, value in zip(names, slots, strict=True):
        if value not in SLOTS[name]:
            raise ValueError(f"{value!r} cannot fill <{name}>; allowed: {', '.join(SLOTS[name])}.")
    return _put(slots, template(number).text)


def declare(number: int, slots: tuple[str, ...] | list[str]) -> str:
    """A statement of what a question asks about: 'The flute is sounding.' It knows no answer.

    Slots and errors are those of `fill`. The sentences are ours.
    """
    fill(number, slots)
    return _put(slots, tuple(text for texts in _STATEMENTS.values() for text in texts)[number - 1])


def parse(text: str) -> tuple[int, tuple[str, ...]] | None:
    """(template number, slot values) of a filled question, or None when it is none of the 33.

    Blanks at the ends are ignored and `?` may be written either way; nothing else is forgiven.
    """
    text = _plain(text)
    for number, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return number, found.groups()
    return None


def tokenize(text: str) -> list[str]:
    """Words of a question, for word-level methods: case kept, the question mark dropped."""
    return _plain(text).removesuffix("?").split()


@cache
def vocabulary() -> tuple[str, ...]:
    """Words of every filled template: index 0 '<pad>', 1 '<unk>', then by first appearance.

    This is our own order; an official checkpoint carries its own (methods convert it).
    """
    words: dict[str, None] = {"<pad>": None, "<unk>": None}
    for item in TEMPLATES:
        words.update(dict.fromkeys(w for w in tokenize(item.text) if not w.startswith("<")))
    for values in SLOTS.values():
        words.update(dict.fromkeys(values))
    return tuple(words)


def _put(slots: tuple[str, ...] | list[str], text: str) -> str:
    values = iter(slots)
    return _SLOT.sub(lambda _: next(values), text)


def _plain(text: str) -> str:
    return text.strip().replace("？", "?")


@cache
def _patterns() -> tuple[tuple[int, re.Pattern[str]], ...]:
    def pattern(item: Template) -> re.Pattern[str]:
        pieces = _SLOT.split(_plain(item.text))  # text, slot, text, slot, ..., text
        return re.compile(
            "".join(
                re.escape(piece) if i % 2 == 0 else f"({'|'.join(SLOTS[piece])})"
                for i, piece in enumerate(pieces)
            )
        )

    return tuple((item.number, pattern(item)) for item in TEMPLATES)
