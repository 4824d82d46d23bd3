"""The answerer: what each template means, shown by scenes that differ in one thing."""

from __future__ import annotations

import copy
import random
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.answers import ANSWERS, NUMBERS
from musicavqa.bandstand.asked import answer, questions
from musicavqa.bandstand.ceilings import ceilings
from musicavqa.bandstand.exports import balance, make_questions
from musicavqa.bandstand.truth import activity, clip_targets, read_truth
from musicavqa.builders.balance import TWO_ANSWERS
from musicavqa.questions import INSTRUMENTS, TEMPLATES

Scene = dict[str, Any]
SWAP = {"left": "right", "right": "left", "leftest": "rightest", "rightest": "leftest"}


def player(instrument: str, x: float = 0.5, behaviour: str = "plays", **facts: Any) -> Scene:
    """A player with `rate` notes a second from `start_s` to `end_s`; invisible off screen."""
    start, end, rate = (facts.get(k, d) for k, d in (("start", 0.1), ("end", 9.9), ("rate", 2)))
    onsets = np.arange(start, end, 1 / rate)
    notes = [[float(t), float(min(t + 1 / rate, end)), 60, 90] for t in onsets]
    visible = behaviour != "hidden"
    return {
        "instrument": instrument,
        "visible": visible,
        "x": x,
        "depth": 0.3,
        "person": {"height": 1.0},
        "behaviour": behaviour if visible else "still",
        "notes": notes if behaviour in ("plays", "still", "hidden") else [],
        "gestures": notes if behaviour in ("plays", "mimes") else [],
        "level_db": facts.get("level", 0.0),
        "pan": 1.6 * x - 0.8,
    }


def scene(*players: Scene, **facts: Any) -> Scene:
    base = {"id": "train-00000001", "seed": 1, "duration_s": 10.0, "place": "indoor"}
    return {**base, "dubbed": False, "voiceover": None, "players": list(players), **facts}


def duo(**cello: Any) -> Scene:
    """Violin on the left, cello on the right."""
    return scene(player("violin", 0.2), player("cello", 0.8, **cello))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    places = draw(st.lists(st.integers(1, 19), min_size=1, max_size=5, unique=True))
    players = [_drawn(draw, place / 20) for place in places]
    place = draw(st.sampled_from(("indoor", "outdoor")))
    return scene(*players, place=place, seed=draw(st.integers(0, 999)))


def _drawn(draw: st.DrawFn, x: float) -> Scene:
    start = draw(st.sampled_from((0.1, 0.2, 1.0, 2.5, 4.0)))
    return player(
        draw(st.sampled_from(INSTRUMENTS[:6])),
        x,
        draw(st.sampled_from(("plays", "plays", "mimes", "still", "silent", "hidden"))),
        start=start,
        end=start + draw(st.sampled_from((2.0, 5.5))),
        rate=draw(st.sampled_from((1, 2, 4))),
        level=draw(st.sampled_from((0.0, -4.0, -8.0))),
    )


def mirrored(one: Scene) -> Scene:
    other = copy.deepcopy(one)
    for p in other["players"]:
        p["x"], p["pan"] = 1 - p["x"], -p["pan"]
    return other


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_mirrored_scene_swaps_left_and_right(one: Scene) -> None:
    for number, slots, found in questions(one):
        swapped = tuple(SWAP.get(slot, slot) for slot in slots)
        assert answer(mirrored(one), number, swapped) == SWAP.get(found, found), (number, slots)


