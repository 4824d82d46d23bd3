"""Amuse: labels from music streams, regions, and the switches of its ablation."""

import dataclasses

import pytest
import torch

from fixtures import load_method, make_batch, small_options
from musicavqa.methods.layers.channel_adapters import Adapter
from musicavqa.methods.layers.music_labels import (
    rhythm_labels,
    segment_shares,
    source_counts,
    source_labels,
    tempo_of,
)
from musicavqa.methods.layers.picture_regions import RegionTokens, inside_boxes
from musicavqa.methods.layers.question_towers import words_read
from musicavqa.methods.layers.seconds import spread_seconds
from musicavqa.questions import INSTRUMENTS

TEMPO = torch.tensor([[100.0, 100.0, 130.0, 130.0]])


@pytest.mark.parametrize(
    ("whole", "share", "released", "labels"),
    [
        (115.0, 0.25, False, [0, 1, 0, 0]),  # 30 > 28.75, against the next segment
        (115.0, 0.30, True, [0, 0, 0, 0]),  # 30 < 34.5
        (100.0, 0.30, True, [0, 0, 1, 0]),  # 30 = 30, against the one before
        (120.0, 0.25, False, [0, 0, 0, 0]),  # 30 is not more than 30
        (0.0, 0.25, False, [0, 1, 0, 0]),
    ],
)
def test_a_tempo_changes_where_paper_and_release_say_so(whole, share, released, labels):
    found = rhythm_labels(TEMPO, torch.tensor([whole]), share, released)
    assert found.tolist() == [labels]


def test_silence_has_no_tempo_and_so_no_change():
    shares = segment_shares(torch.ones(1, 4, dtype=torch.bool), 2)
    tempo = tempo_of(torch.zeros(1, 4, 82), shares)
    assert tempo.tolist() == [[0.0, 0.0]]
    assert rhythm_labels(tempo, tempo[:, 0], 0.25).tolist() == [[0.0, 0.0]]


def test_the_tempo_of_a_segment_is_that_of_its_sure_seconds():
    rows = torch.zeros(1, 4, 82)
    rows[0, :, -2] = torch.tensor([100.0, 200.0, 90.0, 90.0])
    rows[0, :, -1] = torch.tensor([1.0, 0.0, 0.5, 0.5])
    shares = segment_shares(torch.ones(1, 4, dtype=torch.bool), 2)
    torch.testing.assert_close(tempo_of(rows, shares), torch.tensor([[100.0, 90.0]]))


def test_segments_part_a_clip_of_any_length_evenly():
    valid = torch.arange(6) < torch.tensor([6, 3, 1])[:, None]
    shares = segment_shares(valid, 2)
    torch.testing.assert_close(shares.sum(-1), torch.ones(3, 2))
    third = 1 / 3
    torch.testing.assert_close(shares[0, 0], torch.tensor([third, third, third, 0, 0, 0]))
    torch.testing.assert_close(shares[1, 0], torch.tensor([2 * third, third, 0, 0, 0, 0]))
    assert shares[2, :, 0].tolist() == [1, 1]


def test_an_instrument_is_there_where_both_taggers_hear_it_in_some_second():
    rows = torch.zeros(1, 4, 2, len(INSTRUMENTS))
    rows[0, 1, :, 3] = 0.3  # both, in the first half
    rows[0, 3, 0, 5] = 0.3  # one of two: 0.15 on average
    shares = segment_shares(torch.ones(1, 4, dtype=torch.bool), 2)
    found = source_labels(rows, shares, least=0.2)
    assert found.nonzero().tolist() == [[0, 0, 3]]


def test_sources_are_counted_in_each_part_of_a_clip():
    rows = torch.zeros(2, 6, 2, len(INSTRUMENTS))
    rows[:, 0, :, 3] = 0.3
    rows[:, 1, :, 4:7] = 0.2
    rows[:, 1, 0, 8] = 0.3  # one tagger of two
    rows[:, 5, :] = 0.9  # which the second clip has not
    valid = torch.arange(6) < torch.tensor([6, 2])[:, None]
    counts = source_counts(rows, segment_shares(valid, 3), least=0.2)
    assert counts.tolist() == [[4, 0, 22], [1, 4, 3]]  # parts of two seconds, and of two thirds


