"""How often questions beyond the benchmark are right on rendered truth: docs/further_questions.md.

    python bench/further_questions.py --data DATA --features FEATURES [--split test] [--run FOLDER]

Asked are entry, end and duration of every instrument that sounds, entry of those that are only
seen, which instruments there are, and whether it gets louder; truth is the scene. Tempo and key are
measured as streams (docs/music_streams.md). Intervals are Wilson's, over questions.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import numpy as np

from musicavqa.ask.further import DURATION_SHARE, ENTRY_S, LOUDER_DB, Found, answer_further
from musicavqa.ask.further_words import Further
from musicavqa.ask.music import Music
from musicavqa.ask.sensing import Shown
from musicavqa.bandstand.truth import Scene, read_truth
from musicavqa.media import FRAMES, SOUND, read
from musicavqa.rules.facts import Facts, merged
from reading_scene import options, readings

CLEAR_DB = 1.5
"""Clips whose loudness changes by nearly the limit are not asked."""
Z = 1.96


def truths(scene: Scene, facts: Facts) -> dict[Further, object]:
    """Every question that the scene decides: seconds, None for an instrument that is not heard, a
    set of names, or whether it gets louder."""
    found: dict[Further, object] = {}
    for name in {player.instrument for player in facts.heard}:
        players = [player for player in facts.heard if player.instrument == name]
        spans = merged([span for player in players for span in player.intervals])
        found[Further("entry", name)] = spans[0][0]
        found[Further("end", name)] = spans[-1][1]
        found[Further("duration", name)] = sum(stop - start for start, stop in spans)
    heard, seen = ({p.instrument for p in players} for players in (facts.heard, facts.seen))
    found |= {Further("entry", name): None for name in seen - heard}
    found |= {Further("instruments", sense="heard"): heard, Further("instruments"): heard | seen}
    found[Further("instruments", sense="seen")] = seen
    rise_db = None if facts.voiceover else _rise_db(scene, facts)
    if rise_db is not None and abs(abs(rise_db) - LOUDER_DB) > CLEAR_DB:
        found[Further("louder")] = rise_db >= LOUDER_DB
    return found


def _rise_db(scene: Scene, facts: Facts) -> float | None:
    """Power of the players in the last third against the first; None where one is silent."""
    times_s = (np.arange(round(facts.duration_s * 10)) + 0.5) / 10
    power = np.zeros(len(times_s))
    for player in facts.heard:
        for start, stop in player.intervals:
            power[(times_s >= start) & (times_s < stop)] += 10 ** (player.level_db / 10)
    thirds = [part.mean() for part in np.array_split(power, 3)]
    return 10 * float(np.log10(thirds[2] / thirds[0])) if thirds[0] and thirds[2] else None


def is_right(asked: Further, found: Found, truth: object, duration_s: float) -> bool:
    """By the tolerances of the rules."""
    if asked.rule == "louder":
        return found.answer == ("yes" if truth else "no")
    if isinstance(truth, set):
        return set(str(found.answer).split(", ")) == truth
    if truth is None or found.value is None:
        return truth is None and found.value is None
    near_s = DURATION_SHARE * duration_s if asked.rule == "duration" else ENTRY_S
    return abs(found.value - float(truth)) <= near_s  # type: ignore[arg-type]


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    share = n_right / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return middle - half, middle + half


def no_music() -> Music:
    """Neither tempo nor key is asked for here."""
    raise AssertionError("a rule of the reading asked for music")


def main() -> None:
    given = options(__doc__).parse_args()
    outcomes: dict[str, list[bool | None]] = defaultdict(list)
    found_readings = readings(given.data, given.features, given.split, given.run, given.clips)
    for number, (clip, reading) in enumerate(found_readings, 1):
        assert clip.scene is not None
        assert clip.path is not None
        shown, facts = Shown(), read_truth(clip.scene)
        shown.add(read(clip.path, (FRAMES, SOUND)), 0.0)
        for asked, truth in truths(clip.scene, facts).items():
            found = answer_further(asked, reading, shown.sound, no_music)
            name = f"{asked.rule} ({asked.sense})" if asked.rule == "instruments" else asked.rule
            right = is_right(asked, found, truth, facts.duration_s)
            told = None if found.answer is None else right
            outcomes[f"{name}, not heard" if truth is None else name].append(told)
        print(f"\r{number} clips", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"| rule | right of those answered, {given.split} | [95 %] | answered | asked |")
    print("|---|---|---|---|---|")
    for name, told in outcomes.items():
        answered = [right for right in told if right is not None]
        low, high = wilson(sum(answered), len(answered))
        share = sum(answered) / len(answered)
        print(f"| {name} | {share:.1%} | [{low:.1%}, {high:.1%}] | {len(answered)} | {len(told)} |")


if __name__ == "__main__":
    main()
