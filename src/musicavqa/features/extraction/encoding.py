"""Encoders at work on decoded media: which there are, what they ask for, and their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from musicavqa.features.encoders.spec import Spec, held, n_kept
from musicavqa.features.store import Description, FeatureError
from musicavqa.media import Media, Pictures

with_one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Decorates what runs encoders: the products of numpy are small there, so that its threads would
cost more than they give, and its sums would depend on how many cores there are."""


class Encoder(Protocol):
    """A frozen network or signal transform.

    One that turns pictures into rows one by one may have `picture_rows(pictures) -> (n, *shape)`
    besides; it is then given the pictures of several clips at once.
    """

    @property
    def spec(self) -> Spec: ...

    def encode(self, media: Media) -> np.ndarray:
        """Rows (T, *shape) of one clip; a missing sense gives zeros."""
        ...


def specs(encoders: Sequence[str | Encoder]) -> dict[str, Spec]:
    """Cards by name, without loading a network; ValueError for one that cannot be extracted."""
    from musicavqa.features.encoders import load_spec

    found = [load_spec(item) if isinstance(item, str) else item.spec for item in encoders]
    by_name = {spec.name: spec for spec in found}
    if len(by_name) < len(found):
        raise ValueError(f"An encoder is named twice: {[spec.name for spec in found]}.")
    for name, spec in by_name.items():
        if not spec.reads:
            raise ValueError(f"{name!r} reads no media; it is an encoder of questions.")
    return by_name


def load_all(encoders: Sequence[str | Encoder], device: str = "cpu") -> dict[str, Encoder]:
    """Encoders by name; objects pass through, and names are loaded once per process."""
    loaded = [_load_named(item, device) if isinstance(item, str) else item for item in encoders]
    return dict(zip(specs(encoders), loaded, strict=True))


def get_weights(cards: Iterable[Spec]) -> None:
    """Fetch what is fetched on first use, once, before workers ask for it; WeightError."""
    from musicavqa.features.encoders.weights import weight_file

    for name in dict.fromkeys(name for spec in cards for name in spec.weights):
        weight_file(name)


def describe(spec: Spec) -> Description:
    """The store's description of an encoder, with the sha256 of its weights."""
    from musicavqa.features.encoders.weights import digest

    return Description(
        encoder=spec.name,
        hash8=spec.hash8,
        shape=spec.shape,
        rate_hz=spec.rate_hz,
        dtype=spec.dtype,
        weights={name: digest(name) for name in spec.weights},
        every_s=spec.every_s,
    )


@with_one_blas_thread
def encode_media(media: Media, encoders: Sequence[str | Encoder]) -> dict[str, np.ndarray]:
    """Rows by encoder name for one clip in memory; a missing sense gives zeros."""
    return {name: encoder.encode(media) for name, encoder in load_all(encoders).items()}


def encode_clips(encoder: Encoder, medias: Sequence[Media]) -> list[np.ndarray]:
    """Rows of each clip; the pictures of all go through `picture_rows` at once where there is one.

    As in `encode`, the last row is held to the end of a clip, and no picture gives zeros.
    """
    owed = [n_kept(encoder.spec, media.duration_s) for media in medias]
    together: Callable[[np.ndarray], np.ndarray] | None = getattr(encoder, "picture_rows", None)
    if together is None or len(medias) == 1:
        found = [encoder.encode(media) for media in medias]
    else:
        found = _encode_pictures(encoder.spec, together, medias, owed)
    for rows, n in zip(found, owed, strict=True):
        if len(rows) != n:
            raise FeatureError(
                f"{encoder.spec.name!r} gave {len(rows)} rows where {n} are due. Check the encoder."
            )
    return found


def remarks(media: Media, duration_s: float, encoders: Sequence[Encoder]) -> list[str]:
    """What is wrong with a clip that could be read all the same, by its last piece."""
    found = [f"the file is cut short: {duration_s:.1f} s"] if media.truncated else []
    for encoder in encoders:
        for item in encoder.spec.reads:
            if media[item] is None:
                sense = "picture" if isinstance(item, Pictures) else "sound"
                found.append(f"no {sense}: {encoder.spec.name} rows are zeros")
    return found


@cache
def _load_named(name: str, device: str) -> Encoder:
    from musicavqa.features.encoders import load_encoder

    return load_encoder(name, device)


def _encode_pictures(
    spec: Spec,
    together: Callable[[np.ndarray], np.ndarray],
    medias: Sequence[Media],
    owed: Sequence[int],
) -> list[np.ndarray]:
    shown = [media[spec.reads[0]] for media in medias]
    step = spec.every_s
    kept = [None if p is None else p[::step][:n] for p, n in zip(shown, owed, strict=True)]
    there = [pictures for pictures in kept if pictures is not None]
    rows = together(np.concatenate(there)) if there else np.zeros((0, *spec.shape), spec.dtype)
    found, start = [], 0
    for pictures, n in zip(kept, owed, strict=True):
        if pictures is None:
            found.append(np.zeros((n, *spec.shape), spec.dtype))
            continue
        own = rows[start : start + len(pictures)]
        start += len(pictures)
        found.append(held(own, n))
    return found
