"""In which order an epoch asks its questions: whole clips in a batch, or questions drawn from all.

A group is clip id -> questions about it: what becomes one batch. Where several processes train
together, all of them draw the same groups, and each takes its part of every one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from musicavqa.methods.card import Recipe
from musicavqa.records import Clip, Question

Group = dict[str, list[Question]]


def by_clip(clips: Sequence[Clip], questions: Sequence[Question]) -> Group:
    """Every clip that is asked about, in the order of `clips`; ValueError for one not given."""
    asked: Group = {clip.id: [] for clip in clips}
    unknown = [question for question in questions if question.clip not in asked]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(questions)} questions are about clips that were not given "
            f"(first: {unknown[0].key} about {unknown[0].clip})."
        )
    for question in questions:
        asked[question.clip].append(question)
    return {clip: group for clip, group in asked.items() if group}


def groups_of_clips(
    asked: Mapping[str, list[Question]], most_clips: int, most_questions: int
) -> Iterator[Group]:
    """The same in order, in groups of at most so many clips and questions."""
    group: Group = {}
    for clip, questions in asked.items():
        for start in range(0, len(questions), most_questions):
            part = questions[start : start + most_questions]
            n_questions = len(part) + sum(map(len, group.values()))
            if len(group) == most_clips or n_questions > most_questions:
                yield group
                group = {}
            group[clip] = part
    if group:
        yield group


def groups_of_questions(
    questions: Sequence[Question], size: int, rng: np.random.Generator
) -> Iterator[Group]:
    """All questions in a new order, `size` at a time; a clip stands once in a group."""
    order = rng.permutation(len(questions))
    for start in range(0, len(order), size):
        group: Group = {}
        for place in order[start : start + size]:
            question = questions[place]
            group.setdefault(question.clip, []).append(question)
        yield group


def n_batches(questions: Sequence[Question], recipe: Recipe) -> int:
    """How many groups an epoch of this recipe has."""
    if recipe.batch_questions is not None:
        return math.ceil(len(questions) / recipe.batch_questions)
    return math.ceil(len({question.clip for question in questions}) / recipe.batch_clips)


def drawn(group: Group, limit: int | None, rng: np.random.Generator) -> Group:
    """At most `limit` questions of each clip, drawn without repeats; they keep their order."""
    if limit is None:
        return group
    return {clip: _draw(questions, limit, rng) for clip, questions in group.items()}


def _draw(questions: list[Question], limit: int, rng: np.random.Generator) -> list[Question]:
    if len(questions) <= limit:
        return questions
    return [questions[i] for i in sorted(rng.choice(len(questions), limit, replace=False))]


def part_of(group: Group, rank: int, size: int) -> Group:
    """What process `rank` of `size` answers of a group: every size-th question, from its own on.

    It may be nothing, where a group has fewer questions than there are processes.
    """
    if size == 1:
        return group
    rows = [(clip, question) for clip, questions in group.items() for question in questions]
    part: Group = {}
    for clip, question in rows[rank::size]:
        part.setdefault(clip, []).append(question)
    return part
