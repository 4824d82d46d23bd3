"""A training step and an evaluation of each method, beside a plain one.

    python bench/training_step.py [NAME ...] [--clips 8] [--per-clip 8] [--seconds 10] [--small]

The plain one has the same weights, options, questions, precision and threads, and must give the
same logits, but works as the released codes do: the clip comes anew with every question, negatives
also in evaluation, each question is read, an attention projects everything that it looks at, loops
go over items and seconds, Adam goes from weight to weight, and what is computed and thrown away is
computed (PLAIN says what that is for each method).
What is left out on purpose, in favour of the plain one: reading features (the released loaders read
a clip once per question), CLIP's text tower in QA-TIGER, three backward passes in AV-Master, heads
of other tasks in LAViT. Methods without official code are not here.

Times are CPU seconds, ours and plain in turns, the best of some runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from torch import Tensor, nn

from fixtures import make_batch, small_options
from methods import answer, in_turns, repeat_clips, step
from musicavqa.methods import av_master, hcrn, lavit, mccd, tspm
from musicavqa.methods.layers import (
    bert,
    factor_graph_attention,
    gaussian_experts,
    last_word_lstm,
    multi_head,
    question_lstm,
    question_pooling,
    selection,
)
from musicavqa.methods.layers.han import HANLayer
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.methods.layers.words import real_words
from musicavqa.methods.registry import load_method
from musicavqa.records import Batch

Model = nn.Module
Patches = list[tuple[Any, str, Any]]
"""(owner, name, what stands there in the plain one)."""


def read_each(read, words):
    """`each_once` without looking for equal questions."""
    return read(words)


def project_everything(attention, query, places, valid=None):
    """`single_query.ask` by torch: keys and values of every place, for every question."""
    missing = None if valid is None else ~valid
    found, weights = attention(query[:, None], places, places, key_padding_mask=missing)
    return found[:, 0], weights[:, 0]


def compare_with_keys(query, to_key, key_bias, places, n):
    """`single_query.compare` with a key for every place."""
    keys = nn.functional.linear(places, to_key, key_bias).unflatten(-1, (n, -1))
    heads = query.unflatten(-1, (n, -1))
    return torch.einsum("bhd,bnhd->bhn", heads, keys) / heads.shape[-1] ** 0.5


def attend_openly(self, queries, values, there=None):
    """`MultiHead` in single steps: scores, mask, softmax, dropout, sum."""
    query, key, value = (
        multi_head.split(layer(rows), self.n_heads)
        for layer, rows in ((self.query, queries), (self.key, values), (self.value, values))
    )
    scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
    scores = query @ key.transpose(-1, -2) * scale
    if there is not None:
        scores = scores.masked_fill(~there[:, None, None], -1e9)
    weights = nn.functional.dropout(scores.softmax(-1), self.dropout, self.training)
    return self.merge((weights @ value).transpose(1, 2).flatten(2))


def look_openly(self, tokens, values, there=None):
    """`BertAttention` in the same steps, with the weights of all tokens; those of the first."""
    query, key, value = (
        layer(rows).unflatten(-1, (self.n_heads, -1))
        for layer, rows in ((self.query, tokens), (self.key, values), (self.value, values))
    )
    scores = torch.einsum("bnhd,bmhd->bhnm", query, key) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~there[:, None, None], -torch.inf).softmax(-1)
    found = torch.einsum("bhnm,bmhd->bnhd", self.dropout(weights), value).flatten(2)
    return self.norm(tokens + self.dropout(self.merge(found))), weights.mean(1)[:, 0]


cross = lavit.CrossLayer.forward


def cross_all(self, streams, is_last):
    """LAViT's last layer like all others."""
    return cross(self, streams, is_last=False)


def all_states(layer, tokens, there):
    """MCCD's last layer for all tokens."""
    return layer(tokens, src_key_padding_mask=~there)[:, 0]


def take_one_by_one(sequence, index):
    """`take_seconds` by assignments in a loop over items and places."""
    taken = sequence.new_zeros(*index.shape, *sequence.shape[2:])
    for item, row in enumerate(index.tolist()):
        for place, second in enumerate(row):
            taken[item, place] = sequence[item, second]
    return taken


def look_at_every_second(self, batch, audio, places):
    """TSPM's patches, read anew for each question."""
    patches = tspm.picture_patches(batch.streams[self.options.patch_stream])
    patches = take_one_by_one(patches, self._frames(places))
    patches = self.tokens(self.patch_in(patches).flatten(0, 1), None)
    found, spots = self.sounding(take_one_by_one(audio, places).flatten(0, 1), patches)
    return found.unflatten(0, places.shape), spots.unflatten(0, places.shape)


