"""How long `ask` takes on a 60 s 640x360 file: cold (new process, first answer), then per question.

Run: python bench/ask.py [video]. Without a video, a 60 s clip is rendered first.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUESTIONS = (
    "Which instrument plays first?",
    "How many instruments are sounding in the video?",
    "Where is the loudest instrument?",
    "Is there a voiceover?",
    "Is there a violin in the entire video?",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        video = Path(sys.argv[1]) if len(sys.argv) > 1 else rendered(Path(folder))
        start = time.perf_counter()
        command = [sys.executable, "-m", "musicavqa.cli", "ask", str(video), QUESTIONS[0]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cold_s = time.perf_counter() - start
        warm_s = further(video)
    print(f"cold: {cold_s:.2f} s (target 10); each further question: {warm_s:.3f} s (target 0.2)")


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
