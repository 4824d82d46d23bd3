"""From a question and a clip to the inputs of a network: chat form, placeholders, media.

The chat template that comes with the weights is used where there is one. Each placeholder of a
sense is then repeated as often as that sense has tokens, and `mm_token_type_ids` says which tokens
are pictures: without it some networks silently lose the places of picture tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from musicavqa.llm.contract import ModelError, Receipt
from musicavqa.llm.families.packing import (
    Looking,
    in_chunks,
    in_time,
    patches,
    tokens_13,
    tokens_25,
)
from musicavqa.llm.families.table import Family
from musicavqa.llm.sampling import RATE_HZ, Material

PICTURE, SOUND = "\ue000", "\ue001"
"""Private letters that stand for one token of a sense until the text is whole."""
CHUNK_S = 2.0
TYPES = {"text": 0, "picture": 2, "sound": 3}
"""Of tokens; pictures are those of a video."""


@dataclass
class Chat:
    """What turns requests into inputs for one model."""

    family: Family
    config: Any
    tokenizer: Any
    extractor: Any = None
    template: str | None = None
    mixed: bool = True
    """False puts pictures and sound one after the other where the family interleaves them."""

    @cached_property
    def end(self) -> int:
        """The token that ends a turn."""
        found = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        unknown = found is None or found == self.tokenizer.unk_token_id
        return int(self.tokenizer.eos_token_id if unknown else found)

    @cached_property
    def longest_sound_s(self) -> float | None:
        """What the extractor takes, where it takes one window; what the family says otherwise."""
        if self.family.sound == "one window" and self.family.token_rate == 25:
            return float(self.extractor.chunk_length)
        return self.family.longest_sound_s

    @cached_property
    def looking(self) -> Looking | None:
        """The family's way to look, at the patch sizes of this model."""
        if self.family.looking is None:
            return None
        from dataclasses import replace

        eye = self.config.vision_config
        return replace(
            self.family.looking,
            patch=eye.patch_size,
            merge=eye.spatial_merge_size,
            pair=eye.temporal_patch_size,
        )

    def layout(self) -> str:
        """What decides how a prompt is laid out, for keys."""
        mixing = self.family.mixing if self.mixed else "apart"
        source = "template of the weights" if self.template else "our chat form"
        return f"{mixing}; {source}; packer 1"

    def candidate(self, text: str) -> list[int]:
        """Tokens of a candidate, and the end mark."""
        return [*self.tokenizer.encode(text, add_special_tokens=False), self.end]

    def pack(
        self, text: str, system: str | None, material: Material
    ) -> tuple[dict[str, Any], Receipt]:
        """Inputs of the network, on the CPU, and what of the clip is in them."""
        self._check(text)
        pictures = material.pictures if "V" in self.family.senses else None
        sound = material.sound if "A" in self.family.senses else None
        pictures = None if pictures is None or not len(pictures) else pictures
        sound = None if sound is None or not len(sound) else sound
        media, n_seen, n_heard, heard_s = self._media(pictures, sound, material)
        prompt = self._written(text, system, n_seen, n_heard, material)
        ids, types = self._tokens(prompt)
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **media}
        if self.family.looking is not None and "A" not in self.family.senses:
            inputs["mm_token_type_ids"] = types
        receipt = Receipt(
            frames=0 if pictures is None else len(pictures),
            seconds_heard=round(heard_s, 3),
            seconds_of_sound=0.0 if material.sound is None else len(material.sound) / RATE_HZ,
            prompt_tokens=ids.shape[1],
            picture_tokens=n_seen,
            sound_tokens=n_heard,
            notes=self._notes(material),
        )
        return inputs, receipt

    def _notes(self, material: Material) -> tuple[str, ...]:
        notes = []
        if material.sound is not None and "A" not in self.family.senses:
            notes.append("the model does not hear: the sound was not given to it")
        if material.pictures is not None and "V" not in self.family.senses:
            notes.append("the model does not see: the pictures were not given to it")
        return tuple(notes)

    def _check(self, text: str) -> None:
        """Refuse a question that holds marks of the chat form."""
        marks = {*self.tokenizer.all_special_tokens, *self.tokenizer.get_added_vocab()}
        found = sorted(mark for mark in marks if mark and mark in text)
        if found or PICTURE in text or SOUND in text:
            raise ModelError("model", f"the question holds marks of the chat form: {found}")

    def _media(
        self, pictures: np.ndarray | None, sound: np.ndarray | None, material: Material
    ) -> tuple[dict[str, Any], int, int, float]:
        """Inputs of the senses, tokens of pictures and of sound, and seconds that were heard."""
        inputs: dict[str, Any] = {}
        n_seen = n_heard = 0
        heard_s = 0.0
        if pictures is not None and self.looking is not None:
            values, grid = patches(pictures, self.looking)
            n_seen = int(np.prod(grid)) // self.looking.merge**2
            inputs |= {
                "pixel_values_videos": values,
                "video_grid_thw": torch.tensor([grid]),
                self.family.second_name: torch.tensor([self._pair_s(material)]),
            }
            self._grid = grid
        if sound is not None:
            features, mask = self._features(sound)
            inputs |= {"input_features": features, self.family.sound_mask: mask}
            n_frames = int(mask.sum())
            heard_s = min(len(sound) / RATE_HZ, n_frames * self.extractor.hop_length / RATE_HZ)
            n_heard = self._sound_tokens(n_frames)
        if self._interleaves(n_seen, n_heard):
            inputs["use_audio_in_video"] = True
        return inputs, n_seen, n_heard, heard_s

    def _features(self, sound: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mel features (windows, bins, frames) and which frames are sound."""
        parts = [sound]
        longest = self.longest_sound_s
        if self.family.sound == "windows":
            size = int(RATE_HZ * self.extractor.chunk_length)
            kept = sound[: int((longest or len(sound)) * RATE_HZ)]
            parts = [kept[start : start + size] for start in range(0, len(kept), size)]
        whole = self.family.token_rate == 13  # that family takes sound of any length
        told = self.extractor(
            parts,
            sampling_rate=RATE_HZ,
            return_attention_mask=True,
            return_tensors="pt",
            padding=True if whole else "max_length",
            truncation=not whole,
        )
        return told["input_features"], told["attention_mask"]

    def _sound_tokens(self, n_frames: int) -> int:
        if self.family.token_rate == 13:
            return tokens_13(n_frames, self.config.audio_config.n_window)
        return tokens_25(n_frames)

    def _pair_s(self, material: Material) -> float:
        """Seconds between two pairs of pictures."""
        assert self.looking is not None
        return self.looking.pair / material.picture_rate_hz

    def _interleaves(self, n_seen: int, n_heard: int) -> bool:
        return self.mixed and self.family.mixing != "apart" and n_seen > 0 and n_heard > 0

    def _written(
        self, text: str, system: str | None, n_seen: int, n_heard: int, material: Material
    ) -> str:
        """The whole prompt, with a private letter for every token of a sense."""
        mixed = self._interleaves(n_seen, n_heard)
        senses = [("video", n_seen), ("audio", 0 if mixed else n_heard)]
        prompt = self._chat(text, system, [sense for sense, n in senses if n])
        family = self.family
        if mixed:
            before, behind = family.wraps_sound
            return _put(
                prompt, family.picture_mark, before + self._runs(n_heard, material) + behind
            )
        if n_seen:
            prompt = _put(prompt, family.picture_mark, PICTURE * n_seen)
        if n_heard:
            adds = family.mixing == "apart" and family.wraps_sound[0]
            before, behind = family.wraps_sound if adds else ("", "")
            prompt = _put(prompt, family.sound_mark, before + SOUND * n_heard + behind)
        return prompt

    def _runs(self, n_heard: int, material: Material) -> str:
        """Pictures and sound interleaved by their times."""
        assert self.looking is not None
        pairs, rows, columns = self._grid
        each = rows * columns // self.looking.merge**2
        rate = float(self.config.position_id_per_seconds)
        times = np.repeat(np.arange(pairs) * self._pair_s(material) * rate, each)
        if self.family.mixing == "chunks":
            runs = in_chunks(times, n_heard, int(rate * CHUNK_S))
        else:
            runs = in_time(times, n_heard)
        letter = {"picture": PICTURE, "sound": SOUND}
        return "".join(letter[sense] * n for sense, n in runs)

    def _chat(self, text: str, system: str | None, senses: list[str]) -> str:
        system = system if system is not None else self.family.default_system
        if self.template is not None:
            parts: list[Mapping[str, str]] = [{"type": sense} for sense in senses]
            turns: list[dict[str, Any]] = [
                {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
            ]
            if system is not None:
                turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
            return str(
                self.tokenizer.apply_chat_template(
                    turns, chat_template=self.template, tokenize=False, add_generation_prompt=True
                )
            )
        blocks = {"video": self.family.picture_block, "audio": self.family.sound_block}
        told = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
        media = "".join(blocks[sense] for sense in senses)
        return self.family.template.format(system=told, media=media, text=text)

    def _tokens(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, tokens) ids, and what each token is."""
        letters = {PICTURE: ("picture", self.family.picture_mark)}
        letters[SOUND] = ("sound", self.family.sound_mark)
        ids: list[int] = []
        types: list[int] = []
        for piece, kind in _pieces(prompt, letters):
            if kind == "text":
                some = self.tokenizer.encode(piece, add_special_tokens=False)
            else:
                mark = self.tokenizer.convert_tokens_to_ids(letters[piece[0]][1])
                some = [mark] * len(piece)
            ids += some
            types += [TYPES[kind]] * len(some)
        return torch.tensor([ids]), torch.tensor([types])


def _put(prompt: str, mark: str, behind: str) -> str:
    """The prompt with its one placeholder replaced; ModelError where it is not there once."""
    if prompt.count(mark) != 1:
        raise ModelError(
            "model", f"the chat template holds {mark!r} {prompt.count(mark)} times, not once"
        )
    return prompt.replace(mark, behind)


def _pieces(prompt: str, letters: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """Runs of text and of each private letter."""
    from itertools import groupby

    runs = groupby(prompt, key=lambda c: c if c in letters else "")
    return [("".join(run), letters[key][0] if key else "text") for key, run in runs]
