"""media.read on files made here: times, sizes, sound, damage, and the words of its errors."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.media import FRAMES, MOTION, SOUND, MediaError, Pictures, Sound, read, read_pieces
from musicavqa.media.pictures import Grid, Screen
from musicavqa.media.sound import Resampled

MONO = Sound(channels=1)


def numbers(frames: np.ndarray) -> list[int]:
    """Frame numbers read back from the grey levels of `grey_frames`."""
    return [round((float(frame.mean()) - 16) / 5) for frame in frames]


def peak_hz(wave: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * rate_hz / len(wave)


def test_import_does_not_load_a_decoder():
    code = "import sys, musicavqa.media; assert not {'av', 'soxr', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_frames_are_those_shown_at_the_middle_of_each_second(small_video):
    media = read(small_video, (FRAMES, MOTION))
    assert media[FRAMES].shape == (4, 224, 224, 3)
    assert media[FRAMES].dtype == np.uint8
    assert numbers(media[FRAMES]) == [5, 15, 25, 35]
    assert media[MOTION].shape == (40, 56, 56)
    assert numbers(media[MOTION]) == list(range(40))
    assert media.duration_s == pytest.approx(4.0, abs=0.01)
    assert not media.truncated


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_sine_survives_resampling_in_length_pitch_and_level(tmp_path, suffix):
    media = read(write_media(tmp_path / f"a.{suffix}", grey_frames(30), wave=sine(440, 3.0)))
    assert media[SOUND].shape == (2, round(media.duration_s * 16000))
    assert media[SOUND].dtype == np.float32
    assert peak_hz(media[SOUND][0, 8000:40000], 16000) == pytest.approx(440, abs=0.5)
    assert np.abs(media[SOUND][:, 8000:40000]).max() == pytest.approx(0.5, abs=0.02)


def test_sound_and_picture_share_one_clock(tmp_path):
    """A click painted white and sounded at 1.5 s arrives at 1.5 s, to 5 ms, in both streams."""
    frames, wave = grey_frames(30), np.zeros((2, 3 * 44100), np.float32)
    frames[15][:] = 255
    wave[:, 66150:66250] = 0.9
    for suffix in ("mp4", "mkv"):
        path = write_media(tmp_path / f"click.{suffix}", frames, wave=wave)
        media = read(path, (MOTION, SOUND))
        assert int(media[MOTION].mean((1, 2)).argmax()) == 15
        assert np.abs(media[SOUND][0]).argmax() / 16000 == pytest.approx(1.5, abs=0.005)


def test_variable_frame_rate_follows_the_time_stamps(tmp_path):
    times_s = [0.0, 0.1, 0.2, 0.3, 1.4, 1.6, 3.0, 3.9]
    path = write_media(tmp_path / "vfr.mp4", grey_frames(8), times_s=times_s, wave=sine(440, 4.0))
    assert numbers(read(path)[FRAMES]) == [3, 4, 5, 6]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_phone_video_is_upright(tmp_path, rotation):
    frames = grey_frames(10)
    for frame in frames:
        frame[:, :64] = 235  # bright left half
    path = write_media(tmp_path / "turned.mp4", frames, rotation=rotation)
    upright = Pictures(size=(64, 48))
    picture = read(path, [upright], require="video")[upright][0].astype(int)
    assert picture.shape == (64, 48, 3)
    plain = np.rot90(np.tile([[200], [0]], (1, 2)).T, rotation // 90)
    halves = {"top": picture[:20], "bottom": picture[-20:]}
    halves |= {"left": picture[:, :16], "right": picture[:, -16:]}
    sides = {"top": plain[0], "bottom": plain[-1], "left": plain[:, 0], "right": plain[:, -1]}
    bright = max(halves, key=lambda side: halves[side].mean())
    assert bright == max(sides, key=lambda side: sides[side].mean())


@pytest.mark.parametrize(("height", "width"), [(97, 131), (33, 255), (2, 2)])
def test_odd_sizes(tmp_path, height, width):
    path = write_media(tmp_path / "odd.mkv", grey_frames(20, height, width))
    assert numbers(read(path, require="video")[FRAMES]) == [5, 15]


def test_mono_becomes_two_equal_channels_at_full_level(tmp_path):
    path = write_media(
        tmp_path / "mono.mp4", grey_frames(20), wave=sine(440, 2.0, channels=1), layout="mono"
    )
    wave = read(path)[SOUND]
    assert np.array_equal(wave[0], wave[1])
    assert np.abs(wave[:, 8000:24000]).max() == pytest.approx(0.5, abs=0.02)
    assert read(path, [MONO])[MONO].shape[0] == 1


def test_stereo_to_mono_is_the_mean(tmp_path):
    wave = np.vstack([sine(440, 2.0, channels=1), np.zeros((1, 88200), np.float32)])
    path = write_media(tmp_path / "left.mp4", grey_frames(20), wave=wave)
    mono = read(path, [MONO])[MONO]
    assert np.abs(mono[0, 8000:24000]).max() == pytest.approx(0.25, abs=0.02)


def test_surround_is_mixed_down_left_stays_left(tmp_path):
    wave = np.zeros((6, 88200), np.float32)  # FL FR FC LFE BL BR
    wave[0], wave[3] = sine(440, 2.0)[0], sine(60, 2.0)[0]
    path = write_media(tmp_path / "five.mkv", grey_frames(20), wave=wave, layout="5.1")
    left, right = read(path)[SOUND][:, 8000:24000]
    assert peak_hz(left, 16000) == pytest.approx(440, abs=1)
    assert np.abs(left).max() == pytest.approx(0.5 / (1 + 2 * 0.7071), abs=0.02)
    assert np.abs(right).max() < 0.02


def test_sixteen_channels_are_mixed_down(tmp_path):
    """PyAV's own to_ndarray crashes the process on more than eight planar channels."""
    wave = sine(440, 2.0, channels=16)
    path = write_media(tmp_path / "many.mp4", grey_frames(20), wave=wave, layout="hexadecagonal")
    left = read(path)[SOUND][0, 8000:24000]
    assert peak_hz(left, 16000) == pytest.approx(440, abs=1)
    assert np.abs(left).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("pcm_s16le", "wav"), ("pcm_u8", "wav"), ("flac", "flac"), ("libmp3lame", "mp3")],
)
def test_sample_formats_keep_their_level(tmp_path, codec, suffix):
    import av

    path = tmp_path / f"a.{suffix}"
    rate_hz = 44100
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="stereo")
        resampler = av.AudioResampler(stream.format, "stereo", rate_hz, 1152)
        for frame in resampler.resample(_whole(sine(440, 2.0))) + resampler.resample(None):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    media = read(path, require="audio")
    assert not media.has_video
    assert media[FRAMES] is None
    assert np.abs(media[SOUND][:, 8000:24000]).max() == pytest.approx(0.5, abs=0.03)


def _whole(wave: np.ndarray):
    import av

    frame = av.AudioFrame.from_ndarray(wave, "fltp", "stereo")
    frame.sample_rate, frame.pts = 44100, 0
    return frame


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_late_sound_is_padded_at_the_start(tmp_path, suffix):
    path = write_media(
        tmp_path / f"late.{suffix}", grey_frames(40), wave=sine(440, 2.5), audio_start_s=1.5
    )
    wave = read(path)[SOUND][0]
    assert len(wave) == 64000
    first = int(np.argmax(np.abs(wave) > 0.2)) / 16000
    assert first == pytest.approx(1.5, abs=0.03)


def test_file_that_does_not_start_at_zero_is_moved_there(tmp_path):
    times_s = [10.05 + i / 10 for i in range(20)]
    path = write_media(
        tmp_path / "broadcast.ts",
        grey_frames(20),
        times_s=times_s,
        wave=sine(440, 2.0),
        audio_start_s=10.0,
    )
    media = read(path)
    assert numbers(media[FRAMES]) == [4, 14]
    assert media.duration_s == pytest.approx(2.05, abs=0.05)


def test_longer_sound_is_cut_and_shorter_is_padded_to_the_picture(tmp_path):
    for seconds in (1.0, 5.0):
        path = write_media(tmp_path / f"{seconds}.mp4", grey_frames(30), wave=sine(440, seconds))
        media = read(path)
        assert media[SOUND].shape == (2, 48000)
        assert media.duration_s == pytest.approx(3.0)
        assert not media.truncated


def test_still_picture_lasts_as_long_as_the_sound(tmp_path):
    path = write_media(tmp_path / "still.mp4", grey_frames(1), wave=sine(440, 3.0))
    media = read(path)
    assert numbers(media[FRAMES]) == [0, 0, 0]


def test_max_s_stops_early(small_video):
    media = read(small_video, max_s=2.0)
    assert len(media[FRAMES]) == 2
    assert media[SOUND].shape == (2, 32000)
    assert media.duration_s == 2.0
    assert not media.truncated


def test_very_short_clip_keeps_one_frame(tmp_path):
    path = write_media(tmp_path / "short.mp4", grey_frames(3), wave=sine(440, 0.3))
    assert numbers(read(path)[FRAMES]) == [2]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_clip_is_as_long_when_only_one_sense_is_decoded(tmp_path, suffix):
    path = write_media(tmp_path / f"a.{suffix}", grey_frames(40), wave=sine(440, 4.2))
    both, only_sound = read(path), read(path, [SOUND])
    assert only_sound.has_video
    assert only_sound.duration_s == both.duration_s == pytest.approx(4.0)
    assert np.array_equal(only_sound[SOUND], both[SOUND])
    only_picture = read(path, [FRAMES])
    assert only_picture.duration_s == both.duration_s


def test_one_thread_and_many_give_the_same_arrays(small_video):
    one, many = read(small_video, n_threads=1), read(small_video)
    assert np.array_equal(one[FRAMES], many[FRAMES])
    assert np.array_equal(one[SOUND], many[SOUND])


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_broken_tail_keeps_what_decodes_and_says_so(tmp_path, suffix):
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(80)]
    whole = write_media(tmp_path / f"whole.{suffix}", noise, wave=sine(440, 8.0), options=options)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    media = read(cut)
    assert media.truncated
    assert not read(whole).truncated
    n = len(media[FRAMES])
    assert 2 <= n < 8
    assert np.array_equal(media[FRAMES][: n - 1], read(whole)[FRAMES][: n - 1])


def test_damaged_middle_does_not_raise(tmp_path, small_video):
    data = bytearray(small_video.read_bytes())
    for start in range(len(data) // 3, len(data) // 3 + 200):
        data[start] ^= 0xA5
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    assert len(read(path)[FRAMES]) == 4


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_random_damage_gives_arrays_or_a_media_error(tmp_path, suffix):
    whole = write_media(tmp_path / f"whole.{suffix}", grey_frames(30), wave=sine(440, 3.0))
    rng = np.random.default_rng(0)
    path = tmp_path / f"damaged.{suffix}"
    for n_bytes in (1, 10, 100, 1000) * 5:
        data = np.frombuffer(whole.read_bytes(), np.uint8).copy()
        data[rng.integers(0, len(data), n_bytes)] = rng.integers(0, 256, n_bytes)
        path.write_bytes(data.tobytes())
        try:
            media = read(path, (FRAMES, MOTION, SOUND), require="any")
        except MediaError:
            continue
        assert media.duration_s < 3 * 600


def test_cover_picture_is_not_a_video(tmp_path):
    import av

    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("libmp3lame", rate=44100, layout="stereo")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        container.mux(cover.encode(picture) + cover.encode(None))
        resampler = av.AudioResampler("s16p", "stereo", 44100, 1152)
        for frame in resampler.resample(_whole(sine(440, 2.0))):
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    assert not read(path, require="audio").has_video
    with pytest.raises(MediaError, match="sound but no picture"):
        read(path)


def missing(folder: Path) -> Path:
    return folder / "nothing.mp4"


def a_folder(folder: Path) -> Path:
    return folder


def text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is not a film\n" * 100)
    return path


def zero_bytes(folder: Path) -> Path:
    path = folder / "zero.mp4"
    path.touch()
    return path


def no_moov(folder: Path) -> Path:
    whole = write_media(folder / "whole.mp4", grey_frames(20), wave=sine(440, 2.0))
    path = folder / "no_moov.mp4"
    path.write_bytes(whole.read_bytes()[:2000])
    return path


def random_bytes(folder: Path) -> Path:
    path = folder / "random.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def only_sound(folder: Path) -> Path:
    return write_media(folder / "sound.mp4", wave=sine(440, 1.0))


def only_picture(folder: Path) -> Path:
    return write_media(folder / "silent.mp4", grey_frames(10))


def no_frames(folder: Path) -> Path:
    whole = write_media(
        folder / "whole.mp4",
        grey_frames(20),
        wave=sine(440, 2.0),
        options={"movflags": "faststart"},
    )
    data = whole.read_bytes()
    path = folder / "no_frames.mp4"
    path.write_bytes(data[: data.index(b"mdat") + 4] + bytes(len(data)))
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "does not exist"),
        (a_folder, "is a folder"),
        (text, "is text, not video"),
        (zero_bytes, "is empty"),
        (no_moov, "moov"),
        (random_bytes, "cannot be read as video or sound"),
        (only_sound, "sound but no picture"),
        (only_picture, "has no sound"),
        (no_frames, "no picture"),
    ],
)
def test_every_fault_is_one_clear_sentence(tmp_path, make, message):
    with pytest.raises(MediaError, match=message) as caught:
        read(make(tmp_path))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: Pictures(rate_hz=0), "rate_hz=0"),
        (lambda path: Pictures(size=(0, 8)), "size"),
        (lambda path: Sound(rate_hz=-1), "rate_hz=-1"),
        (lambda path: Sound(channels=6), "channels=6"),
        (lambda path: read(path, require="all"), "require"),
        (lambda path: read(path, max_s=0), "max_s"),
    ],
)
def test_bad_arguments_are_named(small_video, make, message):
    with pytest.raises(ValueError, match=message):
        make(small_video)


def test_one_pass_serves_many_requests_as_many_passes_would(small_video):
    wanted = [
        FRAMES, MOTION, SOUND, MONO, Pictures(2.5, (40, 30), "gray"), Sound(22050), Sound(48000, 1),
    ]  # fmt: skip
    media = read(small_video, wanted)
    for item in wanted:
        assert np.array_equal(media[item], read(small_video, [item])[item])
    assert media[Sound(22050)].shape == (2, 4 * 22050)
    assert len(media[wanted[4]]) == 10


@pytest.mark.parametrize("n_frames", [3, 99, 100, 101, 102, 103])
@pytest.mark.parametrize("rate_hz", [1.0, 2.5, 10.0])
@pytest.mark.parametrize("irregular", [False, True])
def test_pictures_that_are_left_out_change_nothing(
    tmp_path, monkeypatch, n_frames, rate_hz, irregular
):
    rng = np.random.default_rng(n_frames)
    ramp = np.linspace(0, 120, 64 * 64).reshape(64, 64, 1)
    frames = [
        np.roll(ramp, n, 1).repeat(3, 2).astype(np.uint8) + np.uint8(n) for n in range(n_frames)
    ]
    late = 0.2 * rng.integers(0, 2, n_frames).cumsum() if irregular else np.zeros(n_frames)
    times_s = list(np.arange(n_frames) / 25 + late)
    path = write_media(
        tmp_path / "b.mp4", frames, fps=25, times_s=times_s, wave=sine(440, 9.0), preset="medium"
    )
    decoded: list[float] = []
    add = Screen.add
    monkeypatch.setattr(Screen, "add", lambda self, f: (decoded.append(f.time), add(self, f)))
    wanted = Pictures(rate_hz, (32, 32))
    ours = read(path, [wanted, SOUND])
    n_ours = len(decoded)
    monkeypatch.setattr(Screen, "leaves_out", lambda self, packet: False)
    whole = read(path, [wanted, SOUND])
    assert np.array_equal(ours[wanted], whole[wanted])
    assert ours.duration_s == whole.duration_s
    assert len(decoded) - n_ours == n_frames
    if n_frames > 50 and rate_hz == 1.0:
        assert (n_ours < 0.8 * n_frames) is not irregular


def test_what_was_not_asked_for_is_an_error_and_what_is_lacking_is_none(tmp_path, small_video):
    with pytest.raises(KeyError, match="read without"):
        _ = read(small_video, [SOUND])[FRAMES]
    silent = write_media(tmp_path / "silent.mp4", grey_frames(10))
    assert read(silent, require="any")[SOUND] is None


def test_crop_keeps_the_shape_and_takes_the_middle(tmp_path):
    """A white square in the middle of a wide picture stays a square; its borders are cut off."""
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[16:48, 48:80] = 255
    path = write_media(tmp_path / "wide.mkv", [frame] * 10)
    for fit, columns in (("crop", 32), ("stretch", 16)):
        item = Pictures(size=(64, 64), pixels="gray", fit=fit)
        white = read(path, [item], require="video")[item][0] > 127
        assert abs(white.any(0).sum() - columns) <= 2
        assert abs(white.any(1).sum() - 32) <= 2
        assert abs(np.nonzero(white.any(0))[0].mean() - 31.5) <= 1


def test_crop_follows_a_turned_phone(tmp_path):
    frames = [np.zeros((48, 96, 3), np.uint8) for _ in range(10)]
    for frame in frames:
        frame[:, :10] = 255  # at an end that is cut off, wherever it is turned to
    path = write_media(tmp_path / "turned.mp4", frames, rotation=90)
    item = Pictures(size=(40, 40), pixels="gray", fit="crop")
    assert read(path, [item], require="video")[item][0].max() < 60


def test_pictures_and_sound_of_a_long_file_are_not_held_twice():
    wanted = Pictures(1.0, (200, 200), "gray")
    grid, sound = Grid(wanted), Resampled(Sound(16000, 2))
    for i in range(500):  # 20 MB
        grid.keep(np.full((200, 200), i % 250, np.uint8))
    sound.blocks.extend(np.full((16000, 2), i, np.float32) for i in range(120))  # 15 MB
    tracemalloc.start()
    try:
        pictures, waveform = grid.take(500), sound.take(121 * 16000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [int(picture[0, 0]) for picture in pictures] == [i % 250 for i in range(500)]
    assert not grid.kept
    assert waveform.shape == (2, 121 * 16000)
    assert np.array_equal(waveform[1, ::16000], [*range(120), 0])
    assert peak < pictures.nbytes + waveform.nbytes + 2**20


REQUESTS = (FRAMES, MOTION, Pictures(3.0, (30, 40)), SOUND, Sound(11025, 1))


def joined(pieces, item):
    """The arrays of pieces without what is around them."""
    axis = 1 if isinstance(item, Sound) else 0
    return np.concatenate([piece.around(0)[item] for piece in pieces], axis=axis)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("piece_s", "around_s", "length_s"), [(2, 0, 9.3), (4, 1, 15.0), (4, 2, 8)]
)
def test_pieces_are_the_whole_cut_up(tmp_path, suffix, piece_s, around_s, length_s):
    frames = np.random.default_rng(0).integers(0, 255, (round(length_s * 10), 48, 64, 3), np.uint8)
    path = write_media(tmp_path / f"long.{suffix}", frames, wave=sine(440, length_s))
    whole = read(path, REQUESTS)
    pieces = list(read_pieces(path, REQUESTS, piece_s, around_s))
    assert [piece.own_s for piece in pieces[:-1]] == [piece_s] * (len(pieces) - 1)
    assert len(pieces) > 1 or length_s < piece_s + around_s + 1
    assert pieces[-1].last
    lengths_s = [piece.around(0).duration_s for piece in pieces]
    assert sum(lengths_s) == pytest.approx(whole.duration_s)
    for item in REQUESTS:
        assert np.array_equal(joined(pieces, item), whole[item])
    for place, piece in enumerate(pieces):
        media, before_s = piece.around(around_s), piece.before_s(around_s)
        assert before_s == (around_s if place else 0)
        begin_s = place * piece_s - before_s
        end_s = None if piece.last else (place + 1) * piece_s + around_s
        for item in REQUESTS:
            assert np.array_equal(media[item], whole.part(begin_s, end_s)[item])


def test_a_file_of_an_hour_is_never_held_whole(tmp_path):
    times_s = [60.0 * minute for minute in range(60)]
    path = write_media(tmp_path / "slides.mp4", 2 * grey_frames(30), times_s=times_s)
    item = Pictures(1.0, (100, 100), "gray")
    tracemalloc.start()
    try:
        pieces = read_pieces(path, [item], 60, require="video")
        n = sum(len(piece.media[item]) for piece in pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n >= 3540
    assert peak < 300 * 100 * 100


def test_sound_that_ends_early_holds_the_pieces_back(tmp_path):
    path = write_media(tmp_path / "short.mp4", 4 * grey_frames(25), wave=sine(440, 4.0))
    pieces = list(read_pieces(path, (FRAMES, SOUND), 2))
    assert [piece.own_s for piece in pieces] == [2, None]
    whole = read(path)
    for item in (FRAMES, SOUND):
        assert np.array_equal(joined(pieces, item), whole[item])


def test_a_piece_without_a_whole_number_of_pictures_is_the_whole_file(small_video):
    (piece,) = read_pieces(small_video, [Pictures(0.3)], 1)
    assert piece.last
    with pytest.raises(ValueError, match="piece_s is 1"):
        next(read_pieces(small_video, [FRAMES], 1, 1))
