"""A reading in words: who is seen and heard, and the facts that an answer rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicavqa.questions import INSTRUMENTS, SLOTS, template
from musicavqa.records import Reading, Seen
from musicavqa.rules.facts import region
from musicavqa.rules.tables import activity_if_heard, intervals

SURE = 0.2
"""Who is there, or sounds, with a smaller share is not spoken of."""


def seen_names(reading: Reading) -> str:
    """'violin (left, 92 %), cello (right, 88 %)', from left to right."""
    return ", ".join(_who(seen) for seen in reading.seen if seen.share >= SURE)


def heard_names(reading: Reading) -> str:
    """'violin 97 %, cello 80 %', the surest first."""
    order = np.argsort(-reading.heard)
    return ", ".join(
        f"{INSTRUMENTS[i]} {reading.heard[i]:.0%}" for i in order if reading.heard[i] >= SURE
    )


def told(reading: Reading, number: int, slots: Sequence[str], answer: str) -> tuple[str, ...]:
    """Facts about those whom question `number` and its answer speak of, or else about all."""
    words = {*slots, answer}
    wanted, areas = words & set(INSTRUMENTS), words & set(SLOTS["LR"])
    modality = template(number).type_pair[0]
    found = []
    if modality != "Audio":
        found += [
            f"{_who(seen)}{_of_sound(reading, seen, number) if modality != 'Visual' else ''}"
            for seen in reading.seen
            if seen.share >= SURE and _spoken_of(seen, wanted, areas)
        ]
    if modality != "Visual":
        names = [INSTRUMENTS.index(name) for name in sorted(wanted)] or _heard(reading)
        hidden = [i for i in names if modality == "Audio" or not _is_seen(reading, i)]
        found += [f"{INSTRUMENTS[i]}{_sound(reading, i, number)}" for i in hidden]
    return (*found, *_whole(reading, number))


def _whole(reading: Reading, number: int) -> list[str]:
    """Facts about the clip as a whole, for the two questions that ask for one."""
    if number == 14:
        return [f"outdoors {reading.outdoor:.0%}"]
    return [f"somebody speaks {reading.voiceover:.0%}"] if number == 16 else []


def _who(seen: Seen) -> str:
    best = int(seen.instruments.argmax())
    share = seen.share * seen.instruments[best]
    return f"{INSTRUMENTS[best]} ({region(seen.x)}, {share:.0%})"


def _spoken_of(seen: Seen, wanted: set[str], areas: set[str]) -> bool:
    name = INSTRUMENTS[int(seen.instruments.argmax())]
    if not wanted:
        return True
    return name in wanted or region(seen.x) in areas


def _is_seen(reading: Reading, name: int) -> bool:
    return any(s.share >= SURE and int(s.instruments.argmax()) == name for s in reading.seen)


def _heard(reading: Reading) -> list[int]:
    return [int(i) for i in np.flatnonzero(reading.heard >= SURE)]


def _of_sound(reading: Reading, seen: Seen, number: int) -> str:
    """What is heard of a performer in the picture."""
    name = int(seen.instruments.argmax())
    share = float(reading.heard[name])
    equal = sum(s.share >= SURE and int(s.instruments.argmax()) == name for s in reading.seen)
    share *= seen.sounds if equal > 1 else 1.0
    if share < 0.5:
        return f" is silent ({1 - share:.0%})"
    sure = activity_if_heard(reading, name)
    return _sounding(reading, np.minimum(sure, seen.plays) if equal > 1 else sure, name, number)


def _sound(reading: Reading, name: int, number: int) -> str:
    """What is heard of an instrument."""
    share = float(reading.heard[name])
    if share < 0.5:
        return f" is not heard ({1 - share:.0%})"
    return f" ({share:.0%}){_sounding(reading, activity_if_heard(reading, name), name, number)}"


def _sounding(reading: Reading, sure: np.ndarray, name: int, number: int) -> str:
    """When, and what else the template compares."""
    spans = intervals(sure, 0.5, reading)
    if not spans:
        return " sounds, nobody can tell when"
    playing_s = sum(stop - start for start, stop in spans)
    said = f" enters at {spans[0][0]:.1f} s, sounds for {playing_s:.1f} s"
    if number in (4, 24, 26, 28):
        said += f", level {round(float(reading.level_db[name])):+d} dB"
    if number in (5, 27, 29):
        said += f", {reading.onset_rate[name]:.1f} notes a second"
    return said
