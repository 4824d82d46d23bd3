"""Every stream there is: what it is and needs, its store opened, its rows of questions made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicavqa.features.encoders import list_encoders, load_encoder, load_spec
from musicavqa.features.encoders.weights import WeightError, weight_report
from musicavqa.features.store import IMPORTED, Store, folder
from musicavqa.questions import declare
from musicavqa.records import Question

if TYPE_CHECKING:
    import numpy as np

    from musicavqa.features.encoders.spec import Spec

PROMPT = "_prompt"
"""Ends the name of a text stream that holds statements instead of questions."""


@dataclass(frozen=True)
class Stream:
    """One stream, as `features list` shows it."""

    name: str
    reads: str
    """'picture', 'sound', 'picture and sound' or 'question'."""
    rate: str
    """How often there is a row."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: str
    weights: tuple[str, ...]
    weights_here: bool
    how: tuple[str, ...]
    """Commands that get what is missing."""
    licence: str
    source: tuple[str, ...]
    """Where the weights come from."""
    read_by: tuple[str, ...]
    """Methods, with '*' where only their published form reads it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def list_streams(readers: Mapping[str, Sequence[str]]) -> list[Stream]:
    """All streams that an encoder of ours makes, by name; `readers` says who reads which."""
    found = []
    for name in list_encoders():
        spec = load_spec(name)
        weights = weight_report(spec.weights) if spec.weights else []
        found.append(
            Stream(
                name=name,
                reads=_senses(spec),
                rate=_rate(spec),
                shape=spec.shape,
                dtype=spec.dtype,
                weights=spec.weights,
                weights_here=all(row["present"] for row in weights),
                how=tuple(row["how"] for row in weights if not row["present"]),
                licence=spec.licence,
                source=tuple(row["source"] for row in weights),
                read_by=tuple(readers.get(name, ())),
            )
        )
    return found


def open_streams(
    features: Path | str,
    encoders: Sequence[str],
    set_name: str = "bandstand",
    data: Path | str = "DATA",
) -> dict[str, Store]:
    """The stores of these encoders, as made by `extract` with today's weights.

    Where we made none, features that others made and that were imported are taken. `data` is only
    named in what to run. Names that a + joins are read as one stream (`joined`).
    """
    from musicavqa.features.encoders.side_by_side import parts_of
    from musicavqa.features.joined import JoinedStore

    root = folder(features) / set_name
    stores: dict[str, Store] = {}
    missing = []
    for name in dict.fromkeys(part for stream in encoders for part in parts_of(stream)):
        for version in _versions(name):
            if (root / f"{name}-{version}").exists():
                stores[name] = Store.open(root / f"{name}-{version}")
                break
        else:
            missing.append(name)
    if missing:
        streams = ",".join(missing)
        raise FileNotFoundError(
            f"{features} has no rows of {', '.join(missing)}. Run: musicavqa features extract "
            f"{set_name} --data {data} --streams {streams} --out {features}"
        )
    return {
        name: stores[name]
        if name in stores
        else JoinedStore(name, {part: stores[part] for part in parts_of(name)})
        for name in encoders
    }


def embed_texts(
    names: Sequence[str], questions: Sequence[Question]
) -> dict[str, dict[str, np.ndarray]]:
    """Text stream -> question text -> its rows, each distinct text encoded once.

    A stream '<encoder>_prompt' is what `encoder` makes of `questions.declare`, a statement of what
    is asked about.
    """
    streams = {}
    for name in names:
        encoder = name.removesuffix(PROMPT)
        said = {q.text: q.text if name == encoder else declare(q.template, q.slots)
                for q in questions}  # fmt: skip
        distinct = sorted(set(said.values()))
        rows = dict(zip(distinct, load_encoder(encoder).embed(distinct), strict=True))
        streams[name] = {text: rows[sentence] for text, sentence in said.items()}
    return streams


def _versions(stream: str) -> list[str]:
    """Ends of folder names of a stream: today's hash (if its weights are here), imported."""
    if stream not in list_encoders():
        return [IMPORTED]
    try:
        return [load_spec(stream).hash8, IMPORTED]
    except WeightError:
        return [IMPORTED]


def _senses(spec: Spec) -> str:
    from musicavqa.media import Pictures

    kinds = {"picture" if isinstance(item, Pictures) else "sound" for item in spec.reads}
    return " and ".join(sorted(kinds)) or "question"


def _rate(spec: Spec) -> str:
    if not spec.reads:
        return "question"
    if spec.every_s != 1:
        return f"every {spec.every_s} s"
    return "1 s" if spec.rate_hz == 1 else f"{spec.rate_hz:g} Hz"