def test_moments_are_spread_from_the_first_second_to_the_last():
    valid = torch.arange(60) < torch.tensor([60, 5, 2, 1])[:, None]
    wanted = [[0, 14, 29, 44, 59], [0, 1, 2, 3, 4], [0, 0, 0, 0, 1], [0] * 5]
    assert spread_seconds(valid, 5).tolist() == wanted
    assert spread_seconds(valid, 1).tolist() == [[0]] * 4


def test_as_released_a_clips_mean_tells_of_all_its_parts():
    model = amuse(compat="released", music_weight=1.0).eval()
    assert set(model.music) == {"rhythm", "source"}
    batch = batch_for(model, lengths=[4, 2, 3, 1])
    batch.streams["music_tempo"][..., -1] = 1.0  # sure of a tempo
    batch.streams["music_tempo"][..., -2] = torch.tensor([90.0, 90.0, 180.0, 180.0])
    batch.streams["music_tags"].abs_()
    labels = model.music.labels(batch)
    assert {kind: label.shape for kind, label in labels.items()} == {
        "rhythm": (4, 20),
        "source": (4, 30),
    }
    # two of three seconds end within part 13 of 20, two thirds of which are faster
    assert labels["rhythm"].nonzero().tolist() == [[0, 10], [2, 13]]
    losses, said = model(batch).losses, model.music(batch)
    n_tokens = {name: tokens.shape[1] for name, (tokens, _) in said.items()}
    assert (n_tokens["rhythm_audio"], n_tokens["rhythm_visual"]) == (10, 5)
    for name, (tokens, told) in said.items():
        kind = name.partition("_")[0]
        torch.testing.assert_close(told, model.music[kind].labels(tokens.mean(1)))
        wanted = 0.5 * (told - labels[kind]).square().mean()
        torch.testing.assert_close(losses[name], wanted)


def test_cells_count_by_what_of_them_lies_in_a_box():
    maps = torch.arange(4.0).view(1, 1, 1, 2, 2)
    boxes = torch.tensor([[0, 0, 0.5, 0.5], [0, 0, 1, 0.5], [0.25, 0.25, 0.75, 0.75], [0, 0, 0, 0]])
    found = inside_boxes(maps, boxes[None, None])[0, 0, :, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, 1.5, 0.0]))


def test_region_tokens_weigh_by_share_and_leave_out_what_is_not_there():
    maps, regions = torch.randn(1, 2, 3, 4, 4), torch.zeros(1, 2, 2, 27)
    regions[0, :, 0, :5] = torch.tensor([0.9, 0.1, 0.1, 0.4, 0.9])
    regions[0, 0, 1, :5] = torch.tensor([0.1, 0.5, 0.1, 0.9, 0.9])
    layer = RegionTokens(3, 8, named=True)
    valid = torch.tensor([[True, False]])
    tokens, shares = layer(maps, regions, valid)
    torch.testing.assert_close(shares, torch.tensor([[0.9, 0.1, 0.0, 0.0]]))
    assert tokens[0, 2:].abs().max() == 0
    _, nothing = layer(maps, torch.zeros_like(regions), valid)
    assert nothing.abs().max() == 0


def amuse(**changes):
    method = load_method("amuse")
    torch.manual_seed(0)
    options = dataclasses.replace(small_options(method), **changes)
    return method.build(options)


def batch_for(model, **changes):
    """A batch; regions stand left and right in every second."""
    streams = load_method("amuse").streams(model.options)
    batch = make_batch(tuple(s for s in streams if s != "visual_regions"), **changes)
    regions = torch.zeros(*batch.seconds.shape, 3, 27)
    regions[..., 0, :5] = torch.tensor([1.0, 0.0, 0.2, 0.4, 1.0])
    regions[..., 1, :5] = torch.tensor([0.5, 0.6, 0.2, 1.0, 1.0])
    regions[..., 0, 9] = 1.0
    batch.streams["visual_regions"] = regions
    return batch


