"""Extraction beside the published pipeline, on a rendered minute: CPU seconds, bytes, memory.

    python bench/extract.py [times] [bytes] [memory] [--sets avst released moving] [--repeats 2]
                            [--in-process]

The published way is restated from the released scripts of MUSIC-AVQA (feat_script at 98d67e4, read
for this): moviepy's readers take raw pictures and raw sound of 44.1 kHz from the ffmpeg program
through pipes, every picture of the video; one picture a second is written as a JPEG, and the sound,
each sample of 16 kHz the one before its time, goes through a pipe back into a wav; then each
network opens the files anew, one by one, and writes one float32 npy per clip. ffmpeg may use one
thread (moviepy lets it use all). `--in-process` reads by PyAV in place of the pipes, which favours
the published side. A TensorFlow session with VGGish's 280 MB for every clip is left out in its
favour. Networks are replaced on both sides by one that gives the right shapes for nothing, so that
all is compared that surrounds them: decoding, files, resizing, mel spectra, normalising, storing.
Runs alternate; the best of each is shown.

Sets: 'avst' is what AVST reads (VGGish, 14 x 14 maps) and ResNet-18's averages. 'released' adds
R(2+1)D as released, one still picture at a time. 'moving' gives R(2+1)D 16 pictures of each second,
which the released scripts would write as 16 JPEGs a second.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from decode import cpu_seconds
from musicavqa.features.encoders import (
    audio_vggish,
    vggish,
    visual_r2plus1d,
    visual_resnet18,
    visual_resnet18_map,
)
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.vision import IMAGENET, KINETICS, PictureEncoder, Statistics
from musicavqa.features.encoders.visual_r2plus1d import MotionEncoder
from musicavqa.features.encoders.windows import one_second_each
from musicavqa.features.extraction import extract
from musicavqa.features.extraction.encoding import Encoder
from musicavqa.records import Clip
from recording import rendered, repeated

SETS = {
    "avst": ("audio_vggish", "visual_resnet18", "visual_resnet18_map"),
    "released": ("audio_vggish", "visual_resnet18", "visual_resnet18_map", "still"),
    "moving": ("audio_vggish", "visual_resnet18", "visual_resnet18_map", "visual_r2plus1d"),
}
Frames = Callable[[Path, int, int], Iterator[np.ndarray]]
FFMPEG = ("ffmpeg", "-v", "error", "-threads", "1")
PARTS = ("times", "bytes", "memory")
MAXIMUM_GB = 1.5
NPY_HEAD = 128  # bytes


class Blank:
    """In the place of a network: rows of the right shape, without arithmetic."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.full((len(batch), *self.shape), 0.5)


def encoders(names: tuple[str, ...]) -> list[Encoder]:
    """Ours, with all that surrounds their networks."""
    vectors, maps = Blank(512), Blank(512, 14, 14)
    specs = {
        module.SPEC.name: replace(module.SPEC, weights=())
        for module in (audio_vggish, visual_resnet18, visual_resnet18_map, visual_r2plus1d)
    }
    still = replace(specs["visual_r2plus1d"], reads=(visual_r2plus1d.STILL,))

    def seconds(sound: np.ndarray, n: int) -> np.ndarray:
        return one_second_each(sound, n, vggish.RATE_HZ)

    all_of_them: dict[str, Any] = {
        "audio_vggish": SoundEncoder(specs["audio_vggish"], seconds, vggish.patches, Blank(128)),
        "visual_resnet18": PictureEncoder(specs["visual_resnet18"], vectors, IMAGENET, side=224),
        "visual_resnet18_map": PictureEncoder(specs["visual_resnet18_map"], maps, KINETICS),
        "visual_r2plus1d": MotionEncoder(specs["visual_r2plus1d"], vectors),
        "still": MotionEncoder(still, vectors),
    }
    return [all_of_them[name] for name in names]


