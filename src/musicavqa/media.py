"""Read a video file once: the pictures on a time grid and the sound on the same clock.

The only file that knows PyAV for reading. Both streams are decoded in one sequential pass (seeking
per second costs four times as much on long groups of pictures); only the pictures that are kept
are converted, and sound is resampled as it arrives, so memory is bounded by what is returned.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

Require = Literal["both", "audio", "video", "any"]

MOTION_SIZE = (56, 56)
MOTION_HZ = 10.0
SLACK_S = 1e-3  # Matroska rounds times to a millisecond
GAP_S = 0.05  # holes in the sound shorter than this are rounding, not silence
TRUNCATED_S = 1.0
MAX_PLANES = 8
LEAP_S = 600.0  # times that leap further are damage

# Left and right share of each loudspeaker (ITU-R BS.775); the low-frequency channel is left out.
MIX = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (0.7071, 0.7071),
    "BL": (0.7071, 0.0),
    "SL": (0.7071, 0.0),
    "BR": (0.0, 0.7071),
    "SR": (0.0, 0.7071),
    "LFE": (0.0, 0.0),
}


class MediaError(ValueError):
    """The file cannot give what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Media:
    """One performance as arrays; every stream starts at 0 s and, with pictures, ends with them.

    frames uint8 (n, H, W, 3) RGB: frame i is the one shown at (i + 0.5) / frames_hz; n is 0 without
    pictures. waveform float32 (channels, samples) at audio_hz, or None. motion uint8 (m, 56, 56)
    grey at motion_hz on the same kind of grid, or None. truncated: more than one second of what
    the file announces is missing.
    """

    frames: np.ndarray
    frames_hz: float
    waveform: np.ndarray | None
    audio_hz: int
    duration_s: float
    has_video: bool
    has_audio: bool
    motion: np.ndarray | None = None
    motion_hz: float = MOTION_HZ
    truncated: bool = False


def read(
    path: Path | str,
    *,
    rate_hz: float | None = 1.0,
    size: tuple[int, int] = (224, 224),
    audio_hz: int | None = 16000,
    channels: int = 2,
    motion_hz: float | None = None,
    max_s: float | None = None,
    require: Require = "both",
    n_threads: int = 0,
) -> Media:
    """Decode `path` in one pass; raises MediaError where the file lacks what `require` names.

    rate_hz=None skips the pictures, audio_hz=None the sound, motion_hz=None the small grey frames
    (10 Hz is what the motion encoders want). `size` is (height, width). n_threads=0 uses all cores,
    1 is right inside a pool of workers.
    """
    positive = {"rate_hz": rate_hz, "audio_hz": audio_hz, "motion_hz": motion_hz, "max_s": max_s}
    _check_arguments(positive, channels, require)
    path = Path(path)
    _check_file(path)
    grids = _grids(rate_hz, size, motion_hz)
    with _open(path) as container:
        clock = _Clock.of(container, max_s)
        streams = _pick_streams(container, path, require)
        picture = _Picture(streams["video"], grids, clock) if streams["video"] else None
        sound = _Sound(audio_hz, channels, clock) if streams["audio"] and audio_hz else None
        _decode(container, streams, picture, sound, n_threads)
        duration_s = _finish(clock, streams, picture, sound)
        truncated = _is_truncated(clock, streams, picture, sound)
    _check_decoded(path, picture, sound, require)
    return Media(
        frames=grids["frames"].array() if rate_hz else np.zeros((0, *size, 3), np.uint8),
        frames_hz=rate_hz or 0.0,
        waveform=sound.array(duration_s) if sound and sound.end_s else None,
        audio_hz=audio_hz or 0,
        duration_s=duration_s,
        has_video=picture is not None and picture.n > 0,
        has_audio=bool(sound.end_s) if sound else streams["audio"] is not None,
        motion=grids["motion"].array() if motion_hz else None,
        motion_hz=motion_hz or MOTION_HZ,
        truncated=truncated,
    )


@dataclass(frozen=True)
class _Clock:
    """The common time base of a file: its origin, its announced length and where to stop."""

    origin_s: float
    announced_s: float | None
    max_s: float

    @classmethod
    def of(cls, container: Any, max_s: float | None) -> _Clock:
        """Origin is the container's start; a negative one is encoder delay, to be cut."""
        start_s = (container.start_time or 0) / 1e6
        announced_s = container.duration / 1e6 if container.duration else None
        return cls(max(start_s, 0.0), announced_s, float("inf") if max_s is None else max_s)

    def time(self, time_s: float | None, expected_s: float) -> float:
        """Time from the origin; a missing time, or a wild leap of it, follows what came before."""
        if time_s is None or abs(time_s - self.origin_s - expected_s) > LEAP_S:
            return expected_s
        return time_s - self.origin_s

    def announced(self, stream: Any) -> float | None:
        """End that a stream announces, from the origin; the container's if it is silent."""
        if stream is None or stream.duration is None or stream.time_base is None:
            return self.announced_s
        start_s = float((stream.start_time or 0) * stream.time_base) - self.origin_s
        return start_s + float(stream.duration * stream.time_base)


