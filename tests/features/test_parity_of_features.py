"""`features compare`: differences that were planted are found, measured and explained."""

import json

import numpy as np
import pytest

from musicavqa.features.exchange import explanations
from musicavqa.features.exchange.comparing import compare_features
from musicavqa.features.store import Description, FeatureError, Writer

WIDTH, N_ROWS, N_CLIPS = 16, 40, 12


def clip(seed, n_rows=N_ROWS, per_row=1):
    """Smooth numbers (n_rows * per_row, WIDTH) whose dimensions go together."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(WIDTH, WIDTH)) + 0.5
    times = np.arange(n_rows * per_row)[:, None] / per_row
    phase, speed = rng.uniform(0, 6, WIDTH), rng.uniform(0.2, 0.6, WIDTH)
    return ((np.sin(times * speed + phase) + rng.normal(size=WIDTH)) @ mix).astype(np.float32)


CLIPS = {f"clip-{n}": clip(n) for n in range(N_CLIPS)}


def write_store(root, clips, name="audio_vggish", every_s=1):
    shape = next(iter(clips.values())).shape[1:]
    writer = Writer(root, Description(name, "00000000", shape, every_s=every_s))
    for clip_id, rows in clips.items():
        writer.add(clip_id, rows.astype(np.float16))
    writer.close()
    return root


def write_arrays(root, clips):
    root.mkdir()
    for clip_id, rows in clips.items():
        np.save(root / f"{clip_id}.npy", rows)
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("features") / "audio_vggish-00000000", CLIPS)


def principal(rows):
    """Rotated and whitened by the components of all clips, as AudioSet's rows are."""
    everything = np.concatenate(list(CLIPS.values()))
    values, vectors = np.linalg.eigh(np.cov(everything, rowvar=False))
    return (rows - everything.mean(0)) @ vectors / np.sqrt(values + 0.5)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def between(rows, hop):
    places = np.arange(int((len(rows) - 1) / hop)) * hop
    low = places.astype(int)
    part = (places - low)[:, None]
    return (1 - part) * rows[low] + part * rows[low + 1]