def hear_with_every_expert(self, sequence, curves):
    """`GaussianExperts`: both layers of each expert on every second."""
    heard = torch.stack([expert(sequence) for expert in self.experts], dim=2)  # (B, T, E, D)
    return (heard * curves[..., None]).sum((1, 2))


def focus_on_copies(self, seconds, valid, queries):
    """AV-Master's focus with attention over eight copies of each second."""
    seconds, n = self.embed(seconds), av_master.N_TEMPLATES
    state = seconds[:, :1].expand(-1, n, -1)
    for second in range(seconds.shape[1]):
        copies = seconds[:, second, None].expand(-1, n, -1)
        both = self.old(state)[:, :, None] + self.new(copies)[:, None] + self.bias
        weights = torch.tanh(both).sum(-1, keepdim=True).softmax(2)
        places = state + queries
        weighed = nn.functional.linear(places, self.value.weight) @ self.value(copies).mT
        seen = self.merge(weighed.softmax(-1) @ self.value(copies))
        moved = self.both((weights * both).sum(2))
        found, _ = self.templates(moved + queries, moved + queries, moved)
        moved = self.norms[0](moved + self.dropout(found))
        moved = self.norms[1](moved + self.dropout(seen))
        inner = self.dropout(nn.functional.gelu(self.inner(moved)))
        moved = self.norms[3](self.norms[2](moved + self.dropout(self.outer(inner))))
        state = torch.where(valid[:, second, None, None], moved, state)
    alike = nn.functional.normalize(state, dim=-1)
    return torch.tanh(alike @ alike.transpose(1, 2)) @ state


def relate_part_by_part(self, objects, context, shares):
    """HCRN's unit: every subset listed, parts of a clip in a loop, the context joined to each."""
    n_groups, n_objects = objects.shape[1:3]
    context = context.expand(-1, n_groups, -1)
    if n_groups > 1 and n_groups == len(shares[0]):
        parts = [
            relate_part_by_part(self, objects[:, [g]], context[:, [g]], [s[[g]] for s in shares])
            for g in range(n_groups)
        ]
        return torch.cat(parts, dim=1)
    related = []
    for place, share in enumerate(shares):
        list(combinations(range(n_objects), n_objects - place))
        subset = torch.einsum("bgnd,gn->bgd", objects, share.expand(n_groups, -1).to(objects))
        both = torch.cat([subset, context], dim=-1)
        new = nn.functional.elu(self.fuse[place](both))
        related.append(new * torch.sigmoid(self.gate[place](both)) if self.gate else new)
    return torch.stack(related, dim=2)


def compare_all_pairs(self, one, two, there_one, there_two, rows=None):
    """AVSD's cosines as a matrix of all pairs, then means."""
    one = nn.functional.normalize(self.first(one), dim=-1)
    two = nn.functional.normalize(self.second(two), dim=-1)
    two, there_two = (two, there_two) if rows is None else (two[rows], there_two[rows])
    cosines = one @ two.transpose(1, 2)  # (B, n, m)
    of_two = (cosines * there_two[:, None]).sum(2) / there_two.sum(1, keepdim=True)
    of_one = (cosines * there_one[:, :, None]).sum(1) / there_one.sum(1, keepdim=True)
    return of_two, of_one


def fuse_every_frame(attend, frames, words, valid, spoken):
    """PSAC's co-attention with a joined vector for each frame (B, N, 4D); weights (B, W, N)."""
    seen, read = attend.dropout(frames), attend.dropout(words)
    scores = (seen @ attend.of_frame)[:, :, None] + (read @ attend.of_word)[:, None]
    scores = scores + (seen * attend.of_both) @ read.transpose(1, 2) + attend.bias
    over_words = scores.masked_fill(~spoken[:, None], -torch.inf).softmax(2)
    over_frames = scores.masked_fill(~valid[:, :, None], -torch.inf).softmax(1).transpose(1, 2)
    told, shown = over_words @ words, over_words @ (over_frames @ frames)
    return torch.cat([frames, told, frames * told, frames * shown], dim=-1), over_frames


