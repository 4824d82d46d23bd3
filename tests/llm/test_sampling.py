"""A policy gives the pictures and the sound that it names, and says how much that is."""

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.llm.sampling import Policy, parse_policy, sample


def levels(pictures):
    return [round((float(picture.mean()) - 16) / 5) for picture in pictures]


def test_frames_are_the_middles_of_equal_parts(small_video):
    got = sample(small_video, parse_policy("frames=4 side=64 sound=none"))
    assert got.pictures.shape == (4, 48, 64, 3)
    assert levels(got.pictures) == pytest.approx([5, 15, 25, 35], abs=1)
    assert got.sound is None
    assert got.coverage.frames == 4
    assert got.coverage.has_sound


def test_fps_keeps_its_rate_until_there_would_be_too_many(small_video):
    few = sample(small_video, parse_policy("fps=2 side=64 sound=none"))
    assert (len(few.pictures), few.picture_rate_hz) == (8, 2.0)
    most = sample(small_video, parse_policy("fps=5 most=6 side=64 sound=none"))
    assert len(most.pictures) == 6
    assert most.picture_rate_hz == pytest.approx(1.5, rel=0.05)


def test_sound_is_whole_or_in_stretches_spread_over_the_clip(small_video):
    whole = sample(small_video, parse_policy("frames=0 sound=whole"))
    assert len(whole.sound) == pytest.approx(4 * 16000, abs=1600)
    assert whole.pictures is None
    parts = sample(small_video, parse_policy("frames=0 sound=3x0.5"))
    assert len(parts.sound) == 3 * 8000
    assert np.array_equal(parts.sound[:8000], whole.sound[:8000])
    assert np.array_equal(parts.sound[-8000:], whole.sound[-8000:])
    assert parts.coverage.sound_s == 1.5


def test_a_muted_sense_keeps_its_length_and_loses_its_content(small_video):
    plain = sample(small_video, parse_policy("frames=2 side=64"))
    deaf = sample(small_video, parse_policy("frames=2 side=64 mute=audio"))
    blind = sample(small_video, parse_policy("frames=2 side=64 mute=visual"))
    assert not deaf.sound.any()
    assert len(deaf.sound) == len(plain.sound)
    assert np.array_equal(deaf.pictures, plain.pictures)
    assert (blind.pictures == 128).all()
    assert np.array_equal(blind.sound, plain.sound)


def test_the_sound_may_be_that_of_another_file(small_video, tmp_path):
    other = write_media(tmp_path / "other.mp4", grey_frames(10), wave=sine(880, 1.0))
    got = sample(small_video, parse_policy("frames=2 side=64"), sound_from=other)
    assert len(got.sound) == pytest.approx(16000, abs=1600)
    assert levels(got.pictures) == pytest.approx([10, 30], abs=1)


def test_a_clip_without_one_sense_gives_the_other_and_says_so(tmp_path):
    mute = write_media(tmp_path / "mute.mp4", grey_frames(20))
    got = sample(mute, parse_policy("frames=2 side=64"))
    assert got.sound is None
    assert not got.coverage.has_sound
    song = write_media(tmp_path / "song.m4a", None, wave=sine(440, 1.0))
    got = sample(song, parse_policy("frames=2"))
    assert got.pictures is None
    assert not got.coverage.has_picture
    assert got.coverage.sound_s > 0.9


def test_a_picture_that_is_turned_when_shown_keeps_its_shape(tmp_path):
    turned = write_media(tmp_path / "turned.mp4", grey_frames(20), rotation=90)
    assert sample(turned, parse_policy("frames=1 side=64")).pictures.shape == (1, 64, 48, 3)


@pytest.mark.parametrize(
    "text",
    ["frames=2 fps=1", "frams=2", "frames=two", "fps=0", "sound=half", "mute=smell", "side=4"],
)
def test_a_policy_that_cannot_be_carried_out_is_refused(text):
    with pytest.raises(ValueError, match=r"(?i)policy|choose|carried|takes|side|number"):
        parse_policy(text)


def test_every_word_of_a_policy_is_in_its_mark_and_in_its_text():
    texts = ["frames=2", "frames=3", "fps=2", "frames=2 side=64", "frames=2 sound=none",
             "frames=2 mute=audio", "frames=2 sound=8x2"]  # fmt: skip
    policies = [parse_policy(text) for text in texts]
    assert len({policy.mark() for policy in policies}) == len(texts)
    assert [parse_policy(str(policy)) for policy in policies[:2]] == [
        Policy(frames=2, fps=None), Policy(frames=3, fps=None)
    ]  # fmt: skip