class _Grid:
    """Pictures at the times (i + 0.5) / rate_hz, converted and resized as they are kept."""

    def __init__(self, rate_hz: float, size: tuple[int, int], pixels: str) -> None:
        from av.video.reformatter import VideoReformatter

        self.rate_hz, self.size, self.pixels = rate_hz, size, pixels
        self.kept: list[np.ndarray] = []
        self.reformatter = VideoReformatter()

    def show(self, frame: Any, until_s: float) -> None:
        """Keep `frame` for every grid time that is still open before `until_s`."""
        picture = None
        while (len(self.kept) + 0.5) / self.rate_hz < until_s - SLACK_S:
            picture = self.convert(frame) if picture is None else picture
            self.kept.append(picture)

    def convert(self, frame: Any) -> np.ndarray:
        """Upright array of `self.size`; a rotated phone video is resized before it is turned."""
        n_quarter_turns = round(frame.rotation / 90) % 4
        height, width = self.size[::-1] if n_quarter_turns % 2 else self.size
        small = self.reformatter.reformat(frame, width, height, self.pixels)
        return np.rot90(small.to_ndarray(), n_quarter_turns)

    def array(self) -> np.ndarray:
        """All kept pictures, (n, H, W, 3) or (n, H, W)."""
        depth = (3,) if self.pixels == "rgb24" else ()
        return np.stack(self.kept) if self.kept else np.zeros((0, *self.size, *depth), np.uint8)


def _grids(
    rate_hz: float | None, size: tuple[int, int], motion_hz: float | None
) -> dict[str, _Grid]:
    grids = {}
    if rate_hz is not None:
        grids["frames"] = _Grid(rate_hz, size, "rgb24")
    if motion_hz is not None:
        grids["motion"] = _Grid(motion_hz, MOTION_SIZE, "gray")
    return grids


class _Picture:
    """The picture on the screen: each new frame ends the one before."""

    def __init__(self, stream: Any, grids: dict[str, _Grid], clock: _Clock) -> None:
        self.grids, self.clock = list(grids.values()), clock
        self.frame_s = float(1 / stream.average_rate) if stream.average_rate else 0.04
        self.frame: Any = None
        self.end_s = 0.0
        self.n = 0

    @property
    def full(self) -> bool:
        return self.end_s >= self.clock.max_s

    def add(self, frame: Any) -> None:
        """Show `frame`; the previous one was on screen until its time."""
        time_s = self.clock.time(frame.time, self.end_s)
        if self.frame is not None:
            self.hold(time_s)
        self.frame = frame
        self.extend(time_s, frame)

    def pass_by(self, packet: Any) -> None:
        """Without grids nothing is decoded; the packets still tell how long the picture lasts."""
        if packet.pts is not None:
            time_s = float(packet.pts * packet.time_base)
            self.extend(self.clock.time(time_s, self.end_s), packet)

    def extend(self, time_s: float, shown: Any) -> None:
        """A frame or packet shown from `time_s` on moves the end."""
        shown_s = float(shown.duration * shown.time_base) if shown.duration else self.frame_s
        self.end_s = max(self.end_s, time_s + min(shown_s, LEAP_S))
        self.n += 1

    def hold(self, until_s: float) -> None:
        """Keep the current frame on every grid up to `until_s`."""
        for grid in self.grids:
            grid.show(self.frame, min(until_s, self.clock.max_s))

    def finish(self, end_s: float) -> None:
        """Hold the last frame to the end; a clip shorter than half a grid step keeps one frame."""
        if self.frame is None:
            return
        self.hold(end_s)
        for grid in self.grids:
            if not grid.kept:
                grid.kept.append(grid.convert(self.frame))


