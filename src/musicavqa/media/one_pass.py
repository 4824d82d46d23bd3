"""The pass over a file: packets to pictures and sound, given out whole or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from musicavqa.media.account import BLACK, SILENT, Account
from musicavqa.media.clock import Clock, Joints
from musicavqa.media.cutter import Cut, Cutter
from musicavqa.media.limits import LIMITS, Limits
from musicavqa.media.opening import check_file, choice, is_cut_riff, open_file, pick_streams
from musicavqa.media.pictures import Grid, Screen
from musicavqa.media.sound import Track
from musicavqa.media.wanted import MediaError, Pictures, Piece, Require, Sound, Wanted

TRUNCATED_S = 1.0
UNREAD, INDEX_BYTES = 0.1, 48
"""Share of a file that may lie behind its last packet without a word, besides an index that takes
so many bytes a packet."""
PADDING_S = 0.1
TAIL_S = 0.25
"""Sound that is longer than the picture by less is padding of its encoder."""


def read_pieces(
    path: Path | str,
    wanted: Sequence[Wanted],
    piece_s: int | None = None,
    around_s: int = 0,
    *,
    max_s: float | None = None,
    require: Require = "both",
    n_threads: int = 0,
    limits: Limits = LIMITS,
) -> Iterator[Piece]:
    """As `read`, but `piece_s` seconds at a time, each with `around_s` more on either side.

    The last piece is longer by what is left, so that it never lacks a picture, and has the account
    of the file. No more than a piece is held in memory, as long as picture and sound go on side by
    side; where one of them stays away for 128 MB of the other, it is taken to have ended. None for
    `piece_s` makes one piece of the whole file, as does a grid that has no whole number of pictures
    in a piece. What is damaged at the end is found at the end: MediaError may come after pieces.
    """
    if max_s is not None and not max_s > 0:
        raise ValueError(f"max_s is {max_s}; it must be above 0, or None.")
    if require not in get_args(Require):
        raise ValueError(f"require is {require!r}; choose one of {get_args(Require)}.")
    cut, path = Cut(piece_s, around_s), check_file(Path(path))
    grids = [Grid(item) for item in dict.fromkeys(wanted) if isinstance(item, Pictures)]
    sounds = [item for item in dict.fromkeys(wanted) if isinstance(item, Sound)]
    with open_file(path) as container:
        clock = Clock.of(container, min(limits.seconds, max_s or limits.seconds))
        streams = pick_streams(container, path, require)
        screen = Screen(streams["video"], grids, clock) if streams["video"] else None
        track = Track(sounds, clock) if streams["audio"] else None
        sources = _Sources(path, container, clock, streams, screen, track)
        cutter = Cutter(wanted, screen, track, cut, sources.empty)
        for _ in _decode(sources, n_threads):
            while cutter.ready():
                yield cutter.piece()
            if cutter.n_bytes > limits.n_bytes:
                raise MediaError(_too_much(path, limits, cutter))
        account = _account(sources, limits.seconds if max_s is None else None)
    _check_decoded(path, screen, track, require)
    yield cutter.rest(account)


@dataclass
class _Sources:
    """An open file: its chosen streams, where they go, and how their time runs on."""

    path: Path
    container: Any
    clock: Clock
    streams: dict[str, Any]
    screen: Screen | None
    track: Track | None

    def __post_init__(self) -> None:
        self.joints = Joints(self.container, self.clock)
        self.n_damaged = 0
        self.end_byte = self.n_packets = 0  # where the last packet ends, and how many there were
        sinks = {"video": self.screen, "audio": self.track}
        self.sinks: dict[int, Any] = {
            self.streams[name].index: sink for name, sink in sinks.items() if sink is not None
        }
        self.chosen = [stream for stream in self.streams.values() if stream is not None]

    def empty(self, sink: Screen | Track) -> None:
        """Decode what waits of a sense that stays away, and what its decoder holds if it ended.

        A decoder that is emptied has forgotten what later pictures refer to.
        """
        stream = next(s for s in self.chosen if self.sinks[s.index] is sink)
        for packet in self.joints.release(stream.index):
            _take(self, packet)
        end_s = self.clock.announced(stream)
        nothing_yet = isinstance(sink, Screen) and sink.frame is None
        if nothing_yet or (end_s is not None and sink.end_s > end_s - TRUNCATED_S):
            for frame in _decoded(self, stream, None):
                sink.add(frame)
            stream.codec_context.flush_buffers()


def _decode(sources: _Sources, n_threads: int) -> Iterator[None]:
    """One pass over the packets of both senses, a step each; damage is counted and passed over."""
    screen, sinks = sources.screen, sources.sinks
    if screen is not None:
        sources.streams["video"].thread_type = "AUTO"
        sources.streams["video"].codec_context.thread_count = n_threads
    over: set[int] = set()
    for packet in sources.joints.run_on(_packets(sources)):
        if sinks[packet.stream.index].full or sources.clock.is_over(packet):
            over.add(packet.stream.index)
            if len(over) == len(sinks):
                break
        else:
            _take(sources, packet)
            yield
    for stream in sources.chosen:  # after an unreadable place the decoders still hold frames
        if not sinks[stream.index].full:
            for frame in _decoded(sources, stream, None):
                sinks[stream.index].add(frame)
    if screen is not None:
        screen.end_s = max(screen.end_s, screen.left_out_end_s)


def _take(sources: _Sources, packet: Any) -> None:
    """Decode a packet for its sense; without grids pictures are passed by."""
    sink = sources.sinks[packet.stream.index]
    if isinstance(sink, Screen):
        if not sink.grids:
            sink.pass_by(packet)
            return
        _skip_unseen(sink, packet)
    for frame in _decoded(sources, packet.stream, packet):
        sink.add(frame)


def _skip_unseen(screen: Screen, packet: Any) -> None:
    """Let the decoder leave out a picture that is neither shown nor needed by another picture."""
    skipped = "NONREF" if screen.leaves_out(packet) else "DEFAULT"
    packet.stream.codec_context.skip_frame = skipped


def _packets(sources: _Sources) -> Iterator[Any]:
    """Packets up to the end of the file or to the first place that cannot be read."""
    import av

    try:
        for packet in sources.container.demux(*sources.chosen):
            sources.n_packets += 1
            sources.end_byte = max(sources.end_byte, (packet.pos or 0) + packet.size)
            yield packet
    except IndexError:  # PyAV, at the end, of a stream born half-way
        return
    except av.FFmpegError:
        sources.n_damaged += 1


def _decoded(sources: _Sources, stream: Any, packet: Any) -> list[Any]:
    """Frames of one packet, none where it is damaged; None empties the decoder."""
    import av

    try:
        frames = stream.decode(packet)
    except av.EOFError:  # it was emptied before
        return []
    except av.FFmpegError:
        sources.n_damaged += 1
        return []
    for frame in frames:
        sources.n_damaged += frame.is_corrupt
        if packet is None:  # PyAV leaves it out when emptying
            frame.time_base = frame.time_base or stream.time_base
    return frames


def _account(sources: _Sources, most_s: float | None) -> Account:
    """Empty what is still held, and tell what became of the file; `most_s` is the limit."""
    clock, screen, track = sources.clock, sources.screen, sources.track
    if track is not None:
        track.finish()
    sound_s, picture_s = _sound_s(sources), screen.end_s if screen else 0.0
    used_s = min(_end(screen, picture_s, sound_s), clock.max_s)
    if screen is not None:
        screen.finish(used_s)
    grids = screen.grids if screen is not None else []
    whole = most_s is not None and used_s >= most_s
    sound = _sound_facts(track, used_s) if track is not None and sound_s else {}
    return Account(
        used_s=used_s,
        announced_s=clock.announced_s,
        limited=whole,
        truncated=_is_truncated(sources) or is_cut_riff(sources.path),
        unread=0.0 if used_s >= clock.max_s else _unread(sources),
        n_damaged=_n_damaged(sources),
        restarts_s=tuple(sources.joints.begins_s),
        held_s=max(used_s - picture_s, 0.0) if picture_s else 0.0,
        frozen_s=screen.frozen_s if screen else 0.0,
        black=bool(grids) and all(grid.brightest < BLACK for grid in grids),
        aspect=screen.aspect if screen is not None else None,
        picture=choice(sources.container, sources.streams["video"]),
        sound=choice(sources.container, sources.streams["audio"]),
        **sound,
    )


def _sound_s(sources: _Sources) -> float:
    """End of the sound, without what an encoder adds to fill its last frame."""
    if sources.track is None:
        return 0.0
    last_s, announced_s = sources.track.last_s, sources.clock.announced(sources.streams["audio"])
    if announced_s is not None and 0 < last_s - announced_s < PADDING_S:
        return announced_s
    return last_s


def _end(screen: Screen | None, picture_s: float, sound_s: float) -> float:
    """Where the clip ends: with its picture, unless the sound goes on; a still lasts as it does."""
    if screen is None or not screen.n:
        return sound_s
    goes_on = screen.n == 1 or sound_s - picture_s > TAIL_S
    return max(picture_s, sound_s) if goes_on else picture_s


def _sound_facts(track: Track, used_s: float) -> dict[str, Any]:
    ended = used_s - track.last_s > TRUNCATED_S
    return {
        "late_s": track.late_s,
        "mute_s": track.mute_s,
        "ended_s": track.last_s if ended else None,
        "silent": bool(track.resampled) and track.peak < SILENT,
    }


def _n_damaged(sources: _Sources) -> int:
    lost = sum(sink.n_damaged for sink in sources.sinks.values())
    return sources.n_damaged + sources.joints.n_taken_back + lost


def _unread(sources: _Sources) -> float:
    """Share of the file that lies behind the last packet, where packets tell their place."""
    size = sources.container.size
    behind = size - sources.end_byte - INDEX_BYTES * sources.n_packets
    return 1 - sources.end_byte / size if sources.end_byte and behind > UNREAD * size else 0.0


def _too_much(path: Path, limits: Limits, cutter: Cutter) -> str:
    return (
        f"{path}: decoded pictures and sound take more than {limits.n_bytes / 2**20:.0f} MB. "
        "Read less of it (--max-seconds), or allow more (--max-memory)."
    )


def _is_truncated(sources: _Sources) -> bool:
    """True where a stream, or all of them together, end over 1 s before they should."""
    clock, sinks = sources.clock, sources.sinks
    if sources.joints.begins_s:  # what is announced goes by time stamps that start again
        return False
    ends = [  # (announced, decoded)
        (clock.announced(stream), _decoded_s(sinks[stream.index])) for stream in sources.chosen
    ]
    ends.append((clock.announced_s, max(map(_decoded_s, sinks.values()))))
    return any(
        announced_s is not None and min(announced_s, clock.max_s) - end_s > TRUNCATED_S
        for announced_s, end_s in ends
    )


def _decoded_s(sink: Screen | Track) -> float:
    return sink.last_s if isinstance(sink, Track) else sink.end_s


def _check_decoded(
    path: Path, screen: Screen | None, track: Track | None, require: Require
) -> None:
    """Streams that exist but give nothing are as bad as missing ones."""
    lost = [
        name
        for name, sink in (("picture", screen), ("sound", track))
        if sink is not None and not _decoded_s(sink)
    ]
    kept = [sink for sink in (screen, track) if sink is not None and _decoded_s(sink)]
    needed = {"both": ["picture", "sound"], "video": ["picture"], "audio": ["sound"], "any": []}
    if set(lost) & set(needed[require]) or (lost and not kept):
        raise MediaError(
            f"{path}: no {' and no '.join(lost)} could be decoded: the file is "
            "damaged. Get it again."
        )
