"""CAT: clues about the question, gathered from pictures and sound, before a language model.

Ye et al. 2024 (ECCV, arXiv 2403.04640). Besides one word for all pictures and one for all sound,
the language model reads clues: a perceiver, shared by both senses, lets the words of the question
ask and a query transformer turns what was found into words (section 3.2). Its two blocks, with h
the words of the question, X a sense, XA attention to others, SA attention to itself, F
feed-forward:

    B1(h; X) = XA(h, F(SA(X)))        B2 = SA(F(XA(F(SA(X)), B1)))

`compat="paper"`: both results side by side, sound repeated for every picture, read by 48 queries.
`compat="released"`: a query transformer and 32 queries for each sense, the clues first.

`preference_loss` is its ADPO (section 3.4): an answer that says something against one that evades,
L_DPO + 0.1 L_SFT, beta 0.1, the reference a frozen copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking, Prompt
from musicavqa.llm.layers.querying import Querying
from musicavqa.llm.layers.speaking import NO_LABEL, Speaking
from musicavqa.llm.layers.towers import build, each
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="CAT: enhancing multimodal large language model to answer questions in dynamic"
    " audio-visual scenarios",
    system="CAT",
    year=2024,
    venue="ECCV",
    senses="AV",
    tier="re-implemented architecture",
    checked="numbers of clues in both forms, who asks whom, the preference loss by its equation",
    missing="published weights; ImageBind (CLIP and CLAP instead); how evading is judged",
    licence="Apache-2.0; ImageBind not for commerce, Llama 2's terms",
    trained_on="instructions made from its training split",
)


@dataclass(frozen=True)
class Options:
    """Defaults are the paper's, with CLIP and CLAP for ImageBind."""

    compat: Literal["paper", "released"] = "paper"
    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }
    )  # fmt: skip
    """Of CLIP, whose class token stands for a picture."""
    sound: Mapping[str, Any] = field(default_factory=lambda: {"enable_fusion": False})
    """Of CLAP's audio tower."""
    reader: Mapping[str, Any] = field(
        default_factory=lambda: {"num_hidden_layers": 4, "cross_attention_frequency": 1}
    )
    """Of the query transformer; the width that it reads follows from `width`."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of Llama; empty is Llama 2's 7B."""
    end: int = 2
    frames: int = 10
    slices: int = 6
    """Of sound; their mean is heard."""
    slice_frames: int = 1000
    bands: int = 64
    width: int = 1024
    """Of a picture, of the sound, and of the perceiver."""
    heads: int = 4
    clues: int = 48
    clues_each: int = 32
    """With compat 'released', for each sense."""


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    },
    sound={
        "enable_fusion": False, "spec_size": 32, "num_mel_bins": 16, "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
        "window_size": 2, "hidden_size": 32, "num_hidden_layers": 2, "drop_path_rate": 0.0,
    },
    reader={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "cross_attention_frequency": 1, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 400,
    },
    frames=3, slices=2, slice_frames=64, bands=16, width=32, heads=2, clues=4, clues_each=3,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; the question between the marks that the paper puts around it."""
    ear = Listening(options.slices, options.slice_frames, options.bands)
    eye = Looking(options.frames, options.picture["image_size"])
    return Wanted(eye, ear, "USER: Answer the question about the clip. <Q>", "</Q>\nASSISTANT:\n")


class Attending(nn.Module):
    """Multi-head attention of x to y, added to x and normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, y: Tensor, absent: Tensor | None = None) -> Tensor:
        found = self.attention(x, y, y, key_padding_mask=absent, need_weights=False)[0]
        normed: Tensor = self.norm(x + found)
        return normed


class Forth(nn.Module):
    """Feed-forward, added and normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x + self.inner(x))
        return normed


class Clues(nn.Module):
    """The perceiver: words (B, L, D) ask a sense (B, T, D); the sense comes back, as long."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self1, self.cross1 = Attending(width, heads), Attending(width, heads)
        self.self2, self.cross2 = Attending(width, heads), Attending(width, heads)
        self.self3 = Attending(width, heads)
        self.forth1, self.forth2, self.forth3 = Forth(width), Forth(width), Forth(width)

    def forward(self, words: Tensor, absent: Tensor, sense: Tensor) -> Tensor:
        """`absent` (B, L) is True where a row has no word."""
        asked = self.cross1(words, self.forth1(self.self1(sense, sense)))
        known = self.forth2(self.self2(sense, sense))
        found = self.forth3(self.cross2(known, asked, absent))
        return self.self3(found, found)


