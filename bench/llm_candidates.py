"""How much faster 42 answers are weighed by one prompt pass than by 42, at lengths of real prompts.

    OMP_NUM_THREADS=1 python bench/llm_candidates.py [--tokens 1800 7200] [--slowly 42]

A small network of random weights: the ratio counts, which the lengths of prompt and answers decide.
Seconds are those of the processor. `--slowly 6` weighs six answers, spread over the 42, the slow
way and takes its time as six of 42 parts. The slow way encodes no pictures, which it would 42 times
with a clip: the ratio is higher then.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "llm")]
SIZE = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4}
HEADS = {"num_attention_heads": 16, "num_key_value_heads": 2}


def main() -> None:
    import tiny_models
    from musicavqa.answers import ANSWERS
    from musicavqa.llm.families.candidates import weigh, weigh_one_by_one
    from musicavqa.llm.prompts import spoken

    options = argparse.ArgumentParser()
    options.add_argument("--tokens", type=int, nargs="+", default=[1800, 7200])
    options.add_argument("--slowly", type=int, default=len(ANSWERS))
    asked = options.parse_args()
    tiny_models.TEXT.update(SIZE | HEADS)
    tiny_models.EYE.update(out_hidden_size=SIZE["hidden_size"])
    made = tiny_models.adapter("qwen2_5_vl")
    candidates = [made.chat.candidate(spoken(answer)) for answer in ANSWERS]
    for n_tokens in asked.tokens:
        draw = torch.Generator().manual_seed(0)
        ids = torch.randint(300, 400, (1, n_tokens), generator=draw)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        weigh(made.model, inputs, candidates[:2])
        started = time.process_time()
        fast = weigh(made.model, inputs, candidates)
        fast_s, started = time.process_time() - started, time.process_time()
        some = np.linspace(0, len(candidates) - 1, asked.slowly).round().astype(int)
        slow = weigh_one_by_one(made.model, inputs, [candidates[place] for place in some])
        slow_s = (time.process_time() - started) * len(candidates) / len(some)
        off = np.abs(fast[some] - slow).max() / np.abs(slow).max()
        times = f"{slow_s:.2f} s / {fast_s:.3f} s = {slow_s / fast_s:.1f} times faster"
        print(f"{n_tokens} tokens: {times}, largest relative difference {off:.1e}")


if __name__ == "__main__":
    main()
