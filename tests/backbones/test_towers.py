"""Towers walk as the networks they are made of."""

import pytest
import torch

from musicavqa.backbones.swin import HtsAtTower, SwinV2Tower
from musicavqa.backbones.tower import Frozen


@pytest.mark.parametrize("size", ["tiny", "swin_v2_t"])
def test_swin_in_halves_is_swin(size):
    torch.manual_seed(0)
    tower = SwinV2Tower(size).eval()
    pictures = torch.randn(1, 3, tower.side, tower.side)
    with torch.no_grad():
        wanted = tower.network(pictures).last_hidden_state
        torch.testing.assert_close(tower(pictures), wanted)
        torch.testing.assert_close(tower(tower.until(2, pictures), first=2), wanted)


def test_htsat_in_halves_is_htsat():
    torch.manual_seed(0)
    tower = HtsAtTower("tiny").eval()
    heard = torch.randn(2, 50, 64)
    with torch.no_grad():
        wanted = tower.network(heard[:, None]).pooler_output
        torch.testing.assert_close(tower(heard).mean(1), wanted)


def test_places_say_what_tokens_are_like():
    tower = SwinV2Tower("tiny").eval()
    tokens = tower.begin(torch.randn(2, 3, tower.side, tower.side))
    for i, place in enumerate(tower.places):
        assert tokens.shape == (2, place.n_tokens, place.width)
        tokens = tower.after(i, tower.block(i, tokens))
    assert tower.end(tokens).shape[-1] == tower.width


@pytest.mark.parametrize(("size", "n"), [("swin_v2_l", 195_202_932), ("swin_v2_t", 27_578_154)])
def test_named_sizes_have_the_published_parameters(size, n):
    with torch.device("meta"):
        tower = SwinV2Tower(size)
    assert sum(weight.numel() for weight in tower.parameters()) == n


def test_a_frozen_tower_has_no_gradients_and_stays_in_evaluation_mode():
    for learns in (False, True):
        part = Frozen(HtsAtTower("tiny"), learns).train()
        assert part.tower.training == learns
        heard = torch.randn(2, 50, 64, requires_grad=True)
        part.tower(heard).sum().backward()
        assert heard.grad is not None
        assert (next(part.tower.parameters()).grad is not None) == learns
        assert part.alone(part.tower, heard).requires_grad == learns
