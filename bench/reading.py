"""Reading AVST's training items: rows of a store beside whole float32 npy files.

    python bench/reading.py [--clips 32] [--items 16] [--batches 1]

An item is what AVST's released loader gives: the ten maps (512, 14, 14) of every sixth second, ten
maps of other clips drawn at random, and ten rows of VGGish. The released loader opens the whole
file of 24 MB for the clip and for each of the ten others; a store gives views of the rows alone, in
half precision, that are copied once, into the batch. Both go through torch's DataLoader with two
workers, warm in the page cache, in batches of 64; of the released one only `--items` are read, as
each costs the same. A loader that gives empty items is taken off both: its workers cost what they
cost. The numbers are random; files go to a temporary folder (26 MB a clip) and are deleted.

The third way is the training path itself (`batches.make_batches`, no workers): it reads each clip
of a batch once, draws the negatives among them, and gives float32; the negatives are taken from
the batch on the device that trains, so they are neither read nor moved. "store, float32" adds to
the store's loader what it takes to make float32 of the batch on a CPU; a GPU does that by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from decode import cpu_seconds
from musicavqa.features.grids import on_one_grid
from musicavqa.features.store import Description, Store, Writer
from musicavqa.questions import TEMPLATES, fill
from musicavqa.records import Clip, Question
from musicavqa.training.batches import Collation, make_batches

SECONDS, STEP, ROWS = 60, 6, 10
MAP, SOUND = (512, 14, 14), (128,)
BATCH, WORKERS = 64, 2
STREAMS = ("audio_sound", "visual_maps")
WANTED = 50


def write_both(folder: Path, n_clips: int) -> tuple[int, int]:
    """Both layouts with equal random numbers; bytes of each."""
    rng = np.random.default_rng(0)
    writers = {
        "maps": Writer(folder / "store/maps", Description("maps", "0" * 8, MAP, every_s=STEP)),
        "sound": Writer(folder / "store/sound", Description("sound", "0" * 8, SOUND)),
    }
    maps = rng.standard_normal((SECONDS, *MAP), np.float32)
    sound = rng.standard_normal((SECONDS, *SOUND), np.float32)
    for clip in names(n_clips):
        maps[0, 0] = rng.standard_normal(MAP[1:], np.float32)  # no two files are equal
        for name, rows in (("maps", maps), ("sound", sound)):
            (folder / name).mkdir(exist_ok=True)
            np.save(folder / name / f"{clip}.npy", rows)
        writers["maps"].add(clip, maps[::STEP])
        writers["sound"].add(clip, sound)
    for writer in writers.values():
        writer.close()
    npy = sum(file.stat().st_size for file in folder.glob("*/*.npy"))
    return npy, sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def names(n_clips: int) -> list[str]:
    return [f"{index:08d}" for index in range(n_clips)]


class Items(Dataset):
    """`n_items` items, of the clips in turn; `read(clip, others, rng)` gives one."""

    def __init__(self, n_clips: int, n_items: int, read: Callable[..., dict[str, Any]]) -> None:
        self.clips, self.n_items, self.read = names(n_clips), n_items, read

    def __len__(self) -> int:
        return self.n_items

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng(index)
        own = index % len(self.clips)
        others = (own + rng.integers(1, len(self.clips), ROWS)) % len(self.clips)
        return self.read(self.clips[own], [self.clips[other] for other in others], rng)


class WholeFiles:
    """As the released loader reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, clip: str, others: list[str], rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        drawn = torch.empty(0)
        for other in others:
            maps = torch.from_numpy(np.load(self.folder / f"maps/{other}.npy"))
            drawn = torch.cat((drawn, maps[rng.integers(SECONDS)][None]))
        sound = np.load(self.folder / f"sound/{clip}.npy")[::STEP]
        own = np.load(self.folder / f"maps/{clip}.npy")[::STEP]
        return {"audio": torch.from_numpy(sound), "own": torch.from_numpy(own), "drawn": drawn}


class StoredRows:
    """Only the rows that are used."""

    def __init__(self, folder: Path) -> None:
        self.maps, self.sound = Store(folder / "store/maps"), Store(folder / "store/sound")

    def __call__(self, clip: str, others: list[str], rng: np.random.Generator) -> dict[str, Any]:
        """Views of the files; the loader copies them once, into the batch that it shares."""
        return {
            "audio": self.sound[clip][::STEP],
            "own": self.maps[clip],
            "drawn": [self.maps[other][int(rng.integers(ROWS))] for other in others],
        }