def ours(video: Path, folder: Path, names: tuple[str, ...]) -> None:
    """The clip into a new store."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        report = extract([Clip("clip", video, None)], encoders(names), root, "bench")
        assert report.n_written == len(names)


def published(
    video: Path, folder: Path, names: tuple[str, ...], in_process: bool
) -> dict[str, Callable[[], None]]:
    """The steps of the released scripts by name, in their order."""
    per_s = 16 if "visual_r2plus1d" in names else 1
    pictures = folder / f"jpeg-{per_s}"
    pictures.mkdir(exist_ok=True)
    write_sound, frames = (
        (write_wav, frames_by_library) if in_process else (write_wav_by_pipes, frames_by_pipe)
    )
    steps: dict[str, Callable[[], None]] = {
        "sound to wav": lambda: write_sound(video, folder / "sound.wav"),
        "pictures to JPEG": lambda: write_pictures(video, pictures, per_s, frames),
        "VGGish": lambda: hear(folder / "sound.wav", folder / "vggish.npy"),
        "ResNet-18": lambda: look(
            pictures, per_s, _shorter_side, IMAGENET, Blank(512), folder / "res18.npy"
        ),
        "14 x 14 maps": lambda: look(
            pictures, per_s, _stretched, KINETICS, Blank(512, 14, 14), folder / "maps.npy"
        ),
    }
    if names[-1] in ("still", "visual_r2plus1d"):
        steps["R(2+1)D"] = lambda: look_at_moves(pictures, per_s, folder / "r2plus1d.npy")
    return steps


def write_wav(video: Path, path: Path) -> None:
    """Stereo, 16 kHz, 16 bits."""
    resampler = av.AudioResampler("s16", "stereo", 16000)
    with av.open(str(video)) as container, wave.open(str(path), "wb") as out:
        out.setparams((2, 2, 16000, 0, "NONE", ""))
        for frame in container.decode(audio=0):
            for block in resampler.resample(frame):
                out.writeframes(block.to_ndarray().tobytes())


def write_wav_by_pipes(video: Path, path: Path) -> None:
    """The same as moviepy makes it: samples picked by time, a second at once."""
    reading = [*FFMPEG, "-i", str(video), "-f", "s16le", "-ar", "44100", "-ac", "2", "-"]
    writing = [*FFMPEG, "-y", "-f", "s16le", "-ar", "16000", "-ac", "2", "-i", "-", str(path)]
    picked = np.arange(16000) * 44100 // 16000
    with (
        subprocess.Popen(reading, stdout=subprocess.PIPE) as reader,
        subprocess.Popen(writing, stdin=subprocess.PIPE) as writer,
    ):
        assert reader.stdout is not None
        assert writer.stdin is not None
        while second := reader.stdout.read(44100 * 4):
            samples = np.frombuffer(second, np.int16).reshape(-1, 2) / 2**15
            samples = samples[picked[picked < len(samples)]]
            writer.stdin.write((samples * (2**15 - 1)).astype(np.int16).tobytes())
        writer.stdin.close()


def write_pictures(video: Path, folder: Path, per_s: int, frames: Frames) -> None:
    """The picture in the middle of each step, as JPEG of the usual quality."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        fps, n, last = float(stream.average_rate), 0, stream.frames - 1
        size = stream.codec_context.height, stream.codec_context.width
    n_wanted = round((last + 1) / fps * per_s)
    for index, picture in enumerate(frames(video, *size)):
        while n < n_wanted and index == min(round((n + 0.5) / per_s * fps), last):
            Image.fromarray(picture).save(folder / f"{n + 1:08d}.jpg")
            n += 1
    assert n == n_wanted


