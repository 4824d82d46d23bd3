"""CPU seconds of media.read against the least a PyAV program could do, and against ffmpeg.

    python bench/decode.py [--repeats 5] [--threads 1 0] [--video FILE]

A 60 s 640x360 30 fps H.264 + AAC file is made first; every way yields 60 pictures of 224x224 and
16 kHz stereo sound. 'All streams' asks in one pass for what the published streams read together:
also 16 pictures of 112x112 a second, and the sound at 32 and 44.1 kHz; then with Pillow's filter in
place of swscale's, which the published features went through. The best of the repeats is shown, in
turns: CPU time, threads and children included.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from musicavqa.media import FRAMES, MOTION, SOUND, Pictures, Sound, read

MOVING = Pictures(16.0, (112, 112))
PUBLISHED = (FRAMES, MOVING, SOUND, Sound(32000, 1), Sound(44100, 1))
AS_PILLOW = tuple(
    replace(item, filter="pil_bilinear") if isinstance(item, Pictures) else item
    for item in PUBLISHED
)
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


def bare_loop(path: Path, n_threads: int, wanted: tuple[Pictures | Sound, ...]) -> None:
    """Decode everything, convert the frames that are wanted, resample with swresample; no more."""
    pictures = {item: [] for item in wanted if isinstance(item, Pictures)}
    scalers = {item: VideoReformatter() for item in pictures}  # frame.reformat makes one a frame
    resamplers = {
        item: av.AudioResampler("flt", "stereo" if item.channels == 2 else "mono", item.rate_hz)
        for item in wanted
        if isinstance(item, Sound)
    }
    sounds = {item: [] for item in resamplers}
    index = 0
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.thread_type, video.codec_context.thread_count = "AUTO", n_threads
        fps = float(video.average_rate)
        for packet in container.demux(video, audio):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    for item, resampler in resamplers.items():
                        sounds[item] += [b.to_ndarray() for b in resampler.resample(frame)]
                    continue
                index += 1
                for item, kept in pictures.items():
                    if (len(kept) + 0.5) / item.rate_hz * fps < index:
                        small = scalers[item].reformat(frame, *item.size[::-1], item.pixels)
                        kept.append(small.to_ndarray())
    for kept in pictures.values():
        np.stack(kept)
    for blocks in sounds.values():
        np.concatenate(blocks, axis=1)


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


def ways(path: Path, n_threads: int) -> dict[str, dict[str, Callable[[], object]]]:
    """By what is asked for, the ways to get it; the bare loop comes first."""

    def both(wanted: tuple[Pictures | Sound, ...]) -> dict[str, Callable[[], object]]:
        return {
            "bare PyAV loop": lambda: bare_loop(path, n_threads, wanted),
            "media.read": lambda: read(path, wanted, n_threads=n_threads),
        }

    found = {"pictures and sound": both((FRAMES, SOUND))}
    if shutil.which("ffmpeg"):
        found["pictures and sound"]["ffmpeg program"] = lambda: ffmpeg_program(path, n_threads)
    found["motion 10 Hz besides"] = both((FRAMES, MOTION, SOUND))
    found["all streams"] = both(PUBLISHED)
    found["all streams"]["media.read, as Pillow"] = lambda: read(
        path, AS_PILLOW, n_threads=n_threads
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 0])
    parser.add_argument("--video", type=Path, help="of your own, in place of the made one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.video or Path(folder) / "minute.mp4"
        if given.video is None:
            make_file(path)
        print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB")
        for n_threads in given.threads:
            print(f"threads {n_threads or 'AUTO'}")
            for asked, by_name in ways(path, n_threads).items():
                best = dict.fromkeys(by_name, float("inf"))
                for _ in range(given.repeats):
                    for name, work in by_name.items():
                        best[name] = min(best[name], cpu_seconds(work, 1))
                print(f"  {asked}")
                for name, seconds in best.items():
                    ratio = seconds / best["bare PyAV loop"]
                    print(f"    {name:24} {seconds:6.2f} CPU s   x {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
