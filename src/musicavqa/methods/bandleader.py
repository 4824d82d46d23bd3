"""Bandleader: one token for every instrument the field knows, filled by ear and by eye.

Our own method. The 22 instruments are 22 queries; each gathers what is heard of it (log-mel and
YAMNet) and what is seen of it (EfficientNet cells and their motion). Together with one token per
second and one per seventh of the picture width they form the scene, 30 + T tokens, which a small
transformer reads jointly. The words of the question then attend to the scene. The same vector
stands for an instrument as query, as word of the question, as label of the auxiliary heads and as
answer, so naming, hearing, seeing and asking share one vocabulary.

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
    specialised_input=True,
    spatial_temporal=True,
    music_specific=True,
    reference="ours",
)

COLUMNS = 7
ROWS = 7
TICKS = 5  # sound tokens per second


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
        epochs=12,
        batch_clips=16,
        learning_rate=6e-4,
        weight_decay=0.02,
        warmup_epochs=1.0,
        gradient_clip=1.0,
        max_questions_per_clip=16,
    )
}


class Model(nn.Module):
    """Batch -> Output; evidence 'time' (B, T), 'space' (B, 49), 'activity' (B, T, 22)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.instruments = nn.Parameter(torch.randn(len(INSTRUMENTS), width) * 0.3)
        self.ear = Ear(width)
        self.eye = Eye(width)
        self.listen = _attention(options)
        self.look = _attention(options)
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
        scene, hearing, seeing = self._scene(sound, cells, silent)
        losses, activity = self._learn_truth(batch, sound, cells, scene)
        rows = batch.clip_of
        absent = _scene_mask(silent)[rows]
        words = self.words(batch.words, self.instruments)
        unused = batch.words == 0
        for layer in self.reader:
            words = layer(
                words, scene[rows], tgt_key_padding_mask=unused, memory_key_padding_mask=absent
            )
        asked = _mean(words, ~unused)[:, None]
        found, weights = self.final(asked, scene[rows], scene[rows], key_padding_mask=absent)
        logits = self.answer((asked + found)[:, 0], self.instruments)
        evidence = _evidence(weights[:, 0], hearing[rows], seeing[rows], silent[rows])
        evidence["activity"] = activity[rows]
        return Output(logits, losses, evidence)

    def _scene(self, sound: Tensor, cells: Tensor, silent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scene tokens (C, 30 + T, D) and from where each instrument was heard and seen."""
        n = len(sound)
        query = self.instruments.expand(n, -1, -1)
        ticks_off = silent.repeat_interleave(TICKS, 1)
        heard, hearing = self.listen(query, sound, sound, key_padding_mask=ticks_off)
        seen, seeing = self.look(query, cells, cells)
        instruments = query + heard + seen + self.kind[0]
        columns = cells.unflatten(1, (ROWS, COLUMNS)).amax(1) + self.kind[1]
        seconds = sound.unflatten(1, (-1, TICKS)).mean(2) + self.kind[2]
        whole = _mean(seconds, ~silent)[:, None] + cells.mean(1, keepdim=True) + self.kind[3]
        tokens = torch.cat([instruments, columns, whole, seconds], 1)
        scene = self.scene(tokens, src_key_padding_mask=_scene_mask(silent))
        return scene, hearing.unflatten(2, (-1, TICKS)).sum(3), seeing

    def _learn_truth(
        self, batch: Batch, sound: Tensor, cells: Tensor, scene: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Auxiliary losses (none without truth) and the heard activity (C, T, 22) in [0, 1]."""
        scale = self.instruments.shape[1] ** -0.5
        ticks = torch.sigmoid(sound @ self.instruments.T * scale * 4 - 2)
        activity = ticks.unflatten(1, (-1, TICKS)).mean(2) * batch.seconds[..., None]
        if not batch.truth or self.options.truth_weight == 0:
            return {}, activity
        picture = (cells @ self.instruments.T * scale * 4 - 2).unflatten(1, (ROWS, COLUMNS))
        losses = self.truth(scene, batch.truth)
        losses["activity"] = _activity_loss(activity, batch.truth["activity"], batch.seconds)
        losses["columns"] = _yes_no(picture.amax(1), batch.truth["columns"])
        weight = self.options.truth_weight
        return {name: weight * loss for name, loss in losses.items()}, activity


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
    """Words of the question as vectors; an instrument's name also carries its instrument vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        words = vocabulary()
        self.embed = nn.Embedding(len(words), width, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=0.3)
        index = torch.tensor([_position(word) for word in words])
        self.register_buffer("instrument_of", index, persistent=False)

    def forward(self, words: Tensor, instruments: Tensor) -> Tensor:
        which = self.instrument_of[words]
        names = instruments[which.clamp(min=0)] * (which >= 0)[..., None]
        tokens = self.embed(words) + names
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


def _activity_loss(activity: Tensor, target: Tensor, seconds: Tensor) -> Tensor:
    with torch.autocast(activity.device.type, enabled=False):
        loss = F.binary_cross_entropy(activity.float(), target.float(), reduction="none")
    return (loss * seconds[..., None]).sum() / (seconds.sum() * activity.shape[-1])


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
