"""Time and memory of scoring MUSIC-AVQA-R's 211,572 questions: 13 intervals, one comparison.

Run: python bench/score.py
"""

from __future__ import annotations

import resource
import time

import numpy as np

from musicavqa.comparing import SHOWN
from musicavqa.metrics import accuracy, bootstrap, paired
from musicavqa.questions import CELLS

N_QUESTIONS, N_CLIPS = 211_572, 6_399


def main() -> None:
    """Score simulated answers on as many questions and clips as the set has."""
    rng = np.random.default_rng(0)
    names = np.array([f"{number:08d}" for number in rng.integers(0, N_CLIPS, N_QUESTIONS)])
    members = accuracy.group_members(rng.choice(CELLS, N_QUESTIONS).tolist())
    first, second = rng.random((2, N_QUESTIONS)) < 0.7
    start = time.process_time()
    for rows in members.values():
        bootstrap.clustered_interval(first[rows], names[rows])
    scored = time.process_time()
    clips = np.unique(names, return_inverse=True)[1]
    for group in SHOWN:
        rows = members[group]
        bootstrap.paired_difference(first[rows], second[rows], clips[rows])
        paired.mcnemar(first[rows], second[rows])
    compared = time.process_time()
    print(f"13 intervals, 1,000 resamples: {scored - start:.2f} s of processor time")
    print(f"10 differences with McNemar:   {compared - scored:.2f} s of processor time")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(f"peak memory of the process:    {peak:.0f} MB")


if __name__ == "__main__":
    main()