class _Sound:
    """The sound so far, resampled as it comes; holes and a late start are filled with zeros."""

    def __init__(self, rate_hz: int, channels: int, clock: _Clock) -> None:
        self.rate_hz, self.channels, self.clock = rate_hz, channels, clock
        self.blocks: list[np.ndarray] = []  # each (samples, channels)
        self.form: tuple[int, int] | None = None  # (rate, channels) of what comes in
        self.resampler: Any = None
        self.end_s = 0.0

    @property
    def full(self) -> bool:
        return self.end_s >= self.clock.max_s

    def add(self, frame: Any) -> None:
        """Append one decoded frame at its time; encoder delay before 0 s is cut."""
        samples = _mix(frame, self.channels)  # (n, 1 or channels)
        self.restart_if_new((frame.sample_rate, samples.shape[1]))
        hole_s = self.clock.time(frame.time, self.end_s) - self.end_s
        if self.end_s and hole_s < GAP_S:
            hole_s = 0.0
        n_zeros = round(hole_s * frame.sample_rate)
        samples = np.pad(samples, ((n_zeros, 0), (0, 0))) if n_zeros > 0 else samples[-n_zeros:]
        self.end_s += len(samples) / frame.sample_rate
        self.push(samples)

    def restart_if_new(self, form: tuple[int, int]) -> None:
        """A broadcast may change rate or channels half-way: end one resampler, begin another."""
        import soxr

        if form != self.form:
            self.finish()
            self.form = form
            self.resampler = soxr.ResampleStream(form[0], self.rate_hz, form[1], "float32")

    def push(self, samples: np.ndarray, last: bool = False) -> None:
        """Resample and store; mono becomes `channels` equal ones."""
        block = self.resampler.resample_chunk(np.ascontiguousarray(samples), last=last)
        if len(block):
            self.blocks.append(np.broadcast_to(block, (len(block), self.channels)))

    def finish(self) -> None:
        """Take what the resampler still holds."""
        if self.form is not None:
            self.push(np.zeros((0, self.form[1]), np.float32), last=True)

    def array(self, duration_s: float) -> np.ndarray:
        """float32 (channels, samples), cut or padded with zeros to `duration_s`."""
        n_samples = round(duration_s * self.rate_hz)
        waveform = np.concatenate([np.zeros((0, self.channels), np.float32), *self.blocks])
        waveform = waveform[:n_samples].T
        waveform = np.pad(waveform, ((0, 0), (0, n_samples - waveform.shape[1])))
        return np.ascontiguousarray(waveform)


def _mix(frame: Any, channels: int) -> np.ndarray:
    """Decoded frame as float32 (n, channels) in [-1, 1], or (n, 1) where it is mono."""
    n_channels = frame.layout.nb_channels
    frame = _packed(frame) if frame.format.is_planar and n_channels > MAX_PLANES else frame
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, n_channels)
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    samples = samples.astype(np.float32, copy=False)
    if n_channels in (1, channels):
        return samples
    shares = [MIX.get(channel.name, (0.5, 0.5)) for channel in frame.layout.channels]
    matrix = np.array(shares, np.float32)  # (n_channels, 2)
    matrix = matrix.mean(1, keepdims=True) if channels == 1 else matrix
    return samples @ (matrix / matrix.sum(0).max())  # never clips


def _packed(frame: Any) -> Any:
    """Frame with interleaved samples: PyAV reads past the end of more than eight planes (18.1)."""
    import av

    return av.AudioResampler(format="flt").resample(frame)[0]


def _decode(
    container: Any,
    streams: dict[str, Any],
    picture: _Picture | None,
    sound: _Sound | None,
    n_threads: int,
) -> None:
    """One pass over the packets of the wanted streams; what does not decode is passed over."""
    sinks: dict[int, Any] = {}
    wanted = []
    for name, sink in (("video", picture), ("audio", sound)):
        if sink is not None:
            sinks[streams[name].index] = sink
            wanted.append(streams[name])
    if picture is not None:
        streams["video"].thread_type = "AUTO"
        streams["video"].codec_context.thread_count = n_threads
    for packet in _packets(container, wanted):
        sink = sinks[packet.stream.index]
        if sink.full:
            if all(other.full for other in sinks.values()):
                break
        elif sink is picture and not picture.grids:
            picture.pass_by(packet)
        else:
            for frame in _decoded(packet.stream, packet):
                sink.add(frame)
    for stream in wanted:  # after an unreadable place the decoders still hold frames
        if not sinks[stream.index].full:
            for frame in _decoded(stream, None):
                sinks[stream.index].add(frame)


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """Packets up to the end of the file or to the first place that cannot be read."""
    import av

    if not streams:
        return
    try:
        yield from container.demux(*streams)
    except (av.FFmpegError, IndexError):  # IndexError: PyAV, at the end, of a stream born half-way
        return


def _decoded(stream: Any, packet: Any) -> list[Any]:
    """Frames of one packet, none where it is damaged; None empties the decoder."""
    import av

    try:
        frames = stream.decode(packet)
    except av.FFmpegError:
        return []
    for frame in frames:
        frame.time_base = frame.time_base or stream.time_base  # PyAV leaves it out when emptying
    return frames


