"""Hard selection, segments, bell curves over time: the parts of the selecting methods."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import SMALL, load_method, make_clips, make_questions, make_streams, make_texts
from musicavqa.methods.layers.by_clip import ByClip
from musicavqa.methods.layers.gaussian_experts import GaussianExperts
from musicavqa.methods.layers.selection import Relevance, best, pass_back, places_of, without_values
from musicavqa.methods.layers.single_query import ask
from musicavqa.methods.pstp_net import _segments
from musicavqa.training.batches import Collation, make_batches

LENGTHS = st.lists(st.integers(1, 13), min_size=1, max_size=4)


def first_seconds(lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@given(LENGTHS, st.integers(1, 15), st.integers(0, 9))
def test_the_best_places_are_there_and_none_left_out_is_better(lengths, k, seed):
    valid = first_seconds(lengths)
    shares = torch.rand(valid.shape, generator=torch.Generator().manual_seed(seed))
    chosen = best(shares, k, valid)
    assert chosen.sum(1).tolist() == [min(k, n) for n in lengths]
    assert not (chosen & ~valid).any()
    for row in range(len(lengths)):
        left = shares[row][valid[row] & ~chosen[row]]
        assert not len(left) or left.max() <= shares[row][chosen[row]].min()
    places, there = places_of(chosen)
    assert torch.equal(torch.zeros_like(chosen).scatter(1, places, there), chosen)
    assert all((row[ok].diff() > 0).all() for row, ok in zip(places, there, strict=True))


def test_of_equal_shares_the_first_are_chosen():
    assert best(torch.full((1, 4), 0.25), 2).tolist() == [[True, True, False, False]]


def test_relevance_is_the_weights_of_torch_attention():
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    ours = Relevance(16, 4).eval()
    state = {f"ask.{key}": value for key, value in theirs.state_dict().items()}
    adapted = without_values({**state, "other": torch.ones(1)}, "ask.")
    assert set(adapted) == {"other", *(f"ask.{k}" for k in ours.state_dict())}
    ours.load_state_dict({k: adapted[f"ask.{k}"] for k in ours.state_dict()})
    query, places, valid = torch.randn(3, 16), torch.randn(3, 5, 16), first_seconds([5, 2, 4])
    _, weights = theirs(query[:, None], places, places, key_padding_mask=~valid)
    torch.testing.assert_close(ours(query, places, valid), weights[:, 0])


def test_one_query_finds_what_torch_attention_finds():
    attention = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    torch.nn.init.normal_(attention.in_proj_bias)
    query, places, valid = torch.randn(3, 16), torch.randn(3, 5, 16), first_seconds([5, 2, 4])
    wanted, weights = attention(query[:, None], places, places, key_padding_mask=~valid)
    found, ours = ask(attention, query, places, valid)
    torch.testing.assert_close(found, wanted[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours, weights[:, 0])
    gradients = (
        torch.autograd.grad(output.square().sum(), list(attention.parameters()))
        for output in (found, wanted)
    )
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_questions_put_beside_their_clip_come_back_in_order(clips):
    clip_of, questions = torch.tensor(clips), torch.arange(1, len(clips) + 1)
    beside = ByClip(clip_of, 4)
    table = beside.gather(questions)
    assert torch.equal(beside.spread(table), questions)
    assert [set(row) - {0} for row in table.tolist()] == [
        {i + 1 for i, clip in enumerate(clips) if clip == c} for c in range(4)
    ]


def test_a_selection_keeps_its_values_and_learns_through_its_shares():
    shares = torch.tensor([[0.2, 0.5]], requires_grad=True)
    rows = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    passed = pass_back(rows, shares)
    assert torch.equal(passed, rows)
    passed.sum().backward()
    assert shares.grad.tolist() == [[3.0, 7.0]]


@given(LENGTHS, st.integers(1, 15))
def test_segments_are_equal_parts_of_each_clips_own_length(lengths, n_segments):
    part, table = _segments(first_seconds(lengths), n_segments)
    for row, n_seconds in enumerate(lengths):
        sizes = table[row].sum(0)[: min(n_seconds, n_segments)]
        assert sizes.sum() == n_seconds == table[row].sum()
        assert sizes.max() - sizes.min() <= 1
        assert sizes.min() >= 1
        assert (part[row, :n_seconds].diff() >= 0).all()


@pytest.mark.parametrize("mixes_items", [False, True])
def test_curves_know_their_neighbours_only_as_released(mixes_items):
    torch.manual_seed(0)
    experts = GaussianExperts(16, 5, 3, 2, mixes_items).eval()
    question, sequence, valid = torch.randn(4, 16), torch.randn(4, 6, 16), first_seconds([6] * 4)
    together = experts.curves(question, sequence, valid)
    alone = experts.curves(question[2:3], sequence[2:3], valid[2:3])
    assert torch.allclose(together[2:3], alone, atol=1e-6) != mixes_items
    assert ((together > 0).sum(2) <= 3).all()


def test_curves_lie_on_the_length_of_each_clip_and_stay_finite_when_narrow():
    torch.manual_seed(0)
    experts = GaussianExperts(16, 7, 7, 2).eval()
    torch.nn.init.constant_(experts.shape.bias, -9.0)  # the narrowest curves there are
    question, sequence, valid = torch.randn(3, 16), torch.randn(3, 6, 16), first_seconds([6, 2, 1])
    curves = experts.curves(question, sequence, valid)
    assert curves.isfinite().all()
    assert (curves[~valid] == 0).all()
    shorter = experts.curves(question[1:2], sequence[1:2, :2], valid[1:2, :2])
    torch.testing.assert_close(curves[1:2, :2], shorter)


@pytest.mark.parametrize("name", ["pstp_net", "tspm", "qa_tiger", "avst_baseline"])
@pytest.mark.parametrize("compat", ["paper", "released"])
def test_published_streams_work_in_both_modes_at_any_length(name, compat):
    method = load_method(name)
    fields = {field.name for field in dataclasses.fields(method.module.Options)}
    small = {key: value for key, value in SMALL.items() if key in fields}
    options = dataclasses.replace(method.module.PUBLISHED, compat=compat, **small)
    torch.manual_seed(0)
    model = method.build(options).eval()
    clips = make_clips(3)
    questions = make_questions(clips)
    streams = make_streams(clips, method.streams(options), lengths=[7, 2, 1])
    collation = Collation(texts=make_texts(questions, method.texts(options)))

    def answers(size):
        batches = make_batches(clips, questions, streams, size, None, collation)
        with torch.no_grad():
            return torch.cat([model(batch).logits for batch in batches])

    together, alone = answers(3), answers(1)
    assert together.isfinite().all()
    mixes = (name, compat) == ("qa_tiger", "released")
    assert torch.allclose(together, alone, atol=1e-5) != mixes
