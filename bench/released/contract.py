"""What must be known of a released network to run it, and the words that it expects."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.methods.conversion import OFFICIAL_WORDS
from musicavqa.questions import vocabulary
from musicavqa.records import Batch

N_WORDS = 14
"""Words that the released loaders give, padding among them."""


def as_given(batch: Batch) -> Tensor:
    """Rows (B,) of the batch in its own order."""
    return torch.arange(len(batch.keys))


def answer_loss(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    """Cross-entropy of logits, where the network gives nothing else."""
    return [nn.functional.cross_entropy(given, answers)]


def match_loss(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    """AVST's: answers, and half of whether sound and picture match, gathered as released."""
    pairs, labels = code.batch_organize(*given[1:3])
    loss = nn.functional.cross_entropy(given[0], answers)
    return [loss + 0.5 * nn.functional.cross_entropy(pairs, labels.long())]


@dataclass(frozen=True)
class Released:
    """Where a released network is, and how it is made, asked and taught."""

    files: tuple[tuple[str, str], ...]
    """Path, and the name by which later files import it; in the order in which they are run."""
    make: Callable[[Any], nn.Module]
    """From the names of all files."""
    ask: Callable[[nn.Module, Batch], Any]
    """The network on a batch that repeats clips."""
    batch: int
    """Questions in a batch of its program."""
    seconds: int
    logits: Callable[[Any], Tensor] = lambda given: given
    losses: Callable[[Any, Any, Tensor], list[Tensor]] = answer_loss
    """Of names, outputs and answers; each is walked back by itself."""
    order: Callable[[Batch], Tensor] = as_given
    """In which its loader gives the questions."""
    fit: Callable[[Any, Batch], Batch] = lambda ours, batch: batch
    """Streams of the size that the networks take, for both sides."""
    prepare: Callable[[Any, Batch], Batch] = lambda ours, batch: batch
    """What its loader makes of them, by our network's own first step."""
    mended: tuple[tuple[str, str], ...] = ()
    """What does not run as it is, and what is meant."""
    standing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Modules that stand in by name for what is imported and does not count."""
    words: Callable[[], Sequence[str]] = lambda: OFFICIAL_WORDS
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ours, where its program has other ones than the paper."""
    betas: tuple[float, float] = (0.9, 0.999)


def load_released(folder: Path, released: Released) -> types.SimpleNamespace:
    """The names of all files of a released network."""
    names = types.SimpleNamespace()
    standing = {name: module(name, held) for name, held in released.standing.items()}
    code = {name: module(name, {}) for _, name in released.files}
    with imported({**standing, **code}):
        for place, name in released.files:
            path = folder / place
            text = path.read_text(encoding="utf-8")
            for wrong, meant in released.mended:
                text = text.replace(wrong, meant)
            exec(compile(text, str(path), "exec"), vars(code[name]))
            vars(names).update(vars(code[name]))
    return names


def module(name: str, held: Mapping[str, Any]) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(held)
    return made


@contextmanager
def imported(modules: Mapping[str, types.ModuleType]) -> Iterator[None]:
    """Under their names meanwhile; whatever else is imported then stays so."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, known in before.items():
            if known is None:
                del sys.modules[name]
            else:
                sys.modules[name] = known


def official_words(batch: Batch, width: int = N_WORDS) -> Tensor:
    """Words (B, width) by the numbers of the official list."""
    numbers = [OFFICIAL_WORDS.index(w) if w in OFFICIAL_WORDS else 0 for w in vocabulary()]
    words = torch.tensor(numbers)[batch.words]
    return nn.functional.pad(words, (0, width - words.shape[1]))


def no_network(pretrained: bool) -> nn.Module:
    """In the place of a ResNet that reaches no answer."""
    return nn.Identity()