@given(scenes(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_order_of_players_in_the_json_does_not_matter(one: Scene, rng: random.Random) -> None:
    other = copy.deepcopy(one)
    rng.shuffle(other["players"])
    for number, slots, found in questions(one):
        assert answer(other, number, slots) == found


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_dropping_a_sounding_player_lowers_the_counts(one: Scene) -> None:
    index = next((i for i, p in enumerate(one["players"]) if p["visible"] and p["notes"]), None)
    if index is None:
        return
    fewer = copy.deepcopy(one)
    name = fewer["players"].pop(index)["instrument"]
    for number, slots in ((2, ()), (8, (name,)), (18, ()), (20, (name,))):
        before, after = answer(one, number, slots), answer(fewer, number, slots)
        if before and after:
            assert NUMBERS.index(before) == NUMBERS.index(after) + 1
    assert answer(one, 19, ()) == answer(fewer, 19, ()) or None in (
        answer(one, 19, ()),
        answer(fewer, 19, ()),
    )


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_raised_level_and_delayed_entry_are_followed(one: Scene) -> None:
    chosen = next((p for p in one["players"] if p["visible"] and p["notes"]), None)
    if chosen is None or len([p for p in one["players"] if p["visible"]]) < 2:
        return
    other = copy.deepcopy(one)
    changed = other["players"][one["players"].index(chosen)]
    changed["level_db"] += 40
    changed["notes"] = changed["gestures"] = [[9.0, 9.5, 60, 90]]
    area = read_truth(other).players[one["players"].index(chosen)].region
    assert answer(other, 24, ("loudest",)) in (area, None)
    assert answer(other, 31, ("last",)) in (area, None)
    if not read_truth(one).offscreen:
        assert answer(other, 24, ("loudest",)) == answer(other, 31, ("last",)) == area


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_swapped_comparison_turns_the_answer(one: Scene) -> None:
    turned = {"yes": "no", "no": "yes"}
    for number, slots, found in questions(one):
        half = len(slots) // 2
        if number in (4, 5, 6, 26, 27, 28, 29):
            assert answer(one, number, slots[half:] + slots[:half]) == turned[found]


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_questions_are_different_valid_and_repeatable(one: Scene) -> None:
    asked = questions(one)
    assert asked == questions(copy.deepcopy(one))
    assert len({(number, slots) for number, slots, _ in asked}) == len(asked)
    for number, slots, found in asked:
        assert found in ANSWERS
        assert answer(one, number, slots) == found


HIDDEN_PIANO = duo()
HIDDEN_PIANO["players"].append(player("piano", 0.5, "hidden", start=0.1))

VIOLINS = scene(player("violin", 0.2), player("violin", 0.8))

CASES = [
    (1, ("violin", "cello"), duo(), "yes"),
    (1, ("violin", "cello"), duo(behaviour="mimes"), "no"),
    (1, ("violin", "piano"), HIDDEN_PIANO, "yes"),
    (2, (), HIDDEN_PIANO, "three"),
    (3, ("cello",), duo(behaviour="silent"), "no"),
    (3, ("piano",), HIDDEN_PIANO, "yes"),
    (4, ("violin", "cello"), duo(level=-4.0), "yes"),
    (4, ("violin", "cello"), duo(level=4.0), "no"),
    (4, ("violin", "cello"), duo(level=-3.0), None),
    (4, ("violin", "cello"), duo(level=-4.0, behaviour="mimes"), None),
    (5, ("violin", "cello"), duo(rate=1), "yes"),
    (5, ("violin", "cello"), duo(rate=4), "no"),
    (5, ("violin", "cello"), duo(rate=2.4), None),
    (6, ("violin", "cello"), duo(end=6), "yes"),
    (6, ("violin", "cello"), duo(end=9), None),
    (7, ("violin", "piano"), HIDDEN_PIANO, "no"),
    (7, ("violin", "cello"), duo(behaviour="silent"), "yes"),
    (8, ("violin",), scene(player("violin", 0.2), player("violin", 0.7, "silent")), "two"),
    (8, ("piano",), HIDDEN_PIANO, "zero"),
    (9, (), HIDDEN_PIANO, "two"),
    (10, ("piano",), HIDDEN_PIANO, "no"),
    (11, ("right", "violin"), duo(), "cello"),
    (11, ("left", "violin"), duo(), None),
    (11, ("right", "violin"), scene(player("violin", 0.5), player("cello", 0.53)), None),
    (12, ("leftest",), duo(), "violin"),
    (12, ("leftest",), scene(player("violin")), None),
    (13, (), scene(player("tuba", 0.3), player("tuba", 0.7)), "tuba"),
    (13, (), duo(), None),
    (14, (), scene(player("tuba"), place="outdoor"), "outdoor"),
    (15, ("cello",), duo(), "yes"),
    (15, ("cello",), duo(end=6), "no"),
    (15, ("cello",), duo(end=8.3), None),
    (15, ("cello",), duo(behaviour="mimes"), "no"),
    (15, ("cello",), duo(behaviour="still"), "yes"),
    (16, (), duo(), "no"),
    (16, (), scene(player("tuba"), voiceover={"text": "Good evening."}), "yes"),
    (17, (), duo(behaviour="mimes"), "yes"),
    (17, (), HIDDEN_PIANO, None),
    (17, (), scene(player("tuba", 0.5, "mimes"), player("flute", 0.5, "hidden")), "no"),
    (18, (), HIDDEN_PIANO, "two"),
    (18, (), duo(behaviour="mimes"), "one"),
    (19, (), duo(behaviour="mimes"), "one"),
    (19, (), duo(behaviour="still"), "zero"),
    (20, ("cello",), duo(behaviour="mimes"), "zero"),
    (20, ("piano",), HIDDEN_PIANO, "zero"),
    (20, ("cello",), duo(behaviour="still"), "one"),
    (21, (), HIDDEN_PIANO, "two"),
    (22, ("first", "left"), duo(start=1.0), "yes"),
    (22, ("last", "left"), duo(start=1.0), "no"),
    (22, ("first", "left"), duo(start=0.4), None),
    (22, ("first", "middle"), duo(start=1.0), None),
    (23, ("right", "first"), duo(start=1.0), "cello"),
    (23, ("left", "last"), duo(start=1.0), "violin"),
    (24, ("loudest",), duo(level=-4.0), "left"),
    (24, ("lowest",), duo(level=-4.0), "right"),
    (24, ("loudest",), duo(level=-2.0), None),
    (24, ("loudest",), duo(behaviour="mimes", level=4.0), "left"),
    (24, ("lowest",), duo(behaviour="mimes", level=4.0), None),
    (25, ("violin",), duo(), "cello"),
    (25, ("violin",), HIDDEN_PIANO, "cello"),
    (25, ("violin",), duo(behaviour="mimes"), None),
    (26, ("violin", "left", "cello", "right"), duo(level=-4.0), "yes"),
    (26, ("cello", "right", "violin", "left"), duo(behaviour="mimes"), "no"),
    (27, ("violin", "left", "cello", "right"), duo(rate=4), "no"),
    (28, ("left", "right"), duo(level=-4.0), "yes"),
    (28, ("left", "middle"), duo(level=-4.0), None),
    (29, ("left", "right"), duo(rate=1), "yes"),
    (29, ("left", "right"), duo(rate=1, behaviour="mimes"), None),
    (30, ("first",), duo(start=1.0), "violin"),
    (30, ("second",), duo(start=1.0), "cello"),
    (30, ("third",), duo(start=1.0), None),
    (31, ("first",), duo(start=1.0), "left"),
    (31, ("last",), duo(start=1.0), "right"),
    (31, ("first",), duo(behaviour="mimes", start=0.0), "left"),
    (32, ("violin", "first"), VIOLINS, "simultaneously"),
    (32, ("violin", "last"), scene(player("violin", 0.2), player("violin", 0.8, start=2)), "right"),
    (32, ("violin", "last"), scene(player("violin", 0.2), player("violin", 0.8, start=0.4)), None),
    (33, ("after", "violin"), duo(start=1.0), "cello"),
    (33, ("before", "violin"), duo(start=1.0), None),
    (33, ("before", "cello"), duo(start=1.0), "violin"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "slots", "one", "expected"), CASES)
def test_template_follows_its_rule(
    number: int, slots: tuple[str, ...], one: Scene, expected: str | None
) -> None:
    assert answer(one, number, slots) == expected


def test_every_template_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(range(1, 34))


def test_same_instrument_in_and_out_of_the_picture_is_declined() -> None:
    one = scene(player("violin", 0.2, "mimes"), player("violin", 0.8, "hidden"))
    assert answer(one, 18, ()) is None
    assert answer(one, 2, ()) == "one"


def test_first_sound_from_outside_is_declined_where_it_would_change_the_answer() -> None:
    one = duo(start=3.0)
    one["players"][0] = player("violin", 0.2, start=2.0)
    one["players"].append(player("piano", 0.5, "hidden", start=0.1))
    assert answer(one, 22, ("first", "left")) is None
    assert answer(one, 22, ("first", "right")) == "no"


def test_wrong_slots_raise() -> None:
    with pytest.raises(ValueError, match="slots"):
        answer(duo(), 3, ())
    with pytest.raises(ValueError, match="cannot fill"):
        answer(duo(), 3, ("kazoo",))


def test_short_rests_belong_to_the_playing() -> None:
    one = scene(player("violin"))
    one["players"][0]["notes"] = [[0, 1, 60, 90], [1.5, 2, 60, 90], [4, 5, 60, 90]]
    found = read_truth(one).players[0]
    assert found.intervals == ((0, 2), (4, 5))
    assert (found.playing_s, found.first_onset_s, found.last_offset_s) == (3, 0, 5)
    assert found.onset_rate == pytest.approx(1.0)
    sounding = activity(one, 10)[:, INSTRUMENTS.index("violin")]
    assert sounding.tolist() == [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]
    fifths = activity(one, 10, 5)[:, INSTRUMENTS.index("violin")]
    assert np.flatnonzero(fifths > 0.5).tolist() == [*range(10), *range(20, 25)]


def test_clip_targets_count_per_instrument_and_column() -> None:
    targets = clip_targets(HIDDEN_PIANO)
    piano, violin = INSTRUMENTS.index("piano"), INSTRUMENTS.index("violin")
    assert (targets["heard"][piano], targets["seen"][piano]) == (1, 0)
    assert targets["columns"].shape == (7, 22)
    assert targets["columns"][1, violin] == 1
    assert targets["sounding"].sum() == targets["moving"].sum() == 2
    assert np.isnan(targets["loudness"][INSTRUMENTS.index("tuba")])
    assert all(value.dtype == np.float32 for value in targets.values())


@pytest.fixture(scope="module")
def sampled() -> list[Scene]:
    from musicavqa.bandstand.scene import sample_scene

    return [sample_scene("train", index) for index in range(3000)]


def test_sampled_scenes_reach_all_templates_and_are_balanced(sampled: list[Scene]) -> None:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for question in make_questions(sampled, "train"):
        assert question.answer is not None
        counts[question.template][question.answer] += 1
    assert set(counts) == {item.number for item in TEMPLATES}
    for number, by_answer in counts.items():
        limit = 0.6 if number in TWO_ANSWERS else 0.5
        assert max(by_answer.values()) <= limit * by_answer.total() + 1e-6, number


def test_balance_drops_majority_rows_only_and_repeats_itself(sampled: list[Scene]) -> None:
    asked = [questions(one) for one in sampled[:300]]
    kept = balance(asked, random.Random(0))
    assert kept == balance(asked, random.Random(0))
    before, after = (Counter((n, a) for q in rows for n, _, a in q) for rows in (asked, kept))
    for number in {n for n, _ in before}:
        changed = [a for n, a in before if n == number and before[n, a] != after[n, a]]
        assert len(changed) <= 1


def test_cap_limits_each_template(sampled: list[Scene]) -> None:
    found = make_questions(sampled[:300], "train", per_template=20, balanced=False)
    assert set(Counter(q.template for q in found).values()) <= set(range(1, 21))
    assert [q.key for q in found[:2]] == ["bandstand/train/0", "bandstand/train/1"]


def test_one_sense_decides_the_templates_of_that_sense(sampled: list[Scene]) -> None:
    rows = {row["template"]: row for row in ceilings(sampled[:120], sampled[120:170])}
    assert all(rows[number]["heard"] == 1 for number in (1, 3, 4))
    assert all(rows[number]["seen"] == 1 for number in (7, 10))
    assert rows[18]["heard"] < 1
    assert rows[18]["seen"] < 1


def test_sound_alone_does_not_depend_on_the_order_in_the_json() -> None:
    from musicavqa.bandstand.ceilings import Glimpse, _ranking, only_heard_mono

    part = only_heard_mono(HIDDEN_PIANO)
    turned = {**part, "players": part["players"][::-1]}
    rankings = [_ranking(Glimpse(30, (), "", read_truth(p), None), "x") for p in (part, turned)]
    assert rankings[0] == rankings[1]
