"""What each method costs, and what it saves to encode a clip once for all questions about it.

    python bench/methods.py [NAME ...] [--small] [--clips 2] [--seconds 60] [--asked 5]

For every method (default: all): parameters; milliseconds per training step; peak memory; and the
evaluation of a test that is like MUSIC-AVQA-R: `asked` questions about each clip (there: 5), each
in all wordings that `musicavqa.builders.rephrase` has, read from fp16 rows as a store gives them.
The batches of evaluation, which hold a clip once, are set against one question at a time with its
clip (`x alone`: network only; `x evaluation`: with reading), which must give the same answers.

MFLOPs are those of the products for one question (two per multiply-add; recurrent layers are taken
apart so that they count), alone and in the shared batches. `bound` is their ratio: what sharing can
give where arithmetic is all that counts. A batch gives more, as weights are read once for all.

Streams are random numbers of the right shape, and each method runs in a process of its own (peak
memory). Times are CPU time, the best of some runs: with OMP_NUM_THREADS=1 they are what the clock
says on a quiet machine; on a busy one only ratios within a row mean anything. `--alone` questions,
spread over the test, are answered alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import torch

from fixtures import (
    make_batch,
    make_clips,
    make_questions,
    make_streams,
    make_texts,
    small_options,
)
from musicavqa.builders.rephrase import read_paraphrases, rephrase
from musicavqa.methods.registry import list_methods, load_method
from musicavqa.processes import peak_mb
from musicavqa.records import Batch, Clip, Question
from musicavqa.training.batches import Collation, make_batches
from musicavqa.training.costs import count_flops
from musicavqa.training.loop import loss_parts

COLUMNS = {
    "method": "method",
    "parameters": "parameters",
    "step_ms": "step ms",
    "peak_mb": "peak MB",
    "alone_mflops": "MFLOPs alone",
    "shared_mflops": "MFLOPs shared",
    "bound": "bound",
    "questions": "questions",
    "rate": "questions/s",
    "against_alone": "x alone",
    "against_reading": "x evaluation",
}


def main() -> None:
    settings = arguments()
    if settings.row:
        print(json.dumps(measure(settings.methods[0], settings)))
        return
    about = f"{settings.clips} clips of {settings.seconds} s, {settings.asked} questions each"
    print(f"{about}, rephrased; {torch.get_num_threads()} threads, torch {torch.__version__}, CPU")
    print(" ".join(f"{title:>13}" for title in COLUMNS.values()), flush=True)
    for name in settings.methods or list_methods():
        row = json.loads(in_its_own_process(name))
        print(" ".join(f"{shown(row[key]):>13}" for key in COLUMNS), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--asked", type=int, default=5, help="before rephrasing")
    parser.add_argument("--alone", type=int, default=8, help="questions answered alone")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_its_own_process(name: str) -> str:
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
    clips = make_clips(settings.clips, settings.seconds)
    asked = make_questions(clips, settings.asked)
    if method.card.trained == "counting":
        model.fit(asked)
    questions = rephrase(asked, read_paraphrases())
    texts = make_texts(questions, method.texts(options))
    read = Reader(clips, make_streams(clips, method.streams(options)), Collation(texts=texts))
    row = {
        "method": name,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        **saving(model, read, questions, settings),
        "step_ms": None,
    }
    if method.card.trained == "gradient":
        training = make_batch(
            method.streams(options), settings.clips, settings.seconds, per_clip=8,
            negatives=method.negatives(options), texts=method.texts(options),
        )  # fmt: skip
        row["step_ms"] = 1000 * best(step(model.train(), training), settings.repeats)
    row["peak_mb"] = peak_mb()
    return row


@dataclass(frozen=True)
class Reader:
    """Makes the batches of any questions about its clips, as evaluation does."""

    clips: list[Clip]
    streams: dict[str, dict[str, np.ndarray]]
    collation: Collation

    def __call__(self, questions: list[Question]) -> list[Batch]:
        return list(make_batches(self.clips, questions, self.streams, collation=self.collation))


def saving(
    model: torch.nn.Module, read: Reader, questions: list[Question], settings: argparse.Namespace
) -> dict[str, float]:
    """Questions per second from batches with each clip once, and against questions alone."""
    batches = read(questions)
    places = [len(questions) * (2 * i + 1) // (2 * settings.alone) for i in range(settings.alone)]
    few = [questions[place] for place in places]
    singles = [read([question])[0] for question in few]
    found, wanted = answer_all(model, singles), answer_all(model, batches)[places]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
    assert torch.equal(found.argmax(1), wanted.argmax(1)), "other predictions"
    works = [
        lambda: answer_all(model, batches),
        lambda: answer_all(model, singles),
        lambda: read(questions),
        lambda: [read([question]) for question in few],
    ]
    shared, alone, read_shared, read_alone = (
        seconds / n
        for seconds, n in zip(
            in_turns(works, settings.repeats), (len(questions), len(few)) * 2, strict=True
        )
    )
    flops_alone = count_flops(model, singles[0])
    flops_shared = sum(count_flops(model, batch) for batch in batches)
    return {
        "alone_mflops": flops_alone / 1e6,
        "shared_mflops": flops_shared / len(questions) / 1e6,
        "bound": flops_alone * len(questions) / flops_shared if flops_shared else None,
        "questions": len(questions),
        "rate": 1 / (shared + read_shared),
        "against_alone": alone / shared,
        "against_reading": (alone + read_alone) / (shared + read_shared),
    }


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


def answer_all(model: torch.nn.Module, batches: list[Batch]) -> torch.Tensor:
    return torch.cat([answer(model, batch) for batch in batches])


def step(model: torch.nn.Module, batch: Batch, fused: bool = True) -> Callable[[], None]:
    """A whole training step: forward, losses, backward, Adam (fused as in our training)."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=fused)

    def run() -> None:
        optimizer.zero_grad()
        torch.stack(list(loss_parts(model(batch), batch).values())).sum().backward()
        optimizer.step()

    return run


def best(work: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of the fastest run, after one to warm up."""
    return in_turns([work], repeats)[0]


def in_turns(works: list[Callable[[], Any]], repeats: int) -> list[float]:
    """CPU seconds of the fastest run of each, after one to warm up, one beside the other."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(1 + repeats):
        for work, found in zip(works, times, strict=True):
            start = time.process_time()
            work()
            found.append(time.process_time() - start)
    return [min(found[1:]) for found in times]


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