def read_every_word_and_frame(model: Model) -> Patches:
    """PSAC spells each word of each question and resizes each frame before the mean."""
    network, spell = model.network, model.network.question.spell

    def forward(frames, places, valid, words, _, rows):
        spoken = real_words(words)
        seen = network.attend.narrow(frames + network.frames(frames, places, valid))[rows]
        read = network.question(words, spell(model.spelling[words]), spoken)
        fused, weights = fuse_every_frame(network.attend, seen, read, valid[rows], spoken)
        resized = mean_of_seconds(network.resize(fused), valid[rows])
        return network.classifier(resized), mean_of_seconds(weights, spoken)

    def no_table(letters):
        return torch.zeros(len(letters), model.options.width)

    return [(network, "forward", forward), (network.question, "spell", no_table)]


class Selections(nn.Module):
    """PSTP-Net's steps as released: everything is computed, in loops, and nothing is used."""

    def __init__(self, options: Any) -> None:
        super().__init__()
        width, heads = options.width, options.n_heads
        self.options = options
        self.segment = nn.Linear(2 * width, width)
        self.when, self.where, self.sounding = (QuestionPooling(width, heads) for _ in range(3))
        self.patch_in = nn.Linear(options.patch_width, width)
        self.exchange = HANLayer(width, 1, 1)

    def forward(self, model: Model, batch: Batch) -> None:
        options = self.options
        audio = model.audio_in(batch.streams[options.audio_stream])
        visual = batch.streams[options.visual_stream].flatten(3)
        patches = self.patch_in(visual.transpose(2, 3))  # (B, T, P, D)
        visual = model.visual_in(visual.mean(-1))
        question = model.question_in(batch.texts[options.question_text])
        self.exchange(audio, None, (visual, None))
        self.exchange(visual, None, (audio, None))
        segments = self.segment(torch.tanh(torch.cat([audio, visual], -1)))  # a second each
        _, shares = self.when(question, segments)
        seconds = shares.argsort(-1, descending=True)[:, : options.top_k].sort(-1).values
        sounds = take_one_by_one(audio, seconds)
        take_one_by_one(visual, seconds)
        chosen = take_one_by_one(patches, seconds)
        kept = chosen.new_zeros(*chosen.shape[:2], options.top_m, chosen.shape[-1])
        for frame in range(chosen.shape[1]):
            _, spots = self.where(question, chosen[:, frame])
            order = spots.argsort(-1, descending=True)[:, : options.top_m].tolist()
            for item, row in enumerate(order):
                for place, spot in enumerate(row):
                    kept[item, frame, place] = chosen[item, frame, spot]
        for frame in range(chosen.shape[1]):
            self.sounding(sounds[:, frame], kept[:, frame])


def relate_with_unused_step(options: Any) -> Callable[[Model, Batch], None]:
    """TSPM's temporal step makes a vector that nobody reads."""
    unused = QuestionPooling(options.width, options.n_heads, options.dropout)

    def run(model: Model, batch: Batch) -> None:
        visual = batch.streams[options.visual_stream].flatten(3).mean(-1)
        prompt = model.prompt_in(batch.texts[options.prompt_text])
        unused(prompt, model.visual_in(visual))

    return run


def choose_with_values(options: Any) -> Callable[[Model, Batch], None]:
    """TJSTG's attention over words computes values and an output that nobody reads."""
    unused = nn.MultiheadAttention(options.width, options.n_heads, batch_first=True)

    def run(model: Model, batch: Batch) -> None:
        words = model.question.embedding(batch.words)
        unused(words[:, :1], words, words)

    return run


def read_senses_alone(options: Any) -> Callable[[Model, Batch], None]:
    """MCCD reads question, sound and picture alone in evaluation too."""

    def wasted(model: Model, batch: Batch) -> Any:
        if model.training:
            return None
        heard, seen = model.options.audio_stream, model.options.visual_stream
        audio = model.hear(batch.streams[heard], batch.there(heard))
        visual = model.see(batch.streams[seen], batch.there(seen))
        return model.bias_logits(model.read(batch.words), audio, visual, batch.clip_of)

    return wasted


EVERYWHERE: Patches = [
    *((reader, "each_once", read_each) for reader in (question_lstm, last_word_lstm)),
    (question_pooling, "ask", project_everything),
    (gaussian_experts, "ask", project_everything),
    (selection, "compare", compare_with_keys),
    (multi_head.MultiHead, "forward", attend_openly),
]

