"""Rendering speed: clips of 10 s (320x240, 10 fps) per second with one process per core.

Run: python bench/render.py [n_clips] [workers]. The target is 1.5 clips per second on 2 cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from musicavqa.bandstand.produce import produce


def main() -> None:
    n_clips = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        made = produce(Path(folder), "val", n_clips, workers=workers)
        spent_s = time.perf_counter() - start
        n_made = len(list((made / "clips").glob("*.mp4")))
    print(
        f"{n_made} clips in {spent_s:.1f} s with {workers} processes: {n_made / spent_s:.2f} per s"
    )


if __name__ == "__main__":
    main()
