"""Our own language models as adapters, in folders of their own.

A folder holds `model.json` (which model and its options), `weights.safetensors` and the tokenizer
as transformers keeps it. `save_model` writes one, `open_own` opens it, `convert_llm` makes one
from published weights where the file of the model knows their names.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from musicavqa.files import mark_of, read_json, replacing, write_json
from musicavqa.llm.contract import Ability, ByLikelihood, ModelError, Receipt, Reply, Request
from musicavqa.llm.layers.clip_tensors import RATE_HZ, ClipTensors, Prompt, stacked
from musicavqa.llm.models import build_model, list_models, make_options, model_file
from musicavqa.llm.models.card import Card, Wanted
from musicavqa.tensor_files import read_safetensors

if TYPE_CHECKING:
    from musicavqa.llm.contract import Opening

ABOUT, WEIGHTS = "model.json", "weights.safetensors"


@dataclass
class OwnModel(ByLikelihood):
    """One of `musicavqa.llm.models` with its tokenizer; asked like any model, and able to learn."""

    name: str
    network: Any
    tokenizer: Any
    about: dict[str, Any]
    parallel: int = 1

    @property
    def card(self) -> Card:
        """Who made it, what of it is here."""
        card: Card = model_file(self.name).CARD
        return card

    @property
    def wanted(self) -> Wanted:
        """What it reads of a clip."""
        wanted: Wanted = model_file(self.name).wanted(self.network.options)
        return wanted

    @property
    def ability(self) -> Ability:
        """Its senses; how much of a clip it reads, each receipt tells."""
        card = self.card
        return Ability(
            card.senses, ("score", "generate", "choose"), None, card.tier, self.about["trained_on"]
        )

    def identity(self) -> dict[str, Any]:
        """Name, weights, and the words around the question."""
        return {**self.about, "layout": [self.wanted.before, self.wanted.after]}

    def generate(self, request: Request) -> Reply:
        """The likeliest words one after another; ModelError where they did not end."""
        if request.generation.temperature:
            raise ValueError(f"{self.name} gives its likeliest words; leave the temperature out.")
        most = request.generation.max_tokens
        clip, prompt = self.clip(request), self.prompt(request)
        words = self.network.generate(clip, prompt, most)
        if len(words) >= most:
            raise ModelError("cut short", f"no end after {most} tokens; give more: --max-tokens")
        text = self.tokenizer.decode(words, skip_special_tokens=True).strip()
        usage = {"completion_tokens": len(words)}
        return Reply(self.receipt(request, prompt), text=text, usage=usage)

    def loss(self, requests: Sequence[Request], answers: Sequence[str]) -> Tensor:
        """What is to be made small when these answers are taught: the mean over the requests.

        Clips that lack a sense are read apart from those that have it.
        """
        groups: dict[tuple[bool, bool], list[int]] = {}
        clips = [self.clip(request) for request in requests]
        for place, clip in enumerate(clips):
            groups.setdefault((clip.pictures is None, clip.sound is None), []).append(place)
        terms = [
            len(places)
            * self.network.loss(
                stacked([clips[p] for p in places]),
                [self.prompt(requests[p]) for p in places],
                [self.words(answers[p]) for p in places],
            )
            for places in groups.values()
        ]
        return torch.stack(terms).sum() / len(requests)

    def clip(self, request: Request) -> ClipTensors:
        """The material as tensors; what it has no sense for is left out."""
        material, wanted = request.material, self.wanted
        weight = next(iter(self.network.parameters()))
        eye, ear = wanted.looking, wanted.listening
        seen = heard = None
        if eye is not None and material.pictures is not None and len(material.pictures):
            seen = eye(material.pictures).to(weight)
        if ear is not None and material.sound is not None and len(material.sound):
            heard = ear(material.sound).to(weight)
        return ClipTensors(seen, heard)

    def prompt(self, request: Request) -> Prompt:
        """Words around the clip as numbers."""
        text = f"{request.system}\n{request.text}" if request.system else request.text
        first = self.tokenizer.bos_token_id
        begin = () if first is None or not self.wanted.before else (int(first),)
        before, after = (
            tuple(self.words(part)) for part in (self.wanted.before, self.wanted.after)
        )
        return Prompt(begin + before, tuple(self.words(text)), after)

    def words(self, text: str) -> list[int]:
        """Text as numbers, without marks at its ends."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def receipt(self, request: Request, prompt: Prompt) -> Receipt:
        """What of the clip was read, counted where it was read last."""
        material, wanted, read = request.material, self.wanted, self.network.read
        n_pictures = 0 if material.pictures is None else len(material.pictures)
        sound = np.zeros(0) if material.sound is None else material.sound
        eye, ear = wanted.looking, wanted.listening
        n_words = sum(map(len, vars(prompt).values()))
        return Receipt(
            frames=0 if eye is None else min(n_pictures, eye.frames),
            seconds_heard=0.0 if ear is None or not len(sound) else ear.heard_s(sound),
            seconds_of_sound=len(sound) / RATE_HZ,
            prompt_tokens=n_words + sum(read.values()),
            picture_tokens=read.get("pictures", 0),
            sound_tokens=read.get("sound", 0),
        )

    def weighed(self, request: Request) -> tuple[np.ndarray, Receipt]:
        clip, prompt = self.clip(request), self.prompt(request)
        answers = [self.words(text) for text in request.candidates]
        scores = self.network.likelihoods(clip, prompt, answers)
        receipt = self.receipt(request, prompt)
        if request.generation.prior:
            scores = scores - self.network.likelihoods(ClipTensors(), prompt, answers)
        if request.generation.length == "mean":
            scores = scores / torch.tensor([len(a) + 1 for a in answers]).to(scores)
        if not scores.isfinite().all():
            raise ModelError("model", "likelihoods are no numbers: weights or precision are broken")
        return scores.double().cpu().numpy(), receipt


