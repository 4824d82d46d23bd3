"""Open a file, or say in one sentence why it cannot be read."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musicavqa.media.wanted import MediaError, Require


@contextmanager
def open_file(path: Path) -> Iterator[Any]:
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


def check_file(path: Path) -> None:
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


def pick_streams(container: Any, path: Path, require: Require) -> dict[str, Any]:
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
