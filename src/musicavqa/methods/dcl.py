"""DCL: what stays, what moves, and what a clip shares with others (Lv et al., NeurIPS 2023).

Disentangled Counterfactual Learning for Physical Audiovisual Commonsense Reasoning. The pictures
are parted into one static and many dynamic codes (layers/disentangling.py); sound, static and
dynamic vectors each take the mean of the clips most like them (layers/affinity.py); and the answer
is what these likenesses change: the logits minus those with likenesses of random vectors, whose
mean and deviation are learned.

The paper chooses between two objects and has no MUSIC-AVQA number. Here it is adapted:
* One clip instead of two objects, with any number of seconds; padded ones are masked. The branch
  for a single still picture is left out.
* The sound is the mean of its seconds. Vectors of the question come from an LSTM, and the answer is
  read from both by two linear layers (eq. 11); the original compares with a text by cosine.
* Answers must not depend on what else is asked, so outside of training a clip is compared with the
  last `memory` clips of training, which are kept with the weights, instead of with its batch.
* Random vectors are drawn anew in training; outside of it they are those drawn with the weights.
  The paper does not say how many (`n_random`).
* Cross-entropy is taken of the difference; of the logits themselves too with `factual_weight`. The
  paper can be read either way. The released code computes the difference and does not use it.
* "paper": codes are drawn while training, likenesses are divided by their sum at temperature 2, the
  dynamic summary reads both ways. "released": codes are means, a softmax over exp(cosine) / 0.1
  leaves nearly everything with the clip itself, and the summary reads forwards (as it happens).
* The weights of the divergences are those of the released code, the contrasts' that of its helper,
  which does not run; the paper's body gives none. Contrasts need other views of a clip: shuffled
  seconds for the static code, noise on the pictures' vectors (blurred pictures there) for the
  dynamic one. All of this is times `parts_weight`, 1 there.

`parts` gives the numbers of the official code, its losses too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.affinity import RELEASED_TEMPERATURE, affinity, cosines
from musicavqa.methods.layers.disentangling import Codes, Disentangler, agreement, losses
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.seconds import mean_of_seconds, picture_vectors
from musicavqa.records import Batch, Output

CARD = Card(
    title="Disentangled Counterfactual Learning (DCL)",
    year=2023,
    venue="NeurIPS",
    family="counterfactual",
    streams=("audio_yamnet", "visual_effnet"),
    spatial_temporal=True,
    reference="adapted",
    official_scores="DCL",
    missing="the branch of a still picture",
)

KINDS = ("sound", "static", "dynamic")
"""The vectors of a clip that are compared with those of other clips."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or map per second; maps are averaged over their places."""
    visual_width: int = 1280
    width: int = 256
    """Width of all codes."""
    top_k: int = 5
    """So many clips most alike, itself among them, give a clip its vectors."""
    temperature: float = 2.0
    """Of likeness, in "paper"."""
    memory: int = 256
    """Clips of training that are kept to be compared with."""
    n_random: int = 1
    """Random vectors whose likenesses are taken off, the mean over so many."""
    n_clips: int = 9288
    """Clips of the data set, for the estimate of what both codes share."""
    apart_weight: float = 50.0
    """Of what static and dynamic codes share."""
    contrast_weight: float = 10.0
    """Of both contrasts; 0 leaves them out, as the released path does."""
    noise: float = 0.1
    """Deviation of the noise in the contrast of dynamic codes, of vectors of length one."""
    parts_weight: float = 0.01
    """Of all losses about codes together."""
    factual_weight: float = 0.0
    """Of a cross-entropy of the logits from which nothing is taken off."""
    dropout: float = 0.3
    n_words: int = N_WORDS
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18", visual_width=512, parts_weight=1.0,
)  # fmt: skip
"""The paper's sizes on the features of MUSIC-AVQA."""


