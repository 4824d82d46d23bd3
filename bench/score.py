"""How long scoring takes for as many predictions as MUSIC-AVQA-R has: parts, ratios, peak memory.

Run: python bench/score.py [number of predictions]. The questions are made up: 6,399 clips, all 33
templates, random answers; every prediction has a confidence. Seconds are of this process alone (CPU
time), so that a busy machine does not count; the wall clock stands beside them.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.answers import ANSWERS
from musicavqa.answers.kinds import KINDS, kind_asked
from musicavqa.answers.scorers import read_answer
from musicavqa.metrics import accuracy, bootstrap
from musicavqa.questions import SLOTS, TEMPLATES, fill
from musicavqa.records import Prediction, Question
from musicavqa.scoring import evaluation
from musicavqa.training import runs

N_PREDICTIONS, N_CLIPS, N_TEXTS = 211_572, 6_399, 9_129
TARGET_S = 10.0


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N_PREDICTIONS
    rng = random.Random(0)
    questions = [made_up(place, rng) for place in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.test.jsonl"
        runs.write_predictions(path, [guess(question, rng) for question in questions])
        before = peak_mb()
        score(path, questions)
    print(f"peak memory: {peak_mb():.0f} MB, {before:.0f} MB of them before scoring")
    free_text(questions[:N_TEXTS])


def score(path: Path, questions: list[Question]) -> None:
    """Each part alone, then all of it as `musicavqa evaluate` does it."""
    parts: dict[str, tuple[float, float]] = {}
    found = timed(parts, "reading", lambda: runs.load_predictions(path))
    ordered = timed(parts, "joining", lambda: accuracy.match(questions, found))
    correct = timed(parts, "scoring", lambda: counted(questions, ordered))
    timed(parts, "bootstrap", lambda: intervals(questions, correct))
    total = sum(cpu_s for cpu_s, _ in parts.values())
    for name, (cpu_s, wall_s) in parts.items():
        print(f"{name:12}{cpu_s:7.2f} s{cpu_s / total:7.0%}   (wall {wall_s:.2f} s)")
    whole: dict[str, tuple[float, float]] = {}
    timed(whole, "all", lambda: evaluation.evaluate(questions, runs.load_predictions(path)))
    cpu_s, wall_s = whole["all"]
    print(
        f"{'evaluate':12}{cpu_s:7.2f} s        (wall {wall_s:.2f} s, {len(questions):,} "
        f"predictions, 1,000 resamples; target {TARGET_S:.0f} s: {cpu_s / TARGET_S:.2f} of it)"
    )


def counted(questions: list[Question], ordered: list[Prediction]) -> np.ndarray:
    correct = accuracy.correctness(questions, ordered)
    status = np.array([prediction.status for prediction in ordered], dtype=str)
    accuracy.tally(questions, status, correct)
    return correct


def intervals(questions: list[Question], correct: np.ndarray) -> None:
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    groups = accuracy.group_members([question.cell for question in questions])
    for rows in (groups | accuracy.kind_members(questions)).values():
        bootstrap.clustered_interval(correct[rows], clips[rows], resamples=1000)


def free_text(questions: list[Question]) -> None:
    """One sentence for each question, all different."""
    texts = [f"I think the answer here is {q.answer}, as in clip {q.key}." for q in questions]
    parts: dict[str, tuple[float, float]] = {}
    pairs = list(zip(texts, questions, strict=True))
    timed(parts, "text", lambda: [read_answer(text, question) for text, question in pairs])
    print(f"free text:  {parts['text'][0]:7.2f} s for {len(texts):,} sentences")


def timed(parts: dict[str, tuple[float, float]], name: str, work: Callable[[], Any]) -> Any:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    parts[name] = (time.process_time() - cpu, time.perf_counter() - wall)
    return result


def made_up(place: int, rng: random.Random) -> Question:
    item = TEMPLATES[place % len(TEMPLATES)]
    slots = tuple(rng.choice(SLOTS[name]) for name in item.slots)
    return Question(
        key=f"made_up/test/{place}",
        clip=f"{rng.randrange(N_CLIPS):08d}",
        text=fill(item.number, slots),
        template=item.number,
        slots=slots,
        cell=item.cell,
        answer=rng.choice(KINDS[kind_asked(item.number) or "count"]),
    )


def guess(question: Question, rng: random.Random) -> Prediction:
    answer = question.answer if rng.random() < 0.75 else rng.choice(ANSWERS)
    return Prediction(question.key, answer, confidence=round(rng.random(), 6))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
