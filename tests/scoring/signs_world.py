"""A small world whose senses decide everything: data, features, and a method that reads them.

In each clip the sound alone decides the answers of audio questions and the picture alone those of
visual ones, so that what must happen under each disturbance is known.
"""

import json

import numpy as np

from musicavqa.bandstand.exports import write_questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.datasets import load_dataset
from musicavqa.features.encoders import load_spec
from musicavqa.features.store import Description, Writer
from musicavqa.features.streams import open_streams
from musicavqa.records import Question
from musicavqa.training import loop

OWN_METHOD = '''
"""Yes where the mean of the sense that the question is about is above zero."""
from dataclasses import dataclass
import torch
from torch import nn
from musicavqa.answers import ANSWERS
from musicavqa.methods.card import Card, Recipe
from musicavqa.records import Output

CARD = Card(title="Signs", year=2026, venue="test", family="test",
            streams=("audio_logmel", "visual_motion"), reference="ours", trained="counting")

@dataclass(frozen=True)
class Options:
    width: int = 1

class Model(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.register_buffer("n_known", torch.zeros(1))

    def fit(self, questions):
        self.n_known += len(questions)

    def forward(self, batch):
        there = batch.seconds / batch.seconds.sum(1, keepdim=True)
        heard, seen = ((batch.streams[n].flatten(2).mean(2) * there).sum(1)[batch.clip_of]
                       for n in CARD.streams)
        is_visual = torch.tensor([int(key.rsplit("/", 1)[1]) % 2 == 1 for key in batch.keys])
        signal = torch.where(is_visual, seen, heard) * 3
        logits = torch.full((len(batch.keys), len(ANSWERS)), -9.0)
        logits[:, ANSWERS.index("yes")], logits[:, ANSWERS.index("no")] = signal, -signal
        return Output(logits)

RECIPES = {"default": Recipe(epochs=1)}
'''
TEXTS = {"A-Counting": (3, "Is there a cello sound?"),
         "V-Counting": (10, "Is there a cello in the entire video?")}  # fmt: skip


def write_split(root, split, n_clips, signs):
    """Two audio and two visual questions per clip, answered by the signs (n_clips, 2)."""
    folder = root / split
    (folder / "clips").mkdir(parents=True)
    scenes = [sample_scene("test", index, duration_s=4.0) for index in range(n_clips)]
    questions = []
    for scene, pair in zip(scenes, signs, strict=True):
        (folder / "clips" / f"{scene['id']}.mp4").touch()
        for cell, sign in list(zip(TEXTS, pair, strict=True)) * 2:
            number, text = TEXTS[cell]
            key, answer = f"bandstand/{split}/{len(questions)}", "yes" if sign > 0 else "no"
            asked = (key, scene["id"], text, number, ("cello",), cell, answer, "rendered")
            questions.append(Question(*asked, part="head" if sign > 0 else "tail"))
    lines = "".join(json.dumps(scene) + "\n" for scene in scenes)
    (folder / "scenes.jsonl").write_text(lines)
    write_questions(folder / "questions.jsonl", questions)
    return [scene["id"] for scene in scenes]


def write_features(root, clips, signs):
    """Noise around the sign of each clip and sense."""
    rng = np.random.default_rng(0)
    for place, name in enumerate(("audio_logmel", "visual_motion")):
        spec = load_spec(name)
        folder = root / "bandstand" / f"{name}-{spec.hash8}"
        with_rows = Writer(folder, Description(name, spec.hash8, tuple(spec.shape)))
        for clip, pair in zip(clips, signs, strict=True):
            noise = 0.1 * rng.standard_normal((4, *spec.shape))
            with_rows.add(clip, (noise + pair[place]).astype(np.float16))
        with_rows.close()


def make_world(root):
    """Folder with data, features, the method and a run of it."""
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] * 6)
    clips = write_split(root / "data", "test", len(signs), signs)
    write_split(root / "data", "train", 4, signs[:4])
    write_features(root / "features", clips, signs)
    (root / "signs.py").write_text(OWN_METHOD)
    streams = open_streams(root / "features", ("audio_logmel", "visual_motion"))
    known, questions = load_dataset("bandstand", root / "data", "test")
    data = loop.Data("bandstand", known, questions[:8], questions[8:16], streams)
    run = loop.train(root / "signs.py", None, None, data, root / "runs")
    return root, run