def save_model(folder: Path, name: str, network: Any, tokenizer: Any, trained_on: str) -> None:
    """Write a model with its tokenizer; model.json comes last."""
    from safetensors.torch import save_model as save_tensors

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    with replacing(folder / WEIGHTS) as part:
        save_tensors(network, str(part))
    about = {
        "model": name,
        "options": dataclasses.asdict(network.options),
        "trained_on": trained_on,
    }
    write_json(folder / ABOUT, about)


def open_own(folder: Path, opening: Opening) -> OwnModel:
    """The model in a folder that `save_model` wrote; ValueError for what does not fit."""
    from transformers import AutoTokenizer

    about = read_json(folder / ABOUT)
    if missing := [key for key in ("model", "options", "trained_on") if key not in about]:
        raise ValueError(f"{folder / ABOUT} lacks {', '.join(missing)}; write it with save_model.")
    if opening.bits is not None:
        raise ValueError(f"{about['model']} is loaded with its own precision; leave bits out.")
    options = make_options(about["model"], about["options"])
    tensors, _ = read_safetensors(folder / WEIGHTS)
    network = build_model(about["model"], options)
    fill(network, tensors, folder / WEIGHTS)
    device = "cpu" if opening.device == "auto" and not torch.cuda.is_available() else opening.device
    network = network.to("cuda" if device == "auto" else device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    told = {
        "model": folder.resolve().name,
        "family": about["model"],
        "revision": _revision(folder),
        "trained_on": about["trained_on"],
    }
    return OwnModel(about["model"], network, tokenizer, told)


def convert_llm(name: str, official: Path, tokenizer: Path, out: Path) -> None:
    """A folder from published weights (.safetensors files in a folder, or one file of PyTorch).

    ValueError where the model's file does not know official names, or something does not fit.
    """
    from transformers import AutoTokenizer

    from musicavqa.methods.conversion import read_official

    file = model_file(name)
    if not hasattr(file, "convert"):
        can = ", ".join(one for one in list_models() if hasattr(model_file(one), "convert"))
        raise ValueError(f"The names of published weights of {name} are not known; of {can} are.")
    tensors: dict[str, Tensor] = {}
    parts = sorted(official.glob("*.safetensors")) if official.is_dir() else [official]
    if not parts:
        raise FileNotFoundError(f"There are no .safetensors files in {official}.")
    for part in parts:
        is_safe = part.suffix == ".safetensors"
        tensors |= read_safetensors(part)[0] if is_safe else read_official(part)
    network = network_of(name, tensors, official)
    words = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    save_model(out, name, network, words, file.CARD.trained_on)


def network_of(name: str, official: Mapping[str, Tensor], source: Path) -> torch.nn.Module:
    """The network `name` at published size with tensors under official names.

    ValueError, which names `source`, where a tensor is missing, unknown or of another shape.
    """
    from musicavqa.methods.conversion import plain_names

    known = ("model.", "lm_head.", "multimodal_encoder.")
    network: torch.nn.Module = build_model(name)
    fill(network, model_file(name).convert(plain_names(official, known)), source)
    return network


def fill(network: torch.nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Put tensors into a network; ValueError names what is missing, unknown or of another shape.

    A tensor that stands under several names in the network may stand under one in the file.
    """
    own = network.state_dict(keep_vars=True)
    given = {id(own[name]) for name in tensors if name in own}
    missing = [name for name, x in own.items() if name not in tensors and id(x) not in given]
    unknown = [name for name in tensors if name not in own]
    wrong = [n for n, x in tensors.items() if n in own and own[n].shape != x.shape]
    for what, names in (("lacks", missing), ("has unknown", unknown), ("has misshapen", wrong)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ValueError(f"{source} {what} {', '.join(names[:3])}{more} for this network.")
    network.load_state_dict(tensors, strict=False)


def _revision(folder: Path) -> str:
    files = sorted(path for kind in ("*.json", "*.safetensors") for path in folder.glob(kind))
    text = "\n".join(f"{path.name} {mark_of(path)}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
