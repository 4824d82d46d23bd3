"""Make the pictures of docs/gallery.md again, as its commands do, and small enough for a page.

    python bench/pictures.py [--out docs/pictures] [--data FOLDER] [--only page]

The clip is the sixth of split `test`, rendered to FOLDER where it is not there yet. Needs extras
`bandstand`, `plots` and `web`, Pillow, playwright and chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

QUESTIONS = (
    "Where is the loudest instrument?",
    "What is the left instrument of the first sounding instrument?",
)
FIRST = "Which instrument plays first?"
N_CLIPS = 6
COLOURS = 128
WIDEST, WIDEST_SHEET = 1200, 800
MINUTE_MS = 60_000
DESKTOP, PHONE = (1180, 1130), (375, 812)
NOTEBOOK, REPORT = (840, 200), (900, 700)


def musicavqa(*arguments: object) -> None:
    """Run a command, silently but for errors."""
    command = [sys.executable, "-m", "musicavqa.cli", "--quiet", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def rendered(data: Path) -> Path:
    """The clip of the gallery."""
    clip = data / "test" / "clips" / f"test-{N_CLIPS - 1:08d}.mp4"
    if not clip.exists():
        musicavqa("render", data, "--split", "test", "--clips", N_CLIPS)
    return clip


def make_plain(_: Any, clip: Path, out: Path) -> None:
    """Those that a command writes by itself."""
    musicavqa("ask", clip, FIRST, "--evidence", out / "evidence.png")
    musicavqa("read", clip, "--picture", out / "score.png", "--no-music")
    musicavqa("render", "--sheet", out / "instruments.png")


@contextmanager
def served() -> Iterator[str]:
    """The address of a page in the browser."""
    command = [sys.executable, "-m", "musicavqa.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(20)


def make_pages(browser: Any, clip: Path, out: Path) -> None:
    """The page of `serve`: wide in light, wide in dark, and as on a phone."""
    with served() as address:
        page = browser.new_page(viewport=_size(DESKTOP))
        page.goto(address)
        page.set_input_files("#file", clip)
        page.wait_for_selector("#reading:not([hidden])", timeout=10 * MINUTE_MS)
        for n, question in enumerate(QUESTIONS, 1):
            page.fill("#question", question)
            page.click("#send")
            page.locator(".answer").nth(n - 1).wait_for(timeout=3 * MINUTE_MS)
        page.locator(".answer .jumps button").first.click()
        for name, size, scheme in (
            ("serve", DESKTOP, "light"),
            ("serve-dark", DESKTOP, "dark"),
            ("serve-phone", PHONE, "light"),
        ):
            page.set_viewport_size(_size(size))
            page.emulate_media(color_scheme=scheme)
            if size == PHONE:
                page.locator("#stage").scroll_into_view_if_needed()
                page.evaluate("document.querySelector('#stage').scrollIntoView()")
            page.wait_for_timeout(1000)
            page.screenshot(path=out / f"{name}.png")
        page.close()


def make_notebook(browser: Any, clip: Path, out: Path) -> None:
    """What a notebook shows of a performance."""
    import musicavqa

    shown = musicavqa.listen(clip)._repr_html_()
    page = browser.new_page(viewport=_size(NOTEBOOK))
    page.set_content(f"<body style='font-family: sans-serif'>{shown}")
    page.screenshot(path=out / "notebook.png")
    page.close()


def make_report(browser: Any, _: Path, out: Path) -> None:
    """One figure of the report: the survey's claims, tested."""
    musicavqa("report", "--out", out / "report")
    page = browser.new_page(viewport=_size(REPORT))
    page.goto((out / "report" / "index.html").as_uri())
    figures = page.locator("figure", has_text=re.compile("coefficients"))
    figures.first.screenshot(path=out / "report.png")
    page.close()


def _size(size: tuple[int, int]) -> dict[str, int]:
    return dict(zip(("width", "height"), size, strict=True))


def shrink(path: Path, to: Path) -> None:
    """Fewer pixels and colours, so that a page loads quickly."""
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    widest = WIDEST_SHEET if path.stem == "instruments" else WIDEST
    if picture.width > widest:
        height = round(picture.height * widest / picture.width)
        picture = picture.resize((widest, height), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(to, optimize=True)
    print(f"{to} {to.stat().st_size / 1000:.0f} kB")


MAKERS = {
    "plain": make_plain,
    "page": make_pages,
    "notebook": make_notebook,
    "report": make_report,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--data", type=Path, default=Path("bandstand-data"))
    parser.add_argument("--only", choices=list(MAKERS), help="default: all")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    given.out.mkdir(parents=True, exist_ok=True)
    clip = rendered(given.data)
    wanted = [MAKERS[given.only]] if given.only else list(MAKERS.values())
    with TemporaryDirectory() as work, sync_playwright() as made:
        browser = made.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for make in wanted:
            make(browser, clip, Path(work))
        browser.close()
        for path in sorted(Path(work).glob("*.png")):
            shrink(path, given.out / path.name)


if __name__ == "__main__":
    main()
