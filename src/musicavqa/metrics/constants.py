"""What an answer that ignores the clip is worth: best constants, chosen on the scored questions.

They are ceilings of their kind, not baselines that could be trained; a model that does not beat
them has not been shown to look or listen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from musicavqa.answers.scorers import contains
from musicavqa.records import Question

MANY_ANSWERS = "Yes or no, one or two."


def constants(questions: Sequence[Question], scorer: str | None = None) -> dict[str, float]:
    """Name -> accuracy in percent; under 'contains_legacy' also of one sentence that names many."""
    answers = [str(question.answer) for question in questions]
    commonest, count = Counter(answers).most_common(1)[0]
    of_template: dict[int, Counter[str]] = defaultdict(Counter)
    for question, answer in zip(questions, answers, strict=True):
        of_template[question.template][answer] += 1
    hits = {
        f'always "{commonest}"': count,
        "the commonest answer of each template": sum(
            found.most_common(1)[0][1] for found in of_template.values()
        ),
    }
    if scorer == "contains_legacy":
        hits[f'always "{MANY_ANSWERS}"'] = sum(contains(MANY_ANSWERS, answer) for answer in answers)
    return {name: 100.0 * hit / len(answers) for name, hit in hits.items()}
