"""Work and memory are bounded by what a file holds and by limits; other files are never opened."""

from __future__ import annotations

import struct
import tracemalloc
import wave as wave_files

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.media import (
    FRAMES,
    MOTION,
    SOUND,
    Limits,
    MediaError,
    Pictures,
    check,
    cutter,
    one_pass,
    read,
    read_pieces,
)


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def write_wav(path, rate_hz, n):
    with wave_files.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.random.default_rng(0).integers(-9000, 9000, n, np.int16).tobytes())
    return path


def slides(folder, n, apart_s, sound_s=None):
    frames = [np.full((48, 64, 3), i % 200, np.uint8) for i in range(n)]
    wave = None if sound_s is None else sine(440, sound_s, 8000, 1)
    times_s = [i * apart_s for i in range(n)]
    return write_media(
        folder / "slides.mp4", frames, times_s=times_s, wave=wave, audio_hz=8000, layout="mono"
    )


def test_what_lies_behind_the_limit_of_seconds_is_left_out_and_said(small_video):
    media = read(small_video, limits=Limits(seconds=2.0))
    assert (media.duration_s, len(media[FRAMES])) == (2.0, 2)
    assert not media.truncated
    assert media.account.line == (
        "used 2.0 s; only the first 2.0 s of the 4.0 s announced (--max-seconds)"
    )
    assert not read(small_video, max_s=2.0).account.limited


def test_a_tiny_slide_show_takes_no_more_memory_than_the_limit(tmp_path):
    path = slides(tmp_path, 30, 590.0)
    assert path.stat().st_size < 50_000
    most = 20 * 2**20
    big = Pictures(1.0, (224, 224))

    def work():
        with pytest.raises(MediaError, match=r"more than 20 MB.*--max-seconds.*--max-memory"):
            read(path, [big], require="video", limits=Limits(n_bytes=most))

    assert peak_bytes(work) < 3 * most


def test_seconds_are_limited_before_a_hole_is_filled(tmp_path):
    path = slides(tmp_path, 30, 590.0)
    media = read(path, [FRAMES], require="video", limits=Limits(seconds=60.0))
    assert (media.duration_s, len(media[FRAMES])) == (60.0, 60)


def test_nothing_is_read_behind_the_limit_though_pictures_stay_away(tmp_path, monkeypatch):
    n_read, packets = 0, one_pass._packets

    def counted(sources):
        nonlocal n_read
        for packet in packets(sources):
            n_read += 1
            yield packet

    monkeypatch.setattr(one_pass, "_packets", counted)
    monkeypatch.setattr(cutter, "HELD_BYTES", 500_000)  # so the decoder is emptied on the way
    path = slides(tmp_path, 15, 20.0, sound_s=300.0)
    limits = Limits(seconds=45.0)
    pieces = list(read_pieces(path, [FRAMES, SOUND], 10, require="any", limits=limits))
    assert pieces[-1].media.account.used_s == 45.0
    in_all, n_read = n_read, 0
    read(path, [FRAMES, SOUND], require="any")
    assert in_all < 0.4 * n_read


@pytest.mark.parametrize("rate_hz", [1, 3, 100, 999])
def test_sound_of_a_few_samples_a_second_is_refused(tmp_path, rate_hz):
    path = write_wav(tmp_path / "slow.wav", rate_hz, 200_000)
    with pytest.raises(MediaError, match=f"sound of {rate_hz} samples a second; 1000 to"):
        read(path, [SOUND], require="any")


def test_a_hole_in_sound_is_filled_a_second_at_a_time(tmp_path):
    parts = np.concatenate([sine(440, 1.0), np.zeros((2, 0), np.float32)], axis=1)
    path = write_media(tmp_path / "late.mkv", wave=parts, audio_start_s=500.0)
    frames = write_media(tmp_path / "both.mkv", grey_frames(10), wave=parts, audio_start_s=500.0)
    assert read(path, [SOUND], require="audio").duration_s < 3  # the file begins there
    mono_bytes = 501 * 16000 * 4 * 2
    assert peak_bytes(lambda: read(frames, [SOUND])) < 2.5 * mono_bytes


def test_pictures_larger_than_any_video_are_refused(tmp_path):
    path = write_media(tmp_path / "huge.mkv", [np.zeros((6400, 6400, 3), np.uint8)])
    with pytest.raises(MediaError, match="pictures of 6400 x 6400; at most 8192 x 4320"):
        read(path, [FRAMES], require="video")


@pytest.mark.parametrize(("lacking", "n_pictures"), [("sound", 0), ("picture", 30), ("picture", 2)])
def test_a_sense_that_ends_early_does_not_hold_the_other_in_memory(
    tmp_path, monkeypatch, lacking, n_pictures
):
    monkeypatch.setattr(cutter, "HELD_BYTES", 2**18)
    n_frames, sound_s = (200, 3.0) if lacking == "sound" else (n_pictures, 20.0)
    frames = (grey_frames(40) * 5)[:n_frames]
    path = write_media(tmp_path / "a.mp4", frames, wave=sine(440, sound_s), preset="medium")
    wanted = [Pictures(1.0, (64, 64)), SOUND, MOTION]
    pieces = list(read_pieces(path, wanted, 2, 1))
    whole = read(path, wanted)
    assert len(pieces) > 6
    for item, axis in zip(wanted, (0, 1, 0), strict=True):
        joined = np.concatenate([piece.around(0)[item] for piece in pieces], axis=axis)
        assert joined.shape == whole[item].shape
        assert np.abs(joined.astype(float) - whole[item]).max() < 0.01
    assert pieces[-1].media.account == whole.account


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{}'\n"
DASH = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>'


@pytest.mark.parametrize("text", [PLAYLIST, CONCAT, DASH], ids=["hls", "concat", "dash"])
@pytest.mark.parametrize("stray", [b"", b"\n\xff", b"\xff", b"\n\0", b"\0"])
@pytest.mark.parametrize("in_front", [False, True])
@pytest.mark.parametrize("ending", ["m3u8", "mp4", "ffconcat", "mpd"])
def test_no_play_list_leads_to_another_file(tmp_path, text, stray, in_front, ending):
    secret = write_media(tmp_path / "secret.ts", grey_frames(10), wave=sine(440, 1.0))
    body = text.format(secret).encode()
    path = tmp_path / f"list.{ending}"
    path.write_bytes(stray + body if in_front else body + stray)
    for work in (check, read):
        with pytest.raises(MediaError) as caught:
            work(path)
        assert str(caught.value).count("\n") == 0


def test_a_picture_is_no_video(tmp_path):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    (tmp_path / "a.png").write_bytes(
        header + struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0) + b"0000"
    )
    with pytest.raises(MediaError, match="format that is not read"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("made", [{"seconds": 0}, {"seconds": -1.0}, {"n_bytes": 0}])
def test_limits_that_allow_nothing_are_refused(made):
    with pytest.raises(ValueError, match="must be above 0"):
        Limits(**made)
