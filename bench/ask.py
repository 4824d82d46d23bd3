"""How long `ask` takes on a 60 s 640x360 file: cold (new process, first answer), per further
question, and cold beside as many busy processes as there are cores, as people's machines are.

Run: python bench/ask.py [video]. Without a video, a 60 s clip is rendered first. Beside busy
processes it is timed as it is, and with threads that look again and again while they wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

QUESTIONS = (
    "Which instrument plays first?",
    "How many instruments are sounding in the video?",
    "Where is the loudest instrument?",
    "Is there a voiceover?",
    "Is there a violin in the entire video?",
)
SPINNING = {"GOMP_SPINCOUNT": "300000"}
"""As often as GNU OpenMP looks by default before a waiting thread sleeps."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        video = Path(sys.argv[1]) if len(sys.argv) > 1 else rendered(Path(folder))
        cold_s, warm_s = cold(video, {}), further(video)
        print(f"cold: {cold_s:.2f} s; each further question: {warm_s:.3f} s")
        with busy(os.cpu_count() or 1):
            for name, around in (("as it is", {}), ("with threads that spin", SPINNING)):
                print(f"beside busy processes, {name}: {cold(video, around) / cold_s:.1f} times")


def cold(video: Path, around: Mapping[str, str]) -> float:
    """Seconds from the command to the answer, with these environment variables besides."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "musicavqa.cli", "ask", str(video), QUESTIONS[0]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **around})
    return time.perf_counter() - start


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Beside `n` processes that do nothing but count."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def rendered(folder: Path) -> Path:
    from musicavqa.bandstand.render import render
    from musicavqa.bandstand.scene import sample_scene

    path = folder / "minute.mp4"
    render(sample_scene("test", 900_100, duration_s=60.0, size=(640, 360), fps=25), path)
    return path


def further(video: Path) -> float:
    from musicavqa.ask.asking import listen_and_look

    performance = listen_and_look(video)
    performance.ask(QUESTIONS[:1])
    start = time.perf_counter()
    for question in QUESTIONS[1:]:
        performance.ask([question])
    return (time.perf_counter() - start) / (len(QUESTIONS) - 1)


if __name__ == "__main__":
    main()
