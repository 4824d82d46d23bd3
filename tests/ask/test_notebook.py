"""What a notebook shows of a performance: every lane, well formed, nothing loaded or run."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import musicavqa
from musicavqa.ask.lanes import score_of


@pytest.fixture(scope="module")
def performance(run_folder, small_video):
    return musicavqa.listen(small_video, run_folder)


def test_a_performance_is_asked_again_and_again(performance):
    first, second = (
        performance.ask(["How many musical instruments were heard throughout the video?"])
        for _ in "ab"
    )
    assert first[0].answer == second[0].answer is not None
    assert performance.reading is not None
    assert performance.music().left_out is None


def test_every_lane_is_a_row_and_the_html_is_well_formed(performance):
    from made_readings import exact_reading
    from musicavqa.bandstand.scene import sample_scene

    reading = exact_reading(sample_scene("val", 1))
    html = replace(performance, reading=reading)._repr_html_()
    page = ElementTree.fromstring(f"<div>{html}</div>")
    lanes = score_of(reading).lanes
    assert len(page.findall(".//tbody/tr")) == len(lanes) > 1
    assert [row.find("td").text for row in page.findall(".//tbody/tr")] == [
        lane.title.replace("_", " ") for lane in lanes
    ]
    assert not re.search(r"<script|https?:|url\(|\son\w+=", html)


def test_without_a_reading_the_file_is_told(performance):
    html = replace(performance, reading=None, streams={})._repr_html_()
    assert "without a reading" in html
    assert "used 4.0 s" in html
