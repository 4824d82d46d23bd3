"""Bandleader: read the scene first, then answer by the rules of the questions.

Our own method. An eye says where performers stand and with which instrument, an ear which
instruments sound at each tenth of a second, how loud, how fast and from where, and a sense of fit
whose movements, of several equal instruments, go with the sound. What they say is a `Reading`, all
in probabilities. Performances that fit it are drawn (`rules.tables`), the rule of the question's
template is applied to each, and the shares of their answers are the answer's probabilities. So the
senses are joined by what questions mean. On bandstand the rules are those that made the answers.

With the truth of rendered clips every part learns its facts. With answers alone, tables that give
the right answer are made likelier (score function estimator; Williams 1992), which reaches all that
was drawn from. A question in other words than those of the templates has no rule: it gets the
answers that are frequent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from musicavqa.answers import ANSWERS, index
from musicavqa.methods.card import Card, Recipe
from musicavqa.methods.layers import scene_truth
from musicavqa.methods.layers.familiarity import Familiarity
from musicavqa.methods.layers.footage import read_footage
from musicavqa.methods.layers.glimpses import Glimpse, perceive
from musicavqa.methods.layers.grounds import Put, grounds
from musicavqa.methods.layers.judging import Judged, Judgement, reading_of
from musicavqa.methods.layers.listening import Listener
from musicavqa.methods.layers.performer_map import PerformerMap
from musicavqa.methods.layers.question_reader import Asked, QuestionReader
from musicavqa.methods.layers.tables_chosen import answers_likelier, log_likelihood
from musicavqa.methods.layers.two_worlds import by_sense
from musicavqa.questions import INSTRUMENTS, TEMPLATES
from musicavqa.records import Batch, Output, Reading
from musicavqa.rules.answerer import answer
from musicavqa.rules.tables import N_TABLES, Table, draw_tables, supposing, tables_of

CARD = Card(
    title="Bandleader: a reading of the scene, answered by rule",
    year=2026,
    venue="this package",
    family="perception and rules",
    streams=("audio_logmel", "audio_yamnet", "visual_keyframes", "visual_movement"),
    truth=True,
    specialised_input=True,
    spatial_temporal=True,
    music_specific=True,
    reference="ours",
)

CORRECTION = 10.0
"""Unit of the learned corrections of logits."""
MOST_ODDS = 6.0
"""Logit that one sense adds at most to what the other says of a clip: drawn, or filmed."""
HARDLY = 0.1
"""A question that fewer tables than this can answer takes for granted what they have not."""
AUDIBLE = -1.0
"""Log-mel above this in any band (-75 dB) is no silence."""


@dataclass(frozen=True)
class Options:
    """Sizes of the networks, and how many tables are drawn."""

    eye_width: int = 128
    """Channels of the eye."""
    eye_blocks: int = 3
    """Residual blocks of the eye."""
    ear_width: int = 256
    """Channels of the ear."""
    fit_width: int = 64
    """Channels of the network that holds movement against sound."""
    dropout: float = 0.1
    """In all three."""
    tables: int = N_TABLES
    """Tables drawn of each clip to answer from."""
    tables_training: int = 32
    """Likewise while training."""
    truth_weight: float = 1.0
    """Weight of what is learned from the truth of rendered clips; 0 trains on answers alone."""


RECIPES = {
    "default": Recipe(
        epochs=4, batch_clips=8, learning_rate=2e-4, weight_decay=0.02, gradient_clip=1.0,
        max_questions_per_clip=16,
    )
}  # fmt: skip


class Model(nn.Module):
    """Batch -> Output, by way of a `Reading` of each clip; `read` gives the readings themselves.

    Evidence: 'time' (B, T) and 'space' (B, 49), when and where those play on whom the answer rests;
    'activity' (B, T, 22) how surely each instrument is heard.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.eye = PerformerMap(options.eye_width, options.eye_blocks, options.dropout)
        self.ear = Listener(options.ear_width, options.dropout)
        self.judge = Judgement(options.fit_width, options.dropout)
        self.questions = QuestionReader()
        self.pictures = Familiarity(640, 64, steepness=12.0)
        self.sounds = Familiarity(1024, 32, steepness=8.0)
        self.register_buffer("at_home", torch.tensor(False))
        self.prior = nn.Parameter(torch.zeros(len(TEMPLATES) + 1, len(ANSWERS)))
        self.doubt = nn.Parameter(torch.tensor(-4.0))
        self.correction = nn.Parameter(torch.zeros(len(TEMPLATES) + 1, len(ANSWERS)))

    def forward(self, batch: Batch) -> Output:
        return self._learning(batch) if self.training else self._answering(batch)

    def _answering(self, batch: Batch) -> Output:
        with torch.autocast(batch.seconds.device.type, enabled=False):  # halves would tip tables
            readings = [self.reading(glimpse) for glimpse in self.glimpses(batch)]
        n = self.options.tables
        tables = [tables_of(reading, n) for reading in readings]
        return self._vote(batch, readings, tables)[0]

    def _vote(
        self, batch: Batch, readings: Sequence[Reading], tables: Sequence[Sequence[Table]]
    ) -> tuple[Output, list[np.ndarray]]:
        """The questions put to the tables of their clips, and what each table says to each."""
        clips, asked = batch.clip_of.tolist(), self.questions(batch.words)
        put = [
            _put(question, readings[clip], tables[clip])
            for clip, question in zip(clips, asked, strict=True)
        ]
        return self._said(put, batch.seconds.shape[1]), [one.said for one in put]

    def _learning(self, batch: Batch) -> Output:
        """As answering, by what was learned alone, with few tables and with losses."""
        glimpses = perceive(self.eye, self.ear, batch, learning=True)
        judged = [self.judge(glimpse) for glimpse in glimpses]
        readings = [reading_of(*pair) for pair in zip(glimpses, judged, strict=True)]
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        tables = [draw_tables(r, self.options.tables_training, rng) for r in readings]
        output, said = self._vote(batch, readings, tables)
        losses = output.losses
        if batch.answers is not None:
            losses["tables"] = _table_loss(batch, judged, tables, said)
        if batch.truth and self.options.truth_weight:
            learned = scene_truth.losses(batch.truth, glimpses, judged)
            losses |= {name: self.options.truth_weight * loss for name, loss in learned.items()}
        else:
            self.at_home.fill_(True)  # it learns from footage: there its own senses are trusted
        return output

    @torch.inference_mode()
    def answer(self, reading: Reading, words: Tensor) -> Output:
        """Answers to questions (B, W) about one clip that has been read.

        Evidence has 'applies' (B,) besides: how far the reading allows each question at all.
        """
        tables = tables_of(reading, self.options.tables)
        put = [_put(question, reading, tables) for question in self.questions(words)]
        said = self._said(put, int(reading.duration_s))
        applies = torch.tensor([one.answered for one in put])
        return Output(said.logits, {}, said.evidence | {"applies": applies})

    def read(self, batch: Batch) -> list[Reading]:
        """What is perceived of each clip of the batch; its questions are not looked at."""
        with torch.inference_mode():
            return [self.reading(glimpse) for glimpse in self.glimpses(batch)]

    def glimpses(self, batch: Batch) -> list[Glimpse]:
        """What eye and ear say of each clip; pieces of a long one are put together by `joined`."""
        return perceive(self.eye, self.ear, batch)

    @torch.inference_mode()  # activations of hours would be held for gradients
    def reading(self, glimpse: Glimpse) -> Reading:
        """The reading of one clip.

        By eye and ear where picture and sound are like those that they learned from; else by what
        networks know of photographs and recordings (`footage`), each sense for itself.
        """
        learned = reading_of(glimpse, self.judge(glimpse))
        if self.at_home:
            return learned
        audible = (glimpse.logmel[:, 0] > AUDIBLE).flatten(1).any(1)
        sound = self.sounds.odds(glimpse.yamnet[audible, : self.sounds.width])
        picture = self.pictures.odds(glimpse.looks) if glimpse.has_picture else sound
        sound += max(-MOST_ODDS, min(MOST_ODDS, picture))  # mostly both are of one world
        if min(sound, picture) > MOST_ODDS:
            return learned
        yamnet, logmel = (t.cpu().numpy() for t in (glimpse.yamnet, glimpse.logmel))
        maps = glimpse.photo_maps.float().cpu().numpy()
        known = read_footage(maps, yamnet, logmel, float(glimpse.n_seconds))
        return by_sense(learned, known, _share(picture), _share(sound))

    def _said(self, put: Sequence[Put], n_seconds: int) -> Output:
        """What the tables answer, and when and where those are of whom that is said."""
        if not self.training:
            put = [_supposing(one) for one in put]
        logits = self._logits(put)
        return Output(logits, {}, grounds(put, logits, n_seconds))

    def _logits(self, put: Sequence[Put]) -> Tensor:
        """(B, 42) logarithms of the shares of the tables' answers, mixed with a little prior.

        A learned correction per template stands for what people judge otherwise than the rules.
        """
        votes = torch.zeros(len(put), len(ANSWERS))
        for row, one in enumerate(put):
            for table, found in zip(one.tables, one.said, strict=True):
                if found >= 0:
                    votes[row, found] += table.weight
        known = [-1 if one.asked is None else one.asked[0] - 1 for one in put]
        prior = self.prior[known].softmax(1)
        votes = votes.to(prior)
        doubt = torch.sigmoid(self.doubt)
        mixed = (1 - doubt) * votes + doubt * prior
        return (mixed / mixed.sum(1, keepdim=True)).log() + CORRECTION * self.correction[known]


