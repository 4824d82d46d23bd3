"""The pass over a file: packets to pictures and sound, given out whole or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from musicavqa.media.clock import Clock
from musicavqa.media.cutter import Cutter
from musicavqa.media.opening import check_file, open_file, pick_streams
from musicavqa.media.pictures import Grid, Screen
from musicavqa.media.sound import Track
from musicavqa.media.wanted import MediaError, Pictures, Piece, Require, Sound, Wanted

TRUNCATED_S = 1.0


def read_pieces(
    path: Path | str,
    wanted: Sequence[Wanted],
    piece_s: int | None = None,
    around_s: int = 0,
    *,
    max_s: float | None = None,
    require: Require = "both",
    n_threads: int = 0,
) -> Iterator[Piece]:
    """As `read`, but `piece_s` seconds at a time, each with `around_s` more on either side.

    The last piece is longer by what is left, so that it never lacks a picture. No more than a
    piece is held in memory, as long as picture and sound go on side by side; of a file whose sound
    ends early, all that comes after is one piece. None for `piece_s` makes one of the whole file,
    as does a grid that has no whole number of pictures in a piece. What is damaged at the end is
    found at the end: MediaError may come after pieces.
    """
    if max_s is not None and not max_s > 0:
        raise ValueError(f"max_s is {max_s}; it must be above 0, or None.")
    if require not in get_args(Require):
        raise ValueError(f"require is {require!r}; choose one of {get_args(Require)}.")
    if piece_s is not None and (around_s < 0 or piece_s < max(1, 2 * around_s)):
        raise ValueError(f"piece_s is {piece_s}; it must be above 0 and twice {around_s}.")
    path = Path(path)
    check_file(path)
    grids = [Grid(item) for item in dict.fromkeys(wanted) if isinstance(item, Pictures)]
    sounds = [item for item in dict.fromkeys(wanted) if isinstance(item, Sound)]
    with open_file(path) as container:
        clock = Clock.of(container, max_s)
        streams = pick_streams(container, path, require)
        screen = Screen(streams["video"], grids, clock) if streams["video"] else None
        track = Track(sounds, clock) if streams["audio"] and sounds else None
        cutter = Cutter(wanted, screen, track, streams["audio"] is not None, piece_s, around_s)
        for _ in _decode(container, streams, screen, track, n_threads):
            while cutter.ready():
                yield cutter.piece()
        duration_s = _finish(clock, screen, track)
        truncated = _is_truncated(clock, streams, screen, track)
    _check_decoded(path, screen, track, require)
    yield cutter.rest(duration_s, truncated)


def _decode(
    container: Any,
    streams: dict[str, Any],
    screen: Screen | None,
    track: Track | None,
    n_threads: int,
) -> Iterator[None]:
    """One pass over the packets of the wanted streams, a step each; damage is passed over."""
    sinks: dict[int, Any] = {}
    wanted = []
    for name, sink in (("video", screen), ("audio", track)):
        if sink is not None:
            sinks[streams[name].index] = sink
            wanted.append(streams[name])
    if screen is not None:
        streams["video"].thread_type = "AUTO"
        streams["video"].codec_context.thread_count = n_threads
    for packet in _packets(container, wanted):
        sink = sinks[packet.stream.index]
        if sink.full:
            if all(other.full for other in sinks.values()):
                break
        elif sink is screen and not screen.grids:
            screen.pass_by(packet)
        else:
            if isinstance(sink, Screen):
                _skip_unseen(sink, packet)
            for frame in _decoded(packet.stream, packet):
                sink.add(frame)
            yield
    for stream in wanted:  # after an unreadable place the decoders still hold frames
        if not sinks[stream.index].full:
            for frame in _decoded(stream, None):
                sinks[stream.index].add(frame)
    if screen is not None:
        screen.end_s = max(screen.end_s, screen.left_out_end_s)


def _skip_unseen(screen: Screen, packet: Any) -> None:
    """Let the decoder leave out a picture that is neither shown nor needed by another picture."""
    skipped = "NONREF" if screen.leaves_out(packet) else "DEFAULT"
    packet.stream.codec_context.skip_frame = skipped


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
    if packet is None:
        for frame in frames:  # PyAV leaves it out when emptying
            frame.time_base = frame.time_base or stream.time_base
    return frames


def _finish(clock: Clock, screen: Screen | None, track: Track | None) -> float:
    """Empty what is still held and return the duration: the picture's, else the track's."""
    sound_s = 0.0
    if track is not None:
        track.finish()
        sound_s = track.end_s
    if screen is not None and screen.n:
        still = screen.n == 1  # a still lasts as long as the sound
        end_s = max(screen.end_s, sound_s) if still else screen.end_s
        screen.finish(min(end_s, clock.max_s))
    else:
        end_s = sound_s
    return min(end_s, clock.max_s)


def _is_truncated(
    clock: Clock, streams: dict[str, Any], screen: Screen | None, track: Track | None
) -> bool:
    """True where a decoded stream, or all of them together, end over 1 s before they should."""
    ends: list[tuple[float | None, float]] = []  # (announced, decoded)
    sinks = {"video": screen, "audio": track}
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


def _check_decoded(
    path: Path, screen: Screen | None, track: Track | None, require: Require
) -> None:
    """Streams that exist but give nothing are as bad as missing ones."""
    lost = [
        name
        for name, sink in (("picture", screen), ("sound", track))
        if sink is not None and not sink.end_s
    ]
    kept = [sink for sink in (screen, track) if sink is not None and sink.end_s]
    needed = {"both": ["picture", "sound"], "video": ["picture"], "audio": ["sound"], "any": []}
    if set(lost) & set(needed[require]) or (lost and not kept):
        raise MediaError(
            f"{path}: no {' and no '.join(lost)} could be decoded: the file is "
            "damaged. Get it again."
        )
