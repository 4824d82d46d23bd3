"""`musicavqa read`: a score on stdout, JSON, a picture, and one line for what cannot be read."""

import json
import weakref

import pytest
import torch

import musicavqa
from conftest import grey_frames, sine, write_media
from musicavqa.ask import reading as reading_room
from musicavqa.ask import sensing
from musicavqa.ask.music import LONGEST_S, read_music
from musicavqa.media import LIMITS, Account
from musicavqa.methods.layers.judging import Judgement

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(scope="module")
def black(tmp_path_factory):
    """Black pictures, four seconds of sound."""
    path = tmp_path_factory.mktemp("clips") / "black.mp4"
    return write_media(path, [0 * frame for frame in grey_frames(40)], wave=sine(440, 4.0))


def test_a_score_says_what_is_missing_and_what_was_used(command_line, black):
    code, out, _ = command_line("read", black, "--no-music")
    assert code == 0
    assert "there is no picture, or only a black or grey one" in out
    assert "Music: left out, as --no-music says" in out
    assert "\nfile: used 4.0 s" in out


def test_json_holds_the_reading_and_what_became_of_the_file(command_line, black, tmp_path):
    picture = tmp_path / "score.png"
    code, out, err = command_line("read", black, "--json", "--picture", picture, "--max-seconds", 3)
    assert code == 0
    told = json.loads(out)
    assert told["media"]["used_s"] == pytest.approx(3, abs=0.1)
    assert len(told["reading"]["activity"]) == 30
    assert not told["reading"]["has_picture"]
    assert told["reading"]["seen"] == []
    assert told["music"]["left_out"] is None
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in err


def test_sound_without_picture_is_read(run_folder, tmp_path):
    path = write_media(tmp_path / "sound.m4a", wave=sine(440, 3.0))
    reading = musicavqa.read(path, checkpoint=run_folder)
    assert (reading.has_sound, reading.has_picture) == (True, False)
    assert reading.activity.shape == (30, 22)


def test_hours_leave_no_activations_behind_for_gradients(black, monkeypatch):
    """They were six gigabytes after three hours."""
    judged, found = Judgement.forward, []

    def watched(judge, glimpse):
        found.append(torch.is_inference_mode_enabled())
        return judged(judge, glimpse)

    monkeypatch.setattr(Judgement, "forward", watched)
    musicavqa.read(black)
    assert found == [True]


def test_neither_pictures_nor_encoders_are_held_once_they_have_given_their_rows(black, monkeypatch):
    """A minute of pictures and the networks are 200 MB, beside what hours leave."""
    encode, perceive, judged = sensing._encode, sensing._perceive, Judgement.forward
    pictures, networks, left = [], [], []

    def encoded(piece, encoders, at_once):
        pictures.append(weakref.ref(piece.media))
        networks[:] = map(weakref.ref, encoders)
        return encode(piece, encoders, at_once)

    def perceived(rows, checkpoint):
        left.append(pictures[-1]())
        return perceive(rows, checkpoint)

    def judge(judgement, glimpse):
        left.extend(network() for network in networks)
        return judged(judgement, glimpse)

    monkeypatch.setattr(sensing, "_encode", encoded)
    monkeypatch.setattr(sensing, "_perceive", perceived)
    monkeypatch.setattr(Judgement, "forward", judge)
    musicavqa.read(black)
    assert len(networks) > 0
    assert left == [None] * (len(pictures) + len(networks))


@pytest.mark.parametrize(("together_s", "expected"), [(1800, 2), (1, 1)])
def test_of_long_files_streams_are_encoded_one_by_one(black, monkeypatch, together_s, expected):
    encode, found = sensing._encode, []

    def encoded(piece, encoders, at_once):
        found.append(at_once)
        return encode(piece, encoders, at_once)

    monkeypatch.setattr(sensing, "_encode", encoded)
    monkeypatch.setattr(sensing, "TOGETHER_S", together_s)
    musicavqa.read(black)
    assert set(found) == {expected}


def test_pictures_without_sound_are_read(run_folder, tmp_path):
    path = write_media(tmp_path / "silent.mp4", grey_frames(20))
    reading = musicavqa.read(path, checkpoint=run_folder)
    assert not reading.has_sound


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.mp4",), "nowhere.mp4 does not exist"),
        (("text.mp4",), "text.mp4"),
        (("black", "--picture", "score.txt"), "--picture takes a .png"),
        (("black", "--max-memory", "lots"), "--max-memory is 'lots'"),
        (("black", "--checkpoint", "nowhere"), "There is no checkpoint nowhere"),
    ],
)
def test_what_cannot_be_read_gets_one_line(
    command_line, monkeypatch, tmp_path, black, arguments, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_bytes(b"these are words, not a video\n" * 20)
    given = [black if argument == "black" else argument for argument in arguments]
    code, out, err = command_line("read", *given)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_music_of_a_long_file_is_left_out_and_said():
    music = read_music("nowhere.mp4", Account(used_s=LONGEST_S + 1), True, LIMITS)
    assert "at most 300 s" in music.lines[0]
    assert "no sound" in read_music("nowhere.mp4", Account(used_s=9), False, LIMITS).lines[0]


def test_a_method_without_reading_is_named():
    class Nameless:
        reading = None

        class checkpoint:
            class method:
                name = "avst"

    with pytest.raises(ValueError, match="'avst' makes no reading"):
        reading_room.reading_in(Nameless())
