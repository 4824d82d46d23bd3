"""Streams of many rates on the one grid of a batch."""

import numpy as np
import pytest

from musicavqa.features.grids import grid_step, on_one_grid
from musicavqa.features.store import Description, FeatureError, Store, Writer
from musicavqa.records import Clip, Question
from musicavqa.training.batches import make_batches


def store(folder, name, n_rows, **facts):
    """One clip whose rows say which second they are of."""
    description = Description(name, "0" * 8, (1,), **facts)
    writer = Writer(folder / description.folder_name, description)
    seconds = np.arange(n_rows) / description.rate_hz * description.every_s
    writer.add("clip", np.floor(seconds)[:, None].astype(np.float16))
    writer.close()
    return Store.open(writer.folder)


def test_a_stream_that_keeps_every_sixth_second_sets_the_grid_for_all(tmp_path):
    streams = on_one_grid(
        {
            "audio_vggish": store(tmp_path, "audio_vggish", 60),
            "visual_resnet18_map": store(tmp_path, "visual_resnet18_map", 10, every_s=6),
            "music_loudness": store(tmp_path, "music_loudness", 600, rate_hz=10.0),
        }
    )
    question = Question(
        "s/t/0", "clip", "Is there a voiceover?", 9, (), "V-Location", "yes", "made"
    )
    batch = next(make_batches([Clip("clip", None, 60.0)], [question], streams))
    assert batch.seconds.shape == (1, 10)
    for rows in batch.streams.values():
        assert rows[0, :, 0].tolist() == list(range(0, 60, 6))


def test_streams_of_one_rate_are_left_as_they_are(tmp_path):
    streams = on_one_grid({"audio_vggish": store(tmp_path, "audio_vggish", 7)})
    assert streams["audio_vggish"]["clip"][:, 0].tolist() == list(range(7))
    assert "clip" in streams["audio_vggish"]
    assert "other" not in streams["audio_vggish"]


def test_grids_that_do_not_fit_into_each_other_are_refused():
    assert grid_step([1, 2, 6, 1]) == 6
    assert grid_step([]) == 1
    with pytest.raises(FeatureError, match="every 4 and every 6 seconds share no grid"):
        grid_step([4, 6])


def test_rows_that_are_held_stand_for_the_seconds_up_to_the_next(tmp_path):
    streams = on_one_grid(
        {
            "audio_vggish": store(tmp_path, "audio_vggish", 10),
            "visual_keyframes": store(tmp_path, "visual_keyframes", 3, every_s=4, held=True),
        }
    )
    assert streams["audio_vggish"]["clip"][:, 0].tolist() == list(range(10))
    held = streams["visual_keyframes"]["clip"][:, 0].tolist()
    assert held[:10] == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]
    question = Question("s/t/0", "clip", "Is there a voiceover?", 16, (), "AV-Existential", "yes")
    batch = next(make_batches([Clip("clip", None, 10.0)], [question], streams))
    assert batch.seconds.tolist() == [[True] * 10]
    assert batch.streams["visual_keyframes"][0, :, 0].tolist() == held[:10]


def test_held_rows_leave_the_grid_of_streams_that_are_not_held(tmp_path):
    streams = on_one_grid(
        {
            "visual_resnet18_map": store(tmp_path, "visual_resnet18_map", 2, every_s=6),
            "visual_keyframes": store(tmp_path, "visual_keyframes", 12, every_s=1, held=True),
        }
    )
    assert streams["visual_resnet18_map"]["clip"][:, 0].tolist() == [0, 6]
    assert streams["visual_keyframes"]["clip"][:, 0].tolist() == [0, 6]
