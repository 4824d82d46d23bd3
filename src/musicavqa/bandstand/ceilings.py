"""How far one sense alone gets: per template, the best guess from a part of the truth.

The part is a scene in which only that sense exists: `only_seen` takes every moving player for a
sounding one, `only_heard` takes every sound for a player in the picture, at the place its panning
says. The answerer is applied to the part, and its answer, with further facts of the part, becomes
the key of a table of answers counted on other scenes (an empirical Bayes guess: the most frequent
answer per key, coarser keys where a key is rare). Several such summaries compete on scenes set
aside from the training ones, and the winner is scored on the test scenes. A cleverer predictor may
do better, so **every figure is a lower bound of the true ceiling**. Both senses give 1.0, as the
answers are computed from them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from musicavqa.bandstand.answerer import answer_truth
from musicavqa.bandstand.exports import make_questions
from musicavqa.bandstand.truth import Player, Scene, Truth, names, read_truth
from musicavqa.questions import INSTRUMENTS, SLOTS, TEMPLATES

AV_TEMPLATES_NEEDING_BOTH = (17, 18, 19, 21, 22, 23, 24, 26, 27, 28, 29, 31, 32)
"""`needs_both` in `ceiling_table(2000, 800)`: neither sense alone came within 20 points."""

NEEDS_BOTH_MARGIN = 0.20
RARE = 4
"""A key seen less often than this in training is not trusted."""
PAN_AT_EDGE = 0.8
"""Panning of a visible player: -0.8 at the left edge of the picture to 0.8 at the right."""

Sense = Literal["question", "mono", "heard", "seen"]
Order = Literal["x", "entry", "level", "name"]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Glimpse:
    """A question with its answer, one sense's part of the truth, and the answer from that part."""

    template: int
    slots: tuple[str, ...]
    answer: str
    part: Truth
    naive: str | None


@dataclass(frozen=True)
class Summary:
    """A way to guess: instruments coded by their rank in `order`, answers counted per `key`."""

    order: Order
    key: Callable[[Glimpse, Order], Key]


def only_seen(scene: Scene) -> Scene:
    """The scene that the picture suggests: who moves sounds, all equally loud, nobody else."""
    players = [
        {**player, "notes": player["gestures"], "level_db": 0.0}
        for player in scene["players"]
        if player["visible"]
    ]
    return {**scene, "players": players, "voiceover": None, "dubbed": False}


def only_heard(scene: Scene) -> Scene:
    """The scene that the sound suggests: who sounds is in the picture, where the panning says."""
    players = [
        {**player, "gestures": player["notes"], "visible": True, "x": _x(player["pan"])}
        for player in scene["players"]
        if player["notes"]
    ]
    return {**scene, "players": players, "dubbed": False, "place": "indoor"}


def only_heard_mono(scene: Scene) -> Scene:
    """As `only_heard` without panning, which a method that mixes down to mono cannot use."""
    heard = only_heard(scene)
    return {**heard, "players": [{**player, "x": 0.5} for player in heard["players"]]}


def ceilings(scenes_train: Sequence[Scene], scenes_test: Sequence[Scene]) -> list[dict[str, Any]]:
    """One row per template: n test questions, accuracy from 'question', 'mono', 'heard', 'seen'.

    Questions are balanced as in `make_questions`. 'heard' hears the panning, 'mono' does not.
    `needs_both` says whether both senses lie at least `NEEDS_BOTH_MARGIN` above either alone,
    `needs_both_mono` the same for sound without panning.
    """
    shares = {
        sense: _accuracies(_glimpses(scenes_train, sense), _glimpses(scenes_test, sense))
        for sense in _PART_OF
    }
    rows = []
    for item in TEMPLATES:
        n, _ = shares["question"].get(item.number, (0, float("nan")))
        row: dict[str, Any] = {"template": item.number, "text": item.text, "n": n}
        for sense, by_template in shares.items():
            row[sense] = by_template.get(item.number, (0, float("nan")))[1]
        row["both"] = 1.0
        row["needs_both"] = max(row["heard"], row["seen"]) <= 1 - NEEDS_BOTH_MARGIN
        row["needs_both_mono"] = max(row["mono"], row["seen"]) <= 1 - NEEDS_BOTH_MARGIN
        rows.append(row)
    return rows


def ceiling_table(n_train: int, n_test: int) -> list[dict[str, Any]]:
    """`ceilings` of the first scenes of the sampler's splits 'train' and 'test'."""
    from musicavqa.bandstand.scene import sample_scene

    return ceilings(
        [sample_scene("train", index) for index in range(n_train)],
        [sample_scene("test", index) for index in range(n_test)],
    )


def _nothing(scene: Scene) -> Scene:
    return {**scene, "players": [], "voiceover": None, "dubbed": False, "place": "indoor"}


_PART_OF: dict[Sense, Callable[[Scene], Scene]] = {
    "question": _nothing,
    "mono": only_heard_mono,
    "heard": only_heard,
    "seen": only_seen,
}


def _x(pan: float) -> float:
    return min(max((pan + PAN_AT_EDGE) / (2 * PAN_AT_EDGE), 0.0), 1.0)


def _glimpses(scenes: Sequence[Scene], sense: Sense) -> list[Glimpse]:
    """All balanced questions of some scenes, seen through one sense; in order of the scenes."""
    parts = {scene["id"]: read_truth(_PART_OF[sense](scene)) for scene in scenes}
    found = []
    for question in make_questions(scenes, "ceilings"):
        part = parts[question.clip]
        naive = None
        if sense != "question":
            naive = answer_truth(part, question.template, question.slots)
        assert question.answer is not None
        found.append(Glimpse(question.template, question.slots, question.answer, part, naive))
    return found