def _share(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def _supposing(put: Put) -> Put:
    """Where hardly any table answers, those are asked in which all sounds that the question names.

    Whether one is louder than another can be asked only of two that are heard.
    """
    named = set(put.asked[1] if put.asked else ()) & set(INSTRUMENTS)
    if not named or not put.reading.has_sound or put.answered >= HARDLY:
        return put
    reading = supposing(put.reading, named)
    return _put(put.asked, reading, draw_tables(reading, len(put.tables), np.random.default_rng(0)))


def _put(asked: Asked | None, reading: Reading, tables: Sequence[Table]) -> Put:
    """A question put to all tables."""
    if asked is None:
        return Put(asked, reading, tables, np.full(len(tables), -1))
    found = [answer(table.facts, *asked) for table in tables]
    said = np.array([-1 if text is None else index(text) for text in found])
    return Put(asked, reading, tables, said)


def _table_loss(
    batch: Batch,
    judged: Sequence[Judged],
    tables: Sequence[Sequence[Table]],
    said: Sequence[np.ndarray],
) -> Tensor:
    """Mean over the questions of what makes tables with the right answer likelier."""
    assert batch.answers is not None
    likelihoods = [log_likelihood(*pair) for pair in zip(judged, tables, strict=True)]
    parts = []
    for clip, answers, truth in zip(
        batch.clip_of.tolist(), said, batch.answers.tolist(), strict=True
    ):
        weights = torch.tensor([table.weight for table in tables[clip]])
        asked = torch.from_numpy(answers >= 0)
        right = torch.from_numpy(answers == truth)
        weights = weights * asked / (weights * asked).sum().clamp(min=1e-9)
        device = likelihoods[clip].device
        parts.append(answers_likelier(likelihoods[clip], weights.to(device), right.to(device)))
    return torch.stack(parts).mean()
