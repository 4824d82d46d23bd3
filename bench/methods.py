"""What each method costs, and what it saves to encode a clip once for all questions about it.

    python bench/methods.py [NAME ...] [--small] [--clips 4] [--seconds 10] [--per-clip 25]

For every method (default: all): parameters; FLOPs of one forward pass over the batch (counted, two
per multiply-add; recurrent layers are taken apart so that they count); milliseconds per training
step and per question answered; peak memory; and, as on MUSIC-AVQA-R, 25 questions about each clip
answered from a batch that holds each clip once, against one question at a time with its clip, and
against a batch that repeats the clip for each question. The three must give the same answers.

Streams are random numbers of the right shape, and each method runs in a process of its own (peak
memory). Times are CPU time, the best of some runs: with OMP_NUM_THREADS=1 they are what the clock
says on a quiet machine; on a busy one only ratios within a row mean anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch

from fixtures import make_batch, make_clips, make_questions, small_options
from musicavqa.costs import count_flops, peak_mb
from musicavqa.records import Batch
from musicavqa.registry import list_methods, load_method
from musicavqa.training import loss_parts

COLUMNS = {
    "method": "method",
    "parameters": "parameters",
    "gflops": "GFLOPs",
    "step_ms": "step ms",
    "question_ms": "ms/question",
    "peak_mb": "peak MB",
    "once": "questions/s",
    "against_single": "x one by one",
    "against_repeated": "x clip repeated",
}


def main() -> None:
    settings = arguments()
    if settings.row:
        print(json.dumps(measure(settings.methods[0], settings)))
        return
    about = f"{settings.clips} clips of {settings.seconds} s, {settings.per_clip} questions each"
    print(f"{about}, {torch.get_num_threads()} threads, torch {torch.__version__}, CPU")
    print(" ".join(f"{title:>15}" for title in COLUMNS.values()), flush=True)
    for name in settings.methods or list_methods():
        row = json.loads(alone(name))
        print(" ".join(f"{shown(row[key]):>15}" for key in COLUMNS), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--per-clip", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def alone(name: str) -> str:
    """One row, measured by a process of its own with the same settings."""
    flags = [flag for flag in sys.argv[1:] if flag not in list_methods()]
    command = [sys.executable, __file__, name, *flags, "--row"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(name: str, settings: argparse.Namespace) -> dict[str, Any]:
    """All figures of one method."""
    torch.manual_seed(0)
    method = load_method(name)
    options = small_options(method) if settings.small else method.module.Options()
    model = method.build(options).eval()
    if method.card.trained == "counting":
        model.fit(make_questions(make_clips(20)))
    about = {
        "n_clips": settings.clips, "n_seconds": settings.seconds, "per_clip": settings.per_clip,
        "texts": method.texts(options),
    }  # fmt: skip
    streams = method.streams(options)
    batch = make_batch(streams, **about)
    row = {
        "method": name,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "gflops": count_flops(model, batch) / 1e9,
        **saving(model, batch, settings.repeats),
    }
    row["question_ms"] = 1000 / row["once"]
    row["step_ms"] = None
    if method.card.trained == "gradient":
        training = make_batch(streams, negatives=method.negatives(options), **about)
        row["step_ms"] = 1000 * best(step(model.train(), training), settings.repeats)
    row["peak_mb"] = peak_mb()
    return row


def saving(model: torch.nn.Module, batch: Batch, repeats: int) -> dict[str, float]:
    """Questions per second with each clip once, and how many times those of the other two ways."""
    n_questions = len(batch.keys)
    singles = [single(batch, row) for row in range(n_questions)]
    repeated = repeat_clips(batch)
    wanted = answer(model, batch)
    for found in (torch.cat([answer(model, one) for one in singles]), answer(model, repeated)):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
        assert torch.equal(found.argmax(1), wanted.argmax(1)), "other predictions"
    once = best(lambda: answer(model, batch), repeats)
    one_by_one = best(lambda: [answer(model, one) for one in singles], repeats)
    again = best(lambda: answer(model, repeated), repeats)
    return {
        "once": n_questions / once,
        "against_single": one_by_one / once,
        "against_repeated": again / once,
    }


def single(batch: Batch, row: int) -> Batch:
    """A batch of one question and its clip."""
    return pick(batch, torch.tensor([row]))


def repeat_clips(batch: Batch) -> Batch:
    """The whole batch, with its clip anew for every question."""
    return pick(batch, torch.arange(len(batch.keys)))


def pick(batch: Batch, rows: torch.Tensor) -> Batch:
    clips = batch.clip_of[rows]
    return dataclasses.replace(
        batch,
        keys=[batch.keys[row] for row in rows.tolist()],
        streams={name: stream[clips] for name, stream in batch.streams.items()},
        negatives={name: stream[clips] for name, stream in batch.negatives.items()},
        seconds=batch.seconds[clips],
        clip_of=torch.arange(len(rows)),
        words=batch.words[rows],
        texts={name: text[rows] for name, text in batch.texts.items()},
        answers=None if batch.answers is None else batch.answers[rows],
    )


def answer(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    with torch.inference_mode():
        return model(batch).logits


def step(model: torch.nn.Module, batch: Batch) -> Callable[[], None]:
    """A whole training step: forward, losses, backward, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)

    def run() -> None:
        optimizer.zero_grad()
        torch.stack(list(loss_parts(model(batch), batch).values())).sum().backward()
        optimizer.step()

    return run


def best(work: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of the fastest run, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
