"""Templates, slots and cells against the annotation conventions (data/DATA.md 4.5, 4.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicavqa import answers
from musicavqa.questions import (
    CELLS,
    SLOTS,
    TEMPLATES,
    declare,
    fill,
    parse,
    tokenize,
    vocabulary,
)


@st.composite
def filled(draw):
    template = draw(st.sampled_from(TEMPLATES))
    return template.number, tuple(draw(st.sampled_from(SLOTS[name])) for name in template.slots)


@given(filled())
def test_parse_undoes_fill(question):
    assert parse(fill(*question)) == question


@given(filled())
def test_a_statement_names_the_slots_in_order_and_asks_nothing(question):
    number, slots = question
    statement = declare(number, slots)
    assert statement.endswith(".")
    assert not {"?", "<", ">"} & set(statement)
    left = statement
    for value in slots:
        _, found, left = left.partition(value)
        assert found


def test_statements_differ_by_template_and_refuse_what_fill_refuses():
    first = [declare(t.number, tuple(SLOTS[n][0] for n in t.slots)) for t in TEMPLATES]
    assert len(set(first)) == 33
    for wrong in ((), ("kazoo",), ("flute", "flute")):
        with pytest.raises(ValueError, match=r"slots|cannot fill"):
            declare(3, wrong)


def test_every_slot_value_survives_every_template():
    for template in TEMPLATES:
        for position, name in enumerate(template.slots):
            for value in SLOTS[name]:
                slots = [SLOTS[other][0] for other in template.slots]
                slots[position] = value
                assert parse(fill(template.number, slots)) == (template.number, tuple(slots))


def test_there_are_33_different_templates_in_nine_cells():
    assert len({t.text for t in TEMPLATES}) == 33
    assert {t.cell for t in TEMPLATES} == set(CELLS)


def test_the_three_odd_endings_are_kept():
    assert [t.number for t in TEMPLATES if t.text.endswith(" ")] == [1, 12]
    assert [t.number for t in TEMPLATES if t.text.endswith("？")] == [20]


def test_wrong_slots_are_refused_by_name():
    with pytest.raises(ValueError, match="'kazoo' cannot fill <Object>"):
        fill(3, ("kazoo",))
    with pytest.raises(ValueError, match="has 1 slots, got 0"):
        fill(3, ())


def test_every_filled_question_stays_inside_the_vocabulary():
    words = set(vocabulary())
    assert len(vocabulary()) == 94  # the 92 of the official training file, <pad> and <unk>
    for template in TEMPLATES:
        for values in zip(*(SLOTS[name] * 22 for name in template.slots), strict=False):
            assert set(tokenize(fill(template.number, values))) <= words


def test_there_are_42_answers_and_a_wrong_one_gets_a_hint():
    assert len(set(answers.ANSWERS)) == 42
    assert [answers.index(a) for a in ("two", "suona")] == [0, 41]
    with pytest.raises(ValueError, match="Did you mean violin"):
        answers.index("violins")


def test_counts_become_words():
    assert [answers.number_word(n) for n in (0, 10, 11, 40)] == [
        "zero",
        "ten",
        "more than ten",
        "more than ten",
    ]
