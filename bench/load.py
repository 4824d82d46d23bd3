"""Seconds to load as many rows as MUSIC-AVQA has (45,624), beside a bare json.load of their bytes.

    python bench/load.py [FOLDER WITH THE CLONES, default ../shared/data]

Where the training file is missing, the rows of the files that are there are repeated to that size.
CPU seconds, best of several; the wall clock says the same on a quiet machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
import timeit
from pathlib import Path
from time import process_time

from musicavqa.datasets import music_avqa, official, sources

N_ROWS = 45_624
SPLITS = ("train", "val", "test", "train_fake@json", "val@disjoint", "test@disjoint")


def collect(root: Path) -> list[dict]:
    """Rows of the files that are there, repeated or cut to `N_ROWS`."""
    rows: list[dict] = []
    for split in SPLITS:
        path = sources.find(root, music_avqa.SPLITS[split])
        rows += official.read_rows(path) if path is not None and len(rows) < N_ROWS else []
    if not rows:
        raise FileNotFoundError(f"There are no files of MUSIC-AVQA under {root}.")
    return (rows * (N_ROWS // len(rows) + 1))[:N_ROWS]


def load(path: Path) -> None:
    """What `load_dataset` does: parse, check every row, make questions and clips."""
    official.to_clips(official.read_questions(path, "music_avqa/train"), {})


def best(statement: str, path: Path, repeats: int = 7) -> float:
    """CPU seconds of the fastest run."""
    names = {"json": json, "load": load, "path": path}
    return min(
        timeit.repeat(statement, globals=names, timer=process_time, repeat=repeats, number=1)
    )


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.json"
        path.write_text(json.dumps(collect(root), indent=2), encoding="utf-8")
        plain, ours = best("json.loads(path.read_bytes())", path), best("load(path)", path)
        size = path.stat().st_size / 1e6
    print(f"{N_ROWS:,} rows, {size:.1f} MB: json.load {plain:.3f} s, loader {ours:.3f} s, "
          f"ratio {ours / plain:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