def test_every_switch_of_the_ablation_takes_its_part_away():
    full = {name.split(".")[0] for name, _ in amuse().named_parameters()}
    assert {"music", "regions", "steps"} <= full
    sizes = {}
    for switch in ("interactive", "rhythm", "sources", "highway"):
        model = amuse(**{switch: False})
        model(batch_for(model)).logits.sum().backward()
        sizes[switch] = sum(p.numel() for p in model.parameters())
        assert all(
            p.grad is not None for n, p in model.named_parameters() if ".labels." not in n
        ), switch
    whole = sum(p.numel() for p in amuse().parameters())
    assert max(sizes.values()) < whole
    assert not any("music" in name for name in load_method("amuse").streams(
        amuse(rhythm=False, sources=False).options))  # fmt: skip
    alone = amuse(interactive=False, rhythm=False, sources=False, highway=False)
    assert set(alone.gates) == {"audio", "visual"}


def test_senses_and_question_tell_each_other_only_where_they_may():
    for interactive in (True, False):
        model = amuse(interactive=interactive, rhythm=False, sources=False, highway=False).eval()
        batch, seen = batch_for(model), []
        model.steps[-1].register_forward_hook(lambda m, i, out, seen=seen: seen.append(out[0][0]))
        model(batch)
        batch.streams["visual_effnet"] = batch.streams["visual_effnet"] + 1
        model(batch)
        assert torch.equal(seen[0], seen[1]) != interactive  # the stream of sound


def test_as_released_the_question_tells_and_is_told_nothing():
    model = amuse(compat="released").eval()
    with torch.no_grad():
        for name, gate in model.named_parameters():
            if name.endswith("gate"):
                gate.fill_(1.0)
    batch, seen = batch_for(model), []
    model.steps[-1].register_forward_hook(lambda m, i, out: seen.append([t for t, _ in out]))
    model(batch)
    batch.words = batch.words.roll(1, 0)
    model(batch)
    batch.words = batch.words.roll(-1, 0)
    batch.streams["audio_yamnet"] = batch.streams["audio_yamnet"] + 1
    model(batch)
    before, other_words, other_sound = seen
    assert not torch.equal(before[0], other_words[0])
    assert not torch.equal(before[1], other_words[1])
    assert not torch.equal(before[1], other_sound[1])
    assert torch.equal(before[2], other_sound[2])
    assert {"asked", "music"} <= {name.split(".")[0] for name, _ in model.named_parameters()}


def test_as_released_fourteen_words_are_read_with_their_padding():
    words = torch.arange(1, 21)[None]
    assert words_read(words).tolist() == [list(range(1, 15))]
    assert words_read(words[:, :3]).tolist() == [[1, 2, 3, *[0] * 11]]
    model = amuse(compat="released").eval()
    batch = batch_for(model)
    before = model(batch).logits
    batch.words = torch.nn.functional.pad(batch.words, (0, 20))
    torch.testing.assert_close(model(batch).logits, before, atol=0, rtol=0)
    with torch.no_grad():
        model.asked["regions"].tower.words.weight[0] += 1.0  # the padding's
    assert not torch.allclose(model(batch).logits, before)


def test_as_released_what_a_tower_says_is_the_gate_of_its_vector():
    model = amuse(compat="released", music="frozen").eval()
    music = {f"{kind}_{sense}" for kind in ("rhythm", "source") for sense in ("audio", "visual")}
    assert set(model.asked) == {*music, "regions"}
    batch = batch_for(model)

    def with_gates(*towers):
        for tower in (model.ask, *(asked.tower for asked in model.asked.values())):
            tower.out.weight.data.zero_()
            tower.out.bias.data.fill_(-100.0)
        for tower in towers:
            tower.out.bias.data.zero_()  # a gate of one half
        return model(batch).logits

    shut = with_gates()
    torch.testing.assert_close(shut, shut[:1].expand_as(shut), atol=1e-6, rtol=0)
    for part, name in [(model.ask, "both senses"), *((a.tower, n) for n, a in model.asked.items())]:
        heard = with_gates(part)
        assert (heard - shut).abs().max() > 1e-3, name


