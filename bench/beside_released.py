"""A training step and answering beside the released code itself, in batches of its recipe.

    python bench/beside_released.py FOLDER [NAME ...] [--per-clip 1] [--turns 2] [--paper]

FOLDER holds checkouts of GeWu-Lab/MUSIC-AVQA, GeWu-Lab/PSTP-Net, GeWu-Lab/TSPM and
AIM-SKKU/QA-TIGER under their names; none is part of this project, and **its code is run**. Our
model gets its weights (`methods/conversion.py`) and must give the same logits. `--paper` takes our
default mode instead, which computes another thing.

Theirs gets a clip anew with every question and its negatives, in evaluation too, and Adam as its
program makes it. Ours learns as `train` does: clips once, negatives where they lie, Adam fused,
memory kept from step to step. Reading is on neither side, nor are CLIP's towers and a ResNet that
reaches no answer. CPU seconds of the second of two steps, the sides in turns, the best turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import time
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import torch
from torch import Tensor, nn

from fixtures import make_clips, make_questions, make_streams, make_texts
from methods import answer, repeat_clips, step
from musicavqa.methods.conversion import OFFICIAL_WORDS, official_model
from musicavqa.methods.registry import load_method
from musicavqa.questions import vocabulary
from musicavqa.records import Batch
from musicavqa.training.batches import Collation, make_batches
from musicavqa.training.memory import kept_pages

N_WORDS = 14
"""Words that the released loaders give, padding among them."""


@dataclass(frozen=True)
class Released:
    """Where a released network is, and how it is made, asked and taught."""

    files: tuple[str, ...]
    """In the order in which they are run; the last one has the network."""
    make: Callable[[Any], nn.Module]
    ask: Callable[[nn.Module, Batch], Any]
    """The network on a batch that repeats clips."""
    batch: int
    """Questions in a batch of its program."""
    seconds: int
    logits: Callable[[Any], Tensor] = lambda given: given
    mended: tuple[tuple[str, str], ...] = ()
    """What the release binds wrongly, or a newer numpy refuses, and what is meant."""
    match_weight: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)


def official_words(batch: Batch) -> Tensor:
    """Words (B, 14) by the numbers of the official list."""
    numbers = [OFFICIAL_WORDS.index(w) if w in OFFICIAL_WORDS else 0 for w in vocabulary()]
    words = torch.tensor(numbers)[batch.words]
    return nn.functional.pad(words, (0, N_WORDS - words.shape[1]))


def ask_avst(network: nn.Module, batch: Batch) -> Any:
    pictures = batch.streams["visual_resnet18_map"]
    others = batch.negatives.get("visual_resnet18_map", pictures)
    return network(batch.streams["audio_vggish"], pictures, others, official_words(batch))


def ask_pstp(network: nn.Module, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    return network(
        streams["audio_vggish"], streams["visual_clip_b32"], streams["visual_clip_b32_patches"],
        texts["text_clip_b32"][:, None], texts["text_clip_b32_words"][:, None],
    )  # fmt: skip


def ask_tspm(network: nn.Module, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    return network(
        streams["audio_vggish"], streams["visual_clip_l14_336"], None, streams["visual_tome14"],
        texts["text_clip_l14"][:, None], texts["text_clip_l14_prompt"][:, None],
    )  # fmt: skip


def ask_qa_tiger(network: nn.Module, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    network.quest_encoder.given = texts["text_clip_l14"][:, None], texts["text_clip_l14_words"]
    return network(
        {"quest": batch.words, "audio": streams["audio_vggish"],
         "video": streams["visual_clip_l14_336"], "patch": streams["visual_tome14"]}
    )  # fmt: skip


class ReadBefore(nn.Module):
    """In the place of CLIP's text tower: what it would say."""

    given: Any = None

    def __init__(self, _: str) -> None:
        super().__init__()

    def freeze(self) -> None:
        """There is nothing to freeze."""

    def forward(self, _: Tensor) -> Any:
        return self.given


