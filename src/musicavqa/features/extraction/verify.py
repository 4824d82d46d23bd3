"""Prove a store: every shard is whole and finite, and a sample comes out again as it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicavqa.features.encoders import list_encoders, load_spec
from musicavqa.features.extraction.encoding import Encoder, describe, load_all
from musicavqa.features.extraction.pieces import encode_clip
from musicavqa.features.store import FeatureError, Folder, Store, folder
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.shards import ENDING, read_header
from musicavqa.media import LIMITS, Limits, MediaError
from musicavqa.records import Clip

TOLERANCE = 2.0**-9
"""Largest difference, as a share of the largest value of the clip: two steps of half precision,
which rounds by up to 2**-11; other processors and other batch sizes add about 1e-5."""


@dataclass(frozen=True)
class Fault:
    """Something in a store that is not as it should be."""

    where: str
    text: str


@dataclass(frozen=True)
class Recomputed:
    """One clip of one stream, made again."""

    stream: str
    clip: str
    difference: float
    """Largest difference, as a share of the largest stored value."""
    remark: str = ""
    """What is unusual about the clip's file."""

    @property
    def equal(self) -> bool:
        """Within `TOLERANCE`."""
        return self.difference <= TOLERANCE


@dataclass(frozen=True)
class Verified:
    """What `verify_features` found."""

    stores: dict[str, tuple[int, list[Fault]]]
    """'<set>/<encoder>-<hash8>' -> how many clips it holds, and what is wrong with it."""
    remade: list[Recomputed]
    """Clips that were decoded and encoded again."""

    @property
    def n_faults(self) -> int:
        """Faults of stores, and clips that did not come out as they are stored."""
        unequal = sum(not item.equal for item in self.remade)
        return unequal + sum(len(faults) for _, faults in self.stores.values())


def verify_features(
    root: Folder | Path | str,
    set_name: str | None = None,
    clips: Sequence[Clip] = (),
    streams: Sequence[str] | None = None,
    n_clips: int = 3,
    seed: int = 0,
    limits: Limits = LIMITS,
    device: str = "cpu",
) -> Verified:
    """Check every shard under `root`: sizes, shapes, types, finite values.

    `set_name` None checks all sets. Where all are whole, a sample of `n_clips` of `clips` is
    decoded and encoded again and compared; `streams` None takes all stored ones that this version
    makes. Networks compute on `device`. FeatureError says that none of the clips is stored.
    """
    place = folder(root)
    stores = {
        f"{part}/{store}": check_shards(place / part / store)
        for part in ([set_name] if set_name else place.folders())
        for store in (place / part).folders()
        if store != CLAIMS
    }
    remade: list[Recomputed] = []
    if clips and set_name and not any(faults for _, faults in stores.values()):
        chosen = streams or _made_today((place / set_name).folders())
        remade = recompute(clips, chosen, place, set_name, n_clips, seed, limits, device)
    return Verified(stores, remade)


def check_shards(address: Folder | Path | str) -> tuple[int, list[Fault]]:
    """Number of arrays, and what is wrong with headers, sizes, shapes, types and values."""
    place = folder(address)
    store: Store | None = None
    faults = _check_headers(place)
    if not faults:
        try:
            store = Store.open(place)
        except (FeatureError, FileNotFoundError) as error:
            faults = [Fault(str(place), str(error))]
    if store is None:
        return 0, faults
    for clip_id in store.ids():
        where = f"{place} clip {clip_id!r}"
        if problem := store.problem(clip_id):
            faults.append(Fault(where, problem))
        elif store.description.dtype.startswith("f") and not np.isfinite(store[clip_id]).all():
            faults.append(Fault(where, "has values that are not finite"))
    if store.manifest["n_clips"] != len(store):
        text = f"the manifest counts {store.manifest['n_clips']} clips, {len(store)} are there"
        faults.append(Fault(str(place), f"{text}. Run the extraction again: it mends that."))
    return len(store), faults


def recompute(
    clips: Sequence[Clip],
    encoders: Sequence[str | Encoder],
    root: Folder | Path | str,
    set_name: str,
    n_clips: int,
    seed: int = 0,
    limits: Limits = LIMITS,
    device: str = "cpu",
) -> list[Recomputed]:
    """Decode and encode a random sample of the stored clips again, and compare.

    Raises FeatureError where no clip of the list is stored in all of the streams.
    """
    loaded = load_all(encoders, device)
    place = folder(root) / set_name
    stores = {n: Store.open(place / describe(e.spec).folder_name) for n, e in loaded.items()}
    there = [clip for clip in clips if all(clip.id in store for store in stores.values())]
    if not there:
        raise FeatureError(f"None of the {len(clips)} clips is in {', '.join(stores)} of {place}.")
    order = np.random.default_rng(seed).permutation(len(there))[:n_clips]
    found = []
    for clip in (there[i] for i in order):
        try:
            made, remark = encode_clip(clip, list(loaded.values()), limits)
        except MediaError as error:
            raise FeatureError(f"Clip {clip.id!r} is stored but cannot be read: {error}") from None
        for name, rows in made.items():
            difference = _difference(stores[name][clip.id], rows)
            found.append(Recomputed(name, clip.id, difference, remark))
    return found


def _made_today(stores: Sequence[str]) -> list[str]:
    """Encoders whose rows in these folders are what they make with today's weights."""
    named = {store.rpartition("-")[0] for store in stores} & set(list_encoders())
    return [name for name in sorted(named) if f"{name}-{load_spec(name).hash8}" in stores]


def _difference(stored: np.ndarray, made: np.ndarray) -> float:
    if stored.shape != made.shape:
        return float("inf")
    stored, made = stored.astype(np.float64), made.astype(np.float64)
    scale = max(float(np.abs(stored).max(initial=0.0)), 1e-6)
    return float(np.abs(stored - made).max(initial=0.0)) / scale


def _check_headers(place: Folder) -> list[Fault]:
    faults = []
    for shard in place.files(ENDING):
        where = f"{place}/{shard}"
        try:
            _, n_bytes = read_header(place, shard)
        except FeatureError as error:
            faults.append(Fault(where, str(error)))
            continue
        if place.size(shard) != n_bytes:
            there = place.size(shard)
            text = f"has {there} bytes, its header says {n_bytes}. Delete it and run again."
            faults.append(Fault(where, text))
    return faults
