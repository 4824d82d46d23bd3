"""The scene sampler and the music it hands out."""

import json
from collections import Counter
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.bandstand.patches import DRUM_KEYS, PATCHES, PERCUSSION, RANGES
from musicavqa.bandstand.scene import BORDERS_X, GAP_X, SPLITS, Rates, sample_scene
from musicavqa.bandstand.score import CHORDAL, TEMPO_FACTORS, choose_music, part
from musicavqa.bandstand.speech import LINES, VOICES
from musicavqa.bandstand.tunes import MELODIES, SETTINGS, piece_names, read_voice, voices
from musicavqa.questions import INSTRUMENTS

indices = st.integers(0, 10_000_000)
scenes = st.builds(sample_scene, st.sampled_from(SPLITS), indices)
generators = st.integers(0, 2**32).map(np.random.default_rng)


@cache
def many(split):
    return tuple(sample_scene(split, index) for index in range(2000))


def text(scene):
    return json.dumps(scene, sort_keys=True)


def visible(scene):
    return [p for p in scene["players"] if p["visible"]]


def hidden(scene):
    return [p for p in scene["players"] if not p["visible"]]


def share(facts):
    facts = list(facts)
    return sum(facts) / len(facts)


def clear_gaps(notes):
    """Rests between successive notes that are not bridged by a sounding one."""
    ends = np.maximum.accumulate([note[1] for note in notes])
    return [note[0] - end for end, note in zip(ends, notes[1:], strict=False)]


# Music


def test_there_are_enough_tunes_and_settings():
    assert len(MELODIES) >= 16
    assert len(SETTINGS) >= 4


@pytest.mark.parametrize("piece", piece_names())
def test_voices_of_a_piece_are_equally_long(piece):
    assert len({sum(beats for _, beats in voice) for voice in voices(piece)}) == 1


def test_typed_lines_are_read_as_pitches_and_beats():
    assert read_voice("c4 g#4:1.5 36+42:.5") == (((60,), 1.0), ((68,), 1.5), ((36, 42), 0.5))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(INSTRUMENTS), generators, st.sampled_from(TEMPO_FACTORS), st.integers(0, 7))
def test_a_part_fills_its_span_within_the_range(instrument, rng, factor, voice):
    notes = part(instrument, rng, [(1.25, 8.5)], choose_music(rng), voice, factor)
    low, high = RANGES[instrument]
    assert notes[0][0] == 1.25
    assert 8.1 < max(note[1] for note in notes) <= 8.5
    assert max(clear_gaps(notes), default=0.0) < 0.4
    assert all(onset < offset for onset, offset, _, _ in notes)
    assert all(low <= pitch <= high and 1 <= velocity <= 127 for _, _, pitch, velocity in notes)
    if instrument in PERCUSSION:
        assert {note[2] for note in notes} <= set(DRUM_KEYS[instrument])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(set(INSTRUMENTS) - {*PERCUSSION, *CHORDAL})), generators)
def test_winds_and_bows_play_one_note_at_a_time(instrument, rng):
    notes = part(instrument, rng, [(0.0, 9.0)], choose_music(rng), 0, 2.0)
    assert all(first[1] <= second[0] for first, second in pairwise(notes))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(INSTRUMENTS), generators)
def test_a_higher_tempo_factor_gives_more_onsets(instrument, rng):
    music, seed = choose_music(rng), int(rng.integers(1000))

    def n_onsets(factor):
        twin = np.random.default_rng(seed)
        onsets = np.unique([n[0] for n in part(instrument, twin, [(0.0, 9.5)], music, 0, factor)])
        return 1 + int((np.diff(onsets) > 0.03).sum())

    assert n_onsets(0.5) <= n_onsets(1.0) <= n_onsets(2.0)
    assert n_onsets(0.5) < n_onsets(2.0)


# Scenes


@given(st.sampled_from(SPLITS), indices)
def test_the_same_split_and_index_give_the_same_text(split, index):
    assert text(sample_scene(split, index)) == text(sample_scene(split, index))


@given(scenes)
def test_a_scene_survives_json(scene):
    assert json.loads(text(scene)) == scene


def test_no_two_scenes_share_a_seed_and_splits_differ():
    found = [sample_scene(split, index) for split in SPLITS for index in range(20)]
    assert len({scene["seed"] for scene in found}) == len(found)
    assert len({scene["id"] for scene in found}) == len(found)
    assert len({text({"players": scene["players"]}) for scene in found}) == len(found)


def test_unknown_splits_and_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="no split 'dev'"):
        sample_scene("dev", 0)
    with pytest.raises(ValueError, match="index"):
        sample_scene("train", -1)
    with pytest.raises(ValueError, match="at least 3"):
        sample_scene("train", 0, duration_s=1.0)
    with pytest.raises(ValueError, match="exceed 1"):
        Rates(mimes=0.9, still=0.9)


@given(scenes)
def test_behaviour_says_what_is_seen_and_heard(scene):
    for player in scene["players"]:
        heard, moves = bool(player["notes"]), bool(player["gestures"])
        assert (heard, moves) == {
            "plays": (True, True),
            "mimes": (False, True),
            "still": (True, False),
            "silent": (False, False),
        }[player["behaviour"]]
        if player["behaviour"] == "plays":
            assert player["notes"] == player["gestures"]


@given(scenes)
def test_a_dubbed_clip_is_heard_only_from_outside_the_picture(scene):
    if scene["dubbed"]:
        assert not any(p["notes"] for p in visible(scene))
        assert any(p["gestures"] for p in visible(scene))
        assert hidden(scene)
    else:
        assert any(p["notes"] for p in visible(scene))


