"""Muted, swapped and shuffled streams, as batches read them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import make_clips, make_questions, make_streams
from musicavqa.scoring.disturbances import (
    DISTURBANCES,
    derangement,
    disturb,
    second_order,
    why_not,
)
from musicavqa.training.batches import collate, make_batches

NAMES = ("audio_yamnet", "audio_musicnn", "visual_motion")
CLIPS = make_clips(5)
IDS = [clip.id for clip in CLIPS]


def streams(lengths=None):
    return make_streams(CLIPS, NAMES, lengths=lengths)


@given(
    clips=st.sets(st.text("abc", max_size=3), min_size=2, max_size=12),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None)
def test_swapping_gives_every_clip_the_sound_of_another(clips, seed):
    donors = derangement(list(clips), seed)
    assert set(donors) == set(donors.values()) == clips
    assert all(clip != donor for clip, donor in donors.items())
    assert donors == derangement(sorted(clips, reverse=True), seed)


@given(clip=st.text(max_size=4), n_seconds=st.integers(1, 60), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_shuffling_keeps_the_multiset_of_seconds(clip, n_seconds, seed):
    order = second_order(clip, n_seconds, seed)
    assert sorted(order.tolist()) == list(range(n_seconds))


@pytest.mark.parametrize("name", DISTURBANCES)
def test_only_the_disturbed_sense_changes(name):
    plain = streams()
    changed = disturb(name, plain, IDS, seed=3)
    touched = {n for n in NAMES if any((changed[n][c] != plain[n][c]).any() for c in IDS)}
    sound, sight = {"audio_yamnet", "audio_musicnn"}, {"visual_motion"}
    expected = {
        "muted audio": sound,
        "muted video": sight,
        "swapped sound": sound,
        "shuffled time": sound | sight,
        "shuffled audio": sound,
        "shuffled video": sight,
        "single frame": sight,
        "one frame alone": sound | sight,
        "question only": sound | sight,
    }
    assert touched == expected[name]


def test_shuffled_time_moves_all_senses_together_and_keeps_every_second():
    plain = streams()
    changed = disturb("shuffled time", plain, IDS, seed=3)
    for clip in IDS:
        orders = [
            [int((plain[n][clip] == row).all((1,) if row.ndim == 1 else (1, 2)).argmax())
             for row in changed[n][clip]]
            for n in NAMES
        ]  # fmt: skip
        assert orders[0] == orders[1] == orders[2]
        assert sorted(orders[0]) == [0, 1, 2, 3]


def test_every_stream_of_the_sound_comes_from_the_same_other_clip():
    plain = streams()
    changed = disturb("swapped sound", plain, IDS, seed=1)
    donors = derangement(IDS, 1)
    for clip in IDS:
        for name in ("audio_yamnet", "audio_musicnn"):
            np.testing.assert_array_equal(changed[name][clip], plain[name][donors[clip]])


def test_a_swapped_sound_is_cut_or_starts_over_and_the_picture_keeps_its_length():
    lengths = [2, 5, 3, 4, 7]
    plain = streams(lengths)
    changed = disturb("swapped sound", plain, IDS, seed=1)
    donors = derangement(IDS, 1)
    for clip, length in zip(IDS, lengths, strict=True):
        rows, donor = changed["audio_yamnet"][clip], plain["audio_yamnet"][donors[clip]]
        assert len(rows) == length
        np.testing.assert_array_equal(rows, np.resize(donor, (length, *donor.shape[1:])))


def test_shuffled_seconds_are_those_that_a_batch_would_read():
    plain = streams()
    plain["visual_motion"]["clip-0"] = plain["visual_motion"]["clip-0"][:3]
    changed = disturb("shuffled audio", plain, IDS, seed=0)
    batch = collate(CLIPS[:1], {"clip-0": make_questions(CLIPS[:1])}, changed)
    found = np.sort(batch.streams["audio_yamnet"][0].numpy(), axis=0)
    kept = plain["audio_yamnet"]["clip-0"][:3].astype(np.float32)
    np.testing.assert_array_equal(found, np.sort(kept, axis=0))


def test_batches_are_made_of_disturbed_streams_as_of_any_store():
    changed = disturb("muted audio", streams(), IDS, seed=0)
    batch = next(make_batches(CLIPS, make_questions(CLIPS), changed, batch_clips=5))
    assert not batch.streams["audio_yamnet"].any()
    assert batch.streams["visual_motion"].any()
    assert batch.seconds.all()


def test_a_single_frame_stands_still_and_alone_it_is_silent():
    plain = streams()
    for name in ("single frame", "one frame alone"):
        changed = disturb(name, plain, IDS, seed=0)
        for clip in IDS:
            rows = plain["visual_motion"][clip]
            for row in changed["visual_motion"][clip]:
                np.testing.assert_array_equal(row, rows[len(rows) // 2])
            assert changed["audio_yamnet"][clip].any() == (name == "single frame")
    nothing = disturb("question only", plain, IDS, seed=0)
    assert not any(nothing[name][clip].any() for name in NAMES for clip in IDS)


def test_what_a_method_cannot_feel_is_said_and_not_measured():
    assert "no such stream" in why_not("muted audio", ["visual_motion"])
    assert "see 'shuffled time'" in why_not("shuffled audio", ["audio_yamnet"])
    assert why_not("shuffled time", ["audio_yamnet"]) is None
    assert why_not("question only", ["audio_yamnet"]) is None
    assert "no picture" in why_not("one frame alone", ["audio_yamnet"])
    assert "see 'single frame'" in why_not("one frame alone", ["visual_motion"])
    with pytest.raises(ValueError, match="There is no disturbance 'louder'"):
        disturb("louder", streams(), IDS, 0)
    with pytest.raises(ValueError, match="changes nothing"):
        disturb("muted video", make_streams(CLIPS, ("audio_yamnet",)), IDS, 0)
    with pytest.raises(ValueError, match="there is one"):
        derangement(["alone"], 0)