def _accuracies(train: list[Glimpse], test: list[Glimpse]) -> dict[int, tuple[int, float]]:
    """(n, accuracy) of the best summary of each template."""
    found = {}
    for item in TEMPLATES:
        rows_train = [glimpse for glimpse in train if glimpse.template == item.number]
        rows_test = [glimpse for glimpse in test if glimpse.template == item.number]
        if rows_train and rows_test:
            summary = _best(rows_train)
            found[item.number] = (len(rows_test), _accuracy(summary, rows_train, rows_test))
    return found


def _best(rows: list[Glimpse]) -> Summary:
    """The summary that, counted on two thirds, guesses the last third best."""
    cut = max(1, 2 * len(rows) // 3)
    return max(_SUMMARIES, key=lambda summary: _accuracy(summary, rows[:cut], rows[cut:]))


def _accuracy(summary: Summary, train: list[Glimpse], test: list[Glimpse]) -> float:
    counts: dict[Key, Counter[Key]] = defaultdict(Counter)
    for glimpse in train:
        for key in _keys(summary, glimpse):
            counts[key][_coded(glimpse.answer, glimpse, summary.order)] += 1
    right = sum(_guess(summary, counts, glimpse) == glimpse.answer for glimpse in test)
    return right / max(1, len(test))


def _keys(summary: Summary, glimpse: Glimpse) -> tuple[Key, ...]:
    """Keys from fine to coarse, told apart by their place."""
    naive = _coded(glimpse.naive, glimpse, summary.order)
    return ("fine", naive, *summary.key(glimpse, summary.order)), ("naive", naive), ()


def _guess(summary: Summary, counts: dict[Key, Counter[Key]], glimpse: Glimpse) -> str | None:
    *fine, coarse = _keys(summary, glimpse)
    key = next((k for k in fine if k in counts and counts[k].total() >= RARE), coarse)
    ranking = _ranking(glimpse, summary.order)
    for code, _ in counts[key].most_common():
        if code[0] == "answer":
            return code[1]
        if code[1] < len(ranking):
            return ranking[code[1]]
    return None


def _coded(answer: str | None, glimpse: Glimpse, order: Order) -> Key:
    """An instrument that the part holds becomes its rank there; other answers stay as they are."""
    ranking = _ranking(glimpse, order)
    if answer in ranking:
        return "rank", ranking.index(answer)
    return "answer", answer


def _ranking(glimpse: Glimpse, order: Order) -> list[str]:
    """Instruments of the part, without those the question names, in one order."""
    if order == "name":
        return []
    named = {slot for slot in glimpse.slots if slot in INSTRUMENTS}
    players = sorted(glimpse.part.players, key=lambda p: _place(p, order))
    return [name for name in dict.fromkeys(p.instrument for p in players) if name not in named]


def _place(player: Player, order: Order) -> tuple[bool, float, str]:
    """Sorting value; players without it come last, ties go by name, never by place in the JSON."""
    if order == "x":
        return False, player.x, player.instrument
    if not player.heard:
        return True, player.x, player.instrument
    value = player.first_onset_s if order == "entry" else -player.level_db
    return False, value, player.instrument


# Keys: what of the part a guess may look at.


def _by_slots(glimpse: Glimpse, order: Order) -> Key:
    return glimpse.slots


def _by_kind_of_slots(glimpse: Glimpse, order: Order) -> Key:
    """The slots without instrument names, and how many of each named instrument the part holds."""
    return tuple(_slot_fact(glimpse, slot) for slot in glimpse.slots)


def _by_counts(glimpse: Glimpse, order: Order) -> Key:
    part = glimpse.part
    groups = part.players, part.sounding, names(part.players), names(part.sounding)
    return tuple(len(group) for group in groups)


def _by_slots_and_counts(glimpse: Glimpse, order: Order) -> Key:
    return *_by_kind_of_slots(glimpse, order), *_by_counts(glimpse, order)


def _by_regions(glimpse: Glimpse, order: Order) -> Key:
    """Region of every player and whether it sounds, in the summary's order, and the slots."""
    players = sorted(glimpse.part.players, key=lambda p: _place(p, order))
    return *_by_kind_of_slots(glimpse, order), tuple((p.region, p.heard) for p in players)


def _by_timing(glimpse: Glimpse, order: Order) -> Key:
    """Entry and length of the first three players in coarse steps, and the slots."""
    players = glimpse.part.heard
    steps = sorted((round(p.first_onset_s), round(p.playing_s / 3)) for p in players)
    return *_by_kind_of_slots(glimpse, order), *steps[:3]


def _slot_fact(glimpse: Glimpse, slot: str) -> Any:
    part = glimpse.part
    if slot in INSTRUMENTS:
        return _facts([p for p in part.players if p.instrument == slot])
    if slot in SLOTS["LR"]:
        return slot, _facts([p for p in part.players if p.region == slot])
    return slot


def _facts(players: list[Player]) -> Key:
    """How many, how many of them sound (move), and whether one stops before the end."""
    sounding = [p for p in players if p.heard]
    return len(players), len(sounding), any(len(p.intervals) > 1 for p in sounding)


_SUMMARIES = tuple(
    Summary(order, key)
    for order in ("name", "x", "entry", "level")
    for key in (_by_slots, _by_kind_of_slots, _by_counts, _by_slots_and_counts, _by_regions,
                _by_timing)
)  # fmt: skip
