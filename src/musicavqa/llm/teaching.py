"""Teach a language model a data set by low-rank adapters (LoRA, Hu et al. 2022), with peft.

`teach` takes any model of this process: one of `musicavqa.llm.models` or one of transformers. The
weights stay as they are; matrices of low rank beside those of attention learn, and with our own
models the bridges that their authors trained. What is learned goes into a folder:

* `adapter/` as peft writes it, so that peft reads it anywhere; `bridges.safetensors` beside it;
* `state.safetensors` while it learns: the same command goes on where it was killed, and ends with
  the same weights, since every step draws from a seed of its own.

`merge_llm` puts an adapter into its model for good. Clips are decoded when their turn comes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from musicavqa.files import parse_json, read_json, replacing, write_json
from musicavqa.llm.contract import Request
from musicavqa.tensor_files import read_safetensors

ATTENTION = r"(.*\.)?language\w*\..*\.(q_proj|k_proj|v_proj|o_proj|out_proj|query|key|value)"
"""Names of what is adapted: all projections of attention in the language model."""
STATE, BRIDGES, ADAPTER, LESSON = (
    "state.safetensors",
    "bridges.safetensors",
    "adapter",
    "lesson.json",
)


@dataclass(frozen=True)
class LoraRecipe:
    """How a model is taught; all of it is kept with what was learned."""

    rank: int = 16
    alpha: float = 32.0
    """What the matrices add is multiplied by alpha / rank."""
    dropout: float = 0.05
    adapts: str = ATTENTION
    """Regular expression of the whole names of linear layers."""
    bridges: bool = True
    """Whether the bridges of our own models learn too."""
    epochs: int = 1
    batch: int = 8
    accumulate: int = 2
    """Batches that one step learns from."""
    learning_rate: float = 1e-4
    warmup: float = 0.03
    """Share of all steps in which the rate rises from zero; then it falls to zero by a cosine."""
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    save_every: int = 100
    """Steps after which the state is written."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "batch", "accumulate", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.dropout < 1 or not 0 <= self.warmup < 1 or self.learning_rate <= 0:
            raise ValueError("dropout and warmup lie from 0 to below 1, learning_rate above 0.")


class Lessons(Protocol):
    """Requests with the answers that are wanted; an item may be decoded when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> tuple[Request, str]:
        """A request, and the answer in words."""

    def mark(self) -> str:
        """Short text that differs where the lessons differ."""


class Learner(Protocol):
    """A model that can learn; `OwnModel` is one, `NativeLearner` makes one of transformers'."""

    @property
    def network(self) -> Any:
        """What is adapted."""

    def loss(self, requests: Sequence[Request], answers: Sequence[str]) -> Tensor:
        """What is to be made small."""


@dataclass
class NativeLearner:
    """A model of transformers (`families.local.LocalModel`): one prompt at a time."""

    model: Any

    @property
    def network(self) -> Any:
        """The network itself."""
        return self.model.model

    def loss(self, requests: Sequence[Request], answers: Sequence[str]) -> Tensor:
        """Mean over the answers of the mean cross-entropy of their tokens and end mark."""
        return torch.stack([
            self._one(request, answer) for request, answer in zip(requests, answers, strict=True)
        ]).mean()  # fmt: skip

    def _one(self, request: Request, answer: str) -> Tensor:
        from musicavqa.llm.families.candidates import forget_positions

        tokens = self.model.chat.candidate(answer)
        inputs = dict(self.model._inputs(request)[0])
        ids = inputs["input_ids"]
        behind = torch.tensor([list(tokens)], device=ids.device)
        inputs["input_ids"] = torch.cat([ids, behind], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(behind).to(kinds)], 1)
        forget_positions(self.network)
        logits = self.network(**inputs).logits[0, -len(tokens) - 1 : -1]
        return nn.functional.cross_entropy(logits.float(), behind[0])


Tell = Callable[[int, int, float], None]


