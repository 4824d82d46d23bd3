"""A score in words: who is seen and heard, and the facts that an answer rests on.

Facts are those of the lanes, which say on the whole what the answers were counted from.
"""

from __future__ import annotations

from collections.abc import Sequence

from musicavqa.ask.lanes import TOLD, Lane, Score
from musicavqa.questions import INSTRUMENTS, SLOTS, template
from musicavqa.records import Reading

EVERYBODY = (24, 30, 33)
"""Templates that single one out by comparing all: all are told, in order of entry or level."""
AREAS = (22, 26, 27, 28, 29, 31)
"""Templates that speak of parts of the picture, and not of a side of somebody."""
LEVELS, RATES = (4, 24, 26, 28), (5, 27, 29)
ENTRIES = (22, 23, 31)
"""Templates about who sounds first or last of all."""
PLACE, VOICE = 14, 16
SURELY = 0.95
"""With a smaller share it is told that somebody may not sound at all."""


def lacking(reading: Reading, number: int) -> str | None:
    """What the file has not and question `number` needs, in words; None where nothing lacks."""
    modality = "A" if number == VOICE else template(number).cell.partition("-")[0]
    if "V" in modality and not reading.has_picture:
        return "there is no picture"
    return "there is no sound" if "A" in modality and not reading.has_sound else None


def seen_names(score: Score) -> str:
    """'violin (left, 92 %), cello (right, 88 %)', from left to right."""
    return ", ".join(_who(lane) for lane in score.lanes if lane.seen is not None)


def heard_names(score: Score) -> str:
    """'violin 97 %, cello 80 %', the surest first."""
    found = [lane for lane in score.heard.values() if lane.sounds >= TOLD]
    found.sort(key=lambda lane: -lane.sounds)
    return ", ".join(f"{lane.instrument} {lane.sounds:.0%}" for lane in found)


def told(score: Score, number: int, slots: Sequence[str], answer: str) -> tuple[str, ...]:
    """Facts about those whom question `number` and its answer speak of, or else about all."""
    if number in (PLACE, VOICE):
        return (_whole(score.reading, number),)
    words = {*slots, answer}
    wanted, areas = words & set(INSTRUMENTS), words & set(SLOTS["LR"])
    modality = template(number).type_pair[0]
    if modality == "Audio":
        return tuple(_heard(score, wanted, number))
    by_eye = modality == "Visual"
    lanes = [lane for lane in score.lanes if _spoken_of(lane, wanted, areas, number)]
    told_of = _seen(lanes, score, number, by_eye)
    return (*_entry(score, number, slots), *told_of, *_absent(wanted, score, by_eye))


def _heard(score: Score, wanted: set[str], number: int) -> list[str]:
    """What is heard, whoever plays it."""
    chosen = sorted(wanted) or [n for n in INSTRUMENTS if n in score.heard]
    found = []
    for name in chosen:
        lane = score.heard.get(name)
        share = 0.0 if lane is None else lane.sounds
        if lane is not None and share >= 0.5:
            found.append(f"{name} ({share:.0%}) {_sounding(lane, score, number)}")
        elif wanted or share >= TOLD:
            found.append(f"{name} is not heard ({1 - share:.0%})")
    return found


def _seen(lanes: Sequence[Lane], score: Score, number: int, by_eye: bool) -> list[str]:
    """Those in the picture, from left to right, and unless `by_eye` what is heard of all."""
    if by_eye:
        return [_who(lane) for lane in lanes if lane.seen is not None]
    if number in EVERYBODY:
        lanes = _in_order([lane for lane in lanes if _sounds(lane)], number)
    return [f"{_who(lane)} {_of_sound(lane, score, number)}" for lane in lanes]


def _absent(wanted: set[str], score: Score, by_eye: bool) -> list[str]:
    """Those whom the question names and of whom there is no lane."""
    found = []
    for name in sorted(wanted - {lane.instrument for lane in score.lanes}):
        share = sum(
            table.weight
            for table in score.tables
            if any(p.instrument == name and (p.visible or not by_eye) for p in table.facts.players)
        )
        found.append(f"no {name} is {'seen' if by_eye else 'seen or heard'} ({1 - share:.0%})")
    return found


def _in_order(sounding: Sequence[Lane], number: int) -> list[Lane]:
    """By level, the loudest first, or by entry."""
    if number in LEVELS:
        return sorted(sounding, key=lambda lane: -(lane.level_db or 0.0))
    return sorted(sounding, key=lambda lane: lane.enters_s or 0.0)


def _entry(score: Score, number: int, slots: Sequence[str]) -> list[str]:
    """Who is first, or last, where a question speaks of him without his name."""
    if number not in ENTRIES:
        return []
    which = next(word for word in slots if word in SLOTS["FL"])
    found = score.entry(which)
    if found is None or found[1] < TOLD:
        return [f"nobody in the picture is clearly {which} to sound"]
    lane, share = found
    return [f"{which} to sound: {lane.title} at {lane.enters_s:.1f} s ({share:.0%})"]


def _whole(reading: Reading, number: int) -> str:
    """The fact about the clip as a whole that the question asks for."""
    if number == PLACE:
        return f"outdoors {reading.outdoor:.0%}"
    return f"somebody speaks {reading.voiceover:.0%}"


def _who(lane: Lane) -> str:
    return f"{lane.instrument} ({lane.place}, {lane.named:.0%})"


def _spoken_of(lane: Lane, wanted: set[str], areas: set[str], number: int) -> bool:
    if number in EVERYBODY:
        return True
    named = not wanted or lane.instrument in wanted
    return named and (number not in AREAS or lane.place in areas)


def _sounds(lane: Lane) -> bool:
    """Whether he sounds, if he is there at all."""
    return lane.sounds >= lane.there / 2


def _of_sound(lane: Lane, score: Score, number: int) -> str:
    """What is heard of a lane."""
    share = lane.sounds / lane.there
    if not _sounds(lane):
        return f"is silent ({1 - share:.0%})"
    doubt = f", if at all ({share:.0%})" if share < SURELY and lane.seen is not None else ""
    return _sounding(lane, score, number) + doubt


def _sounding(lane: Lane, score: Score, number: int) -> str:
    """When, and what else the template compares."""
    said = f"enters at {lane.enters_s:.1f} s, sounds for {lane.playing_s:.1f} s"
    if number in LEVELS and lane.level_db is not None:
        said += f", level {round(lane.level_db - score.loudest_db)} dB"
    if number in RATES:
        said += f", {lane.onset_rate:.1f} notes a second"
    return said
