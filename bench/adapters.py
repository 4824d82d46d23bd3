"""A training step of LAVisH with what is frozen kept, beside computing it again.

    python bench/adapters.py [--clips 2] [--seconds 2] [--per-clip 4] [--backbone swin_v2_t]

Three ways to the same losses: maps of the frozen network for the match task from a stream, and a
clip walked once for all of its questions (ours, `frozen_stream`); those maps computed in the step;
and, as the released codes do, the clip anew with every question besides. Random numbers stand for
weights and clips. CPU seconds of the fastest of some runs, in turns.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch

from fixtures import make_batch
from methods import in_turns, repeat_clips, step
from musicavqa.methods.registry import load_method
from musicavqa.records import Batch, Drawn
from musicavqa.training.loop import loss_parts

KEPT = "visual_swin_v2"


def main() -> None:
    """Print the three times, their ratios and how far the losses differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("clips", 2), ("seconds", 2), ("per-clip", 4), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--backbone", default="swin_v2_t")
    asked = parser.parse_args()
    torch.manual_seed(0)
    method = load_method("lavish")
    options = method.options(
        {"backbone": asked.backbone, "frozen": True, "width": 512, "dropout": 0.0}
    )
    model = method.build(options).train()
    kept = method.build(dataclasses.replace(options, frozen_stream=KEPT)).train()
    kept.load_state_dict(model.state_dict())
    batch = make_batch(
        options.streams, asked.clips, asked.seconds, asked.per_clip, negatives=options.negatives
    )
    with_maps = add_maps(model, batch)
    again = repeat_clips(batch)
    pairs = ((kept, with_maps), (model, batch))
    losses = [sum(loss_parts(m(b), b).values()).detach() for m, b in pairs]
    works = [step(kept, with_maps), step(model, batch), step(model, again)]
    times = in_turns(works, asked.runs)
    names = ("kept, once per clip", "maps in the step", "and the clip per question")
    for name, seconds in zip(names, times, strict=True):
        print(f"{name:28}{seconds:8.2f} s {seconds / times[0]:6.2f} x")
    print(f"losses differ by {float((losses[0] - losses[1]).abs()):.1e}")


def add_maps(model: torch.nn.Module, batch: Batch) -> Batch:
    """The same batch with the maps of all pictures, and of those drawn from other clips."""
    tower, pictures = model.eye.tower, batch.streams["visual_frames"]
    with torch.no_grad():
        tokens = tower(tower.normalised(pictures.flatten(0, 1)))
    side = tower.places[-1].side
    maps = tokens.transpose(1, 2).unflatten(2, (side, side)).unflatten(0, pictures.shape[:2])
    streams = {**batch.streams, KEPT: maps}
    drawn = batch.negatives
    assert isinstance(drawn, Drawn)
    negatives = Drawn(streams, (KEPT,), drawn.clip, drawn.second)
    return dataclasses.replace(batch, streams=streams, negatives=negatives)


if __name__ == "__main__":
    main()