PLAIN: dict[str, tuple[str, Patches, Callable[[Any], Any] | None]] = {
    "avst": ("negatives in evaluation", [], None),
    "avst_baseline": ("", [], None),
    "tjstg": ("negatives in evaluation, values of the choice", [], choose_with_values),
    "sasr_net": ("negatives in evaluation", [], None),
    "pstp_net": ("all selections, in loops, unused", [], Selections),
    "tspm": (
        "seconds copied one by one, patches read for each question, an unused step",
        [(tspm, "take_seconds", take_one_by_one), (tspm.Model, "_look", look_at_every_second)],
        relate_with_unused_step,
    ),
    "qa_tiger": (
        "both layers of each expert on every second",
        [(gaussian_experts.GaussianExperts, "forward", hear_with_every_expert)],
        None,
    ),
    "av_master": (
        "attention over eight copies",
        [(av_master.Focus, "forward", focus_on_copies)],
        None,
    ),
    "mccd": (
        "all states of the last layer, three senses alone in evaluation",
        [(mccd, "_first_state", all_states)],
        read_senses_alone,
    ),
    "mcan": ("", [], None),
    "psac": ("every word spelled, every frame resized", [], None),
    "hcrn": (
        "all subsets listed, parts in a loop",
        [(hcrn.RelationUnit, "forward", relate_part_by_part)],
        None,
    ),
    "avsd": (
        "all pairs of cosines",
        [(factor_graph_attention.Pair, "forward", compare_all_pairs)],
        None,
    ),
    "lavit": (
        "all tokens of the last layer, the weights of all",
        [(lavit.CrossLayer, "forward", cross_all), (bert.BertAttention, "forward", look_openly)],
        None,
    ),
    "fcnlstm": ("", [], None),
    "convlstm": ("", [], None),
}
"""What the released code does besides repeating clips: in words, patches, a module that is run."""


class Plain(nn.Module):
    """A method in the plain way, for batches that repeat clips."""

    def __init__(self, name: str, model: Model) -> None:
        super().__init__()
        self.model, self.name = model, name
        _, self.patches, extra = PLAIN[name]
        self.extra = extra(model.options) if extra else None

    def forward(self, batch: Batch) -> Any:
        with plainly([*EVERYWHERE, *self.patches, *self._own()]):
            if self.extra is not None:
                self.extra(self.model, batch)
            return self.model(batch)

    def _own(self) -> Patches:
        return read_every_word_and_frame(self.model) if self.name == "psac" else []


@contextlib.contextmanager
def plainly(patches: Patches) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for owner, name, plain in patches:
            stack.enter_context(patch.object(owner, name, plain))
        yield


def main() -> None:
    settings = arguments()
    torch.set_num_threads(1)
    about = f"{settings.clips} clips of {settings.seconds} s, {settings.per_clip} questions each"
    print(f"{about}, 1 thread, torch {torch.__version__}, CPU; milliseconds, plain / ours")
    print(f"{'method':>15}{'training step':>24}{'evaluation':>24}  plain also has", flush=True)
    for name in settings.methods or PLAIN:
        training, evaluation = measure(name, settings)
        print(f"{name:>15}{row(*training)}{row(*evaluation)}  {PLAIN[name][0]}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*", help=", ".join(PLAIN))
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--per-clip", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    return parser.parse_args()


def measure(name: str, settings: argparse.Namespace) -> tuple[list[float], list[float]]:
    """CPU seconds (plain, ours) of a training step, and of answering the same questions."""
    torch.manual_seed(0)
    method = load_method(name)
    options = small_options(method) if settings.small else method.options()
    if hasattr(options, "compat"):
        options = dataclasses.replace(options, compat="released")
    model = method.build(options)
    plain = Plain(name, model)
    batch = make_batch(
        method.streams(options), settings.clips, settings.seconds, settings.per_clip,
        negatives=method.negatives(options), texts=method.texts(options),
    )  # fmt: skip
    repeated = repeat_clips(batch)
    asked = dataclasses.replace(batch, negatives={})
    plain.eval()
    works = [lambda: answer(plain, repeated), lambda: answer(model, asked)]
    torch.testing.assert_close(*map(seeded, works), atol=1e-4, rtol=1e-3)
    evaluation = in_turns(works, settings.repeats)
    plain.train()
    return in_turns(
        [step(plain, repeated, fused=False), step(model, batch)], settings.repeats
    ), evaluation


def seeded(work: Callable[[], Tensor]) -> Tensor:
    """HCRN draws subsets in evaluation too, as released."""
    torch.manual_seed(0)
    return work()


def row(plain: float, ours: float) -> str:
    return f"{1000 * plain:>9.0f} /{1000 * ours:>5.0f} {plain / ours:>6.1f}x"


if __name__ == "__main__":
    main()
