"""The page: whole, self-contained, accessible, and alive in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from musicavqa.catalog import load
from musicavqa.catalog.protocol import of_result
from musicavqa.reports import own_runs, page, survey_claims, tables
from musicavqa.reports.markup import table

pytest.importorskip("matplotlib", reason="the page needs the plots extra")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Checks nesting and collects ids, links and what figures say."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses, self.figures = [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self.addresses += [values[k] for k in ("src", "href", "xlink:href") if k in values]
        if tag == "svg":
            self.figures.append(values)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tested():
    return survey_claims.run(load(), permutations=49)


@pytest.fixture(scope="module")
def html(tested):
    return page.build(load(), tested)


@pytest.fixture(scope="module")
def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def evaluation(path, **extra):
    groups = {"overall": {"asked": 200, "accuracy": 61.5}, "A": {"asked": 40, "accuracy": 70.0},
              "AV-Temporal": {"asked": 10, "accuracy": None}}  # fmt: skip
    path.write_text(json.dumps({**groups, **extra}))
    return path


def test_the_page_is_well_formed_and_every_id_is_its_own(read):
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))


def test_the_page_asks_nobody_for_anything(html, read):
    loads = re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=", html)
    assert loads == []
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    inner = [address for address in read.addresses if address.startswith("#")]
    assert {address[1:] for address in inner} <= set(read.ids)


def test_every_figure_says_what_it_shows(read):
    assert len(read.figures) > 25
    for figure in read.figures:
        assert figure["role"] == "img"
        assert len(figure["aria-label"]) > 40


def test_every_anchor_row_stands_in_a_leaderboard(html):
    for row in load().results:
        if row.anchor:
            assert f">{row.name}<" in html.replace("&#x27;", "'"), row.name


def test_the_lead_is_the_summary_of_the_tests(html, tested):
    for line in tested.lead():
        assert f"<li>{line}</li>" in html


def test_our_own_runs_stand_apart_and_are_marked(tmp_path):
    runs = own_runs.read_all(
        [
            evaluation(tmp_path / "bandleader.json", set="bandstand/test"),
            evaluation(tmp_path / "mine.json", set="music_avqa/test", title="Mine <b>"),
            evaluation(tmp_path / "nameless.json"),
        ]
    )
    html = page._leaderboard(load(), runs)
    boards = dict(re.findall(r"<h3>([^<]+)</h3>(.*?)(?=<h3>|<details)", html, re.DOTALL))
    assert "bandleader" in boards["Our own runs on bandstand"]
    assert "bandleader" not in boards["music-avqa"]
    assert "nameless" in boards["Our own runs, set unnamed"]
    assert '<tr class="ours"><th scope="row">Mine &lt;b&gt;</th>' in boards["music-avqa"]
    assert "our own run" in boards["music-avqa"]
    assert "QSTar" not in boards["Our own runs on bandstand"]


def test_unlike_protocols_stand_in_tables_of_their_own():
    html = page._board(load(), "music-avqa", ())
    tables = dict(re.findall(r"<h4>([^<]+)</h4>(.*?)(?=<h4>|$)", html, re.DOTALL))
    assert "music-avqa, 9,129 questions, supervised" in tables
    assert "music-avqa, 9,185 questions, supervised" in tables
    for row in load().results:
        if row.anchor and row.benchmark == "music-avqa" and row.split == "overall":
            name = row.name.replace("'", "&#x27;")
            assert f">{name}<" in tables[str(of_result(row))], row.name
    unknown = [text for name, text in tables.items() if "not said" in name]
    assert unknown
    assert not any("<strong>" in text for text in unknown)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "no group 'overall'"),
        ('{"overall": {"accuracy": 50}}', "'asked' of the group 'overall' is None"),
        ('{"overall": {"accuracy": 150, "asked": 3}}', "accuracy of overall is 150"),
    ],
)
def test_a_bad_evaluation_is_one_clear_line(tmp_path, command_line, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    code, _, err = command_line("report", "--out", tmp_path / "r", "--evaluation", path)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_groups_one_level_down_are_read(tmp_path):
    path = tmp_path / "nested.json"
    path.write_text(
        json.dumps({"title": "x", "scores": {"overall": {"asked": 9, "accuracy": 1.0}}})
    )
    assert own_runs.read(path).scores == {"avg": 1.0}


def test_text_of_the_data_cannot_become_markup():
    html = table(("name", "flags"), [{"name": "<script>", "flags": ["<b>"]}], "a 'caption'")
    assert "<script>" not in html
    assert "<b>" not in html


def test_a_table_is_the_same_in_all_formats():
    rows = [{"name": "a|b", "n": 1.5}, {"name": "c", "n": None}]
    assert json.loads(tables.render(("name", "n"), rows, "json")) == rows
    assert tables.render(("name", "n"), rows, "csv") == "name,n\na|b,1.50\nc,"
    marked = tables.render(("name", "n"), rows, "markdown", frozenset({(0, "n")}))
    assert marked.splitlines()[2] == "| a\\|b | **1.50** |"
    assert tables.render(("name", "n"), rows).splitlines()[1] == "a|b   1.50"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found: apt-get install chromium")
def test_the_page_opens_and_sorts_in_a_browser(html, tmp_path):
    """Clicks two heads of the first table and reads back the page as the browser then has it."""
    probe = """<script>
    const problems = []; window.addEventListener("error", e => problems.push(e.message));
    window.addEventListener("load", () => {
      const table = document.querySelector("table"), names = [];
      const read = column => Array.from(table.tBodies[0].rows, r => r.cells[column].textContent);
      table.tHead.rows[0].cells[0].querySelector("button").click(); names.push(read(0));
      table.tHead.rows[0].cells[1].querySelector("button").click(); names.push(read(1));
      table.tHead.rows[0].cells[1].querySelector("button").click(); names.push(read(1));
      const wide = document.documentElement.scrollWidth > window.innerWidth;
      document.title = JSON.stringify({problems, names, wide});
    });</script>"""
    path = tmp_path / "index.html"
    path.write_text(html.replace("<head>", "<head>" + probe, 1), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--window-size=500,900", "--virtual-time-budget=5000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    [title] = re.findall(r"<title>(.*?)</title>", done.stdout)
    found = json.loads(title.replace("&amp;", "&"))
    assert found["problems"] == []
    assert not found["wide"]  # nothing but the tables scrolls sideways
    names, falling, rising = found["names"]
    assert names == sorted(names, key=str.lower)
    numbers = [float(cell) for cell in falling if cell]
    assert len(numbers) > 20
    assert numbers == sorted(numbers, reverse=True)
    assert falling[len(numbers) :] == [""] * (len(falling) - len(numbers))
    assert [float(cell) for cell in rising if cell] == sorted(numbers)


@pytest.mark.parametrize(
    ("asked", "benchmark"),
    [
        ("music_avqa/test", "music-avqa"),
        ("music_avqa/test@json", "music-avqa"),
        ("music_avqa_v2/test@balance", "music-avqa-v2-balance"),
        ("music_avqa/test@disjoint", ""),
        ("music_avqa/val", ""),
        ("bandstand/test-art", "bandstand"),
        ("", ""),
    ],
)
def test_a_run_stands_on_the_board_of_its_own_test_set_only(tmp_path, asked, benchmark):
    groups = {"overall": {"accuracy": 50.0, "asked": 10}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"title": "ours", "set": asked, "groups": groups}))
    assert own_runs.read(path).benchmark == benchmark
    assert benchmark in ("", *load().datasets)
