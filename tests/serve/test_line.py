"""The queue: order, positions, and what becomes of work that dies or does not end."""

from __future__ import annotations

import os
import time

import pytest

from musicavqa.serve.line import Full, Line, Overdue


def work(errand, tick):
    """Sleep, die, fail or answer, as told."""
    if errand == "die":
        os._exit(7)
    if errand == "fail":
        raise ValueError("no")
    if isinstance(errand, float):
        tick("sleeping", errand, None)
        time.sleep(errand)
    return {"did": errand}


@pytest.fixture
def line():
    made = Line(work, most=3, work_s=30.0)
    yield made
    made.close()


def enter(line, errand):
    with line.place() as place:
        return place(errand)


def test_errands_are_done_in_order_and_positions_are_told(line):
    tickets = [enter(line, 0.4)]
    while not tickets[0].told:
        time.sleep(0.02)
    tickets += [enter(line, number) for number in range(3)]
    assert [line.ahead(ticket) for ticket in tickets] == [0, 1, 2, 3]
    assert tickets[0].told[0] == "sleeping"
    with pytest.raises(Full, match="3 requests are waiting"):
        enter(line, 9)
    line.leave(tickets[2])
    assert tickets[2].future.cancelled()
    assert [line.ahead(tickets[number]) for number in (1, 3)] == [1, 2]
    assert tickets[3].future.result(60) == {"did": 2}
    assert line.ahead(tickets[3]) == 0


def test_places_of_uploads_under_way_count(line):
    with line.place(), line.place(), line.place(), pytest.raises(Full):
        enter(line, 1)
    assert enter(line, 1).future.result(60) == {"did": 1}


def test_a_worker_that_dies_twice_is_replaced_and_others_go_on(line):
    dead, failed, fine = (enter(line, errand) for errand in ("die", "fail", "x"))
    with pytest.raises(ChildProcessError, match="code 7"):
        dead.future.result(60)
    with pytest.raises(ValueError, match="no"):
        failed.future.result(60)
    assert fine.future.result(60) == {"did": "x"}


def test_what_takes_too_long_is_ended():
    line = Line(work, most=3, work_s=2.0)
    try:
        slow = enter(line, 60.0)
        with pytest.raises(Overdue, match="more than 2 s"):
            slow.future.result(60)
        line.work_s = 60.0
        fine = enter(line, "x")
        assert fine.future.result(60) == {"did": "x"}
    finally:
        line.close()


def test_closing_ends_what_is_under_way_and_cancels_the_rest():
    line = Line(work, most=3, work_s=60.0)
    slow, waiting = enter(line, 60.0), enter(line, "x")
    while not slow.told:
        time.sleep(0.02)
    line.close()
    assert waiting.future.cancelled()
    with pytest.raises(ChildProcessError):
        slow.future.result(1)