def nothing(clip: str, others: list[str], rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """An empty item."""
    return {"audio": torch.empty(0)}


def load(items: Items, to_float: bool = False) -> None:
    """All batches through two workers."""
    for batch in DataLoader(items, BATCH, num_workers=WORKERS):
        if to_float:
            _ = [batch[name].float() for name in ("audio", "own")]
            _ = [rows.float() for rows in batch["drawn"]]


def train_path(folder: Path, n_clips: int, per_clip: int, take: bool) -> tuple[float, int]:
    """CPU seconds of `make_batches` over all clips, and its items; `take` the negatives, too."""
    stores = {name: Store(folder / "store" / name.partition("_")[2]) for name in STREAMS}
    streams = on_one_grid(stores)
    clips = [Clip(name, None, float(SECONDS)) for name in names(n_clips)]
    template = next(template for template in TEMPLATES if not template.slots)
    facts = (fill(template.number, ()), template.number, (), template.cell, "yes")
    asked = [clip.id for clip in clips for _ in range(per_clip)]
    questions = [Question(f"bench/train/{i}", clip, *facts) for i, clip in enumerate(asked)]

    def work() -> None:
        collation = Collation(negatives=("visual_maps",))
        rng = np.random.default_rng(0)
        for batch in make_batches(clips, questions, streams, BATCH // per_clip, rng, collation):
            assert len(batch.negatives) == 1
            if take:
                assert batch.negatives["visual_maps"].shape == batch.streams["visual_maps"].shape

    return cpu_seconds(work, 2), len(questions)


def one_item(read: Callable[..., Any], n_clips: int, n_items: int) -> float:
    """CPU seconds of an item in this process, as a batch of one."""
    items = Items(n_clips, n_items, read)
    start = time.process_time()
    for index in range(n_items):
        default_collate([items[index]])
    return (time.process_time() - start) / n_items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--items", type=int, default=16, help="read in the released way")
    parser.add_argument("--batches", type=int, default=2, help="of 64, read from the store")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        npy, stored = write_both(folder, given.clips)
        print(f"{given.clips} clips: npy {npy / 1e9:.2f} GB, store {stored / 1e9:.3f} GB, "
              f"{npy / stored:.1f} times less")  # fmt: skip
        compare(folder, given.clips, given.items, given.batches * BATCH)


def compare(folder: Path, n_clips: int, n_whole: int, n_stored: int) -> None:
    """CPU seconds a batch of 64, all ways."""
    whole, stored = WholeFiles(folder), StoredRows(folder)
    bare = [one_item(stored, n_clips, BATCH), one_item(whole, n_clips, 4)]
    print(f"an item without workers: npy {bare[1] * 1e3:.1f} ms, store {bare[0] * 1e3:.2f} ms, "
          f"{bare[1] / bare[0]:.0f} times")  # fmt: skip
    idle = cpu_seconds(lambda: load(Items(n_clips, n_stored, nothing)), 2)
    used = {
        "store, half": (cpu_seconds(lambda: load(Items(n_clips, n_stored, stored)), 2), n_stored),
        "npy": (cpu_seconds(lambda: load(Items(n_clips, n_whole, whole)), 1), n_whole),
        "store, float32": (
            cpu_seconds(lambda: load(Items(n_clips, n_stored, stored), True), 2),
            n_stored,
        ),
    }
    a_batch = {name: (cpu - idle) * BATCH / n for name, (cpu, n) in used.items()}
    for per_clip in (1, 4):
        for take in (True, False):
            cpu, n = train_path(folder, n_clips, per_clip, take)
            how = f"{per_clip} per clip{', negatives taken' if take else ''}"
            a_batch[f"make_batches, {how}"] = cpu * BATCH / n
    print(f"(two idle workers, taken off: {idle:.2f} CPU s)")
    for name, cpu in a_batch.items():
        print(f"{name:42} {cpu:7.3f} CPU s a batch of 64   {a_batch['npy'] / cpu:6.1f} times")
    print(f"asked for: {WANTED} times")


if __name__ == "__main__":
    main()