class Model(Speaking):
    """CLIP, CLAP, the clue aggregator and Llama."""

    frozen = ("eye", "ear")

    def __init__(self, options: Options) -> None:
        super().__init__("llama", options.language, options.end)
        self.options, width = options, options.width
        joint = options.compat == "paper"
        clues = ("clues",) if joint else ("clues of pictures", "clues of sound")
        media = ("pictures", "sound", *clues) if joint else (*clues, "pictures", "sound")
        self.order = ("before", "question", *media, "after")
        self.eye, self.ear = build("clip", options.picture), build("htsat", options.sound)
        self.see = nn.Linear(options.picture["hidden_size"], width)
        self.hear = nn.Linear(self.ear.audio_encoder.num_features, width)
        self.globals = nn.ModuleDict(
            {sense: nn.Linear(width, self.width) for sense in ("pictures", "sound")}
        )
        self.words = nn.Linear(self.width, width)
        self.perceive = Clues(width, options.heads)
        reads = {**options.reader, "encoder_hidden_size": 2 * width if joint else width}
        self.readers = nn.ModuleDict({
            name.replace(" ", "_"): Querying(
                reads, {"clues": options.clues if joint else options.clues_each}
            )
            for name in clues
        })  # fmt: skip
        first = next(iter(self.readers.values()))
        assert isinstance(first, Querying)
        self.speak = nn.Linear(first.width, self.width)

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        senses = self._senses(clips)
        if not senses:
            return {}
        found = {name: self.globals[name](x.mean(1))[:, None] for name, x in senses.items()}
        words = self.words(pad_sequence(list(questions), batch_first=True))
        lengths = torch.tensor([len(q) for q in questions], device=words.device)
        absent = torch.arange(words.shape[1], device=words.device) >= lengths[:, None]
        clues = {name: self.perceive(words, absent, x) for name, x in senses.items()}
        if self.options.compat == "released":
            return found | {
                f"clues of {name}": self._read(f"clues_of_{name}", x) for name, x in clues.items()
            }
        n_times = max(x.shape[1] for x in clues.values())
        nothing = torch.zeros_like(next(iter(clues.values()))[:, :1])
        sides = [clues.get(name, nothing) for name in ("pictures", "sound")]
        side_by_side = torch.cat(
            [x if x.shape[1] == n_times else x.expand(-1, n_times, -1) for x in sides], dim=-1
        )
        return found | {"clues": self._read("clues", side_by_side)}

    def _senses(self, clips: ClipTensors) -> dict[str, Tensor]:
        """Pictures (B, T, D) and sound (B, 1, D)."""
        found = {}
        if clips.pictures is not None:
            found["pictures"] = self.see(each(self.eye, clips.pictures)[:, :, 0])
        if clips.sound is not None:
            heard = self.ear(clips.sound.flatten(0, 1)[:, None]).pooler_output
            heard = heard.unflatten(0, clips.sound.shape[:2]).mean(1, keepdim=True)
            found["sound"] = self.hear(heard)
        return found

    def _read(self, name: str, tokens: Tensor) -> Tensor:
        return self.speak(self.readers[name](tokens, "clues"))


@dataclass(frozen=True)
class Preferences:
    """Answers to the same questions: those that are wanted, and those that evade."""

    clips: ClipTensors
    prompts: Sequence[Prompt]
    wanted: Sequence[Sequence[int]]
    evading: Sequence[Sequence[int]]


def preference_loss(
    model: Speaking, reference: Speaking, pairs: Preferences, beta: float = 0.1, share: float = 0.1
) -> Tensor:
    """ADPO: -log sigmoid(beta * (margin of the model - margin of the reference)) + share * L_SFT.

    A margin is log p(wanted) - log p(evading), L_SFT the mean negative log-likelihood of wanted.
    """
    good, bad = (sequence_likelihood(model, pairs, which) for which in ("wanted", "evading"))
    with torch.no_grad():
        before = [sequence_likelihood(reference, pairs, w) for w in ("wanted", "evading")]
    margin = (good - bad) - (before[0] - before[1])
    return -functional.logsigmoid(beta * margin).mean() - share * good.mean()


def sequence_likelihood(
    model: Speaking, pairs: Preferences, which: Literal["wanted", "evading"]
) -> Tensor:
    """(B,) log-likelihood of whole answers, with gradients."""
    logits, labels = model.taught(pairs.clips, pairs.prompts, getattr(pairs, which))
    there = labels != NO_LABEL
    words = logits.log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
    return (words * there).sum(1)