class Model(nn.Module):
    known: Tensor
    """(memory, 3, D) sound, static and dynamic vectors of the last clips of training."""
    n_known: Tensor
    place: Tensor
    """Where the next clip goes."""
    draws: Tensor
    """(n_random, 1 + memory, 3, D) standard normal numbers for use outside of training."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.sound = nn.Linear(options.audio_width, width)
        self.picture = nn.Linear(options.visual_width, width)
        self.parts = Disentangler(width, 0.5 * bool(options.dropout), options.compat == "released")
        self.from_others = nn.ModuleDict({kind: nn.Linear(width, width) for kind in KINDS})
        self.random_mean = nn.Parameter(torch.zeros(len(KINDS), width))
        self.random_deviation = nn.Parameter(torch.ones(len(KINDS), width))
        self.fuse = nn.Sequential(
            nn.Dropout(options.dropout),
            nn.Linear(len(KINDS) * width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.ReLU(),
        )
        self.question = QuestionLSTM(options.n_words, width)
        self.read = nn.Linear(3 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)
        shape = len(KINDS), width
        self.register_buffer("known", torch.zeros(options.memory, *shape))
        self.register_buffer("n_known", torch.zeros((), dtype=torch.long))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))
        draws = torch.randn(options.n_random, 1 + options.memory, *shape)
        self.register_buffer("draws", draws)

    def forward(self, batch: Batch) -> Output:
        there, rows = batch.seconds, batch.clip_of
        sound = mean_of_seconds(batch.streams[self.options.audio_stream], there)
        pictures = picture_vectors(batch.streams[self.options.visual_stream])
        frames = normalize(self.picture(pictures), dim=-1)  # (C, T, D)
        codes = self.parts(frames, there)
        vectors = [normalize(self.sound(sound), dim=-1), codes.static, codes.summary]
        nodes = torch.stack(vectors, dim=1)  # (C, 3, D)

        question = self.question(batch.words)
        logits = factual = self._answer(self._shared(nodes, nodes)[rows], question)
        if random := self._random(nodes):
            imagined = [self._answer(self._shared(nodes, r)[rows], question) for r in random]
            logits = factual - torch.stack(imagined).mean(0)
        found = {}
        if self.training:
            self._remember(nodes.detach())
            found = self._losses(codes, frames, there)
            if self.options.factual_weight and batch.answers is not None:
                loss = cross_entropy(factual, batch.answers, ignore_index=-1)
                found["factual"] = self.options.factual_weight * loss
        return Output(logits, found)

    def _answer(self, vectors: Tensor, question: Tensor) -> Tensor:
        """Logits (B, A) from the vectors (B, 3, D) of a question's clip (eq. 11)."""
        both = torch.cat([self.fuse(vectors.flatten(1)), question], dim=-1)
        return self.answer(torch.relu(self.read(both)))

    def _shared(self, nodes: Tensor, alike: Tensor) -> Tensor:
        """Vectors (C, 3, D) of `nodes` from those clips that are most alike by `alike` (eq. 6).

        `alike` (C, 3, D) are the nodes or random vectors in their place; outside of training the
        random ones are (1 + memory, 3, D), of which the first stands for the clip itself.
        """
        shared = [self._of_kind(nodes, alike, i) for i in range(len(KINDS))]
        return torch.stack(shared, dim=1)

    def _of_kind(self, nodes: Tensor, alike: Tensor, kind: int) -> Tensor:
        change, own = self.from_others[KINDS[kind]], nodes[:, kind]
        if self.training:
            return change(self._weights(cosines(alike[:, kind], alike[:, kind])) @ own)
        known = self.known[: int(self.n_known), kind]
        if alike is nodes:
            others = cosines(own, known)
        else:
            others = cosines(alike[:1, kind], alike[1 : 1 + len(known), kind])
        itself = others.new_ones(len(others), 1)
        weights = self._weights(torch.cat([itself, others], dim=1))  # (C or 1, 1 + memory)
        return change(weights[:, :1] * own + weights[:, 1:] @ known)

    def _weights(self, alike: Tensor) -> Tensor:
        released = self.options.compat == "released"
        heat = RELEASED_TEMPERATURE if released else self.options.temperature
        return affinity(alike, self.options.top_k, heat, released)

    def _random(self, nodes: Tensor) -> list[Tensor]:
        """Random vectors in place of those of clips, `n_random` times (eq. 10).

        None where a clip has nothing to be compared with: then nothing can be taken off.
        """
        if (len(nodes) if self.training else 1 + int(self.n_known)) < 2:
            return []
        n = self.options.n_random
        drawn = torch.randn(n, *nodes.shape, device=nodes.device) if self.training else self.draws
        return list(drawn * self.random_deviation + self.random_mean)

    @torch.no_grad()
    def _remember(self, nodes: Tensor) -> None:
        """Put clips into the memory, over the oldest ones."""
        size = self.options.memory
        nodes = nodes[-size:]
        places = (self.place + torch.arange(len(nodes), device=nodes.device)) % size
        self.known[places] = nodes.to(self.known.dtype)
        self.place.copy_((self.place + len(nodes)) % size)
        self.n_known.copy_((self.n_known + len(nodes)).clamp(max=size))

    def _losses(self, codes: Codes, frames: Tensor, there: Tensor) -> dict[str, Tensor]:
        """What the codes learn by themselves (eq. 5), weighted."""
        options = self.options
        found = losses(codes, frames, there, options.n_clips)
        found["apart"] = options.apart_weight * found["apart"]
        if options.contrast_weight and len(frames) > 1:
            shuffled = self.parts(_shuffled(frames, there), there)
            noisy = self.parts(frames + options.noise * torch.randn_like(frames), there)
            same = agreement(codes.static_mean, shuffled.static_mean)
            moves = agreement(
                mean_of_seconds(codes.dynamic_mean, there),
                mean_of_seconds(noisy.dynamic_mean, there),
            )
            found |= {
                "same": options.contrast_weight * same,
                "moves": options.contrast_weight * moves,
            }
        return {name: options.parts_weight * loss for name, loss in found.items()}


