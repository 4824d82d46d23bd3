"""What lmms-eval calls for each question: the clip it is given, and what is kept of a response.

This file is copied into the task folder and stands alone there. It judges nothing: the response
goes into the sample log word for word, to be scored by `musicavqa predictions import`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

RATE_HZ = 16000


def clip(doc: dict[str, Any]) -> list[Any]:
    """The clip of a question as lmms-eval hands it on: a video's path, or sound at 16 kHz.

    Paths are relative to the folder that MUSICAVQA_DATA names; KeyError where it is not set.
    """
    if doc["give"] == "nothing":
        return []
    if "MUSICAVQA_DATA" not in os.environ:
        raise KeyError("MUSICAVQA_DATA is not set. Set it to the folder of the data set.")
    path = Path(os.environ["MUSICAVQA_DATA"]) / doc["clip"]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there. MUSICAVQA_DATA names the data set's folder.")
    if doc["give"] == "video":
        return [str(path)]
    return [{"type": "audio", "array": _sound(path), "sampling_rate": RATE_HZ}]


def _sound(path: Path) -> Any:
    """(samples,) float32 mono; ValueError for a file without sound."""
    import av
    import numpy as np

    with av.open(str(path)) as media:
        if not media.streams.audio:
            raise ValueError(f"{path} has no sound.")
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        frames = [*media.decode(audio=0), None]  # None empties the resampler
        parts = [part for frame in frames for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def keep(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Which question this was, for the sample log; the response stands there already."""
    told = {"key": doc["key"], "options": doc["options"], "said": bool(results[0].strip())}
    return {"answered": told}


def answered(items: list[dict[str, Any]]) -> float:
    """Share of questions to which anything was said: no accuracy."""
    return sum(item["said"] for item in items) / len(items)