PSTP_ARGS = types.SimpleNamespace(
    num_layers=1, question_encoder="CLIP", use_word=True, temp_select=True, segs=12, top_k=2,
    spat_select=True, top_m=25, a_guided_attn=True, global_local=True,
)  # fmt: skip
TSPM_ARGS = types.SimpleNamespace(
    top_k=10, AV_Attn_Module=True, Temp_Selection=True, Spatio_Perception=True, Temp_QTGM=True
)
TIGER = {"d_model": 512, "video_dim": 768, "patch_dim": 1024, "topK": 7, "num_experts": 7}

RELEASED = {
    "avst": Released(
        ("MUSIC-AVQA/net_grd_avst/net_avst.py",), lambda code: code.AVQA_Fusion_Net(), ask_avst,
        64, 10, lambda given: given[0], match_weight=0.5,
    ),
    "avst_baseline": Released(
        ("MUSIC-AVQA/net_baseline/nets_qa_grd_baseline.py",), lambda code: code.AVQA_Fusion_Net(),
        ask_avst, 64, 10, lambda given: given[0],
    ),
    "pstp_net": Released(
        ("PSTP-Net/nets/PSTP_Net_Ours.py",), lambda code: code.PSTP_Net(PSTP_ARGS), ask_pstp, 64,
        60, mended=(("int(top_k_index_sort[batch_idx, :, k_idx])",
                     "int(top_k_index_sort[batch_idx, 0, k_idx])"),),
    ),
    "tspm": Released(
        ("TSPM/nets/net.py",), lambda code: code.TSPM(TSPM_ARGS), ask_tspm, 64, 60,
        mended=(("TemporalPerceptionModule(", "TemporalPerception("),
                  ("avisual_patch_select", "visual_patch_select")),
    ),
    "qa_tiger": Released(
        ("QA-TIGER/src/models/modules.py", "QA-TIGER/src/models/net.py"),
        lambda code: code.QA_TIGER(**TIGER), ask_qa_tiger, 32, 60, lambda given: given["out"],
        betas=(0.95, 0.999),
    ),
}  # fmt: skip
"""Sizes of batches and seconds are those of the released programs."""


def load_released(folder: Path, released: Released) -> types.ModuleType:
    """The module of the network; what it imports and does not need stands in by name."""
    standing = {
        "visual_net": {"resnet18": lambda pretrained: nn.Identity()},
        "torchvision": {}, "torchvision.models": {}, "nets": {}, "configs": {},
        "nets.visual_net": {"resnet18": None}, "configs.arguments": {"parser": None},
        "configs.arguments_Ours_FusionCat": {"parser": None},
        "src": {}, "src.models": {}, "src.models.encoders": {"CLIP_TEncoder": ReadBefore},
    }  # fmt: skip
    modules = {name: types.ModuleType(name) for name in standing}
    for name, held in standing.items():
        vars(modules[name]).update(held)
    with patch.dict(sys.modules, modules):
        for name in released.files:
            path = folder / name
            text = path.read_text(encoding="utf-8")
            for wrong, meant in released.mended:
                text = text.replace(wrong, meant)
            code = types.ModuleType(path.stem)
            sys.modules[f"src.models.{path.stem}"] = code
            exec(compile(text, str(path), "exec"), vars(code))
    return code


