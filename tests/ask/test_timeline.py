"""The evidence picture shows frames in the shape that they have on a screen."""

import numpy as np
import pytest

from musicavqa.ask.asking import Performance, Reply
from musicavqa.ask.sensing import Shown
from musicavqa.ask.timeline import draw
from musicavqa.media import Account


@pytest.mark.parametrize("aspect", [16 / 9, 1.0, 9 / 16])
def test_key_frames_keep_their_shape(tmp_path, monkeypatch, aspect):
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (figures.append(f), save(f, *a, **k)))
    pictures = [np.zeros((224, 224, 3), np.uint8) for _ in range(3)]
    shown = Shown(pictures, [0.5, 2.5, 4.5], [np.zeros(100, np.float32)])
    performance = Performance(shown, Account(used_s=5.0, aspect=aspect), None)
    even = np.full(5, 0.2), np.full((7, 7), 1 / 49)
    reply = Reply("Q?", "Q?", 1.0, answer="yes", confidence=0.9, seconds=even[0], cells=even[1])
    draw(performance, reply, tmp_path / "e.png")
    frames = [axes for axes in figures[0].axes if axes.get_title().endswith(" s")]
    assert len(frames) == 5
    for axes in frames:
        box = axes.get_window_extent()
        assert box.width / box.height == pytest.approx(aspect, rel=0.02)
