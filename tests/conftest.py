"""Small media files made with PyAV, and the command line, for all tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

CLOCK = 90000
pytest_plugins = ("served", "clusters")

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")


def grey_frames(n: int, height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Frame i is painted with the grey level 16 + 5 i, so a picture tells its own number."""
    return [np.full((height, width, 3), 16 + 5 * i, np.uint8) for i in range(n)]


def sine(frequency_hz: float, seconds: float, rate_hz: int = 44100, channels: int = 2):
    """float32 (channels, samples), amplitude 0.5."""
    wave = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.tile(wave.astype(np.float32), (channels, 1))


def write_media(
    path: Path,
    frames: Sequence[np.ndarray] | None = None,
    *,
    fps: int = 10,
    times_s: Sequence[float] | None = None,
    rotation: int = 0,
    wave: np.ndarray | None = None,
    audio_hz: int = 44100,
    layout: str = "stereo",
    audio_start_s: float = 0.0,
    codec: str = "aac",
    options: dict[str, str] | None = None,
    preset: str = "ultrafast",
) -> Path:
    """Mux frames (shown at `times_s`, else at `fps`) and a wave (channels, samples)."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        parts = []
        if frames is not None:
            times_s = times_s or [i / fps for i in range(len(frames))]
            video = container.add_stream("libx264", rate=fps, options={"preset": preset})
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuv420p" if all(n % 2 == 0 for n in frames[0].shape[:2]) else "yuv444p"
            video.codec_context.time_base = Fraction(1, CLOCK)
            if rotation:
                video.set_display_rotation(rotation)
            parts += [(t, video, _picture(f, t)) for t, f in zip(times_s, frames, strict=True)]
        if wave is not None:
            audio = container.add_stream(codec, rate=audio_hz, layout=layout)
            parts += [(t, audio, s) for t, s in _sounds(wave, audio_hz, layout, audio_start_s)]
        for _, stream, frame in sorted(parts, key=lambda part: part[0]):
            container.mux(stream.encode(frame))
        for stream in dict.fromkeys(part[1] for part in parts):
            container.mux(stream.encode(None))
    return path


def _picture(array: np.ndarray, time_s: float):
    import av

    frame = av.VideoFrame.from_ndarray(array, "rgb24")
    frame.pts, frame.time_base = round(time_s * CLOCK), Fraction(1, CLOCK)
    return frame


def _sounds(wave: np.ndarray, rate_hz: int, layout: str, start_s: float):
    import av

    for begin in range(0, wave.shape[1], 1024):
        block = wave[:, begin : begin + 1024].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "flt", layout)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = begin + round(start_s * rate_hz)
        yield frame.pts / rate_hz, frame


@pytest.fixture(scope="session")
def make_media() -> Callable[..., Path]:
    """`write_media(path, frames, fps=, times_s=, rotation=, wave=, ...)`."""
    return write_media


@pytest.fixture(scope="session")
def small_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s, 128x96, 10 fps, frame i has the grey level 16 + 5 i; 440 Hz stereo at 44.1 kHz."""
    path = tmp_path_factory.mktemp("media") / "small.mp4"
    return write_media(path, grey_frames(40), wave=sine(440, 4.0))


@pytest.fixture
def command_line(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout and stderr."""
    from musicavqa import cli

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["musicavqa", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small `bandleader` with random weights: what it says is noise, not how."""
    import torch

    from musicavqa.methods.registry import load_method, save_checkpoint

    method = load_method("bandleader")
    sizes = {"eye_width": 16, "eye_blocks": 1, "ear_width": 16, "fit_width": 8, "tables": 40}
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    model = method.build(method.options(sizes)).eval()
    save_checkpoint(folder / "checkpoint.safetensors", method, model)
    return folder


@pytest.fixture
def small_default(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line takes that run where none is named."""
    from musicavqa.ask import asking

    monkeypatch.setattr(asking, "DEFAULT_CHECKPOINT", run_folder)
