"""Every method that has stages before answering learns something in each of them."""

import pytest
import torch

from fixtures import make_batch, small_options
from musicavqa.methods.registry import list_methods, load_method

STAGES = [(name, stage) for name in list_methods() for stage in load_method(name).stages()]


def prepared(name, n_seconds=6):
    method = load_method(name)
    torch.manual_seed(0)
    model = method.build(small_options(method)).train()
    streams, negatives = method.streams(model.options), method.negatives(model.options)
    return model, make_batch(streams, n_seconds=n_seconds, negatives=negatives)


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_the_losses_of_a_stage_fall_while_it_is_trained(name, stage):
    model, batch = prepared(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(25):
        losses = model.stage_losses(stage, batch)
        assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
        totals.append(torch.stack(list(losses.values())).sum())
        optimizer.zero_grad()
        totals[-1].backward()
        optimizer.step()
    first, last = (torch.stack(part).mean() for part in (totals[:5], totals[-5:]))
    assert last < 0.95 * first


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_a_stage_does_not_see_seconds_that_a_clip_does_not_have(name, stage):
    method = load_method(name)
    torch.manual_seed(0)
    model = method.build(small_options(method)).eval()
    negatives = method.negatives(model.options)
    batch = make_batch(method.streams(model.options), lengths=[4, 2, 3, 3], negatives=negatives)
    losses = []
    for _ in range(2):
        torch.manual_seed(1)
        losses.append(model.stage_losses(stage, batch))
        for stream in batch.streams.values():
            stream[~batch.seconds] = 50.0
    torch.testing.assert_close(losses[1], losses[0], atol=1e-5, rtol=1e-4)


def test_a_stage_that_options_switch_off_is_not_trained():
    method = load_method("amuse")
    assert list(method.stages()) == ["rhythm", "sources"]
    options = method.options({"rhythm": False})
    assert list(method.stages("music_avqa", options)) == ["sources"]
