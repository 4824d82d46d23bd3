"""Intervals and p-values as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicavqa.metrics.bootstrap import Interval


def between(interval: Interval, digits: int = 2) -> str:
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def p_value(value: float | None) -> str:
    if value is None:
        return f"{'-':>8}"
    return f"{'<0.0001':>8}" if value < 0.0001 else f"{value:8.4f}"


def number(value: Any) -> str:
    return f"{'-':>8}" if value is None else f"{value:8.2f}"
