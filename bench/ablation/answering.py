"""Answers of a cell: a reading from its parts, tables that fit it, facts that it lacks, votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ablation.design import Cell
from ablation.frequencies import Frequencies
from ablation.perceived import Heard, Seen
from ablation.weighing import (
    Judge,
    Spreads,
    audible_shares,
    fit_features,
    sources,
    voiceover_share,
)
from musicavqa.answers import ANSWERS, index
from musicavqa.bandstand.truth import Scene, clip_targets, read_truth, tick_targets
from musicavqa.methods.layers.listening import TICKS, N
from musicavqa.questions import INSTRUMENTS, TEMPLATES
from musicavqa.records import Question, Reading
from musicavqa.records import Seen as Performer
from musicavqa.rules.tables import Beliefs, Table, draw_tables
from musicavqa.rules.votes import votes

N_TABLES = 32
"""Drawn of each clip, in every cell."""
DOUBT = 0.02
"""Weight of the frequency of answers beside the tables' votes."""
FAINT = 0.02
"""Slots that are taken with less are left out."""
LEAST = 0.01
"""Count of an answer that never came."""


def reading_of(
    cell: Cell, judge: Judge, seen: Seen, heard: Heard, frequencies: Frequencies
) -> Reading:
    """What a cell perceives of a clip, in probabilities; what it lacks is not looked at later."""
    n_ticks = len(heard.speech)
    if cell.place_time:
        performers = _placed(cell, judge, seen, heard)
    else:
        performers = _counted(judge, seen, frequencies, n_ticks)
    level_db, onset_rate = sources(heard)
    return Reading(
        duration_s=n_ticks / TICKS,
        tick_s=1 / TICKS,
        seen=tuple(performers),
        heard=audible_shares(judge, heard),
        activity=_times(heard) if cell.place_time else np.ones_like(heard.activity),
        level_db=level_db,
        onset_rate=onset_rate,
        voiceover=voiceover_share(judge, heard),
        outdoor=float(judge.outdoor.shares(np.array([[seen.outdoor]]))[0]),
    )


def _times(heard: Heard) -> np.ndarray:
    """(K, 22) activity as a share of the highest of each instrument.

    A faint ear is never sure of a tick; an instrument that is heard, taken as a whole, would have
    no time at which it plays.
    """
    return heard.activity / np.maximum(heard.activity.max(0), 1e-6)


def _placed(cell: Cell, judge: Judge, seen: Seen, heard: Heard) -> list[Performer]:
    assert judge.there is not None
    assert judge.sounds is not None
    if not len(seen.x):
        return []
    names = seen.names * judge.names
    shares = np.exp(names - names.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    there = judge.there.shares(seen.there)
    n_ticks = len(heard.speech)
    sounds = judge.sounds.shares(fit_features(cell, seen, heard, seen.names))
    return [
        _performer(float(there[i]), shares[i], float(seen.x[i]), float(sounds[i]), n_ticks)
        for i in range(len(seen.x))
    ]


def _counted(judge: Judge, seen: Seen, frequencies: Frequencies, n_ticks: int) -> list[Performer]:
    scale, shift = judge.slots
    taken = 1 / (1 + np.exp(-(scale * seen.slots + shift)))
    return [
        _performer(float(share), np.eye(N)[name], 0.5, frequencies.equal_sounds, n_ticks)
        for name, slots in enumerate(taken)
        for share in slots
        if share > FAINT
    ]


def _performer(
    share: float, instruments: np.ndarray, x: float, sounds: float, n_ticks: int
) -> Performer:
    return Performer(
        share=share,
        instruments=instruments,
        x=x,
        y=0.6,
        height=0.6,
        x_spread=0.0,
        plays=np.ones(n_ticks),
        sounds=sounds,
        moves=1.0,
    )


def exact_reading(cell: Cell, scene: Scene, frequencies: Frequencies) -> Reading:
    """What perfect senses would say of a scene, as far as the cell says it."""
    truth, targets = read_truth(scene), clip_targets(scene)
    activity = tick_targets(scene, int(np.ceil(truth.duration_s)))["activity_10hz"]
    performers = []
    for player in sorted(truth.seen, key=lambda player: player.x):
        name = INSTRUMENTS.index(player.instrument)
        sounds = float(player.heard) if cell.place_time else frequencies.equal_sounds
        performers.append(_performer(1.0, np.eye(N)[name], player.x, sounds, len(activity)))
    return Reading(
        duration_s=truth.duration_s,
        tick_s=1 / TICKS,
        seen=tuple(performers),
        heard=(targets["heard"] > 0).astype(float),
        activity=(activity > 0).astype(float) if cell.place_time else np.ones(activity.shape),
        level_db=np.nan_to_num(targets["loudness"]),
        onset_rate=np.nan_to_num(targets["onset_rate"]),
        voiceover=float(truth.voiceover),
        outdoor=float(truth.place == "outdoor"),
    )


def beliefs_of(frequencies: Frequencies, joined: bool, spreads: Spreads) -> Beliefs:
    """What is expected before anything is perceived.

    Where sight and hearing are not `joined`, what sounds is expected alike of all instruments.
    """
    return Beliefs(
        usual=frequencies.usual,
        if_seen=frequencies.if_seen if joined else frequencies.usual,
        if_unseen=frequencies.if_unseen if joined else frequencies.usual,
        level_spread_db=spreads.level_db,
        rate_spread=spreads.rate,
    )


def tables_of(
    cell: Cell,
    reading: Reading,
    beliefs: Beliefs,
    frequencies: Frequencies,
    rng: np.random.Generator,
) -> list[Table]:
    """Tables that fit the reading, with every fact that the cell lacks drawn from `frequencies`."""
    drawn = draw_tables(reading, N_TABLES, rng, beliefs)
    return [Table(_known(cell, t, frequencies, rng), t.weight, t.choices) for t in drawn]


def _known(cell: Cell, table: Table, frequencies: Frequencies, rng: np.random.Generator):
    facts = table.facts
    if not cell.place_time:
        facts = frequencies.times(frequencies.places(facts, rng), rng)
    return facts if cell.music else frequencies.music(facts, rng)


def prior_of(questions: Sequence[Question]) -> np.ndarray:
    """(33, 42) how frequent each answer is for each template."""
    counts = np.full((len(TEMPLATES), len(ANSWERS)), LEAST)
    for question in questions:
        if question.answer is not None:
            counts[question.template - 1, index(question.answer)] += 1
    return counts / counts.sum(1, keepdims=True)


def answer(
    tables: Sequence[Table], questions: Sequence[Question], prior: np.ndarray
) -> Mapping[str, str]:
    """Key of each question -> its likeliest answer."""
    found = {}
    for question in questions:
        shares = votes(tables, question.template, question.slots)
        total = shares.sum()
        known = shares / total if total > 0 else shares
        said = (1 - DOUBT) * known + DOUBT * prior[question.template - 1]
        found[question.key] = ANSWERS[int(said.argmax())]
    return found