@given(scenes)
def test_players_out_of_the_picture_only_sound_and_play_something_else(scene):
    for player in hidden(scene):
        assert player["notes"]
        assert not player["gestures"]
        assert player["instrument"] not in {p["instrument"] for p in visible(scene)}


@given(st.sampled_from(SPLITS), indices, st.sampled_from([3.0, 4.0, 10.0, 60.0]))
def test_everything_happens_within_the_clip(split, index, duration_s):
    scene = sample_scene(split, index, duration_s=duration_s)
    for player in scene["players"]:
        assert player["patch"] in PATCHES[player["instrument"]]
        for onset, offset, pitch, _ in player["notes"] + player["gestures"]:
            low, high = RANGES[player["instrument"]]
            assert 0 <= onset < offset <= duration_s
            assert low <= pitch <= high
    if voice := scene["voiceover"]:
        assert 0 <= voice["start_s"] < voice["end_s"] <= duration_s
        assert voice["text"] in LINES
        assert voice["voice"] in VOICES


@given(scenes)
def test_entries_are_simultaneous_or_well_apart(scene):
    entries = [min(n[0] for n in p["notes"]) for p in scene["players"] if p["notes"]]
    assert all(a == b or abs(a - b) >= 0.6 for a, b in combinations(entries, 2))


@given(scenes)
def test_rests_are_short_and_pauses_long(scene):
    for player in scene["players"]:
        gaps = clear_gaps(player["notes"] or player["gestures"] or [[0, 0]])
        assert all(gap < 0.4 or gap > 1.4 for gap in gaps)


@given(scenes)
def test_players_stand_apart_and_off_the_borders(scene):
    places = [p["x"] for p in visible(scene)]
    assert all(b - a >= GAP_X[len(places)] - 1e-3 for a, b in pairwise(places))
    assert all(abs(x - border) > 0.014 for x in places for border in BORDERS_X)
    assert all(0.05 < x < 0.95 for x in places)


def test_four_players_stand_well_apart():
    assert GAP_X[4] >= 0.13


def test_behaviours_come_at_the_usual_rates():
    clips = many("train")
    assert share(s["dubbed"] for s in clips) == pytest.approx(0.16, abs=0.03)
    outside = [not s["dubbed"] and bool(hidden(s)) for s in clips]
    assert share(outside) == pytest.approx(0.25, abs=0.03)
    assert share(s["voiceover"] is not None for s in clips) == pytest.approx(0.35, abs=0.04)
    assert share(s["place"] == "indoor" for s in clips) == pytest.approx(0.55, abs=0.04)


def test_each_kind_of_conflict_has_15_to_20_percent_of_the_players():
    """Mimes, silent, still and dubbed among the visible ones, off screen among all."""
    clips = [sample_scene("train", index) for index in range(3000)]
    players = [p for s in clips for p in s["players"]]
    seen = [(s["dubbed"], p["behaviour"]) for s in clips for p in visible(s)]
    counts = Counter("dubbed" if dubbed else behaviour for dubbed, behaviour in seen)
    for kind in ("mimes", "silent", "still", "dubbed"):
        assert 0.15 < counts[kind] / len(seen) < 0.20, kind
    assert 0.15 < share(not p["visible"] for p in players) < 0.20


def test_kinds_and_numbers_of_players_vary():
    clips = many("train")
    kinds = Counter(s["kind"] for s in clips)
    assert kinds["solo"] / len(clips) == pytest.approx(0.20, abs=0.03)
    assert kinds["same"] / len(clips) == pytest.approx(0.25, abs=0.03)
    assert {len(visible(s)) for s in clips} == set(range(1, 9))
    assert share(len(visible(s)) > 6 for s in clips) < 0.06
    for scene in clips:
        n_kinds, n = len({p["instrument"] for p in visible(scene)}), len(visible(scene))
        assert {"solo": n == 1, "same": n_kinds == 1 < n, "different": n_kinds > 1}[scene["kind"]]


def test_every_instrument_is_common():
    counts = Counter(p["instrument"] for s in many("train") for p in s["players"])
    assert min(counts[name] for name in INSTRUMENTS) > 0.03 * counts.total()


def test_two_of_a_kind_enter_left_right_and_together():
    """Template 32 asks which of two equal instruments is first; each answer must be frequent."""
    answers = Counter()
    for scene in many("train"):
        sounding = [p for p in visible(scene) if p["notes"]]
        for name in {p["instrument"] for p in sounding}:
            entries = [(p["notes"][0][0], p["x"]) for p in sounding if p["instrument"] == name]
            if len(entries) > 1:
                first = [x for start, x in entries if start == min(entries)[0]]
                answers[
                    "together" if len(first) > 1 else "left" if first[0] < 0.5 else "right"
                ] += 1
    assert min(answers[key] for key in ("together", "left", "right")) > 50


def test_sight_and_sound_disagree_in_every_conflict_clip():
    for scene in many("test-conflict"):
        assert any(p["behaviour"] in ("mimes", "still") for p in scene["players"])


def test_only_the_shifted_splits_shift_timbre_and_art():
    for split in SPLITS:
        clips = [sample_scene(split, index) for index in range(100)]
        fonts = {s["sound"]["font"] for s in clips}
        variants = {p["look"]["variant"] for s in clips for p in s["players"]}
        assert fonts == ({"merlin"} if split == "test-timbre" else {"timgm6mb"})
        assert variants == ({3} if split == "test-art" else {0, 1, 2})
