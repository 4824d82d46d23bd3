"""What a method is trained and validated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from musicavqa.features.store import ClipStore
from musicavqa.records import Clip, Question


@dataclass(frozen=True)
class Data:
    """What is trained and validated on."""

    name: str
    """Of the data set: a folder name under the runs."""
    clips: Sequence[Clip]
    train: Sequence[Question]
    validation: Sequence[Question]
    streams: Mapping[str, ClipStore]
    texts: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Text stream -> question text -> its rows, for methods that read one."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Revision, encoder hashes and the like: goes to run.json and decides the run's folder."""
    mute: tuple[str, ...] = ()
    """'audio' and/or 'visual', in training and validation."""