def _shuffled(frames: Tensor, there: Tensor) -> Tensor:
    """Each clip's own seconds in a random order."""
    chance = torch.rand(there.shape, device=there.device).masked_fill(~there, 2.0)
    order = chance.argsort(dim=1)
    return frames.gather(1, order[..., None].expand_as(frames))


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=50, batch_clips=64, learning_rate=1e-4, weight_decay=1e-5, schedule="step",
        step_epochs=20, max_questions_per_clip=1,
    ),
}  # fmt: skip
"""The released recipe (the rate falls after 20 and 30 of 50 epochs there), the paper's batch."""

_GAUSSIANS = {"f": "static", "z": "dynamic", "z_prior": "expectation.gaussian"}
_SEQUENCES = {"z_lstm": "both_ways", "z_rnn": "moving", "bilstm": "summary_states"}

OFFICIAL_KEYS = {
    f"vae.{official}.": f"parts.{ours}."
    for official, ours in (
        ("enc_fc_layer1", "frame_in.linear"), ("bn_enc_layer1", "frame_in.norm"),
        ("enc_fc_layer2", "frame_out.linear"), ("bn_enc_layer2", "frame_out.norm"),
        ("z_2_out", "codes_in"),
        ("dec_fc_layer2", "remake.linear"), ("bn_dec_layer2", "remake.norm"),
        ("dec_fc_layer1", "remade.linear"), ("bn_dec_layer3", "remade.norm"),
        ("z_prior_lstm_ly1", "expectation.first"), ("z_prior_lstm_ly2", "expectation.second"),
        ("en_video_feat", "summary"), *_SEQUENCES.items(),
        *((f"{key}_mean", f"{name}.mean") for key, name in _GAUSSIANS.items()),
        *((f"{key}_logvar", f"{name}.log_variance") for key, name in _GAUSSIANS.items()),
    )
}  # fmt: skip

DEAD_KEYS = (
    "vae.bn_dec_layer1.", "vae.bilstm.weight_ih_l0_reverse", "vae.bilstm.weight_hh_l0_reverse",
    "vae.bilstm.bias_ih_l0_reverse", "vae.bilstm.bias_hh_l0_reverse",
)  # fmt: skip

OWN_PARTS = (
    "sound.", "picture.", "from_others.", "random_", "fuse.", "question.", "read.", "answer.",
    "known", "n_known", "place", "draws",
)  # fmt: skip
"""What no official weights fill: those before the encoder had other inputs."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cells are layers here, and what reads both ways is two layers."""
    adapted = {}
    for key, tensor in state.items():
        if key.startswith("vae.z_prior_lstm"):
            key = f"{key}_l0"
        elif key.startswith("vae.z_lstm."):
            way = "backwards" if key.endswith("_reverse") else "forwards"
            name = key.removeprefix("vae.z_lstm.").removesuffix("_reverse")
            key = f"vae.z_lstm.{way}.{name}"
        adapted[key] = tensor
    return adapted
