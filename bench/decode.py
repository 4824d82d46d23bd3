"""CPU seconds of media.read against the least a PyAV program could do, and against ffmpeg.

    python bench/decode.py [--repeats 5]

A 60 s 640x360 30 fps H.264 + AAC file is made first; every way yields 60 pictures of 224x224 and
16 kHz stereo sound. The best of the repeats is shown: CPU time, threads and children included.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from musicavqa.media import FRAMES, MOTION, SOUND, read

SECONDS, FPS, HEIGHT, WIDTH, AUDIO_HZ = 60, 30, 360, 640, 44100


def make_file(path: Path) -> None:
    """Moving stripes with noise, and two tones; GOP 250, preset medium."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 24, (HEIGHT, WIDTH, 3), np.uint8)
    column = np.arange(WIDTH)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"g": "250"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=AUDIO_HZ, layout="stereo")
        for index in range(SECONDS * FPS):
            stripes = (127 + 100 * np.sin((column + 3 * index) / 30)).astype(np.uint8)
            picture = np.roll(noise, index, 0) + stripes[None, :, None]
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
            n = AUDIO_HZ // FPS
            time_s = (np.arange(n) + index * n) / AUDIO_HZ
            wave = 0.3 * np.sin(2 * np.pi * np.array([[440.0], [660.0]]) * time_s)
            sound = av.AudioFrame.from_ndarray(wave.astype(np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts = AUDIO_HZ, index * n
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def bare_loop(path: Path, n_threads: int) -> None:
    """Decode everything, convert one frame in thirty, resample with swresample; nothing else."""
    resampler = av.AudioResampler("flt", "stereo", 16000)
    pictures, sounds, index = [], [], 0
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.thread_type, video.codec_context.thread_count = "AUTO", n_threads
        for packet in container.demux(video, audio):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    sounds += [block.to_ndarray() for block in resampler.resample(frame)]
                    continue
                if index % FPS == FPS // 2:
                    pictures.append(frame.reformat(224, 224, "rgb24").to_ndarray())
                index += 1
    np.stack(pictures), np.concatenate(sounds, axis=1)


def ffmpeg_program(path: Path, n_threads: int) -> None:
    """One pass of the ffmpeg program with two outputs, thrown away."""
    command = ["ffmpeg", "-v", "error", "-threads", str(n_threads), "-i", str(path)]
    command += ["-vf", "fps=1,scale=224:224", "-pix_fmt", "rgb24", "-f", "rawvideo", "-y"]
    command += ["/dev/null", "-ar", "16000", "-ac", "2", "-f", "f32le", "-y", "/dev/null"]
    subprocess.run(command, check=True)


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Best CPU time of `repeats` runs, user and system, with children."""

    def used() -> float:
        usages = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    best = float("inf")
    for _ in range(repeats):
        start = used()
        work()
        best = min(best, used() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minute.mp4"
        make_file(path)
        print(f"{path.stat().st_size / 1e6:.1f} MB, {SECONDS} s {WIDTH}x{HEIGHT} {FPS} fps")
        for n_threads in (1, 0):
            ways: dict[str, Callable[[], object]] = {
                "bare PyAV loop": lambda n=n_threads: bare_loop(path, n),
                "media.read": lambda n=n_threads: read(path, n_threads=n),
                "media.read, motion 10 Hz": lambda n=n_threads: read(
                    path, (FRAMES, MOTION, SOUND), n_threads=n
                ),
            }
            if shutil.which("ffmpeg"):
                ways["ffmpeg program"] = lambda n=n_threads: ffmpeg_program(path, n)
            times = {name: cpu_seconds(way, repeats) for name, way in ways.items()}
            bare = times["bare PyAV loop"]
            print(f"threads {n_threads or 'AUTO'}")
            for name, seconds in times.items():
                print(f"  {name:26} {seconds:6.2f} CPU s   x {seconds / bare:.2f}")


if __name__ == "__main__":
    main()