def teach_llm(
    model: object, lessons: Lessons, recipe: LoraRecipe, folder: Path, tell: Tell | None = None
) -> Path:
    """Teach, or go on where it was killed; the folder with `adapter/` in it.

    `tell` is called after each step with the steps done, those in all, and the loss. Afterwards the
    model answers with what it learned. ValueError where the folder holds other lessons.
    """
    learner = learner_of(model)
    about = {"recipe": dataclasses.asdict(recipe), "lessons": lessons.mark()}
    _same_lesson(folder, about, learner)
    torch.manual_seed(recipe.seed)
    wrapped = _adapted(learner.network, recipe)
    learns = {name: p for name, p in learner.network.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        learns.values(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    done = _restore(folder / STATE, learns, optimizer)
    steps = list(_steps(len(lessons), recipe))
    learner.network.train()
    for number in range(done, len(steps)):
        torch.manual_seed(recipe.seed * 1_000_003 + number)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate_at(number, len(steps), recipe.warmup)
        loss = _step(learner, lessons, steps[number], optimizer, recipe)
        if not math.isfinite(loss):
            raise ValueError(f"The loss of step {number} is {loss}; take a lower learning_rate.")
        if (number + 1) % recipe.save_every == 0 or number + 1 == len(steps):
            _save(folder / STATE, learns, optimizer, number + 1)
        if tell is not None:
            tell(number + 1, len(steps), loss)
    learner.network.eval()
    _write_adapter(folder, wrapped, learns)
    return folder


def attach(model: Any, folder: Path) -> Any:
    """The model with what was learned, in place; what peft wraps it in is returned."""
    peft = _peft()
    network = learner_of(model).network
    if not (folder / ADAPTER).is_dir():
        raise FileNotFoundError(f"There is no adapter in {folder}; teach writes {ADAPTER}/ there.")
    try:
        wrapped = peft.PeftModel.from_pretrained(network, str(folder / ADAPTER))
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:120]
        raise ValueError(f"{folder / ADAPTER} is of another model ({why}).") from error
    if (folder / BRIDGES).is_file():
        own, tensors = network.state_dict(), read_safetensors(folder / BRIDGES)[0]
        if strange := [n for n, x in tensors.items() if n not in own or own[n].shape != x.shape]:
            raise ValueError(f"{folder / BRIDGES} is of another model: {strange[0]}.")
        network.load_state_dict(tensors, strict=False)
    network.eval()
    return wrapped


def merge_llm(opened: object, folder: Path, out: Path) -> None:
    """Write the model with what was learned in its weights, as a folder like any other."""
    model: Any = opened
    attach(model, folder).merge_and_unload()
    if hasattr(model, "loss"):
        from musicavqa.llm.own import save_model

        lessons = read_json(folder / LESSON)["lessons"]
        before = model.about["trained_on"]
        taught = f"taught {lessons}" + (f"; before: {before}" if before else "")
        save_model(out, model.name, model.network, model.tokenizer, taught)
        return
    model.model.save_pretrained(out)
    model.chat.tokenizer.save_pretrained(out)
    if model.chat.extractor is not None:
        model.chat.extractor.save_pretrained(out)


def learner_of(model: Any) -> Learner:
    """The model as something that learns; ValueError for one that is not in this process."""
    if hasattr(model, "loss"):
        learner: Learner = model
        return learner
    if hasattr(model, "model") and hasattr(model, "chat"):
        return NativeLearner(model)
    raise ValueError(f"{model.identity()['model']} is not in this process, so it cannot be taught.")


def rate_at(step: int, n_steps: int, warmup: float) -> float:
    """Share of the learning rate: a linear rise, then a cosine to zero."""
    rise = max(1, round(warmup * n_steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, n_steps - rise)))


def _adapted(network: Any, recipe: LoraRecipe) -> Any:
    peft = _peft()
    config = peft.LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout,
        target_modules=recipe.adapts,
    )  # fmt: skip
    bridges = _bridge_names(network) if recipe.bridges else []
    wrapped = peft.get_peft_model(network, config)
    parameters = dict(network.named_parameters())
    for name in bridges:
        parameters[name].requires_grad_(True)
    return wrapped