def their_step(
    released: Released, code: types.ModuleType, network: nn.Module, batch: Batch
) -> Callable[[], None]:
    """A training step as their program has it."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-5, betas=released.betas)

    def run() -> None:
        optimizer.zero_grad()
        given = released.ask(network, batch)
        loss = nn.functional.cross_entropy(released.logits(given), batch.answers)
        if released.match_weight:
            pairs, labels = code.batch_organize(*given[1:])
            matched = nn.functional.cross_entropy(pairs, labels.long())
            loss = loss + released.match_weight * matched
        loss.backward()
        optimizer.step()

    return run


def draw(method: Any, options: Any, released: Released, per_clip: float) -> Batch:
    """A batch of the program's size, `per_clip` questions about a clip on average."""
    n_clips = round(released.batch / per_clip)
    clips = make_clips(n_clips, released.seconds)
    most = math.ceil(released.batch / n_clips)
    asked = make_questions(clips, most)
    asked = sorted(asked, key=lambda question: int(question.key.rpartition("/")[2]) % most)
    asked = asked[: released.batch]
    published = method.module.PUBLISHED
    # theirs may read what ours leaves alone
    read = (options, published, dataclasses.replace(published, compat="released"))
    names = {kind: dict.fromkeys(n for o in read for n in getattr(method, kind)(o))
             for kind in ("streams", "texts")}  # fmt: skip
    texts = make_texts(asked, tuple(names["texts"]))
    for held in texts.values():
        for rows in held.values():
            rows[rows == 0] = 0.01  # CLIP's padding is not zero, and is read
    collation = Collation(negatives=method.negatives(options), texts=texts)
    streams = make_streams(clips, tuple(names["streams"]))
    rng = np.random.default_rng(0)
    return next(make_batches(clips, asked, streams, n_clips, rng, collation))


def measure(name: str, settings: argparse.Namespace) -> tuple[list[float], list[float]]:
    """CPU seconds (released, ours) of a training step, and of answering the same questions."""
    torch.manual_seed(0)
    released, method = RELEASED[name], load_method(name)
    code = load_released(settings.folder, released)
    network = released.make(code)
    ours, _ = official_model(method, network.state_dict())
    options = ours.options
    if settings.paper:
        options = dataclasses.replace(options, compat="paper")
        ours = method.build(options)
    batch = draw(method, options, released, settings.per_clip)
    theirs = repeat_clips(batch)
    unasked = dataclasses.replace(batch, negatives={})
    network.eval(), ours.eval()

    def answer_theirs() -> Tensor:
        with torch.no_grad():
            return released.logits(released.ask(network, theirs))

    if not settings.paper:
        torch.testing.assert_close(answer_theirs(), answer(ours, unasked), atol=1e-4, rtol=1e-3)
    answering = in_turns([answer_theirs, lambda: answer(ours, unasked)], settings.turns)
    network.train(), ours.train()
    steps = [their_step(released, code, network, theirs), step(ours, batch)]
    return in_turns(steps, settings.turns), answering


def in_turns(works: list[Callable[[], Any]], turns: int) -> list[float]:
    """CPU seconds of the second of two runs: the first side as it is, ours with memory kept."""
    times: list[list[float]] = [[], []]
    for _ in range(turns):
        for keeping, work, found in zip((nullcontext, kept_pages), works, times, strict=True):
            with keeping():
                work()
                start = time.process_time()
                work()
                found.append(time.process_time() - start)
    return [min(found) for found in times]


def row(theirs: float, ours: float) -> str:
    return f"{1000 * theirs:>9,.0f} /{1000 * ours:>6,.0f} {theirs / ours:>6.2f}x"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="with the checkouts")
    parser.add_argument("methods", nargs="*", help=", ".join(RELEASED))
    parser.add_argument("--per-clip", type=float, default=1.0, help="questions; 3.45 in train")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--paper", action="store_true", help="our default mode, other logits")
    return parser.parse_args()


def main() -> None:
    settings = arguments()
    torch.set_num_threads(1)
    about = f"{settings.per_clip:g} questions about a clip, 1 thread, torch {torch.__version__}"
    print(f"{about}; CPU milliseconds, released / ours: a training step, answering", flush=True)
    with patch.object(Tensor, "cuda", lambda tensor: tensor):
        for name in settings.methods or RELEASED:
            training, answering = measure(name, settings)
            print(f"{name:>15}{row(*training)}{row(*answering)}", flush=True)


if __name__ == "__main__":
    main()
