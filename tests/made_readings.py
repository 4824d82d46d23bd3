"""Readings made by hand, and the exact reading of a scene, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicavqa.bandstand.truth import Scene, clip_targets, read_truth, tick_targets
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading, Seen
from musicavqa.rules.facts import Interval, merged
from musicavqa.rules.tables import Beliefs

CERTAIN = Beliefs(
    usual=0.5, if_seen=0.5, if_unseen=0.5, x_spread=0.0, level_spread_db=0.0, rate_spread=0.0
)
"""Nothing is expected and nothing is blurred: what the reading says is all there is."""


def shares_of(**names: float) -> np.ndarray:
    """(22,) shares of instruments by name."""
    shares = np.zeros(len(INSTRUMENTS))
    for name, share in names.items():
        shares[INSTRUMENTS.index(name)] = share
    return shares


def seen_at(x: float, n_ticks: int = 100, share: float = 1.0, sounds: float = 1.0, **names: float):
    """A performer at `x` who is seen as these instruments."""
    return Seen(
        share=share,
        instruments=shares_of(**names),
        x=x,
        y=0.6,
        height=0.6,
        x_spread=0.0,
        plays=np.ones(n_ticks),
        sounds=sounds,
        moves=1.0,
    )


def made_reading(
    seen: Sequence[Seen] = (),
    heard: Mapping[str, tuple[float, Sequence[Interval]]] | None = None,
    n_ticks: int = 100,
    **changed: Any,
) -> Reading:
    """A reading of `n_ticks` tenths of a second; `heard` name -> (share, when it sounds)."""
    activity = np.zeros((n_ticks, len(INSTRUMENTS)))
    for name, (_, spans) in (heard or {}).items():
        for start_s, stop_s in spans:
            activity[round(start_s * 10) : round(stop_s * 10), INSTRUMENTS.index(name)] = 1.0
    facts: dict[str, Any] = {
        "duration_s": n_ticks / 10,
        "tick_s": 0.1,
        "seen": tuple(seen),
        "heard": shares_of(**{name: share for name, (share, _) in (heard or {}).items()}),
        "activity": activity,
        "level_db": np.zeros(len(INSTRUMENTS)),
        "onset_rate": np.full(len(INSTRUMENTS), 2.0),
        "voiceover": 0.0,
        "outdoor": 0.0,
    }
    return Reading(**{**facts, **changed})


def exact_reading(scene: Scene) -> Reading:
    """What a perfect eye and ear would say of a scene, to a tenth of a second."""
    truth, targets = read_truth(scene), clip_targets(scene)
    n_seconds = int(np.ceil(truth.duration_s))
    ticks = tick_targets(scene, n_seconds)["activity_10hz"]
    seen = []
    for player in truth.seen:
        plays = np.zeros(len(ticks))
        for start_s, stop_s in merged(player.intervals):
            plays[int(np.floor(start_s * 10)) : int(np.ceil(stop_s * 10))] = 1.0
        name = INSTRUMENTS.index(player.instrument)
        seen.append(
            Seen(
                share=1.0,
                instruments=np.eye(len(INSTRUMENTS))[name],
                x=player.x,
                y=0.6,
                height=0.6,
                x_spread=0.0,
                plays=plays,
                sounds=float(player.heard),
                moves=float(player.moves),
                times=plays,
                in_step=player.moves * (4.0 if player.heard else -4.0),
            )
        )
    return Reading(
        duration_s=truth.duration_s,
        tick_s=0.1,
        seen=tuple(sorted(seen, key=lambda one: one.x)),
        heard=(targets["heard"] > 0).astype(float),
        activity=(ticks > 0).astype(float),
        level_db=np.nan_to_num(targets["loudness"]),
        onset_rate=np.nan_to_num(targets["onset_rate"]),
        voiceover=float(truth.voiceover),
        outdoor=float(truth.place == "outdoor"),
    )
