"""The families of models that run in this process: what each is called, sees and hears."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from musicavqa.llm.contract import Senses
from musicavqa.llm.families.packing import CLIP_MEAN, CLIP_STD, HALF, Looking

UNKNOWN = "not known: the makers do not list all that was trained on"


@dataclass(frozen=True)
class Family:
    """What differs between families; everything else is shared."""

    name: str
    classes: tuple[str, ...]
    """Of transformers, the first that is there."""
    senses: Senses
    picture_mark: str = ""
    sound_mark: str = ""
    """Stands once in the chat template, and as often as there are tokens in the prompt."""
    looking: Looking | None = None
    sound: Literal["none", "one window", "windows"] = "none"
    """One window of the extractor's length, or as many as there are."""
    token_rate: Literal[25, 13] = 25
    """Tokens of sound in a second."""
    mixing: Literal["apart", "chunks", "time"] = "apart"
    """How pictures and sound lie in the prompt: one after the other, or interleaved."""
    wraps_sound: tuple[str, str] = ("", "")
    """Put around the sound by the processor, where the template does not."""
    template: str = ""
    """Of a folder that has none: {system}, {media} and {text} are put in."""
    picture_block: str = ""
    sound_block: str = ""
    default_system: str | None = None
    longest_sound_s: float | None = None
    second_name: str = ""
    """Of the argument that has the seconds between two pairs of pictures."""
    sound_mask: str = "feature_attention_mask"
    trained_on: str | None = None


CHAT = "{system}<|im_start|>user\n{media}{text}<|im_end|>\n<|im_start|>assistant\n"
"""The form that all of these were trained with."""
_OMNI_SYSTEM = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of "
    "perceiving auditory and visual inputs, as well as generating text and speech."
)
"""Its makers warn that it may not work as trained under another."""

QWEN_VL = Family(
    name="Qwen2.5-VL",
    classes=("Qwen2_5_VLForConditionalGeneration",),
    senses="V",
    picture_mark="<|video_pad|>",
    looking=Looking(mean=CLIP_MEAN, std=CLIP_STD),
    template=CHAT,
    picture_block="<|vision_start|><|video_pad|><|vision_end|>",
    default_system="You are a helpful assistant.",
    second_name="second_per_grid_ts",
    trained_on=UNKNOWN,
)
QWEN_OMNI = Family(
    name="Qwen2.5-Omni",
    classes=("Qwen2_5OmniThinkerForConditionalGeneration",),
    senses="AV",
    picture_mark="<|VIDEO|>",
    sound_mark="<|AUDIO|>",
    looking=Looking(),
    sound="one window",
    mixing="chunks",
    template=CHAT,
    picture_block="<|vision_bos|><|VIDEO|><|vision_eos|>",
    sound_block="<|audio_bos|><|AUDIO|><|audio_eos|>",
    wraps_sound=("<|audio_bos|>", "<|audio_eos|>"),
    default_system=_OMNI_SYSTEM,
    longest_sound_s=300.0,
    second_name="video_second_per_grid",
    trained_on=UNKNOWN,
)
QWEN3_OMNI = Family(
    name="Qwen3-Omni",
    classes=("Qwen3OmniMoeThinkerForConditionalGeneration",),
    senses="AV",
    picture_mark="<|video_pad|>",
    sound_mark="<|audio_pad|>",
    looking=Looking(
        patch=16, least_pixels=128 * 32 * 32, most_pixels=768 * 32 * 32, mean=HALF, std=HALF
    ),
    sound="one window",
    token_rate=13,
    mixing="time",
    template=CHAT,
    picture_block="<|vision_start|><|video_pad|><|vision_end|>",
    sound_block="<|audio_start|><|audio_pad|><|audio_end|>",
    wraps_sound=("<|audio_start|>", "<|audio_end|>"),
    longest_sound_s=None,
    second_name="video_second_per_grid",
    trained_on=UNKNOWN,
)
QWEN_AUDIO = Family(
    name="Qwen2-Audio",
    classes=("Qwen2AudioForConditionalGeneration",),
    senses="A",
    sound_mark="<|AUDIO|>",
    sound="one window",
    template=CHAT,
    sound_block="Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\n",
    default_system="You are a helpful assistant.",
    longest_sound_s=30.0,
    trained_on=UNKNOWN,
)
FLAMINGO = Family(
    name="Audio Flamingo 3",
    classes=("AudioFlamingo3ForConditionalGeneration",),
    senses="A",
    sound_mark="<sound>",
    sound="windows",
    template=CHAT,
    sound_block="<sound>",
    longest_sound_s=600.0,
    sound_mask="input_features_mask",
    trained_on="its predecessor was trained on MUSIC-AVQA questions: do not call it zero-shot",
)
MUSIC_FLAMINGO = replace(
    FLAMINGO,
    name="Music Flamingo",
    classes=("MusicFlamingoForConditionalGeneration",),
    wraps_sound=("<|sound_bos|>", "<|sound_eos|>"),
    longest_sound_s=1200.0,
)
FAMILIES: dict[str, Family] = {
    "qwen2_5_vl": QWEN_VL,
    "qwen2_5_omni": QWEN_OMNI,
    "qwen2_5_omni_thinker": QWEN_OMNI,
    "qwen3_omni_moe": QWEN3_OMNI,
    "qwen3_omni_moe_thinker": QWEN3_OMNI,
    "qwen2_audio": QWEN_AUDIO,
    "audioflamingo3": FLAMINGO,
    "musicflamingo": MUSIC_FLAMINGO,
}
"""By the `model_type` of config.json."""
