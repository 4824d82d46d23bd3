"""What a run and its answers are made from, as short hashes: what has changed is named, not used.

A run's folder is named after its options, recipes, code and data; the data by the questions, by the
rows of every stream, and by the scenes where their truth is trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musicavqa.datasets import leaks
from musicavqa.features.store import IMPORTED
from musicavqa.records import Clip, Question
from musicavqa.training import runs

if TYPE_CHECKING:
    from musicavqa.features.store import Store


def of_questions(questions: Sequence[Question]) -> str:
    """Short hash of what is asked and answered."""
    rows = (f"{q.key}\t{q.clip}\t{q.sound_from}\t{q.text}\t{q.answer}" for q in questions)
    return _mark("\n".join(rows))


def of_scenes(clips: Iterable[Clip]) -> str:
    """Short hash of the scenes of rendered clips."""
    return _mark("\n".join(sorted(json.dumps(clip.scene, sort_keys=True) for clip in clips)))


def of_streams(streams: Mapping[str, Store], questions: Sequence[Question]) -> dict[str, str]:
    """What the rows are that these questions need, by stream; see `Store.identity`."""
    clips = _clips_of(leaks.seen_in(questions))
    return {name: store.identity(clips) for name, store in streams.items()}


def made_from(
    run: Path, set_name: str, questions: Sequence[Question], streams: Mapping[str, Store]
) -> dict[str, str]:
    """What answers of a run to these questions are made from, name -> hash, for `runs.pending`.

    ValueError where the features are not those that the run was trained on.
    """
    _check_trained_on(run, set_name, streams)
    weights = (run / runs.CHECKPOINT).read_bytes()
    sources = {"the weights": hashlib.sha256(weights).hexdigest()[:16]}
    clips = _clips_of(leaks.seen_in(questions))
    for name, store in streams.items():
        sources[name] = store.folder.name
        if store.description.imported_from is not None:  # nothing else tells what they are
            there = [clip for clip in clips if clip in store]
            sources |= {f"{name} of {clip}": store.fingerprint(clip)[:8] for clip in there}
    return sources


def _check_trained_on(run: Path, set_name: str, streams: Mapping[str, Store]) -> None:
    """Refuse features that are not made as those that the run was trained on.

    Content is compared where the clips that were trained on are there; of another data set, it is
    enough that we do not know the features to be of another encoder.
    """
    about = runs.about(run)["data"]
    trained, is_same_set = about.get("identity", {}).get("streams", {}), set_name == about["name"]
    seen = _clips_of(leaks.read_seen(run / leaks.SEEN)) if (run / leaks.SEEN).is_file() else set()
    for name, store in streams.items():
        was, now = trained.get(name, store.folder.name), store.folder.name
        if is_same_set and " from " in was and seen and all(clip in store for clip in seen):
            now = store.identity(seen)
        else:
            was = was.partition(" from ")[0]
        unknown = not is_same_set and any(made.endswith(f"-{IMPORTED}") for made in (was, now))
        if was != now and not unknown:
            raise ValueError(
                f"{run} was trained on the features {was}; those in {store.folder.parent} are "
                f"{now}. Bring the former back, or train again."
            )


def _clips_of(seen: leaks.Seen) -> set[str]:
    """The clips whose rows are read: those asked about, and those whose sound is taken."""
    return seen.clips | {sound for _, sound, *_ in seen.pairs if sound is not None}


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