def test_as_released_the_answer_is_of_the_sum_of_seven_vectors_times_their_gates():
    model, said = amuse(compat="released").eval(), {}
    towers = {"senses": model.ask, **{n: part.tower for n, part in model.asked.items()}}
    adapters = {name: part.told for name, part in model.asked.items()}
    for kind, parts in (("gate", towers), ("vector", adapters), ("step", {"": model.steps[-1]})):
        for name, part in parts.items():
            part.register_forward_hook(
                lambda m, given, out, key=(kind, name): said.update({key: out})
            )
    batch = batch_for(model, lengths=[4, 2, 3, 1])
    logits = model(batch).logits
    gates = {name: said["gate", name].mean(1).sigmoid() for name in towers}
    total = sum(said["vector", name].mean(1) * gates[name] for name in adapters)
    for tokens, there in said["step", ""][:2]:
        mean = (tokens * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        total = total + mean * gates["senses"]
    wanted = model.answer(torch.nn.functional.gelu(model.fuse(total)))
    assert len(adapters) + 2 == 7
    torch.testing.assert_close(logits, wanted, atol=1e-6, rtol=1e-5)


def test_as_released_the_one_region_is_the_middle_second_or_the_mean_of_those_named():
    for stream in (None, "visual_regions"):
        model = amuse(compat="released", regions_stream=stream).eval()
        batch, seen = batch_for(model, lengths=[4, 2, 3, 1]), []
        model.asked["regions"].register_forward_hook(
            lambda m, given, out, seen=seen: seen.append(given[0])
        )
        model(batch)
        maps = batch.streams["visual_effnet"]
        if stream is None:
            middle = maps[torch.arange(4), torch.tensor([2, 1, 1, 0])].flatten(2).mean(-1)
            wanted = model.regions.look(middle)
        else:
            tokens, shares = model.regions(maps, batch.streams[stream], batch.seconds)
            wanted = (shares[..., None] * tokens).sum(1)
        torch.testing.assert_close(seen[0], wanted[batch.clip_of][:, None], atol=1e-5, rtol=1e-4)


def test_channels_are_compared_over_all_tokens_and_shares_of_the_others_sum_to_one():
    adapter = Adapter(3, "channels").eval()
    with torch.no_grad():
        adapter.gate.fill_(1.0)
        adapter.mix.weight.copy_(torch.eye(3))
    tokens = torch.zeros(1, 2, 3)  # like nothing: every channel reads all alike
    told = torch.tensor([[[3.0, 0.0, 0.0], [0.0, 6.0, 3.0]]])
    inside = adapter.norm(told.mean(2, keepdim=True).expand(1, 2, 3))
    torch.testing.assert_close(adapter(tokens, told), inside.relu(), atol=1e-4, rtol=0)


def test_frozen_music_encoders_learn_in_their_stages_only():
    model = amuse(music="frozen").train()
    batch = batch_for(model)
    output = model(batch)
    assert output.losses == {}
    output.logits.sum().backward()
    assert all(p.grad is None for p in model.music.parameters())
    losses = model.stage_losses("rhythm", batch)
    assert set(losses) == {"rhythm_audio", "rhythm_visual"}
    torch.stack(list(losses.values())).sum().backward()
    learned = {n.split(".")[0] for n, p in model.music.named_parameters() if p.grad is not None}
    assert learned == {"rhythm_audio", "rhythm_visual"}


def test_boxes_of_regions_change_the_answer_and_padding_does_not():
    model = amuse(regions_stream="visual_regions").eval()
    assert "visual_regions" in load_method("amuse").streams(model.options)
    batch = batch_for(model, lengths=[4, 2, 3, 1])
    before = model(batch).logits
    batch.streams["visual_regions"][~batch.seconds] = 0.7
    torch.testing.assert_close(model(batch).logits, before)
    batch.streams["visual_regions"][..., 0, 3] = 1.0
    assert not torch.allclose(model(batch).logits, before)