ROTATION = np.linalg.qr(np.random.default_rng(5).normal(size=(WIDTH, WIDTH)))[0]
PLANTED = {
    "the same rows": lambda rows: rows,
    "theirs 1 rows ahead of ours": lambda rows: rows[1:],
    "theirs 2 rows behind ours": lambda rows: np.concatenate([rows[:1], rows[:1], rows[:-2]]),
    "theirs at every 0.96 rows of ours": lambda rows: between(rows, 0.96),
    "rows of length 1": unit,
    "negatives cut off": lambda rows: np.maximum(rows, 0),
    "each clip standardised": lambda rows: (rows - rows.mean(0)) / rows.std(0),
    "one scale and offset": lambda rows: 3 * rows + 7,
    "a scale and offset for each dimension": lambda rows: rows * np.arange(1, WIDTH + 1) - 4,
    "a linear map of ours": lambda rows: rows @ ROTATION,
    "theirs 1 rows ahead of ours, rows of length 1": lambda rows: unit(rows[1:]),
    "theirs 1 rows ahead of ours, a linear map of ours": lambda rows: principal(rows[1:]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_the_explanation(store, tmp_path, name):
    changed = {clip_id: PLANTED[name](rows) for clip_id, rows in CLIPS.items()}
    found = compare_features(store, write_arrays(tmp_path / "original", changed))
    assert str(found.explanations[0]) == name
    assert found.explanations[0].error < explanations.FITS
    assert found.verdict().startswith(f"Explained: {name}")
    assert found.same == (N_CLIPS if name == "the same rows" else 0)


def test_principal_components_are_told_from_another_map_on_either_side(store, tmp_path):
    theirs = {clip_id: principal(rows) for clip_id, rows in CLIPS.items()}
    arrays = write_arrays(tmp_path / "pca", theirs)
    assert "theirs are principal components." in compare_features(store, arrays).remarks[0]
    ours = write_store(tmp_path / "audio_vggish-1", theirs)
    back = compare_features(ours, write_arrays(tmp_path / "plain", CLIPS))
    assert "ours are principal components." in back.remarks[0]
    turned = {clip_id: rows @ ROTATION for clip_id, rows in CLIPS.items()}
    other = compare_features(store, write_arrays(tmp_path / "turned", turned))
    assert "another linear map" in other.remarks[0]


def test_quantised_rows_are_said_to_be(store, tmp_path):
    changed = {
        clip_id: np.round((np.clip(principal(rows), -2, 2) + 2) * 63.75)
        for clip_id, rows in CLIPS.items()
    }
    found = compare_features(store, write_arrays(tmp_path / "original", changed))
    assert any("quantised" in remark for remark in found.remarks)
    assert found.explanations[0].values == explanations.LINEAR


def test_noise_is_explained_by_nothing(store, tmp_path):
    rng = np.random.default_rng(1)
    noise = {clip_id: rng.normal(size=rows.shape) for clip_id, rows in CLIPS.items()}
    found = compare_features(store, write_arrays(tmp_path / "original", noise))
    assert found.verdict().startswith("Not explained")
    assert found.explanations[0].error > 0.9


def test_each_clip_has_its_cosine_error_and_shift(store, tmp_path):
    changed = {**CLIPS, "clip-3": -CLIPS["clip-3"], "clip-5": CLIPS["clip-5"][2:]}
    changed["clip-7"] = CLIPS["clip-7"] * 1.5
    found = compare_features(store, write_arrays(tmp_path / "original", changed))
    clips = {item.clip: item for item in found.clips}
    assert clips["clip-3"].cosine == pytest.approx(-1, abs=1e-4)
    assert clips["clip-3"].error == pytest.approx(2, abs=1e-3)
    assert (clips["clip-5"].shift, clips["clip-5"].n_theirs) == (2, N_ROWS - 2)
    assert clips["clip-7"].error == pytest.approx(1 / 3, abs=1e-3)
    assert clips["clip-7"].cosine == pytest.approx(1, abs=1e-4)
    assert found.same == N_CLIPS - 3
    assert (found.shifts()[0], found.shifts()[2]) == (N_CLIPS - 2, 1)  # what is turned fits nowhere
    assert found.spread("cosine")["worst"] == pytest.approx(-1, abs=1e-4)
    assert "1 of 12 clips have another number of rows" in found.remarks[0]


def test_clips_that_lie_on_one_side_only_or_are_damaged_are_told(store, tmp_path):
    arrays = write_arrays(tmp_path / "original", {**CLIPS, "elsewhere": CLIPS["clip-0"]})
    (arrays / "clip-0.npy").unlink()
    (arrays / "clip-1.npy").write_bytes(b"\x93NUMPY")
    np.save(arrays / "clip-2.npy", CLIPS["clip-2"][:, :5])
    np.save(arrays / "clip-4.npy", np.full_like(CLIPS["clip-4"], np.nan))
    found = compare_features(store, arrays)
    assert (found.missing, found.n_others) == (["clip-0"], 1)
    assert set(found.refused) == {"clip-1", "clip-2", "clip-4"}
    assert "rows are (5,), ours (16,)" in found.refused["clip-2"]
    assert len(found.clips) == N_CLIPS - 4


def test_maps_of_every_second_are_thinned_and_another_store_is_an_original(tmp_path):
    kept = {clip_id: rows[::6] for clip_id, rows in CLIPS.items()}
    ours = write_store(tmp_path / "visual_resnet18_map-0", kept, "visual_resnet18_map", every_s=6)
    found = compare_features(ours, write_arrays(tmp_path / "original", CLIPS))
    assert found.same == N_CLIPS
    whole = write_store(tmp_path / "audio_vggish-imported", CLIPS)
    assert compare_features(whole, whole).verdict().startswith("Explained: the same rows")


def test_a_wide_stream_with_few_rows_has_no_linear_map(tmp_path):
    wide = {f"c{n}": clip(n, 4).repeat(8, axis=1) for n in range(4)}
    ours = write_store(tmp_path / "visual_x-0", wide)
    found = compare_features(ours, write_arrays(tmp_path / "original", wide))
    assert all(item.values != explanations.LINEAR for item in found.explanations)
    assert "was not tried" in found.remarks[-1]


def test_the_command_says_it_in_words_and_in_json(store, tmp_path, command_line):
    shifted = {clip_id: rows[1:] for clip_id, rows in CLIPS.items()}
    arrays = write_arrays(tmp_path / "original", shifted)
    code, out, err = command_line("features", "compare", store, arrays)
    assert code == 0, err
    assert "Explained: theirs 1 rows ahead of ours" in out
    assert "best shift in rows, and of how many clips: +1: 12" in out
    code, out, _ = command_line("features", "compare", store, arrays, "--json")
    assert json.loads(out)["shifts"] == {"1": 12}
    code, _, err = command_line("features", "compare", store, tmp_path / "gone")
    assert (code, err.count("\n")) == (1, 1)
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / "strange.npy", CLIPS["clip-0"])
    with pytest.raises(FeatureError, match="None of the 1 arrays"):
        compare_features(store, tmp_path / "other")