def _finish(
    clock: _Clock, streams: dict[str, Any], picture: _Picture | None, sound: _Sound | None
) -> float:
    """Empty what is still held and return the duration: the picture's, else the sound's."""
    sound_s = 0.0
    if sound is not None:
        sound.finish()
        sound_s = sound.end_s
    if picture is not None and picture.n:
        still = picture.n == 1  # a still lasts as long as the sound
        end_s = max(picture.end_s, sound_s) if still else picture.end_s
        picture.finish(min(end_s, clock.max_s))
    else:
        end_s = sound_s
    return min(end_s, clock.max_s)


def _is_truncated(
    clock: _Clock, streams: dict[str, Any], picture: _Picture | None, sound: _Sound | None
) -> bool:
    """True where a decoded stream, or all of them together, end over 1 s before they should."""
    ends: list[tuple[float | None, float]] = []  # (announced, decoded)
    sinks = {"video": picture, "audio": sound}
    for name, sink in sinks.items():
        if sink is not None and streams[name].duration is not None:
            ends.append((clock.announced(streams[name]), sink.end_s))
    if all(sinks[name] is not None for name, stream in streams.items() if stream is not None):
        last_s = max(sink.end_s for sink in sinks.values() if sink is not None)
        ends.append((clock.announced_s, last_s))
    return any(
        announced_s is not None and min(announced_s, clock.max_s) - end_s > TRUNCATED_S
        for announced_s, end_s in ends
    )


def _pick_streams(container: Any, path: Path, require: Require) -> dict[str, Any]:
    """First decodable stream of each kind, or None; a cover picture in a song is no video."""
    from av.stream import Disposition

    def first(candidates: Any) -> Any:
        for stream in candidates:
            cover = stream.disposition & Disposition.attached_pic
            if stream.codec_context is not None and not cover:
                return stream
        return None

    streams = {"video": first(container.streams.video), "audio": first(container.streams.audio)}
    if not any(streams.values()):
        raise MediaError(f"{path} holds neither picture nor sound. Give a video file.")
    if streams["video"] is None and require in ("both", "video"):
        raise MediaError(
            f"{path} has sound but no picture. Give a video file that shows the music."
        )
    if streams["audio"] is None and require in ("both", "audio"):
        raise MediaError(f"{path} has no sound. Give a video file with its sound track.")
    return streams


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open container; every complaint of PyAV becomes a MediaError."""
    import av

    try:
        # an absolute path is never read as a protocol such as 'concat:'
        with av.open(str(path.absolute()), metadata_errors="ignore") as container:
            yield container
    except av.FFmpegError as error:
        raise MediaError(_why_unreadable(path, error)) from None


def _why_unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return (
            f"{path} is an MP4 without a usable index ('moov'): the download or the recording was "
            "cut off. Get the file again."
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{path} cannot be read as video or sound ({reason}). Check that it plays elsewhere."


def _check_file(path: Path) -> None:
    """Refuse what is no media file before a decoder sees it (text could be a play list)."""
    if path.is_dir():
        raise MediaError(f"{path} is a folder. Give one video file.")
    if not path.is_file():
        raise MediaError(f"{path} does not exist. Check the path.")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise MediaError(f"{path} is empty (0 bytes). Get the file again.")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return
    if "\0" not in text:
        raise MediaError(
            f"{path} is text, not video (it begins {text[:24]!r}). Give the video file itself."
        )


def _check_decoded(
    path: Path, picture: _Picture | None, sound: _Sound | None, require: Require
) -> None:
    """Streams that exist but give nothing are as bad as missing ones."""
    lost = [
        name
        for name, sink in (("picture", picture), ("sound", sound))
        if sink is not None and not sink.end_s
    ]
    kept = [sink for sink in (picture, sound) if sink is not None and sink.end_s]
    needed = {"both": ["picture", "sound"], "video": ["picture"], "audio": ["sound"], "any": []}
    if set(lost) & set(needed[require]) or (lost and not kept):
        raise MediaError(
            f"{path}: no {' and no '.join(lost)} could be decoded: the file is "
            "damaged. Get it again."
        )


def _check_arguments(positive: dict[str, float | None], channels: int, require: Require) -> None:
    for name, value in positive.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; it must be above 0, or None.")
    if channels not in (1, 2):
        raise ValueError(f"channels is {channels}; choose 1 (mono) or 2 (stereo).")
    if require not in get_args(Require):
        raise ValueError(f"require is {require!r}; choose one of {get_args(Require)}.")
