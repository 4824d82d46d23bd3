"""Damaged files: arrays or one line, never anything else, and never more than the file bears."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.media import FRAMES, MOTION, SOUND, Limits, MediaError, read_pieces

LIMITS = Limits(seconds=60.0, n_bytes=2**26)
ENDINGS = ["mp4", "mkv", "ts", "avi", "flv", "mov", "wav"]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, double, swap or blank parts."""
    array = np.frombuffer(data, np.uint8).copy()
    kind = rng.integers(5)
    start, stop = sorted(int(i) for i in rng.integers(0, len(array), 2))
    if kind == 0:
        places = rng.integers(0, len(array), rng.integers(1, 500))
        array[places] = rng.integers(0, 256, len(places))
    elif kind == 1:
        array = array[:start]
    elif kind == 2:
        array = np.concatenate([array[:stop], array[start:]])
    elif kind == 3:
        array = np.concatenate([array[stop:], array[:start]])
    else:
        array[start : min(stop, start + 2000)] = rng.integers(0, 256)
    return array.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_any_damage_gives_pieces_or_one_line(tmp_path, ending):
    frames = None if ending == "wav" else grey_frames(30)
    codec = {"wav": "pcm_s16le", "avi": "mp3"}.get(ending, "aac")
    whole = write_media(tmp_path / f"a.{ending}", frames, wave=sine(440, 3.0), codec=codec)
    data, path = whole.read_bytes(), tmp_path / f"damaged.{ending}"
    n_read, lines = 0, list[str]()
    for seed in range(100):
        path.write_bytes(damaged(data, np.random.default_rng(seed)))
        try:
            pieces = list(read_pieces(path, (FRAMES, MOTION, SOUND), 2, 1, limits=LIMITS,
                                      require="any"))  # fmt: skip
        except MediaError as error:
            lines.append(str(error))
            continue
        n_read += 1
        account = pieces[-1].media.account
        assert account.used_s <= 60
        total_s = sum(piece.around(0).duration_s for piece in pieces)
        assert total_s == pytest.approx(account.used_s)
    assert n_read > 10
    assert not [line for line in lines if "\n" in line]
