"""The store keeps what it is given."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from musicavqa.features.store import (
    IMPORTED,
    Description,
    FeatureError,
    Store,
    Writer,
    folder,
    reading,
)
from musicavqa.features.store.shards import group_of, read_header

DESCRIPTION = Description(encoder="fake", hash8="01234567", shape=(3,))


def rows(seed: int, n: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def fill(folder: Path, ids: list[str], **limits: int) -> Path:
    writer = Writer(folder, DESCRIPTION, **limits)
    for index, clip_id in enumerate(ids):
        if clip_id not in writer.done():
            writer.add(clip_id, rows(index, 2 + index % 3))
    writer.close()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_round_trip_keeps_ids_lengths_and_numbers(tmp_path):
    ids = [f"clip {i:02}" for i in range(10)] + ["ünï/cödé"]
    store = Store.open(fill(tmp_path / "set" / "fake", ids, shard_clips=4))
    assert store.ids() == sorted(ids)
    assert len(store.folder.files(".safetensors")) == 3
    for index, clip_id in enumerate(ids):
        assert store[clip_id].dtype == np.float16
        assert np.array_equal(store[clip_id], rows(index, 2 + index % 3).astype(np.float16))
    assert "clip 03" in store
    assert "clip 99" not in store


def test_shards_also_end_by_size(tmp_path):
    folder = fill(tmp_path, [str(i) for i in range(6)], shard_bytes=30)
    assert len(list(folder.glob("*.safetensors"))) > 2


def test_writing_twice_gives_equal_files(tmp_path):
    ids = [str(i) for i in range(9)]
    first = contents(fill(tmp_path / "a", ids, shard_clips=4))
    assert first == contents(fill(tmp_path / "b", ids, shard_clips=4))
    fill(tmp_path / "c", ids[:4], shard_clips=4)
    assert first == contents(fill(tmp_path / "c", ids, shard_clips=4))


def test_what_waits_is_not_done_until_its_shard_is_written(tmp_path):
    writer = Writer(tmp_path, DESCRIPTION, shard_clips=2)
    writer.add("a", rows(0))
    assert writer.done() == set()
    writer.add("b", rows(1))
    assert writer.done() == {"a", "b"}
    with pytest.raises(FeatureError, match="no manifest"):
        Store.open(tmp_path)


def test_missing_clips_are_counted_and_the_first_is_named(tmp_path):
    folder = tmp_path / "music_avqa" / "fake-01234567"
    writer = Writer(folder, DESCRIPTION)
    writer.add("a", rows(0))
    writer.close({"c": "c.mp4 has no sound."})
    store = Store.open(folder)
    with pytest.raises(
        FeatureError, match=r"'fake' rows for 2 of 3 clips are missing \(first: b\)"
    ):
        store.require(["a", "b", "c"])
    with pytest.raises(
        FeatureError, match=r"c\.mp4 has no sound.*features extract music_avqa .*--streams fake"
    ):
        store["c"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2), np.float32), r"holds \(T, 3\)"),
        (np.zeros(3, np.float32), r"holds \(T, 3\)"),
        (np.zeros((4, 3), np.int64), "int64"),
        (np.full((4, 3), 1e6, np.float32), "float16 cannot hold"),
        (np.full((4, 3), np.nan, np.float32), "float16 cannot hold"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, array, message):
    with pytest.raises(FeatureError, match=message):
        Writer(tmp_path, DESCRIPTION).add("a", array)


def test_unknown_types_double_clips_and_other_stores_are_refused(tmp_path):
    with pytest.raises(ValueError, match="complex64"):
        Description(encoder="fake", hash8="0", shape=(3,), dtype="complex64")
    fill(tmp_path, ["a"])
    with pytest.raises(FeatureError, match="append-only"):
        Writer(tmp_path, DESCRIPTION).add("a", rows(0))
    with pytest.raises(FeatureError, match="shape"):
        Writer(tmp_path, Description(encoder="fake", hash8="01234567", shape=(4,)))


def test_unknown_format_is_refused(tmp_path):
    path = fill(tmp_path, ["a"]) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(FeatureError, match="format 99"):
        Store.open(tmp_path)


READ_ELSEWHERE = """
import multiprocessing, operator, sys
import numpy as np
from musicavqa.features.store import Store

if __name__ == "__main__":
    store = Store.open(sys.argv[1])
    here = store["0"]
    with multiprocessing.get_context(sys.argv[2]).Pool(1) as pool:
        assert np.array_equal(pool.apply(operator.getitem, (store, "0")), here)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_store_is_read_in_other_processes(tmp_path, method):
    """From a process of its own: one with the threads of many libraries must not be forked."""
    store = Store.open(fill(tmp_path / "store", ["0", "1"]))
    script = tmp_path / "elsewhere.py"
    script.write_text(READ_ELSEWHERE)
    command = [sys.executable, str(script), str(tmp_path / "store"), method]
    subprocess.run(command, check=True, timeout=120)
    assert np.array_equal(pickle.loads(pickle.dumps(store))["0"], store["0"])


