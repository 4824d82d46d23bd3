"""Rows that grow, in memory and in a temporary file."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicavqa.features.store import Description, FeatureError, Store, Strip, Writer, strip

ROWS = st.lists(st.integers(0, 9), min_size=1, max_size=6)


@given(ROWS, st.sampled_from([0, 30, 100, 10**6]), st.sampled_from([np.float16, np.uint8]))
def test_parts_come_back_in_order_wherever_they_lie(lengths, most, dtype):
    whole = np.random.default_rng(0).integers(0, 200, (sum(lengths), 2, 3)).astype(dtype)
    parts = np.split(whole, np.cumsum(lengths)[:-1])
    with patch.object(strip, "MOST_BYTES", most):
        found = Strip.of(part.copy() for part in parts)
        assert (found.shape, found.dtype, found.nbytes) == (whole.shape, whole.dtype, whole.nbytes)
        for _ in range(2):  # and again, after reading
            assert np.array_equal(found.array, whole)
            there = list(found.parts())
            assert np.array_equal(np.concatenate([whole[:0], *there]), whole)
            if whole.nbytes > most:
                assert all(part.nbytes <= max(most, whole[:1].nbytes) for part in there)
        found.add(whole[:1])
        assert np.array_equal(found.array, np.concatenate([whole, whole[:1]]))


def test_what_was_given_is_not_changed():
    given_first = np.arange(4.0)
    found = Strip(given_first)
    found.add(np.arange(3.0))
    assert given_first.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("most", [0, 50, 10**6])
def test_a_strip_is_stored_like_its_array(tmp_path, monkeypatch, most):
    monkeypatch.setattr(strip, "MOST_BYTES", most)
    rows = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    for name, given_rows in (("a", rows), ("b", Strip.of(np.split(rows, [3, 4, 15])))):
        writer = Writer(tmp_path / name, Description("fake", "01234567", (3,)), shard_bytes=100)
        writer.add("clip", given_rows)
        writer.close()
    (shard,) = (tmp_path / "a").glob("*.safetensors")
    assert shard.read_bytes() == (tmp_path / "b" / shard.name).read_bytes()
    assert np.array_equal(Store.open(tmp_path / "b")["clip"], rows.astype(np.float16))
    with pytest.raises(FeatureError, match="cannot hold"):
        Writer(tmp_path / "c", Description("fake", "01234567", (3,))).add(
            "clip", Strip.of([rows, rows * np.inf])
        )