def _bridge_names(network: Any) -> list[str]:
    """Parameters of our own models outside the language model and what its authors kept fixed."""
    frozen = getattr(network, "frozen", None)
    if frozen is None:
        return []
    fixed = tuple(f"{part}." for part in (*frozen, "language"))
    return [name for name, _ in network.named_parameters() if not name.startswith(fixed)]


def _steps(n: int, recipe: LoraRecipe) -> Iterator[list[list[int]]]:
    """Batches of lessons, step by step; each epoch takes every lesson once, in its own order."""
    for epoch in range(recipe.epochs):
        draw = torch.Generator().manual_seed(recipe.seed * 7919 + epoch)
        order = torch.randperm(n, generator=draw).tolist()
        batches = [order[at : at + recipe.batch] for at in range(0, n, recipe.batch)]
        for at in range(0, len(batches), recipe.accumulate):
            yield batches[at : at + recipe.accumulate]


def _step(
    learner: Learner,
    lessons: Lessons,
    batches: Sequence[Sequence[int]],
    optimizer: torch.optim.Optimizer,
    recipe: LoraRecipe,
) -> float:
    """One step of the optimizer; the mean loss of its lessons."""
    total, n_lessons = 0.0, sum(map(len, batches))
    optimizer.zero_grad()
    for batch in batches:
        requests, answers = zip(*(lessons[place] for place in batch), strict=True)
        loss = learner.loss(requests, answers) * (len(batch) / n_lessons)
        loss.backward()
        total += float(loss.detach())
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, recipe.gradient_clip)
    optimizer.step()
    return total


def _same_lesson(folder: Path, about: Mapping[str, Any], learner: Learner) -> None:
    """Write what is taught, or refuse a folder in which something else was."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / LESSON
    if place.is_file() and (found := read_json(place)) != about:
        what = [key for key in about if found.get(key) != about[key]]
        raise ValueError(
            f"{folder} was taught with other {' and '.join(what)}; take another folder."
        )
    if any("lora_" in name for name, _ in learner.network.named_parameters()):
        raise ValueError("This model has an adapter already; open it anew, or merge it first.")
    write_json(place, dict(about))


def _save(
    path: Path, learns: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, done: int
) -> None:
    from safetensors.torch import save_file

    tensors = {f"weight/{name}": p.detach().contiguous() for name, p in learns.items()}
    for row, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{row}/{key}": x.contiguous() for key, x in values.items()}
    with replacing(path) as part:
        save_file(tensors, str(part), {"steps": json.dumps(done)})


def _restore(path: Path, learns: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Steps that were done, their weights and moments put in place; 0 where none were."""
    if not path.is_file():
        return 0
    tensors, texts = read_safetensors(path)
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        if kind == "optimizer":
            row, _, moment = name.partition("/")
            state.setdefault(int(row), {})[moment] = tensor
    weights = {k.removeprefix("weight/"): x for k, x in tensors.items() if k.startswith("weight/")}
    fits = {n: x.shape for n, x in weights.items()} == {n: p.shape for n, p in learns.items()}
    if not fits or "steps" not in texts:
        raise ValueError(f"{path} is of another model or damaged. Delete it to begin anew.")
    with torch.no_grad():
        for name, weight in learns.items():
            weight.copy_(weights[name])
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return int(parse_json(texts["steps"]))


def _write_adapter(folder: Path, wrapped: Any, learns: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    bridges = {n: p.detach().contiguous() for n, p in learns.items() if "lora_" not in n}
    if bridges:
        with replacing(folder / BRIDGES) as part:
            save_file(bridges, str(part))
    wrapped.save_pretrained(str(folder / ADAPTER), save_embedding_layers=False)


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ImportError("This needs peft: pip install 'musicavqa[lora]'") from error
    return peft
