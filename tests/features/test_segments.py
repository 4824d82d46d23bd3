"""Cutting clips and pooling rows: the one alignment rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import make_clips, make_questions
from musicavqa.features import segments
from musicavqa.features.grids import on_one_grid
from musicavqa.features.store import Description, FeatureError, Store, Writer
from musicavqa.scoring.disturbances import disturb
from musicavqa.training.batches import make_batches

durations = st.floats(0.05, 30.0).map(lambda s: round(s, 3))
rates = st.sampled_from([0.5, 1.0, 4.0, 10.0, 12.5, 50.0])
times = st.lists(st.floats(-2.0, 40.0).map(lambda s: round(s, 3)), max_size=30)


def rows_for(duration_s, rate_hz, seed=0):
    """Random rows (T, 3) that cover the clip."""
    n = int(np.ceil(duration_s * rate_hz - 1e-9))
    return np.random.default_rng(seed).normal(size=(max(1, n), 3))


def assert_tiles(spans, duration_s):
    """The spans are in order, touch each other and cover the clip."""
    assert spans[0, 0] == 0
    assert spans[-1, 1] == duration_s
    assert (spans[:, 1] > spans[:, 0]).all()
    assert (spans[1:, 0] == spans[:-1, 1]).all()


@settings(deadline=None, max_examples=40)
@given(durations, times)
def test_cuts_cover_the_clip_in_order_without_overlap(duration_s, times_s):
    assert_tiles(segments.cut(duration_s, np.array(times_s)), duration_s)


@settings(deadline=None, max_examples=40)
@given(durations)
def test_seconds_cover_the_clip_and_only_the_last_may_be_short(duration_s):
    spans = segments.seconds(duration_s)
    assert_tiles(spans, duration_s)
    np.testing.assert_allclose(np.diff(spans[:-1], axis=1), 1.0)


@settings(deadline=None, max_examples=40)
@given(durations, st.integers(1, 9))
def test_every_nth_second_is_a_choice_of_seconds_inside_the_clip(duration_s, n):
    spans = segments.every_nth_second(duration_s, n)
    assert (spans[:, 0] == np.arange(len(spans)) * n).all()
    assert spans.max() <= duration_s


@pytest.mark.parametrize("name", segments.BY_MUSIC)
@settings(deadline=None, max_examples=40)
@given(durations, rates, st.integers(0, 5))
def test_music_segmenters_cut_in_the_middle_of_marked_rows(name, duration_s, rate_hz, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.random((len(rows_for(duration_s, rate_hz)), 5)) < 0.3).astype(float)
    spans = segments.segment(name, duration_s, rows, rate_hz)
    assert_tiles(spans, duration_s)
    column = {"beat": 2, "bar": 3}.get(name, 1)
    for start_s in spans[1:, 0]:
        assert rows[int(start_s * rate_hz + 1e-6), column] == 1


def test_a_clip_without_a_beat_is_one_span():
    rows = np.zeros((500, 5))
    assert segments.segment("beat", 10.0, rows, 50.0).tolist() == [[0.0, 10.0]]


def test_every_6th_second_of_a_minute_is_the_published_choice():
    spans = segments.segment("every 6th second", 60.0)
    assert spans[:, 0].tolist() == [0, 6, 12, 18, 24, 30, 36, 42, 48, 54]


@settings(deadline=None, max_examples=40)
@given(durations, rates, times, st.sampled_from(["mean", "max", "first"]))
def test_pooling_a_constant_gives_the_constant(duration_s, rate_hz, times_s, how):
    rows = np.full_like(rows_for(duration_s, rate_hz), 2.5)
    pooled, mask = segments.pool(rows, rate_hz, segments.cut(duration_s, np.array(times_s)), how)
    assert mask.all()
    np.testing.assert_allclose(pooled, 2.5, rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(durations, rates, times)
def test_pooling_in_steps_equals_pooling_at_once(duration_s, rate_hz, times_s):
    rows = rows_for(duration_s, rate_hz)
    spans = segments.cut(duration_s, np.array(times_s))
    parts, _ = segments.pool(rows, rate_hz, spans)
    lengths = np.diff(spans, axis=1)[:, 0]
    whole, _ = segments.pool(rows, rate_hz, segments.cut(duration_s, np.array([])))
    np.testing.assert_allclose(lengths @ parts / duration_s, whole[0], atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(durations, rates)
def test_seconds_pooled_again_are_the_clip(duration_s, rate_hz):
    rows, clip = rows_for(duration_s, rate_hz), np.array([[0.0, duration_s]])
    by_second, _ = segments.pool(rows, rate_hz, segments.seconds(duration_s))
    np.testing.assert_allclose(
        segments.pool(by_second, 1.0, clip)[0], segments.pool(rows, rate_hz, clip)[0], atol=1e-5
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), rates, durations, times)
def test_the_mask_tells_exactly_which_spans_have_rows(n_rows, rate_hz, duration_s, times_s):
    spans = segments.cut(duration_s, np.array(times_s))
    pooled, mask = segments.pool(np.ones((n_rows, 2)), rate_hz, spans)
    assert mask.tolist() == (spans[:, 0] + 1e-6 < n_rows / rate_hz).tolist()
    assert (pooled[~mask] == 0).all()


def test_a_row_counts_by_the_time_it_shares_with_the_span():
    rows = np.array([[0.0], [10.0], [20.0]])
    spans = np.array([[0.75, 1.5], [1.9, 2.1]])
    pooled, _ = segments.pool(rows, 1.0, spans)
    np.testing.assert_allclose(pooled[:, 0], [10 * 0.5 / 0.75, 15.0], rtol=1e-6)
    assert segments.pool(rows, 1.0, spans, "max")[0][:, 0].tolist() == [10, 20]
    assert segments.pool(rows, 1.0, spans, "first")[0][:, 0].tolist() == [0, 10]


def test_short_clip_is_masked_not_repeated_unless_asked_for():
    rows = np.arange(4.0)[:, None]
    _, mask = segments.pool(rows, 1.0, segments.seconds(6.0))
    assert mask.tolist() == [True] * 4 + [False] * 2
    assert segments.repeat(rows, 6)[:, 0].tolist() == [0, 1, 2, 3, 0, 1]
    assert len(segments.repeat(rows, 2)) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: segments.cut(0.0, np.array([])), "duration_s is 0.0"),
        (lambda: segments.segment("phrase", 10.0), "no segmenter 'phrase'"),
        (lambda: segments.segment("bar", 10.0), "rows of 'music_beats'"),
        (lambda: segments.pool(np.ones((3, 1)), 1.0, np.array([[2.0, 1.0]])), "ends* after"),
        (lambda: segments.pool(np.ones((3, 1)), 0.0, np.array([[0.0, 1.0]])), "rate_hz is 0.0"),
        (lambda: segments.repeat(np.ones((0, 1)), 60), "no row to repeat"),
        (lambda: segments.every_nth_second(9.0, 0), "n is 0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def curve(tmp_path):
    """A stored stream of 10 Hz: the row number of each clip, 35 rows."""
    description = Description("music_curve", "00000000", (1,), rate_hz=10.0)
    writer = Writer(tmp_path / description.folder_name, description)
    for clip in make_clips(3):
        writer.add(clip.id, np.arange(35.0, dtype=np.float16)[:, None])
    writer.close()
    return Store.open(writer.folder)


def test_a_batch_has_the_mean_of_each_second_of_a_curve(curve):
    clips = make_clips(3)
    batches = make_batches(clips, make_questions(clips), on_one_grid({"music_curve": curve}))
    batch = next(iter(batches))
    assert batch.streams["music_curve"][0, :, 0].tolist() == [4.5, 14.5, 24.5, 32.0]
    assert batch.seconds.all()


def test_a_curve_is_disturbed_by_the_second(curve):
    stream = on_one_grid({"music_curve": curve})
    shuffled = disturb("shuffled time", stream, [clip.id for clip in make_clips(3)], seed=1)
    rows = shuffled["music_curve"][make_clips(3)[0].id][:, 0]
    assert sorted(rows.tolist()) == [4.5, 14.5, 24.5, 32.0]


def test_a_store_of_another_rate_is_refused_where_it_was_not_wrapped(curve):
    clips = make_clips(3)
    with pytest.raises(FeatureError, match="row i is the time from i / 10 to"):
        next(make_batches(clips, make_questions(clips), {"music_curve": curve}))
