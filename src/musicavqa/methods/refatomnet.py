"""RefAtomNet: few agents carry what three streams look at (Peng et al., ECCV 2024).

Referring Atomic Video Action Recognition. In each stream a handful of agents, made of its own
tokens, gather from all tokens and give back to them. The stream of pictures weighs what its agents
gather, and its agents, by those of the two other streams; the means of all three are added.

The paper tells what a named person does, without sound, and has no MUSIC-AVQA number. Here it is
adapted:
* The streams are pictures, the question, and in place of detected boxes with their class names the
  sound: the paper's sum over side streams takes any. No detector runs here; no box is predicted.
* Attention maps of streams are added, so all have the same number of tokens: `n_seconds` seconds at
  equal distances over each clip's length, times the places of a picture. Seconds of sound and the
  question's one vector (an LSTM's) are brought to that number by linear layers along the tokens, as
  there. Pictures are not averaged over time as there; the order of seconds is added to tokens.
* 42 answers in place of 80 actions, of which several may be right; cross-entropy.
* "paper": maps of other streams weigh along tokens and along agents, the side stream's own output
  counts, and streams are averaged. "released": weighing along agents runs over an axis of one and
  changes nothing, the side stream counts as it came in, and streams are added.

`agents` gives the numbers of the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grouping import Mlp
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.seconds import spaced_seconds, take_seconds
from musicavqa.methods.layers.tokens import place_vectors, sinusoids
from musicavqa.records import Batch, Output

CARD = Card(
    title="Referring Atomic Video Action Recognition (RefAtomNet)",
    year=2024,
    venue="ECCV",
    family="agent attention",
    streams=("audio_yamnet", "visual_effnet"),
    specialised_input=True,
    spatial_temporal=True,
    reference="adapted",
    official_scores="RefAtomNet",
    missing="detector and boxes",
)

Agents = tuple[Tensor, Tensor]
"""Maps (R, A, N) of A agents over N tokens, and the agents (R, A, D)."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    n_seconds: int = 10
    """Seconds taken of each clip, at equal distances; a shorter clip repeats some."""
    places: int = 3
    """A map is averaged to so many rows and columns."""
    width: int = 256
    """768 in the paper."""
    n_agents: int = 4
    mlp_ratio: int = 4
    dropout: float = 0.2
    """Before the answer."""
    hidden: tuple[int, int] = (512, 256)
    """Widths between the streams' mean and the answer."""
    n_words: int = N_WORDS
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512, width=768,
)  # fmt: skip
"""The paper's width on the features of MUSIC-AVQA."""


class AgentAttention(nn.Module):
    """Tokens (R, N, D) -> what their agents give back (R, N, D), and the agents.

    Their maps are told as they were before other streams weighed them.
    """

    def __init__(self, width: int, n_agents: int, released: bool) -> None:
        super().__init__()
        self.n_agents, self.released = n_agents, released
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        half = width // 2
        self.agents = nn.Sequential(
            nn.Linear(width, half), nn.GELU(), nn.Linear(half, n_agents * width)
        )
        self.merge = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: list[Agents]) -> tuple[Tensor, Agents]:
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        scale = query.shape[-1] ** -0.5
        agents = self.agents(query).mean(1).unflatten(-1, (self.n_agents, -1))  # (R, A, D)
        maps = (scale * agents @ key.transpose(1, 2)).softmax(-1)  # (R, A, N)
        plain = maps
        if others:
            maps = self._weighed(maps, sum(other[0] for other in others))
            agents = self._weighed(agents, sum(other[1] for other in others))
        back = (scale * query @ agents.transpose(1, 2)).softmax(-1)  # (R, N, A)
        return self.merge(back @ (maps @ value)), (plain, agents)

    def _weighed(self, own: Tensor, others: Tensor | int) -> Tensor:
        """Rows (R, A, ·), weighed by those of other streams along both axes (eq. 9)."""
        assert isinstance(others, Tensor)
        agents = torch.ones_like(others) if self.released else others.softmax(1)
        return (own * others.softmax(-1) + own * agents + own) / 3


