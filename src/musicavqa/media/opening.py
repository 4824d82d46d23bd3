"""Open a file, or say in one sentence why it cannot be read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musicavqa.files import as_spelled
from musicavqa.media.account import Choice
from musicavqa.media.limits import LEAST_HZ, MOST_HZ, MOST_PIXELS
from musicavqa.media.wanted import MediaError, Require

FORMATS = (
    "3gp,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,av1,avi,caf,dts,dtshd,dv,eac3,flac,flv,gif,gxf,"
    "h263,h264,hevc,ivf,live_flv,loas,m4v,matroska,mjpeg,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,"
    "mpegvideo,mxf,nut,obu,ogg,rm,tak,truehd,tta,voc,w64,wav,webm,wtv,wv,xwma,yuv4mpegpipe"
)
"""Containers that hold pictures and sound themselves. All others, above all play lists (hls,
concat, dash), which name further files and addresses, are never opened."""

PICTURES = {
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".divx", ".mpg", ".mpeg", ".vob", ".ts",
    ".mts", ".m2ts", ".mod", ".tod", ".dv", ".mxf", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".3gp",
    ".3g2", ".rm", ".rmvb",
}  # fmt: skip
SOUNDS = {
    ".wav", ".mp3", ".flac", ".m4a", ".ogg", ".oga", ".opus", ".aac", ".wma", ".aif", ".aiff",
    ".aifc", ".caf", ".ac3", ".amr",
}  # fmt: skip
ENDINGS = PICTURES | SOUNDS
"""Of files that are taken from a folder, in small letters."""


@contextmanager
def open_file(path: Path) -> Iterator[Any]:
    """Open container; every complaint of PyAV becomes a MediaError."""
    import av

    # an absolute path is never read as a protocol such as 'concat:'
    name = str(path.absolute())
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(name, metadata_errors="ignore", options=options)
    except av.ArgumentError:
        raise MediaError(
            f"{path} is of a format that is not read, such as a play list or a picture. "
            "Give the video file itself."
        ) from None
    except av.FFmpegError as error:
        raise MediaError(_why_unreadable(path, error)) from None
    with container:
        try:
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


def check_file(path: Path) -> Path:
    """The path as its folder spells it; MediaError for what is no media file.

    It looks before a decoder does, as text could be a play list.
    """
    path = as_spelled(path)
    if path.is_dir():
        raise MediaError(f"{path} is a folder. Give one video file.")
    if not path.is_file():
        raise MediaError(_why_no_file(path))
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise MediaError(f"{path} is empty (0 bytes). Get the file again.")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return path
    if "\0" not in text:
        raise MediaError(
            f"{path} is text, not video (it begins {text[:24]!r}). Give the video file itself."
        )
    return path


def _why_no_file(path: Path) -> str:
    if str(path) == "-":
        return "Standard input cannot be read twice, as a video must be. Save it to a file first."
    if path.is_fifo() or path.is_char_device() or path.is_socket():
        return f"{path} is a pipe or a device, which cannot be read twice. Save it to a file first."
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        address = str(path).replace(":/", "://")
        return f"{address} is an address; nothing is fetched here. Download it and give the file."
    return f"{path} does not exist. Check the path."


def check(path: Path | str, require: Require = "both") -> None:
    """MediaError, in milliseconds, for a file that `read` would refuse for its kind or tracks."""
    path = check_file(Path(path))
    with open_file(path) as container:
        pick_streams(container, path, require)


def is_cut_riff(path: Path) -> bool:
    """True for an AVI or WAV whose file is shorter than its first line says."""
    with path.open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    return head[:4] == b"RIFF" and size < 2**32 - 1 and path.stat().st_size < size


def pick_streams(container: Any, path: Path, require: Require) -> dict[str, Any]:
    """The track of each kind that players take, or None; MediaError where `require` fails."""
    streams = {name: _preferred(_tracks(container, name)) for name in ("video", "audio")}
    if not any(streams.values()):
        raise MediaError(f"{path} holds neither picture nor sound. Give a video file.")
    if streams["video"] is None and require in ("both", "video"):
        raise MediaError(
            f"{path} has sound but no picture. Give a video file that shows the music."
        )
    if streams["audio"] is None and require in ("both", "audio"):
        raise MediaError(f"{path} has no sound. Give a video file with its sound track.")
    _check_sizes(path, streams)
    return streams


def choice(container: Any, stream: Any) -> Choice | None:
    """Which of its kind a stream is."""
    if stream is None:
        return None
    tracks = [track.index for track in _tracks(container, stream.type)]
    return Choice(tracks.index(stream.index) + 1, len(tracks))


def _tracks(container: Any, kind: str) -> list[Any]:
    """Tracks that can be decoded; a cover picture in a song is no video."""
    from av.stream import Disposition

    no_film = Disposition.attached_pic | Disposition.timed_thumbnails
    return [
        stream
        for stream in getattr(container.streams, kind)
        if stream.codec_context is not None and not stream.disposition & no_film
    ]


def _preferred(tracks: Sequence[Any]) -> Any:
    """The default track, else one that is not for people with impaired senses, else the first."""
    from av.stream import Disposition

    special = Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.comment

    def rank(stream: Any) -> tuple[bool, bool]:
        return not stream.disposition & Disposition.default, bool(stream.disposition & special)

    return min(tracks, key=rank, default=None)  # the first of equals


def _check_sizes(path: Path, streams: dict[str, Any]) -> None:
    """Refuse pictures and rates that would take gigabytes from a file of kilobytes."""
    video, audio = streams["video"], streams["audio"]
    if video is not None:
        width, height = video.codec_context.width, video.codec_context.height
        if width * height > MOST_PIXELS:
            raise MediaError(
                f"{path} has pictures of {width} x {height}; at most 8192 x 4320 are read. "
                "Make it smaller."
            )
        video.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # they may grow later
    rate_hz = audio.codec_context.sample_rate if audio is not None else 0
    if rate_hz and not LEAST_HZ <= rate_hz <= MOST_HZ:
        raise MediaError(
            f"{path} has sound of {rate_hz} samples a second; {LEAST_HZ} to {MOST_HZ} are read. "
            "Its header is damaged: get it again."
        )
