"""What the numbers of the audit support, in sentences made from them and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musicavqa.reports.audit import MARKS, Effect, Estimate

OUTCOMES: Mapping[str, str] = {
    "avg": "the overall score",
    "a_avg": "audio questions",
    "v_avg": "visual questions",
    "av_avg": "audio-visual questions",
    "av_comp": "audio-visual comparative questions",
    "av_temp": "audio-visual temporal questions",
}


def verdict(found: Effect) -> str:
    """One sentence about one effect."""
    what = f"{MARKS[found.mark][0]} on {OUTCOMES[found.outcome]}"
    estimate = found.estimate
    if estimate is None:
        return f"Not testable: {what} ({found.reason})."
    numbers = (
        f"{estimate.points:+.1f} points (95 % interval {estimate.low:+.1f} to "
        f"{estimate.high:+.1f}, p = {estimate.p_value:.3f}, corrected {estimate.p_holm:.3f}; "
        f"{found.n_with} with, {found.n_without} without)"
    )
    if _shown(estimate):
        direction = "higher" if estimate.points > 0 else "lower"
        return f"Associated with {direction} scores: {what}: {numbers}.{_fragile(estimate)}"
    return f"{estimate.grade.capitalize()}: {what}: {numbers}."


def _fragile(estimate: Estimate) -> str:
    """A warning when leaving out one method turns the sign."""
    if estimate.least[0] < 0 < estimate.most[0]:
        name = estimate.least[1] if estimate.points > 0 else estimate.most[1]
        return f" Without {name} the sign turns."
    return ""


def summary(effects: Sequence[Effect]) -> list[str]:
    """What a table of effects supports, one sentence per mark."""
    return [
        _summary([e for e in effects if e.mark == mark])
        for mark in dict.fromkeys(e.mark for e in effects)
    ]


def _summary(effects: Sequence[Effect]) -> str:
    name = MARKS[effects[0].mark][0]
    name = name[:1].upper() + name[1:]
    estimates = [e.estimate for e in effects if e.estimate]
    if not estimates:
        return f"{name} cannot be tested: {effects[0].reason}."
    tests = f"{len(estimates)} test{'s' if len(estimates) > 1 else ''}"
    shown = [e for e in effects if e.estimate and _shown(e.estimate)]
    unclear = [estimate for estimate in estimates if estimate.grade == "unclear"]
    if shown:
        outcomes = ", ".join(OUTCOMES[e.outcome] for e in shown)
        return f"{name}: an association in {len(shown)} of {tests} (on {outcomes})."
    if unclear:
        return (
            f"{name}: not established. In {len(unclear)} of {tests} the interval or the "
            f"corrected test alone sees an effect, in none do both."
        )
    widest = max(estimate.high - estimate.low for estimate in estimates)
    return f"{name}: none of {tests} sees an effect; intervals are up to {widest:.0f} points wide."


def contrast(one: Sequence[Effect], other: Sequence[Effect], where: str) -> list[str]:
    """Sentences on those marks whose association in `one` is not there in `other`."""
    lines = []
    for mark in dict.fromkeys(e.mark for e in one):
        first, second = (
            [e.outcome for e in effects if e.mark == mark and e.estimate and _shown(e.estimate)]
            for effects in (one, other)
        )
        if set(first) - set(second):
            line = _summary([e for e in other if e.mark == mark])
            lines.append(f"{where}: {line[0].lower()}{line[1:]}")
    return lines


def _shown(estimate: Estimate) -> bool:
    return estimate.grade == "shown"


def shrinkage(found: Effect) -> str:
    """How a plain difference of means changes once the covariates are in the model."""
    if found.raw is None or found.estimate is None:
        return ""
    return (
        f"On {OUTCOMES[found.outcome]} the plain difference of means is {found.raw:+.1f} points; "
        f"with year and backbone in the model it is {found.estimate.points:+.1f}."
    )
