"""Every multimodal language model of the survey, and others: how far it is here."""

from __future__ import annotations

from dataclasses import dataclass

from musicavqa.llm.models import card_of, list_models
from musicavqa.llm.models.card import Tier


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    tier: Tier
    how: str
    """What it is opened by."""
    checked: str
    missing: str


NATIVE = "prompts and packed media against the official processors, scores, hearing and seeing"
OTHERS = (
    System(
        "Qwen2.5-VL", "native", "its folder", NATIVE, "it does not hear; official weights never run"
    ),
    System("GPT-4o", "by API", "`openai:gpt-4o`", "the client, on a scripted server", "any call"),
)
"""Of the survey, besides our own."""
BEYOND = (
    System(
        "Qwen2.5-Omni, Qwen3-Omni", "native", "its folder", NATIVE, "official weights never run"
    ),
    System(
        "Audio Flamingo 3, Music Flamingo", "native", "its folder", NATIVE,
        "they do not see; official weights never run",
    ),
    System("Qwen2-Audio", "native", "its folder", NATIVE, "it hears 30 s and does not see"),
    System("Gemini", "by API", "`gemini:MODEL`", "the client, on a scripted server", "any call"),
    System(
        "video-SALMONN 2 and others", "recipe for an endpoint", "serve it: `vllm:MODEL@URL`",
        "the client, on a scripted server", "the model itself",
    ),
)  # fmt: skip
"""Not of the survey."""


def systems() -> list[System]:
    """Those of the survey: our own by their cards, and the others."""
    own = [
        System(card.system, card.tier, f"`{name}`", card.checked, card.missing)
        for name in list_models()
        for card in [card_of(name)]
    ]
    return sorted([*own, *OTHERS], key=lambda system: system.name.lower())


def table() -> str:
    """Both tables of docs/llm_models.md, as Markdown."""
    return f"{_rows(systems())}\nBesides those of the survey:\n\n{_rows(BEYOND)}"


def _rows(found: list[System] | tuple[System, ...]) -> str:
    lines = ["| system | tier | opened by | what is checked | what is missing |"]
    lines.append("|---|---|---|---|---|")
    lines += [f"| {s.name} | {s.tier} | {s.how} | {s.checked} | {s.missing} |" for s in found]
    return "".join(f"{line}\n" for line in lines)