def test_few_shards_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_MAPS", 2)
    clips = [str(clip) for clip in range(6)]
    for clip in clips:
        fill(tmp_path, [clip])  # a shard each
    store = Store.open(tmp_path)
    assert len({entry.shard for entry in store.entries.values()}) == len(clips)
    first = [store[clip].copy() for clip in clips]
    kept = store["0"]
    assert all(np.array_equal(store[clip], rows) for clip, rows in zip(clips, first, strict=True))
    assert len(store._maps) == 2
    assert np.array_equal(kept, first[0])


def test_a_store_of_format_1_is_still_read(tmp_path):
    path = fill(tmp_path, ["0"]) / "manifest.json"
    old = {**json.loads(path.read_text()), "format": 1}
    del old["every_s"], old["imported_from"]
    path.write_text(json.dumps(old))
    assert Store.open(tmp_path).description == DESCRIPTION


def test_the_manifest_says_which_time_a_row_is_of(tmp_path):
    for facts, words in (
        ({}, "row i is the second from i to i + 1"),
        ({"rate_hz": 10.0}, "row i is the time from i / 10 to (i + 1) / 10 s"),
        ({"every_s": 6}, "row i is the second that begins at 6 i s"),
    ):
        description = Description(encoder="fake", hash8="0", shape=(3,), **facts)
        Writer(tmp_path / words[-8:], description).close()
        assert Store.open(tmp_path / words[-8:]).manifest["alignment"] == words


def test_imported_features_never_claim_weights():
    with pytest.raises(ValueError, match="cannot name its weights"):
        Description("fake", IMPORTED, (3,), weights={"net": "0" * 64}, imported_from="a friend")
    with pytest.raises(ValueError, match="cannot name its weights"):
        Description("fake", "01234567", (3,), imported_from="a friend")


@given(st.text(max_size=30))
def test_a_shard_is_named_after_the_group_of_its_first_clip(tmp_path_factory, clip_id):
    place = tmp_path_factory.mktemp("group")
    writer = Writer(place, DESCRIPTION, group=group_of(clip_id))
    writer.add(clip_id, rows(0))
    writer.flush()
    (shard,) = writer.folder.files()
    assert shard.startswith(group_of(clip_id))
    assert clip_id in Writer(place, DESCRIPTION, group=group_of(clip_id)).done()


def test_a_damaged_shard_is_named(tmp_path):
    fill(tmp_path, ["0"])
    (shard,) = tmp_path.glob("*.safetensors")
    shard.write_bytes(b"\xff" * 100)
    with pytest.raises(FeatureError, match=r"safetensors is damaged"):
        Store.open(tmp_path)


@pytest.mark.parametrize("clip_id", ["clip", "__metadata__", "%__metadata__", "remark clip"])
def test_remark_and_sha256_stand_beside_each_other_under_any_name(tmp_path, clip_id):
    imported = Description(
        encoder="audio_logmel", hash8=IMPORTED, shape=(3,), imported_from="a friend"
    )
    writer = Writer(tmp_path / "store", imported)
    writer.add(clip_id, rows(0), remark="silent")
    writer.add("plain", rows(1))
    writer.close()
    store = Store.open(tmp_path / "store")
    assert store.manifest["remarks"] == {clip_id: "silent"}
    for clip, seed in ((clip_id, 0), ("plain", 1)):
        stored = rows(seed).astype(np.float16)
        assert np.array_equal(store[clip], stored)
        assert store.entries[clip].sha256 == hashlib.sha256(stored.tobytes()).hexdigest()
    (shard,) = store.folder.files(".safetensors")
    with safe_open(tmp_path / "store" / shard, "np") as file:
        assert set(file.metadata()) == {
            f"remark {clip_id}", f"sha256 {clip_id}", "sha256 plain"
        }  # fmt: skip


def test_the_header_tells_how_large_a_shard_must_be(tmp_path):
    fill(tmp_path, ["0", "1"])
    (shard,) = folder(tmp_path).files(".safetensors")
    assert read_header(folder(tmp_path), shard)[1] == (tmp_path / shard).stat().st_size


def test_of_many_who_create_a_file_one_succeeds(tmp_path):
    place = folder(tmp_path / "new")
    assert [place.create("claim", text) for text in (b"first", b"second")] == [True, False]
    assert place.read("claim") == b"first"


def test_an_address_made_into_a_path_is_refused():
    with pytest.raises(ValueError, match="Give it as text"):
        folder(Path("s3://bucket/features"))


def test_arrays_are_views_of_the_file_and_cannot_be_written(tmp_path):
    ids = [f"clip {i}" for i in range(7)]
    store = Store.open(fill(tmp_path, ids, shard_clips=3))
    for clip_id in ids:
        rows = store[clip_id]
        with safe_open(tmp_path / store.entries[clip_id].shard, "numpy") as shard:
            assert np.array_equal(rows, shard.get_tensor(clip_id))
        assert store.n_rows(clip_id) == len(rows)
        assert np.shares_memory(rows, store[clip_id][1:2])
        with pytest.raises(ValueError, match="read-only"):
            rows[0] = 0
    assert np.array_equal(pickle.loads(pickle.dumps(store))[ids[3]], store[ids[3]])
