"""A model of transformers in this process as an adapter: it scores, generates and chooses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.files import mark_of, read_json
from musicavqa.llm import sampling
from musicavqa.llm.contract import Ability, ByLikelihood, ModelError, Receipt, Reply, Request
from musicavqa.llm.families.prompting import Chat
from musicavqa.llm.families.table import Family

if TYPE_CHECKING:
    from musicavqa.llm.contract import Opening


@dataclass
class LocalModel(ByLikelihood):
    """A network, its tokenizer and its extractor of sound, asked one question after another."""

    model: Any
    chat: Chat
    about: dict[str, Any]
    parallel: int = 1

    @classmethod
    def load(cls, folder: Path, family: Family, opening: Opening) -> LocalModel:
        """From a folder on this machine; nothing is fetched."""
        import transformers

        network = _network(family)
        options: dict[str, Any] = {"dtype": "auto", "local_files_only": True}
        if opening.device == "auto":
            options["device_map"] = "auto"
        if opening.bits is not None:
            options["quantization_config"] = _fewer_bits(opening.bits)
        model = network.from_pretrained(folder, **options).eval()
        if opening.device != "auto" and opening.bits is None:
            model = model.to(opening.device)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        extractor = None
        if family.sound != "none":
            extractor = transformers.WhisperFeatureExtractor.from_pretrained(
                folder, local_files_only=True
            )
        about = {
            "model": folder.resolve().name,
            "family": family.name,
            "revision": _revision(folder),
            "dtype": str(model.dtype).removeprefix("torch."),
            "bits": opening.bits,
        }
        chat = Chat(family, model.config, tokenizer, extractor, _template(folder, tokenizer))
        return cls(model, chat, about)

    @cached_property
    def ability(self) -> Ability:
        """Senses of the family, sound as long as its extractor takes."""
        family = self.chat.family
        return Ability(
            family.senses, ("score", "generate", "choose"), self.chat.longest_sound_s,
            trained_on=family.trained_on,
        )  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """Name, weights, and how the prompt is laid out."""
        return {**self.about, "layout": self.chat.layout()}

    def generate(self, request: Request) -> Reply:
        """Free text, greedy unless a temperature is given; ModelError where it was cut short."""
        import torch

        from musicavqa.llm.families.candidates import forget_positions

        inputs, receipt = self._inputs(request)
        how, end = request.generation, self.chat.end
        forget_positions(self.model)
        if how.seed is not None:
            torch.manual_seed(how.seed)
        warm = {"temperature": how.temperature} if how.temperature else {}
        with torch.inference_mode():
            made = self.model.generate(
                **inputs, max_new_tokens=how.max_tokens, do_sample=bool(warm), eos_token_id=end,
                pad_token_id=end, **warm,
            )  # fmt: skip
        written = made[0, inputs["input_ids"].shape[1] :].tolist()
        if end not in written:
            raise ModelError(
                "cut short", f"no end after {how.max_tokens} tokens; give more: --max-tokens"
            )
        text = self.chat.tokenizer.decode(written[: written.index(end)], skip_special_tokens=True)
        return Reply(receipt, text=text, usage={"completion_tokens": len(written)})

    def weighed(self, request: Request) -> tuple[np.ndarray, Receipt]:
        from musicavqa.llm.families.candidates import weigh

        tokens = [self.chat.candidate(text) for text in request.candidates]
        inputs, receipt = self._inputs(request)
        mean = request.generation.length == "mean"
        scores = weigh(self.model, inputs, tokens, mean)
        if request.generation.prior:
            blank = Request(request.text, request.system, sampling.NOTHING, request.candidates)
            scores = scores - weigh(self.model, self._inputs(blank)[0], tokens, mean)
        if not np.isfinite(scores).all():
            raise ModelError("model", "likelihoods are no numbers: weights or precision are broken")
        return scores, receipt

    def _inputs(self, request: Request) -> tuple[dict[str, Any], Receipt]:
        inputs, receipt = self.chat.pack(request.text, request.system, request.material)
        device, dtype = next(iter(self.model.parameters())).device, self.model.dtype
        moved = {}
        for name, value in inputs.items():
            if hasattr(value, "to"):
                value = value.to(device, dtype) if value.is_floating_point() else value.to(device)
            moved[name] = value
        return moved, receipt


def _network(family: Family) -> Any:
    import transformers

    for name in family.classes:
        if hasattr(transformers, name):
            return getattr(transformers, name)
    raise ImportError(
        f"transformers {transformers.__version__} has no {family.classes[0]}. "
        "Run: pip install -U 'musicavqa[llm]'"
    )


def _fewer_bits(bits: int) -> Any:
    import transformers

    if bits not in (4, 8):
        raise ValueError(f"Weights can be loaded in 4 or 8 bits, not {bits}.")
    return transformers.BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)


def _revision(folder: Path) -> str:
    """Hash of configuration, tokenizer and weights, large files by size and three places."""
    kinds = ("*.json", "*.safetensors", "*.bin", "*.jinja", "*.txt")
    files = sorted({path for kind in kinds for path in folder.glob(kind)})
    text = "\n".join(f"{path.name} {mark_of(path)}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _template(folder: Path, tokenizer: Any) -> str | None:
    """The chat template that comes with the weights, wherever releases of transformers put it."""
    if getattr(tokenizer, "chat_template", None):
        return str(tokenizer.chat_template)
    older = folder / "chat_template.json"
    if older.is_file():
        return str(read_json(older)["chat_template"])
    return None