def frames_by_library(video: Path, height: int, width: int) -> Iterator[np.ndarray]:
    """Every picture as RGB, decoded in this process."""
    with av.open(str(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def frames_by_pipe(video: Path, height: int, width: int) -> Iterator[np.ndarray]:
    """Every picture as RGB, raw from the ffmpeg program, as imageio and moviepy read."""
    command = [*FFMPEG, "-i", str(video)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    n_bytes = height * width * 3
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=n_bytes) as program:
        assert program.stdout is not None
        while picture := program.stdout.read(n_bytes):
            yield np.frombuffer(picture, np.uint8).reshape(height, width, 3)


def hear(path: Path, out: Path) -> None:
    """Log-mel patch by patch, as the sound of each second is cut out first."""
    with wave.open(str(path), "rb") as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, 2)
    samples = samples / 32768.0
    n = len(samples) // vggish.RATE_HZ
    patches = np.zeros((n, vggish.FRAMES, vggish.BANDS))
    for second in range(n):
        own = samples[second * vggish.RATE_HZ : (second + 1) * vggish.RATE_HZ].mean(axis=1)
        patches[second] = vggish.patches(own[None])[0]
    np.save(out, Blank(128)(torch.from_numpy(patches)).numpy())


def look(
    folder: Path,
    step: int,
    resized: Callable[[Image.Image], Image.Image],
    statistics: Statistics,
    network: Blank,
    out: Path,
) -> None:
    """Every `step`-th file opened, resized and normalised; all at once through the network."""
    files = sorted(folder.glob("*.jpg"))[step // 2 :: step]
    pictures = np.array([_tensor(file, resized, statistics).numpy() for file in files])
    np.save(out, network(torch.from_numpy(pictures)).numpy())


def look_at_moves(folder: Path, per_s: int, out: Path) -> None:
    """R(2+1)D on `per_s` pictures at a time."""
    files = sorted(folder.glob("*.jpg"))
    clips = torch.zeros(len(files) // per_s, 3, per_s, 112, 112)
    for index, file in enumerate(files):
        clips[index // per_s, :, index % per_s] = _tensor(file, _small, KINETICS)
    np.save(out, Blank(512)(clips).numpy())


def _tensor(
    file: Path, resized: Callable[[Image.Image], Image.Image], statistics: Statistics
) -> torch.Tensor:
    """float32 (3, H, W), as torchvision's ToTensor and Normalize make it."""
    picture = resized(Image.open(file).convert("RGB"))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().float().div(255)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in statistics)
    return pixels.sub_(mean).div_(deviation)


def _stretched(picture: Image.Image) -> Image.Image:
    return picture.resize((224, 224), Image.Resampling.BILINEAR)


def _shorter_side(picture: Image.Image) -> Image.Image:
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    large = picture.resize((width, height), Image.Resampling.BILINEAR)
    return large.crop((left, top, left + 224, top + 224))


def _small(picture: Image.Image) -> Image.Image:
    left, top = (171 - 112) // 2, (128 - 112) // 2
    small = picture.resize((171, 128), Image.Resampling.BILINEAR)
    return small.crop((left, top, left + 112, top + 112))


def compare_times(
    video: Path, folder: Path, names: list[str], repeats: int, in_process: bool
) -> None:
    """CPU seconds of both ways, in turns."""
    for name in names:
        steps = published(video, folder, SETS[name], in_process)
        best = dict.fromkeys([*steps, "ours"], float("inf"))
        for _ in range(repeats):
            for step, work in steps.items():
                best[step] = min(best[step], cpu_seconds(work, 1))
            own = cpu_seconds(lambda name=name: ours(video, folder, SETS[name]), 1)
            best["ours"] = min(best["ours"], own)
        own, theirs = best.pop("ours"), sum(best.values())
        parts = ", ".join(f"{step} {seconds:.2f}" for step, seconds in best.items())
        between = [*folder.glob("jpeg-*/*"), folder / "sound.wav"]
        n_bytes = sum(file.stat().st_size for file in between)
        print(f"{name:9} published {theirs:6.2f}  ours {own:5.2f} CPU s: {theirs / own:.1f} times")
        print(f"          ({parts}; {n_bytes / 1e6:.1f} MB of JPEG and wav)", flush=True)


def compare_bytes(video: Path, seconds: float) -> None:
    """What lies on the disk for a clip in the end: published by its shapes, ours by its files."""
    for name, streams in SETS.items():
        made = encoders(streams)
        shapes = [(round(seconds), *encoder.spec.shape) for encoder in made]
        theirs = sum(NPY_HEAD + 4 * math.prod(shape) for shape in shapes)
        with tempfile.TemporaryDirectory() as root:
            extract([Clip("clip", video, None)], made, root, "bench")
            own = sum(file.stat().st_size for file in Path(root).rglob("*.safetensors"))
        print(
            f"{name:9} published {theirs / 1e6:.2f} MB of npy  ours {own / 1e6:.2f} MB: "
            f"{theirs / own:.1f} times less",
            flush=True,
        )


def peak_memory(video: Path, name: str) -> dict[str, float]:
    """GB of a process of its own that extracts this set, and what the imports alone take."""
    command = [sys.executable, __file__, "--alone", str(video), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def alone(video: Path, name: str) -> None:
    """Say how much memory this process took at most, before and after."""
    unit = 1e6 if sys.platform != "darwin" else 1e9
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    with tempfile.TemporaryDirectory() as folder:
        ours(video, Path(folder), SETS[name])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"imports": before, "peak": after}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--in-process", action="store_true", help="published: no ffmpeg, no pipes")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--long", type=float, default=600.0, help="of the second clip for memory")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1, "blas")  # numpy's too, on both sides
    if given.alone:
        alone(Path(given.alone[0]), given.alone[1])
        return
    if "times" in given.parts and not (given.in_process or shutil.which("ffmpeg")):
        parser.error("the published side needs the ffmpeg program; install it, or --in-process")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        short = rendered(folder)
        video = repeated(short, folder / "minute.mp4", given.seconds)
        if "times" in given.parts:
            compare_times(video, folder, given.sets, given.repeats, given.in_process)
        if "bytes" in given.parts:
            compare_bytes(video, given.seconds)
        if "memory" in given.parts:
            compare_memory(short, folder, given.sets, [given.seconds, given.long])


def compare_memory(short: Path, folder: Path, names: list[str], lengths: list[float]) -> None:
    """Peak memory of ours, each length in a process of its own."""
    for length in lengths:
        video = repeated(short, folder / "measured.mp4", length)
        for name in names:
            memory = peak_memory(video, name)
            print(
                f"{name:9} {length:5.0f} s clip: peak {memory['peak']:.2f} GB "
                f"(imports {memory['imports']:.2f}; at most {MAXIMUM_GB} is asked for)",
                flush=True,
            )


if __name__ == "__main__":
    main()
