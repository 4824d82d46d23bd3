"""What became of a file: which track, what was held, cut, damaged, silent, black; on one line."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from conftest import grey_frames, sine, write_media
from musicavqa.media import FRAMES, SOUND, Pictures, read, read_pieces
from musicavqa.media.account import Account, Choice


def write_tracks(path, pictures, sounds, marks):
    """Matroska of several tracks: grey levels and frequencies (0: silence), each with a mark."""
    with av.open(str(path), "w") as container:
        films = [container.add_stream("libx264", rate=10) for _ in pictures]
        tracks = [container.add_stream("aac", rate=44100, layout="stereo") for _ in sounds]
        for film in films:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        for stream, mark in zip([*films, *tracks], marks, strict=True):
            stream.disposition = mark
        for i in range(20):
            for film, level in zip(films, pictures, strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 10)
                container.mux(film.encode(frame))
            for track, hz in zip(tracks, sounds, strict=True):
                block = sine(hz, 2.0)[:, i * 4410 : (i + 1) * 4410].T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "flt", "stereo")
                frame.sample_rate, frame.pts = 44100, i * 4410
                container.mux(track.encode(frame))
        for stream in [*films, *tracks]:
            container.mux(stream.encode(None))
    return path


NONE, DEFAULT, IMPAIRED = Disposition(0), Disposition.default, Disposition.visual_impaired


@pytest.mark.parametrize(
    ("marks", "chosen"),
    [
        ((NONE, DEFAULT, NONE, DEFAULT), (2, 2)),
        ((DEFAULT, NONE, DEFAULT, NONE), (1, 1)),
        ((DEFAULT, DEFAULT, DEFAULT, DEFAULT), (1, 1)),
        ((NONE, NONE, IMPAIRED, NONE), (1, 2)),
        ((NONE, DEFAULT, DEFAULT, NONE), (2, 1)),
    ],
)
def test_the_default_tracks_are_read_as_players_do(tmp_path, marks, chosen):
    path = write_tracks(tmp_path / "two.mkv", (0, 200), (0, 440), marks)
    media = read(path)
    assert (media[FRAMES].max() < 20) == (chosen[0] == 1)
    assert (np.abs(media[SOUND]).max() < 1e-3) == (chosen[1] == 1)
    account = media.account
    assert (account.picture, account.sound) == (Choice(chosen[0], 2), Choice(chosen[1], 2))
    assert (account.black, account.silent) == (chosen[0] == 1, chosen[1] == 1)
    told = f"picture track {chosen[0]} of 2 is used" + (", which is black" if account.black else "")
    assert told in account.line
    assert ("sound track 1 of 2 is used, which is silent" in account.line) == account.silent


def test_an_ordinary_file_gets_no_remark(small_video):
    account = read(small_video).account
    assert account.remarks == ()
    assert account.line == "used 4.0 s"


def test_a_sense_that_is_missing_is_told(tmp_path):
    mute = read(write_media(tmp_path / "mute.mp4", grey_frames(20)), require="any").account
    assert mute.line == "used 2.0 s; there is no sound"
    song = read(write_media(tmp_path / "a.m4a", wave=sine(440, 2.0)), require="any").account
    assert song.line == "used 2.0 s; there is no picture"


def test_sound_that_goes_on_holds_the_last_picture(tmp_path):
    path = write_media(tmp_path / "still.mp4", grey_frames(2), fps=25, wave=sine(440, 8.0))
    media = read(path)
    assert media.duration_s == pytest.approx(8.0, abs=0.05)
    assert len(media[FRAMES]) == 8
    assert media.account.held_s == pytest.approx(7.9, abs=0.1)
    assert "the last picture is held for 7.9 s" in media.account.line


def test_late_missing_and_ended_sound_is_told(tmp_path):
    late = write_media(
        tmp_path / "late.mkv", grey_frames(40), wave=sine(440, 1.0), audio_start_s=1.5
    )
    account = read(late).account
    assert account.late_s == pytest.approx(1.5, abs=0.05)
    assert account.ended_s == pytest.approx(2.5, abs=0.05)
    assert "the sound begins at 1.5 s; the sound ends at 2.5 s" in account.line


def test_silence_and_darkness_are_told(tmp_path):
    dark = [np.zeros((48, 64, 3), np.uint8)] * 20
    wave = np.zeros((2, 2 * 44100), np.float32)
    account = read(write_media(tmp_path / "void.mp4", dark, wave=wave)).account
    assert account.line == "used 2.0 s; the picture is black; the sound is silent"


@pytest.mark.parametrize("ending", ["mkv", "mp4", "avi", "flv", "webm", "mov"])
def test_a_file_that_was_cut_off_says_so(tmp_path, ending):
    options = {"movflags": "faststart"} if ending in ("mp4", "mov") else {}
    noise = np.random.default_rng(0).integers(0, 255, (80, 48, 64, 3), np.uint8)
    codec = {"avi": "mp3", "webm": "libopus"}.get(ending, "aac")
    hz = 48000 if ending == "webm" else 44100
    whole = write_media(
        tmp_path / f"whole.{'mkv' if ending == 'webm' else ending}",
        noise,
        wave=sine(440, 8.0, hz),
        audio_hz=hz,
        codec=codec,
        options=options,
    )
    assert not read(whole).truncated
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    account = read(cut).account
    assert account.truncated
    assert account.used_s < 7
    told = "the file is cut short" if ending == "avi" else "the file is cut short: it announces 8."
    assert told in account.line  # FFmpeg guesses the length of an AVI that was cut


def test_a_wav_that_was_cut_off_says_so(tmp_path):
    whole = write_media(tmp_path / "a.wav", wave=sine(440, 8.0), codec="pcm_s16le")
    assert not read(whole, require="audio").truncated
    whole.write_bytes(whole.read_bytes()[:-400_000])
    assert "the file is cut short" in read(whole, require="audio").account.line


def test_damaged_places_are_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 96, 128, 3), np.uint8)
    path = write_media(tmp_path / "a.mkv", noise, wave=sine(440, 6.0), codec="mp3")
    data = bytearray(path.read_bytes())
    for start in range(len(data) // 3, 2 * len(data) // 3, 1000):
        data[start : start + 100] = bytes(100)
    path.write_bytes(data)
    account = read(path).account
    assert account.n_damaged > 0
    assert f"damaged in {account.n_damaged} place" in account.line


def test_a_second_film_behind_the_first_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 96, 128, 3), np.uint8)
    whole = write_media(tmp_path / "whole.mp4", noise, wave=sine(440, 6.0)).read_bytes()
    path = tmp_path / "two.mp4"
    path.write_bytes(whole + whole)
    account = read(path).account
    assert account.used_s == pytest.approx(6.0, abs=0.1)
    assert account.unread == pytest.approx(0.5, abs=0.02)
    assert "the last 50% of the file hold nothing that could be read" in account.line


def test_the_last_piece_has_the_account_of_the_whole(tmp_path):
    path = write_media(tmp_path / "a.mp4", grey_frames(40), fps=5, wave=sine(440, 12.0))
    *first, last = read_pieces(path, [FRAMES, SOUND], 2)
    assert all(piece.media.account is None for piece in first)
    assert last.media.account == read(path).account
    assert last.media.account.held_s == pytest.approx(4.0, abs=0.1)


def test_machines_get_every_field_and_the_line():
    account = Account(used_s=3.0, announced_s=9.0, limited=True)
    told = account.as_dict()
    assert told["line"] == "used 3.0 s; only the first 3.0 s of the 9.0 s announced (--max-seconds)"
    assert (told["used_s"], told["limited"], told["picture"]) == (3.0, True, None)


def test_lengths_do_not_depend_on_what_is_wanted(tmp_path):
    path = write_media(tmp_path / "a.mkv", grey_frames(20), wave=sine(440, 6.0))
    for wanted in ([FRAMES], [SOUND], [Pictures(10.0, (8, 8))], [FRAMES, SOUND]):
        assert read(path, wanted).duration_s == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize(
    ("height", "width", "rotation", "aspect"),
    [(48, 96, 0, 2.0), (96, 48, 0, 0.5), (48, 96, 90, 0.5)],
)
def test_the_shape_of_the_picture_is_that_on_a_screen(tmp_path, height, width, rotation, aspect):
    path = write_media(tmp_path / "a.mp4", grey_frames(10, height, width), rotation=rotation)
    assert read(path, [FRAMES], require="video").account.aspect == pytest.approx(aspect)
