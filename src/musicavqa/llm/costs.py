"""What asking a server takes: how fast, how much money at most, and what a run would cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicavqa.llm.contract import Adapter
    from musicavqa.llm.runs import Errand

LETTERS_PER_TOKEN = 4
PICTURE_TOKENS, SOUND_TOKENS_S = 260, 25
"""Rough figures of today's models; a first clip or the probe tells what yours takes."""


class BudgetError(ValueError):
    """The next request may go over the budget: the run stops, and what was answered is kept."""


@dataclass
class Meter:
    """Keeps the pace and the budget of all threads together."""

    price: tuple[float, float] | None = None
    """Of a million tokens in and out."""
    budget: float | None = None
    per_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    spent: float = 0.0
    dearest: float = 0.0
    """Of all requests so far."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    next_s: float = 0.0
    under_way: int = 0

    def __post_init__(self) -> None:
        if self.budget is not None and self.price is None:
            raise ValueError("--budget needs --price IN,OUT of a million tokens.")
        if self.per_minute is not None and not self.per_minute > 0:
            raise ValueError(f"--per-minute is {self.per_minute:g}; it must be above 0.")

    def wait(self) -> None:
        """Until the next request may go; BudgetError where the budget does not allow it."""
        with self.lock:
            if self.budget is not None:
                if self.spent + self.dearest * (self.under_way + 1) > self.budget:
                    raise BudgetError(
                        f"The budget of {self.budget:g} would be passed ({self.spent:.4f} spent). "
                        "What was answered is kept; the same command with more goes on."
                    )
                self.under_way += 1
            now = self.clock()
            starts = max(now, self.next_s)
            if self.per_minute is not None:
                self.next_s = starts + 60.0 / self.per_minute
        if starts > now:
            self.sleep(starts - now)

    def spend(self, usage: dict[str, Any]) -> float | None:
        """Count what a request took; its money, None without a price."""
        with self.lock:
            self.under_way = max(0, self.under_way - 1)
            if self.price is None:
                return None
            tokens = (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
            money = sum(n * price for n, price in zip(tokens, self.price, strict=True)) / 1e6
            self.spent += money
            self.dearest = max(self.dearest, money)
            return round(money, 8)


def estimate(errand: Errand, adapter: Adapter) -> dict[str, Any]:
    """What a run would take, nothing asked: requests, tokens and, with a price, money.

    Tokens are a rough guess from lengths of files and words; the report has what it really was.
    """
    from musicavqa.llm.prompts import build
    from musicavqa.llm.runs import requests_of

    asked = requests_of(errand, adapter)
    length_s = {clip.id: _length_s(clip) for clip in errand.clips}
    into = 0.0
    for question, policy in asked:
        prompt = build(question, errand.setting.preset)
        seconds = length_s.get(question.clip) or 60.0
        pictures = policy.frames if policy.frames is not None else seconds * (policy.fps or 0)
        into += len(prompt.text) / LETTERS_PER_TOKEN
        if adapter.ability.has("V"):
            into += min(pictures, max(policy.most, policy.frames or 0)) * PICTURE_TOKENS
        if adapter.ability.has("A") and policy.sound != "none":
            into += seconds * SOUND_TOKENS_S
    out = len(asked) * errand.setting.generation.max_tokens
    price = getattr(getattr(adapter, "meter", None), "price", None)
    money = None if price is None else round((into * price[0] + out * price[1]) / 1e6, 4)
    return {
        "requests": len(asked),
        "prompt tokens, roughly": round(into),
        "completion tokens, at most": out,
        "money, roughly at most": money,
    }


def _length_s(clip: Any) -> float | None:
    from musicavqa.media import announced_s

    if clip.duration_s is not None or clip.path is None or not clip.path.is_file():
        return clip.duration_s
    return announced_s(clip.path)