class AgentBlock(nn.Module):
    """Attention by agents and an MLP, with residuals, norms before."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, released = options.width, options.compat == "released"
        self.norm_tokens = nn.LayerNorm(width)
        self.attention = AgentAttention(width, options.n_agents, released)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width, options.mlp_ratio * width)

    def forward(self, tokens: Tensor, others: list[Agents]) -> tuple[Tensor, Agents]:
        changed, agents = self.attention(self.norm_tokens(tokens), others)
        tokens = tokens + changed
        return tokens + self.mlp(self.norm_mlp(tokens)), agents


class ThreeStreams(nn.Module):
    """Side tokens (B, S, D), question (B, 1, D) and pictures (B, N, D) -> one vector (B, D)."""

    def __init__(self, options: Options, n_side: int, n_tokens: int) -> None:
        super().__init__()
        self.released = options.compat == "released"
        self.side_tokens = nn.Linear(n_side, n_tokens)
        self.text_tokens = nn.Linear(1, n_tokens)
        self.side, self.text, self.picture = (AgentBlock(options) for _ in range(3))

    def forward(self, side: Tensor, text: Tensor, pictures: Tensor) -> tuple[Tensor, Agents]:
        asked, by_text = self.text(_along(self.text_tokens, text), [])
        found, by_side = self.side(_along(self.side_tokens, side), [])
        seen, by_picture = self.picture(pictures, [by_text, by_side])
        parts = (side if self.released else found), asked, seen
        total = torch.stack([part.mean(1) for part in parts]).sum(0)
        return (total if self.released else total / len(parts)), by_picture


def _along(layer: nn.Linear, tokens: Tensor) -> Tensor:
    """Tokens (B, S, D) -> (B, N, D) by a linear layer along the tokens."""
    return layer(tokens.transpose(1, 2)).transpose(1, 2)


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width, (first, second) = options.width, options.hidden
        self.sound = nn.Linear(options.audio_width, width)
        self.pixels = nn.Linear(options.visual_width, width)
        self.question = QuestionLSTM(options.n_words, width)
        n_tokens = options.n_seconds * options.places**2
        self.agents = ThreeStreams(options, options.n_seconds, n_tokens)
        self.answer = nn.Sequential(
            nn.Linear(width, first), nn.Dropout(options.dropout), nn.ReLU(),
            nn.Linear(first, second), nn.ReLU(), nn.Linear(second, N_ANSWERS),
        )  # fmt: skip

    def forward(self, batch: Batch) -> Output:
        n, rows = self.options.n_seconds, batch.clip_of
        taken = spaced_seconds(batch.seconds, n)  # (C, S)
        sound = self.sound(take_seconds(batch.streams[self.options.audio_stream], taken))
        maps = take_seconds(batch.streams[self.options.visual_stream], taken)
        pixels = self.pixels(place_vectors(maps, self.options.places))  # (C, S, P, D)
        if pixels.shape[2] != self.options.places**2:
            raise ValueError(
                f"{self.options.visual_stream} has {pixels.shape[2]} places, options.places="
                f"{self.options.places} wants {self.options.places**2}; set it to what there is."
            )
        pixels = pixels + sinusoids(n, pixels)[:, None]
        question = self.question(batch.words)[:, None]
        found, (maps, _) = self.agents(sound[rows], question, pixels.flatten(1, 2)[rows])
        time, space = self._evidence(maps.detach(), taken[rows], batch.seconds.shape[1])
        return Output(self.answer(found), evidence={"time": time, "space": space})

    def _evidence(self, maps: Tensor, taken: Tensor, n_seconds: int) -> tuple[Tensor, Tensor]:
        """Where all agents of the pictures look: seconds (B, T) and places (B, P)."""
        shares = maps.mean(1).unflatten(1, (taken.shape[1], -1))  # (B, S, P)
        time = shares.new_zeros(len(shares), n_seconds).scatter_add(1, taken, shares.sum(2))
        return time, shares.sum(1)


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=40, batch_clips=64, learning_rate=1e-4, weight_decay=0.01, warmup_epochs=1,
        gradient_clip=1.0, max_questions_per_clip=1,
    ),
}  # fmt: skip
"""The paper's rate and epochs, the released schedule (warm-up, cosine) and gradient clip."""

OFFICIAL_KEYS = {
    f"{official}{theirs}": f"agents.{ours}{name}"
    for official, ours in (
        ("agent_box.", "side."), ("agent_semantic.", "text."), ("agent_temporal.", "picture."),
    )
    for theirs, name in (
        ("norm1.", "norm_tokens."), ("norm2.", "norm_mlp."), ("attn.qkv.", "attention.qkv."),
        ("attn.pool.", "attention.agents."), ("attn.proj.", "attention.merge."),
        ("mlp.fc1.", "mlp.inner."), ("mlp.fc2.", "mlp.outer."),
    )
} | {"proj_box.": "agents.side_tokens.", "proj_sem.": "agents.text_tokens."}  # fmt: skip

DEAD_KEYS = (
    "model.", "detection_model.", "proj.", "bbox_regressio_head.", "classification_head.",
)  # fmt: skip
"""Encoders, the detector and both heads."""

OWN_PARTS = ("sound.", "pixels.", "question.", "answer.")
"""What no official weights fill."""
