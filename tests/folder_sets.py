"""A data set of one clip in a folder of one's own, as `--set folder` reads it."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import grey_frames, sine, write_media

ROWS = [("How many types of musical instruments sound in the video?", "two"),
        ("Is there a voiceover?", "no"), ("Where is the performance?", "indoor")]  # fmt: skip
"""Questions about the clip, and their answers."""


def write_folder_set(folder: Path, *splits: str) -> Path:
    """Two seconds of grey pictures and a sine, and `ROWS` as the questions of each split."""
    (folder / "clips").mkdir()
    write_media(folder / "clips" / "a.mp4", grey_frames(20), wave=sine(440, 2.0))
    lines = [json.dumps({"clip": "a", "question": q, "answer": a}) for q, a in ROWS]
    for split in splits:
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder
