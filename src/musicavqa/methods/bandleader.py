"""Bandleader: one token for every instrument the field knows, filled by ear and by eye.

Our own method. The 22 instruments are 22 queries; each gathers what is heard of it (log-mel and
YAMNet) and what is seen of it (EfficientNet cells and their motion). Together with one token per
second and one per seventh of the picture width they form the scene, 30 + T tokens, which a small
transformer reads jointly. An instrument named in the question is a pointer to its token; the words
then attend to the scene. The same vector stands for an instrument as query, as label of the
auxiliary heads and as answer, so naming, hearing, seeing and asking share one vocabulary.

Auxiliary heads learn from the free truth of rendered clips: which instruments sound each second,
how many are heard and seen, how loud, how dense, from when, how long, who stands where, who moves
and who sounds there. Without truth (real footage) they are silent; the answer loss remains.

Time resolution is 0.2 s for sound and 0.1 s for motion. Every step masks padded seconds, so a clip
gives the same answer alone and in a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.answers import ANSWERS
from musicavqa.methods.card import Card, Recipe
from musicavqa.questions import INSTRUMENTS, vocabulary
from musicavqa.records import Batch, Output

CARD = Card(
    title="Bandleader: instrument tokens filled by ear and by eye",
    year=2026,
    venue="this package",
    family="instrument-centred transformer",
    streams=("audio_logmel", "audio_yamnet", "visual_effnet", "visual_motion"),
    truth=True,
    specialised_input=True,
    spatial_temporal=True,
    music_specific=True,
    reference="ours",
)

COLUMNS = 7
ROWS = 7
TICKS = 5  # sound tokens per second
N_READINGS = 4 + COLUMNS


@dataclass(frozen=True)
class Options:
    """Sizes of the network."""

    width: int = 128
    """Width of every token."""
    heads: int = 4
    """Attention heads."""
    scene_layers: int = 3
    """Transformer layers that read the scene, before any question."""
    question_layers: int = 2
    """Layers in which the words attend to the scene."""
    dropout: float = 0.1
    """Dropout inside the transformer layers."""
    truth_weight: float = 0.5
    """Weight of the auxiliary losses; 0 trains on the answers alone."""


RECIPES = {
    "default": Recipe(
        epochs=6,
        batch_clips=16,
        learning_rate=6e-4,
        weight_decay=0.02,
        warmup_epochs=1.0,
        gradient_clip=1.0,
        max_questions_per_clip=16,
    )
}


class Model(nn.Module):
    """Batch -> Output; evidence 'time' (B, T), 'space' (B, 49) and two readings:

    'activity' (B, T, 22) how surely each instrument is heard, 'seen' (B, 49, 22) in which cell.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.instruments = nn.Parameter(torch.randn(len(INSTRUMENTS), width) * 0.3)
        self.ear = Ear(width)
        self.eye = Eye(width)
        self.listen = _attention(options)
        self.look = _attention(options)
        self.facts = nn.Linear(N_READINGS, width)
        self.kind = nn.Parameter(torch.randn(4, width) * 0.1)  # instrument, column, second, whole
        self.scene = nn.TransformerEncoder(
            _layer(nn.TransformerEncoderLayer, options),
            options.scene_layers,
            enable_nested_tensor=False,
        )
        self.truth = TruthHeads(width)
        self.words = Words(width)
        self.reader = nn.ModuleList(
            _layer(nn.TransformerDecoderLayer, options) for _ in range(options.question_layers)
        )
        self.final = _attention(options)
        self.answer = Answer(width)

    def forward(self, batch: Batch) -> Output:
        sound = self.ear(batch)  # (C, 5T, D)
        cells = self.eye(batch)  # (C, 49, D)
        silent = ~batch.seconds  # (C, T)
        heard, seen = self._name(sound), self._name(cells)  # (C, 5T, 22), (C, 49, 22)
        scene, hearing, seeing = self._scene(sound, cells, heard, seen, silent)
        rows = batch.clip_of
        absent = _scene_mask(silent)[rows]
        words = self.words(batch.words, scene[rows, : len(INSTRUMENTS)])
        unused = batch.words == 0
        for layer in self.reader:
            words = layer(
                words, scene[rows], tgt_key_padding_mask=unused, memory_key_padding_mask=absent
            )
        asked = _mean(words, ~unused)[:, None]
        found, weights = self.final(asked, scene[rows], scene[rows], key_padding_mask=absent)
        logits = self.answer((asked + found)[:, 0], self.instruments)
        evidence = _evidence(weights[:, 0], hearing[rows], seeing[rows], silent[rows])
        activity = torch.sigmoid(heard).unflatten(1, (-1, TICKS)).mean(2)
        evidence["activity"] = (activity * batch.seconds[..., None])[rows]
        evidence["seen"] = torch.sigmoid(seen)[rows]
        return Output(logits, self._learn_truth(batch, heard, seen, scene), evidence)

    def _name(self, tokens: Tensor) -> Tensor:
        """How surely each token is each instrument, as logits: (C, N, D) -> (C, N, 22)."""
        return tokens @ self.instruments.T * (4 * self.instruments.shape[1] ** -0.5) - 2

    def _scene(
        self, sound: Tensor, cells: Tensor, heard: Tensor, seen: Tensor, silent: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scene tokens (C, 30 + T, D) and from where each instrument was heard and seen.

        The names given to ticks and cells steer where an instrument's token listens and looks.
        """
        query = self.instruments.expand(len(sound), -1, -1)
        off = silent.repeat_interleave(TICKS, 1)
        ears = heard.masked_fill(off[..., None], -torch.inf).transpose(1, 2)
        by_ear, hearing = self.listen(query, sound, sound, attn_mask=self._per_head(ears))
        by_eye, seeing = self.look(
            query, cells, cells, attn_mask=self._per_head(seen.transpose(1, 2))
        )
        facts = self.facts(_readings(heard, seen, off))
        instruments = query + by_ear + by_eye + facts + self.kind[0]
        columns = cells.unflatten(1, (ROWS, COLUMNS)).amax(1) + self.kind[1]
        seconds = sound.unflatten(1, (-1, TICKS)).mean(2) + self.kind[2]
        whole = _mean(seconds, ~silent)[:, None] + cells.mean(1, keepdim=True) + self.kind[3]
        tokens = torch.cat([instruments, columns, whole, seconds], 1)
        scene = self.scene(tokens, src_key_padding_mask=_scene_mask(silent))
        return scene, hearing.unflatten(2, (-1, TICKS)).sum(3), seeing

    def _per_head(self, bias: Tensor) -> Tensor:
        return bias.repeat_interleave(self.options.heads, 0)

    def _learn_truth(
        self, batch: Batch, heard: Tensor, seen: Tensor, scene: Tensor
    ) -> dict[str, Tensor]:
        """Auxiliary losses; none without truth (real footage)."""
        if not batch.truth or self.options.truth_weight == 0:
            return {}
        losses = self.truth(scene, batch.truth)
        ticks = batch.seconds.repeat_interleave(TICKS, 1)[..., None]
        activity = F.binary_cross_entropy_with_logits(
            heard, batch.truth["activity"], reduction="none"
        )
        losses["activity"] = (activity * ticks).sum() / (ticks.sum() * len(INSTRUMENTS))
        columns = seen.unflatten(1, (ROWS, COLUMNS)).amax(1)
        losses["columns"] = _yes_no(columns, batch.truth["columns"])
        weight = self.options.truth_weight
        return {name: weight * loss for name, loss in losses.items()}


class Ear(nn.Module):
    """Log-mel and YAMNet -> five sound tokens per second; no second sees its neighbour."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spectrum = nn.Sequential(
            _conv(2, 32, 5, stride=2),  # (32, 25, 32)
            _conv(32, 48, 3),
            nn.MaxPool2d((1, 2)),  # (48, 25, 16)
            _conv(48, 64, 3),
            nn.MaxPool2d((5, 2)),  # (64, 5, 8)
            _conv(64, 96, 3),
            nn.MaxPool2d((1, 2)),  # (96, 5, 4)
        )
        self.project = nn.Linear(96 * 4, width)
        self.tags = nn.Sequential(nn.LayerNorm(1545), nn.Linear(1545, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, batch: Batch) -> Tensor:
        mel = batch.streams["audio_logmel"]  # (C, T, 2, 50, 64)
        clips, seconds = mel.shape[:2]
        maps = self.spectrum(mel.flatten(0, 1))  # (CT, 96, 5, 4)
        ticks = self.project(maps.transpose(1, 2).flatten(2)).unflatten(0, (clips, seconds))
        tags = self.tags(batch.streams["audio_yamnet"])[:, :, None]
        tokens = (ticks + tags).flatten(1, 2)
        return self.norm(tokens + _times(seconds * TICKS, 1 / TICKS, tokens))


class Eye(nn.Module):
    """EfficientNet cells and their motion -> one token per cell of the picture, 7 x 7."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.appearance = nn.Sequential(nn.LayerNorm(1280), nn.Linear(1280, width))
        self.place = nn.Parameter(torch.randn(ROWS * COLUMNS, width) * 0.1)
        self.motion = nn.Sequential(nn.Linear(10, width), nn.GELU(), nn.Linear(width, width))
        self.moment = nn.Linear(width, 1)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, batch: Batch) -> Tensor:
        there = batch.seconds[..., None, None]
        maps = batch.streams["visual_effnet"].flatten(3).transpose(2, 3)  # (C, T, 49, 1280)
        still = (maps * there).sum(1) / there.sum(1)
        moves = self.motion(batch.streams["visual_motion"])  # (C, T, 49, D)
        moves = moves + _times(moves.shape[1], 1.0, moves)[:, None]
        weight = self.moment(torch.tanh(moves)).masked_fill(~there, -torch.inf).softmax(1)
        cells = self.appearance(still) + self.place + (moves * weight).sum(1)
        return self.norm(cells + self.mix(cells))


class TruthHeads(nn.Module):
    """Losses that read single facts off the scene tokens (truth of rendered clips)."""

    SCALES = {"loudness": 6.0, "onset_rate": 4.0, "first_onset_s": 5.0, "playing_s": 5.0}  # noqa: RUF012

    def __init__(self, width: int) -> None:
        super().__init__()
        self.instrument = nn.Linear(width, 2 + len(self.SCALES))
        self.column = nn.Linear(width, 2)
        self.whole = nn.Linear(width, 3)

    def forward(self, scene: Tensor, truth: dict[str, Tensor]) -> dict[str, Tensor]:
        n = len(INSTRUMENTS)
        facts = self.instrument(scene[:, :n])
        losses = {
            name: F.smooth_l1_loss(facts[..., i], truth[name])
            for i, name in enumerate(("heard", "seen"))
        }
        for i, (name, scale) in enumerate(self.SCALES.items(), start=2):
            known = truth[name].isfinite()
            target = torch.where(known, truth[name], 0.0) / scale
            error = F.smooth_l1_loss(facts[..., i], target, reduction="none")
            losses[name] = (error * known).sum() / known.sum().clamp(min=1)
        columns = self.column(scene[:, n : n + COLUMNS])
        for i, name in enumerate(("moving", "sounding")):
            losses[name] = _yes_no(columns[..., i], truth[name])
        whole = self.whole(scene[:, n + COLUMNS])
        for i, name in enumerate(("voiceover", "dubbed", "outdoor")):
            losses[name] = _yes_no(whole[:, i : i + 1], truth[name])
        return losses


class Words(nn.Module):
    """Words of the question as vectors; a name also carries what was found of that instrument."""

    def __init__(self, width: int) -> None:
        super().__init__()
        words = vocabulary()
        self.embed = nn.Embedding(len(words), width, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=0.3)
        self.point = nn.Linear(width, width)
        index = torch.tensor([_position(word) for word in words])
        self.register_buffer("instrument_of", index, persistent=False)

    def forward(self, words: Tensor, found: Tensor) -> Tensor:
        which = self.instrument_of[words]  # (B, W) into the tokens found (B, 22, D)
        names = found.gather(1, which.clamp(min=0)[..., None].expand(-1, -1, found.shape[2]))
        tokens = self.embed(words) + self.point(names) * (which >= 0)[..., None]
        return tokens + _times(words.shape[1], 1.0, tokens)


class Answer(nn.Module):
    """The 42 logits; an instrument's logit is a product with its instrument vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.plain = nn.Linear(width, len(ANSWERS))
        self.name = nn.Linear(width, width)
        order = torch.tensor([ANSWERS.index(name) for name in INSTRUMENTS])
        self.register_buffer("order", order, persistent=False)

    def forward(self, found: Tensor, instruments: Tensor) -> Tensor:
        found = self.norm(found)
        names = self.name(found) @ instruments.T * instruments.shape[1] ** -0.5
        return self.plain(found).index_add(1, self.order, names)


def _position(word: str) -> int:
    return INSTRUMENTS.index(word) if word in INSTRUMENTS else -1


def _attention(options: Options) -> nn.MultiheadAttention:
    return nn.MultiheadAttention(options.width, options.heads, options.dropout, batch_first=True)


def _layer(kind: type[nn.Module], options: Options) -> nn.Module:
    return kind(
        options.width,
        options.heads,
        2 * options.width,
        options.dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )


def _conv(inside: int, outside: int, size: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


def _times(n: int, step: float, like: Tensor) -> Tensor:
    """Sinusoidal embedding (n, D) of the times 0, step, 2 step ... (seconds, or word places)."""
    width = like.shape[-1]
    times = torch.arange(n, device=like.device, dtype=like.dtype)[:, None] * step
    rates = torch.exp(
        torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(100.0) / width)
    )
    return torch.cat([torch.sin(times * rates), torch.cos(times * rates)], 1) * 0.3


def _mean(tokens: Tensor, keep: Tensor) -> Tensor:
    """Mean over axis 1 of the kept tokens."""
    weight = keep[..., None].to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


def _scene_mask(silent: Tensor) -> Tensor:
    """True for scene tokens to ignore: only seconds the clip does not have."""
    return F.pad(silent, (len(INSTRUMENTS) + COLUMNS + 1, 0), value=False)


def _yes_no(logits: Tensor, counts: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, counts.clamp(max=1))


def _readings(heard: Tensor, seen: Tensor, off: Tensor) -> Tensor:
    """What was named of each instrument, in plain numbers (C, 22, 11).

    Share of the time it plays, its surest tick, its expected entry (in units of 5 s, the end of the
    clip if it never plays), its surest cell, and its surest cell in each column.
    """
    plays = torch.sigmoid(heard) * ~off[..., None]  # (C, 5T, 22)
    not_yet = torch.log1p(-plays.clamp(max=0.999)).cumsum(1).exp() * ~off[..., None]
    entry = not_yet.sum(1) / (5 * TICKS)
    share = plays.sum(1) / (~off).sum(1, keepdim=True)
    columns = torch.sigmoid(seen.unflatten(1, (ROWS, COLUMNS)).amax(1)).transpose(1, 2)
    alone = torch.stack([share, plays.amax(1), entry, columns.amax(2)], 2)
    return torch.cat([alone, columns], 2)


def _evidence(
    weights: Tensor, hearing: Tensor, seeing: Tensor, silent: Tensor
) -> dict[str, Tensor]:
    """Spread the attention on scene tokens over the seconds and cells that those tokens read."""
    n = len(INSTRUMENTS)
    names, columns, seconds = weights[:, :n], weights[:, n : n + COLUMNS], weights[:, n + 8 :]
    time = seconds + torch.einsum("bi,bit->bt", names, hearing)
    space = torch.einsum("bi,bip->bp", names, seeing)
    space = space + (columns / ROWS).repeat(1, ROWS)
    floor = (~silent) * 1e-6
    return {"time": _share(time * ~silent + floor), "space": _share(space + 1e-6)}


def _share(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True)
