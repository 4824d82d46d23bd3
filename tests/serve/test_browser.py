"""The page in a real browser: sent, asked, jumped; a broken file; by keyboard; phone; alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from musicavqa.files import cache_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found: apt-get install chromium"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
pytest.importorskip("uvicorn")
MINUTE = 60_000
READING = "#reading:not([hidden])"


@pytest.fixture(scope="module")
def address(run_folder):
    """A server with the small checkpoint."""
    command = [sys.executable, "-m", "musicavqa.cli", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--checkpoint", str(run_folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as made:
        found = made.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser, address):
    """The page, of which any complaint of the browser is an error, and any call elsewhere."""
    context = browser.new_context(viewport={"width": 375, "height": 700})
    found = context.new_page()
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text))
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on(
        "request",
        lambda asked: complaints.append(asked.url) if _is_elsewhere(asked.url, address) else None,
    )
    found.goto(address)
    yield found
    assert complaints == []
    context.close()


def _is_elsewhere(url, address):
    return not url.startswith((address, f"blob:{address}"))


def until(page, script):
    """Wait until it is true; playwright's own way is forbidden by the policy of the page."""
    for _ in range(600):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(script)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A rendered performance under a name that means harm."""
    pytest.importorskip("cv2")
    from musicavqa.bandstand.render import render
    from musicavqa.bandstand.scene import sample_scene

    path = tmp_path_factory.mktemp("films") / "<img src=x onerror=document.title='!'>.mp4"
    render(sample_scene("val", 3, duration_s=4.0), path)
    return path


def test_sent_asked_and_jumped_by_keyboard_on_a_phone(page, film):
    page.set_input_files("#file", film)
    page.wait_for_selector(READING, timeout=2 * MINUTE)
    assert page.title() == "musicavqa"
    assert page.inner_text("#title") == film.name
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("What is the first instrument that comes in?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer .said", timeout=MINUTE)
    button = page.locator(".answer .jumps button").first
    start = float(re.search(r"[\d.]+", button.inner_text())[0])
    button.focus()
    page.keyboard.press("Enter")
    until(page, f"Math.abs(document.getElementById('video').currentTime - {start}) < 0.3")
    assert page.locator(".span").count() == page.locator(".now").count() > 0
    page.focus("#position")
    before = float(page.input_value("#position"))
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#position")) > before
    until(page, f"document.getElementById('video').currentTime > {before}")


def test_a_click_on_a_lane_jumps_and_boxes_follow(page, film):
    page.set_viewport_size({"width": 1200, "height": 900})
    page.set_input_files("#file", film)
    page.wait_for_selector(READING, timeout=2 * MINUTE)
    track = page.locator("#rows .track").first
    width = track.bounding_box()["width"]
    track.click(position={"x": width / 2, "y": 5})
    until(page, "Math.abs(document.getElementById('video').currentTime - 2) < 0.3")
    left = page.evaluate("document.querySelector('.now').style.left")
    assert float(left.rstrip("%")) == pytest.approx(50, abs=5)
    before = page.evaluate("document.getElementById('video').currentTime")
    page.evaluate("document.getElementById('video').play()")
    until(page, f"document.getElementById('video').currentTime > {before} + 0.3")


def test_suggestions_and_what_cannot_be_answered(page, film):
    page.set_input_files("#file", film)
    page.wait_for_selector(READING, timeout=2 * MINUTE)
    page.locator("#suggestions button").first.click()
    page.wait_for_selector(".answer", timeout=MINUTE)
    page.fill("#question", "<b>What</b> is the meaning of life?")
    page.click("#send")
    page.wait_for_selector(".answer.declined", timeout=MINUTE)
    assert page.inner_text(".answer.declined h3").startswith("<b>What</b>")
    page.locator(".answer.declined .pills button").first.click()
    until(page, "document.querySelectorAll('.answer').length === 3")


def test_a_broken_file_is_one_line_and_the_next_one_goes(page, film, tmp_path):
    broken = tmp_path / "<i>broken.mp4"
    broken.write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 99)
    page.set_input_files("#file", broken)
    page.wait_for_selector("#problem:not([hidden])", timeout=MINUTE)
    assert page.inner_text("#problem").startswith("<i>broken.mp4 is an MP4 without")
    assert page.locator(READING).count() == 0
    page.set_input_files("#file", film)
    page.wait_for_selector(READING, timeout=2 * MINUTE)
    assert page.locator("#problem").is_hidden()


def test_two_users_at_once(browser, address, film):
    pages = [browser.new_context().new_page() for _ in range(2)]
    for one in pages:
        one.goto(address)
        one.set_input_files("#file", film)
    for one in pages:
        one.wait_for_selector(READING, timeout=3 * MINUTE)
        one.fill("#question", "How many musical instruments were heard throughout the video?")
        one.click("#send")
    for one in pages:
        one.wait_for_selector(".answer .said", timeout=MINUTE)
    assert len({one.inner_text(".said") for one in pages}) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page, film, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_input_files("#file", film)
    page.wait_for_selector(READING, timeout=2 * MINUTE)
    for place in ("body", ".note", "#send", ".who small", "footer"):
        assert _contrast(page, place) >= 4.5, place


def _contrast(page, place):
    """Contrast of text and ground by WCAG 2."""
    script = """place => {
      let at = document.querySelector(place);
      const ink = getComputedStyle(at).color;
      const ground = () => getComputedStyle(at).backgroundColor;
      while (ground() === 'rgba(0, 0, 0, 0)' && at.parentElement) at = at.parentElement;
      return [ink, ground()]; }"""
    ink, ground = (_luminance(colour) for colour in page.evaluate(script, place))
    return (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)


def _luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


ALONE = """
import sys, subprocess
from playwright.sync_api import sync_playwright
chromium, film, run = sys.argv[1:]
command = [sys.executable, "-m", "musicavqa.cli", "serve", "--port", "0", "--checkpoint", run]
server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
address = server.stdout.readline().strip()
with sync_playwright() as made:
    page = made.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
    page.goto(address)
    page.set_input_files("#file", film)
    page.wait_for_selector("#reading:not([hidden])", timeout=120000)
    page.fill("#question", "How many musical instruments were heard throughout the video?")
    page.click("#send")
    page.wait_for_selector(".answer .said", timeout=60000)
    print("said", page.inner_text(".said"))
server.terminate()
"""


def test_it_works_where_there_is_no_network(film, run_folder, tmp_path):
    """In a network namespace that has nothing but the loopback."""
    inside = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    surroundings = {**os.environ, "MUSICAVQA_CACHE": str(cache_folder())}
    plain = tmp_path / "film.mp4"
    plain.write_bytes(Path(film).read_bytes())
    done = subprocess.run(
        [*inside, sys.executable, str(script), CHROMIUM, str(plain), str(run_folder)],
        capture_output=True, text=True, env=surroundings, timeout=300,
    )  # fmt: skip
    assert "said" in done.stdout, done.stderr
