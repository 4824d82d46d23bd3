"""Bandleader learns its facts from the truth of scenes, and reads without looking at questions."""

import torch

from fixtures import make_streams, small_options
from musicavqa.bandstand.asked import questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.methods.registry import load_method
from musicavqa.questions import fill, template
from musicavqa.records import Clip, Question
from musicavqa.training.batches import Collation, collate, scene_truth
from musicavqa.training.loop import loss_parts

NOT_LEARNED = {"pictures", "sounds"}


def batch_of_scenes(n_clips=1, n_seconds=3):
    """Noise as streams, scenes as truth, and the questions that the scenes answer."""
    scenes = [sample_scene("val", i, duration_s=float(n_seconds)) for i in range(n_clips)]
    clips = [Clip(scene["id"], None, float(n_seconds), scene) for scene in scenes]
    asked = {}
    for clip, scene in zip(clips, scenes, strict=True):
        asked[clip.id] = [
            Question(f"s/t/{i}", clip.id, fill(n, slots), n, slots, template(n).cell, answer)
            for i, (n, slots, answer) in enumerate(questions(scene)[:8])
        ]
    streams = make_streams(clips, load_method("bandleader").card.streams)
    collation = Collation(truth=scene_truth())
    return collate(clips, asked, streams, collation=collation)


def learner():
    torch.manual_seed(0)
    method = load_method("bandleader")
    model = method.build(small_options(method)).train()
    with torch.no_grad():
        model.eye.out.bias[0] = -1.0  # some performers are found in noise
    return model


def test_every_parameter_learns_from_scenes():
    model, batch = learner(), batch_of_scenes()
    losses = loss_parts(model(batch), batch)
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert {name.split(".")[0] for name in without} <= NOT_LEARNED
    assert not model.at_home


def test_losses_fall_on_scenes_that_are_seen_again():
    model, batch = learner(), batch_of_scenes()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    told = []
    for _ in range(8):
        losses = model(batch).losses
        told.append(float(losses["activity"]) + float(losses["performers"]))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert told[-1] < 0.8 * told[0]


def test_what_is_asked_changes_nothing_of_the_reading():
    model, batch = learner().eval(), batch_of_scenes()
    one = model.read(batch)
    batch.words = batch.words.flip(0)
    other = model.read(batch)
    for a, b in zip(one, other, strict=True):
        assert (a.activity == b.activity).all()
        assert len(a.seen) == len(b.seen)
