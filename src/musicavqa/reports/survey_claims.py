"""The survey's claims tested on each set of comparable methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musicavqa.catalog import Catalogue, load
from musicavqa.reports import audit, survey, wording


@dataclass(frozen=True)
class Claims:
    """Tables of effects, what each set of methods is, and how many methods it has."""

    tables: Mapping[str, Sequence[audit.Effect]]
    names: Mapping[str, str]
    counts: Mapping[str, int]

    def lead(self) -> list[str]:
        """What all comparable methods support, and what rests on unreproduced rows."""
        every, reproducible = self.tables["all"], self.tables["reproducible"]
        return [
            *wording.summary(every),
            *wording.contrast(every, reproducible, "Without unreproduced rows"),
        ]

    def heading(self, name: str) -> str:
        """Title of one table."""
        what = self.names[name]
        return f"{what[0].upper()}{what[1:]} ({self.counts[name]} methods)"


def audit_catalog(permutations: int = 9999) -> Claims:
    """Whether the designs that the survey recommends help: a stated model on published scores.

    Effects are points of accuracy; their p-values come from so many permutations.
    """
    return run(load(), permutations)


def run(catalogue: Catalogue, permutations: int = 9999) -> Claims:
    """Effects of the survey's marks on each set of comparable methods."""
    bars = survey.comparable(catalogue)
    sets = survey.subsets()
    chosen = {name: [bar for bar in bars if keep(bar)] for name, (_, keep) in sets.items()}
    return Claims(
        tables={
            name: audit.table(part, permutations=permutations) for name, part in chosen.items()
        },
        names={name: what for name, (what, _) in sets.items()},
        counts={name: len(part) for name, part in chosen.items()},
    )
