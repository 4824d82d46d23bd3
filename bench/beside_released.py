"""A training step and answering beside the released code itself, in batches of its recipe.

    python bench/beside_released.py FOLDER [NAME ...] [--per-clip 1] [--turns 2] [--paper]
                                    [--batch N] [--seconds N]

FOLDER holds checkouts of the repositories that `bench/released/` names (one file each), under their
names; none is part of this project, and **its code is run**. Our model gets its weights
(`methods/conversion.py`) and must give the same logits. `--paper` takes our default mode instead,
which computes another thing. Some files import einops, easydict or timm 0.6.13, which no part of
this project needs: `pip install --no-deps --target FOLDER/packages einops easydict timm==0.6.13`.

Theirs gets a clip anew with every question and its negatives, in evaluation too, and Adam as its
program makes it. Ours learns as `train` does: clips once, negatives where they lie, Adam fused,
memory kept from step to step. Reading is on neither side, nor are CLIP's towers and a ResNet that
reaches no answer. CPU seconds of the second of two steps, the sides in turns, the best turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import torch
from torch import Tensor, nn

from fixtures import make_clips, make_questions, make_streams, make_texts
from methods import answer, pick, step
from musicavqa.methods.conversion import official_model
from musicavqa.methods.recipes import released_options
from musicavqa.methods.registry import load_method
from musicavqa.records import Batch
from musicavqa.training.batches import Collation, make_batches
from musicavqa.training.memory import kept_pages
from released import RELEASED
from released.contract import Released, load_released


def their_step(
    released: Released, code: Any, network: nn.Module, batch: Batch
) -> Callable[[], None]:
    """A training step as their program has it."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learning, lr=1e-5, betas=released.betas)

    def run() -> None:
        optimizer.zero_grad()
        losses = released.losses(code, released.ask(network, batch), batch.answers)
        for loss in losses:
            loss.backward(retain_graph=loss is not losses[-1])
        optimizer.step()

    return run


def draw(method: Any, options: Any, released: Released, per_clip: float) -> Batch:
    """A batch of the program's size, `per_clip` questions about a clip on average."""
    n_clips = round(released.batch / per_clip)
    clips = make_clips(n_clips, released.seconds)
    most = math.ceil(released.batch / n_clips)
    asked = make_questions(clips, most)
    asked = sorted(asked, key=lambda question: int(question.key.rpartition("/")[2]) % most)
    asked = asked[: released.batch]
    published = method.module.PUBLISHED
    # theirs may read what ours leaves alone
    read = (options, published, released_options(method, {}))
    names = {kind: dict.fromkeys(n for o in read for n in getattr(method, kind)(o))
             for kind in ("streams", "texts")}  # fmt: skip
    texts = make_texts(asked, tuple(names["texts"]))
    for held in texts.values():
        for rows in held.values():
            rows[rows == 0] = 0.01  # CLIP's padding is not zero, and is read
    collation = Collation(negatives=method.negatives(options), texts=texts)
    streams = make_streams(clips, tuple(names["streams"]))
    rng = np.random.default_rng(0)
    return next(make_batches(clips, asked, streams, n_clips, rng, collation))


def measure(name: str, settings: argparse.Namespace) -> tuple[list[float], list[float]]:
    """CPU seconds (released, ours) of a training step, and of answering the same questions."""
    torch.manual_seed(0)
    released, method = RELEASED[name], load_method(name)
    released = dataclasses.replace(
        released,
        batch=settings.batch or released.batch,
        seconds=settings.seconds or released.seconds,
    )
    code = load_released(settings.folder, released)
    network = released.make(code)
    converted, _ = official_model(method, network.state_dict(), released.options, released.words())
    options = converted.options
    if settings.paper:
        options = dataclasses.replace(options, compat="paper")
    ours = method.build(options)  # its buffers that no checkpoint holds have memory, too
    if not settings.paper:
        ours.load_state_dict(converted.state_dict())
    batch = released.fit(ours, draw(method, options, released, settings.per_clip))
    order = released.order(batch)
    theirs = released.prepare(ours, pick(batch, order))
    unasked = dataclasses.replace(batch, negatives={})
    network.eval(), ours.eval()

    def answer_theirs() -> Tensor:
        with torch.no_grad():
            return released.logits(released.ask(network, theirs))

    if not settings.paper:
        found = answer(ours, unasked)[order]
        torch.testing.assert_close(answer_theirs(), found, atol=1e-4, rtol=1e-3)
    answering = in_turns([answer_theirs, lambda: answer(ours, unasked)], settings.turns)
    network.train(), ours.train()
    steps = [their_step(released, code, network, theirs), step(ours, batch)]
    return in_turns(steps, settings.turns), answering


def in_turns(works: list[Callable[[], Any]], turns: int) -> list[float]:
    """CPU seconds of the second of two runs: the first side as it is, ours with memory kept."""
    times: list[list[float]] = [[], []]
    for _ in range(turns):
        for keeping, work, found in zip((nullcontext, kept_pages), works, times, strict=True):
            with keeping():
                work()
                start = time.process_time()
                work()
                found.append(time.process_time() - start)
    return [min(found) for found in times]


def row(theirs: float, ours: float) -> str:
    return f"{1000 * theirs:>9,.0f} /{1000 * ours:>6,.0f} {theirs / ours:>6.2f}x"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="with the checkouts")
    parser.add_argument("methods", nargs="*", help=", ".join(RELEASED))
    parser.add_argument("--per-clip", type=float, default=1.0, help="questions; 3.45 in train")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--batch", type=int, help="questions, where the program's are too many")
    parser.add_argument("--seconds", type=int, help="of a clip, likewise")
    parser.add_argument("--paper", action="store_true", help="our default mode, other logits")
    return parser.parse_args()


def main() -> None:
    settings = arguments()
    torch.set_num_threads(1)
    sys.path.append(str(settings.folder / "packages"))
    about = f"{settings.per_clip:g} questions about a clip, 1 thread, torch {torch.__version__}"
    print(f"{about}; CPU milliseconds, released / ours: a training step, answering", flush=True)
    with patch.object(Tensor, "cuda", lambda tensor: tensor):
        for name in settings.methods or RELEASED:
            training, answering = measure(name, settings)
            print(f"{name:>15}{row(*training)}{row(*answering)}", flush=True)


if __name__ == "__main__":
    main()
