"""Parts of the reading on inputs made here: peaks, movement, windows of sound, judgement, words."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from fixtures import make_batch
from musicavqa.methods.layers import performers
from musicavqa.methods.layers.fitting import (
    MOVEMENTS,
    ZONES,
    Fit,
    Fitting,
    points_around,
    sound_of,
    zones_of,
)
from musicavqa.methods.layers.footage import read_footage
from musicavqa.methods.layers.glimpses import (
    LOUDER,
    Glimpse,
    hear,
    joined,
    listen_again,
    perceive,
)
from musicavqa.methods.layers.judging import Judged, Judgement, Playing, reading_of
from musicavqa.methods.layers.listening import REACHES, TICKS, Hearing, Listener
from musicavqa.methods.layers.performer_map import COLUMNS, ROWS, PerformerMap, Sight, targets
from musicavqa.methods.layers.question_reader import QuestionReader
from musicavqa.methods.layers.rhythm import Rhythm, standardised
from musicavqa.methods.layers.tables_chosen import answers_likelier, log_likelihood
from musicavqa.questions import INSTRUMENTS, SLOTS, TEMPLATES, fill
from musicavqa.rules.photographs import GROUPS
from musicavqa.rules.tables import draw_tables
from musicavqa.training.batches import encode_words

STREAMS = ("audio_logmel", "audio_yamnet", "visual_keyframes", "visual_movement")
VIOLIN, CELLO = INSTRUMENTS.index("violin"), INSTRUMENTS.index("cello")


def planted(*frames):
    """What an eye without faults says of frames with performers (instrument, x, y, height)."""
    wanted = targets([list(frame) for frame in frames])
    names = torch.zeros(len(frames), len(INSTRUMENTS), ROWS, COLUMNS)
    for frame, row, column in torch.nonzero(wanted["instrument"] >= 0).tolist():
        names[frame, wanted["instrument"][frame, row, column], row, column] = 8.0
    heat = wanted["heat"].clamp(1e-3, 1 - 1e-3).logit()
    return Sight(heat, names, wanted["place"], torch.zeros(len(frames)))


DUO = [(VIOLIN, 0.21, 0.6, 0.5), (CELLO, 0.77, 0.55, 0.6)]


def test_performers_planted_in_a_heat_map_are_found_with_name_and_place():
    sight = planted(DUO, DUO, DUO)
    frames = performers.peaks(sight)
    assert [len(frame) for frame in frames] == [2, 2, 2]
    found = performers.gather(frames)
    assert [round(p.mean("x"), 2) for p in found] == [0.21, 0.77]
    assert [round(p.mean("y"), 2) for p in found] == [0.60, 0.55]
    assert [round(p.mean("height"), 2) for p in found] == [0.5, 0.6]
    shares, names = performers.evidence(found, sight)
    assert names.argmax(1).tolist() == [VIOLIN, CELLO]
    assert shares[:, 2].tolist() == [1, 1]


def test_a_place_is_within_the_picture():
    sight = planted([(VIOLIN, 0.99, 0.98, 0.5)])
    far = replace(sight, place=sight.place + torch.tensor([0.9, 0.9, 0.0])[:, None, None])
    assert [(peak.x, peak.y) for peak in performers.peaks(far)[0]] == [(1.0, 1.0)]


def test_a_performer_of_one_frame_of_four_speaks_less_than_one_of_all():
    found = performers.gather(performers.peaks(planted(DUO, DUO[:1], DUO[:1], DUO[:1])))
    shares, _ = performers.evidence(found)
    assert shares[:, 2].tolist() == [1, 0.25]
    assert shares[0, 0] > shares[1, 0]
    assert shares[0, 1].item() == pytest.approx(shares[1, 1].item(), abs=0.05)


def test_neighbours_farther_apart_than_one_place_stay_two():
    pair = [(VIOLIN, 0.40, 0.6, 0.5), (VIOLIN, 0.52, 0.6, 0.5)]
    assert len(performers.gather(performers.peaks(planted(pair, pair)))) == 2


def test_nobody_gives_no_performers():
    sight = planted([])
    assert performers.peaks(sight) == [[]]
    assert [t.shape for t in performers.evidence([])] == [(0, 3), (0, 22)]


def test_movement_is_that_of_the_one_who_moves_at_his_height():
    movement = torch.zeros(10, 24, 32)
    movement[4:6, 14:16, 23:26] = 40.0  # at x 0.77, y 0.62
    x, y, height = torch.tensor([0.2, 0.77]), torch.tensor([0.6, 0.6]), torch.tensor([0.6, 0.6])
    found = zones_of(points_around(movement, x, y, height))
    assert found.shape == (2, 10, MOVEMENTS)
    assert found[0].abs().max() == 0
    assert found[1, 4:6].max() > 3
    assert found[1, [0, 1, 2, 3, 6, 7, 8, 9]].abs().max() == 0
    zones = found[1, 4, :ZONES]
    assert int(zones.argmax()) == 2


def test_a_larger_gesture_of_another_does_not_change_ones_own():
    movement = torch.rand(10, 24, 32)
    louder = movement.clone()
    louder[:, :, :8] *= 50
    x, y, height = torch.tensor([0.8]), torch.tensor([0.5]), torch.tensor([0.5])
    same = (zones_of(points_around(m, x, y, height)) for m in (movement, louder))
    torch.testing.assert_close(*same)


@pytest.mark.parametrize("gain", [1.0, 3.0])
@torch.no_grad()
def test_rhythm_is_that_of_the_one_who_moves_with_the_sound(gain):
    torch.manual_seed(0)
    onsets = (torch.rand(100) < 0.2).float()
    other = onsets[torch.randperm(100)]
    points = torch.zeros(2, 100, 84)
    points[0, :, 30:40], points[1, :, 30:40] = gain * onsets[:, None], gain * other[:, None]
    sound = torch.stack([onsets, torch.ones(100)], 1).expand(2, -1, -1)
    shares = torch.eye(22)[[VIOLIN, VIOLIN]]
    found = Rhythm(84, 22)(points, sound, shares)
    assert found.shape == (2, 8)
    assert found.abs().max() <= 1.001
    assert found[0, :6].max() > 0.6 > 0.4 > found[1, :6].max()


def test_who_does_not_move_at_all_can_be_learned_from():
    curves = torch.zeros(1, 20, 3, requires_grad=True)
    standardised(curves, 1).sum().backward()
    assert torch.isfinite(curves.grad).all()


def test_who_sounds_beside_equals_does_not_depend_on_their_order_or_on_strangers():
    torch.manual_seed(0)
    fit = Fitting(8, 0.0).eval()
    points, sound = torch.rand(3, 60, 84), torch.rand(3, 60, 6)
    shares = torch.eye(22)[[VIOLIN, VIOLIN, CELLO]]
    said = fit(points, sound, shares)
    turned = fit(points[[2, 1, 0]], sound[[2, 1, 0]], shares[[2, 1, 0]])
    torch.testing.assert_close(said.sounds, turned.sounds[[2, 1, 0]])
    pair = fit(points[:2], sound[:2], shares[:2])
    torch.testing.assert_close(said.sounds[:2], pair.sounds)
    torch.testing.assert_close(said.plays[:2], pair.plays)


def test_the_sound_of_a_performer_is_that_of_his_instrument():
    activity, onsets, pan = torch.zeros(5, 22), torch.ones(5, 22), torch.zeros(5, 22)
    activity[2:, VIOLIN] = 1.0
    shares = torch.eye(22)[[VIOLIN, CELLO]]
    found = sound_of(shares, torch.tensor([0.2, 0.8]), activity, onsets, pan)
    assert found[0, :, 0].tolist() == [0, 0, 1, 1, 1]
    assert found[1, :, 0].abs().max() == 0
    assert found[:, :, 5].tolist() == [[0, 0, 1, 1, 1]] * 2
    assert found[:, :, 2:5].abs().max() == 0  # without stereo nothing is said of places


def same_hearing(one, other, **tolerance):
    for field in fields(Hearing):
        torch.testing.assert_close(
            getattr(one, field.name), getattr(other, field.name), **tolerance
        )


@pytest.fixture(scope="module")
def ear():
    torch.manual_seed(0)
    return Listener(16, 0.0).eval()


@pytest.mark.parametrize("n_seconds", [1, 3, 10, 11, 25])
@torch.no_grad()
def test_every_second_of_a_clip_of_any_length_is_heard_once(ear, n_seconds):
    sound = torch.randn(n_seconds, 2, 50, 64)
    (heard,) = hear(ear, [sound])
    assert heard.activity.shape == (TICKS * n_seconds, 22)
    assert heard.speech.shape == (TICKS * n_seconds,)


@torch.no_grad()
def test_clips_heard_together_are_heard_as_alone(ear):
    sounds = [torch.randn(n, 2, 50, 64) for n in (3, 12, 3, 27)]
    for one, sound in zip(hear(ear, sounds), sounds, strict=True):
        same_hearing(one, hear(ear, [sound])[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_is_heard_again_has_no_side_and_is_the_mean_of_softer_and_louder(ear):
    rows = torch.randn(2, 3, 2, 50, 64)
    turned = rows * torch.tensor([1.0, -1.0])[:, None, None]
    one, other = listen_again(ear, rows), listen_again(ear, turned)
    same_hearing(one, replace(other, pan=-other.pan), atol=1e-5, rtol=1e-4)
    mono = rows * torch.tensor([1.0, 0.0])[:, None, None]
    louder = torch.tensor([1.0, 0.0])[:, None, None]
    said = [ear(mono + change * louder).activity for change in LOUDER]
    torch.testing.assert_close(
        listen_again(ear, mono).activity, sum(said) / len(said), atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_windows_of_a_long_clip_agree_with_the_windows_alone(ear):
    sound = torch.randn(25, 2, 50, 64)
    (whole,) = hear(ear, [sound])
    for start, first, stop in ((0, 0, 10), (10, 10, 20), (15, 20, 25)):
        (alone,) = hear(ear, [sound[start : start + 10]])
        ticks = slice(TICKS * first, TICKS * stop)
        torch.testing.assert_close(
            whole.activity[ticks],
            alone.activity[TICKS * (first - start) : TICKS * (stop - start)],
            atol=1e-5,
            rtol=1e-4,
        )
    assert sum(REACHES) < 5 * TICKS  # what a tick hears around itself


@torch.no_grad()
def test_padding_in_a_batch_is_neither_seen_nor_heard(ear):
    torch.manual_seed(0)
    eye = PerformerMap(8, 1, 0.0).eval()
    batch = make_batch(STREAMS, n_clips=2, lengths=[5, 9], texts=())
    for stream in batch.streams.values():
        stream[0, 5:] = 99.0
    padded = perceive(eye, ear, batch)[0]
    batch.streams = {name: stream[:1, :5] for name, stream in batch.streams.items()}
    batch.seconds = batch.seconds[:1, :5]
    alone = perceive(eye, ear, batch)[0]
    assert padded.n_seconds == alone.n_seconds == 5
    same_hearing(padded.hearing, alone.hearing, atol=1e-5, rtol=1e-4)
    assert len(padded.frames) == len(alone.frames) == 2
    for name in ("movement", "photo_maps", "logmel", "yamnet"):
        assert torch.equal(getattr(padded, name), getattr(alone, name))


@torch.no_grad()
def test_a_film_without_sound_is_silent_also_to_what_knows_recordings(ear):
    torch.manual_seed(0)
    batch = make_batch(STREAMS, n_clips=1, lengths=[5], texts=())
    batch.streams["audio_logmel"].zero_()
    batch.streams["audio_yamnet"].zero_()
    seen = perceive(PerformerMap(8, 1, 0.0).eval(), ear, batch)[0]
    assert not seen.has_sound
    maps = np.random.default_rng(0).uniform(-9, -1, (2, len(GROUPS), 11, 14))
    reading = read_footage(maps, seen.yamnet.numpy(), seen.logmel.numpy(), 5.0)
    assert not reading.has_sound
    assert reading.heard.max() == 0


@torch.no_grad()
def test_pieces_put_together_are_as_long_as_the_clip(ear):
    torch.manual_seed(0)
    eye = PerformerMap(8, 1, 0.0).eval()
    pieces = perceive(eye, ear, make_batch(STREAMS, n_clips=2, lengths=[8, 5], texts=()))
    whole = joined(pieces)
    assert whole.n_seconds == 13
    assert len(whole.frames) == 2 + 2
    assert len(whole.hearing.activity) == len(whole.movement) == 130
    reading = reading_of(whole, Judgement(8, 0.0).eval()(whole))
    assert reading.activity.shape == (130, 22)


def glimpse(frames, n_seconds=4) -> Glimpse:
    hearing = Hearing(*(torch.zeros(10 * n_seconds, 22) for _ in range(4)), torch.zeros(40))
    return Glimpse(
        n_seconds=n_seconds,
        frames=frames,
        outdoor=torch.zeros(len(frames)),
        hearing=hearing,
        movement=torch.rand(10 * n_seconds, 24, 32),
        has_sound=True,
        has_picture=True,
        photo_maps=torch.zeros(len(frames), 1, 11, 14),
        looks=torch.zeros(len(frames), 640),
        logmel=torch.zeros(n_seconds, 2, 50, 64),
        yamnet=torch.zeros(n_seconds, 1545),
    )


@pytest.mark.parametrize("performers_there", [[], DUO])
def test_a_reading_has_the_shapes_that_the_record_says(performers_there):
    given = glimpse(performers.peaks(planted(performers_there)))
    reading = reading_of(given, Judgement(8, 0.0).eval()(given))
    assert len(reading.seen) == len(performers_there)
    assert reading.activity.shape == (40, 22)
    for values in (reading.heard, reading.level_db, reading.onset_rate):
        assert values.shape == (22,)
        assert np.isfinite(values).all()
    for seen in reading.seen:
        assert seen.plays.shape == seen.times.shape == (40,)
        assert seen.instruments.sum() == pytest.approx(1)
        assert 0 <= seen.sounds <= 1
    draw_tables(reading, 5, np.random.default_rng(0))


@pytest.mark.parametrize("sure", [0.9, 0.3])
def test_level_and_rate_are_those_of_playing_however_sure_the_ear_is(sure):
    """Half of the clip it plays: -6 dB, two notes a second; else faint, fast and loud noise."""
    given = glimpse([[]])
    n_ticks = len(given.hearing.activity)
    plays = torch.arange(n_ticks) < n_ticks // 2
    activity, onsets, level = (torch.full((n_ticks, 22), x) for x in (-9.0, -6.0, 0.0))
    activity[:, 3] = torch.where(plays, sure, 0.1 * sure).logit()
    onsets[:, 3] = torch.where(plays, 0.2, 0.9).log()
    level[:, 3] = torch.where(plays, -6.0, 6.0)
    hearing = replace(given.hearing, activity=activity, onsets=onsets, level_db=level)
    given = replace(given, hearing=hearing)
    reading = reading_of(given, Judgement(8, 0.0).eval()(given))
    assert reading.level_db[3] == pytest.approx(-6, abs=0.01)
    assert reading.onset_rate[3] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("item", TEMPLATES, ids=lambda item: str(item.number))
def test_words_are_read_back_as_template_and_slots(item):
    rng = np.random.default_rng(item.number)
    asked = [tuple(str(rng.choice(SLOTS[name])) for name in item.slots) for _ in range(4)]
    words = torch.from_numpy(encode_words([fill(item.number, slots) for slots in asked]))
    assert QuestionReader()(words) == [(item.number, slots) for slots in asked]


def test_other_wordings_have_no_template():
    words = torch.from_numpy(encode_words(["What a lovely tune", "Is there a voiceover?"]))
    assert QuestionReader()(words) == [None, (16, ())]


def judged(share, heard) -> Judged:
    nobody = Fit(torch.zeros(1, 40), torch.zeros(1), torch.zeros(1))
    names = torch.full((1, 22), 1 / 22).log()
    other = torch.tensor(-2.0)
    playing = Playing(torch.zeros(1, 40), torch.zeros(1), torch.zeros(1, 2, 40))
    return Judged(performers.gather(performers.peaks(planted(DUO[:1]))), share, names, nobody,
                  playing, heard, other, other)  # fmt: skip


def test_a_step_along_the_loss_makes_the_right_table_likelier():
    share = torch.tensor([0.3], requires_grad=True)
    heard = torch.zeros(22, requires_grad=True)
    said = judged(share, heard)
    reading = reading_of(glimpse(performers.peaks(planted(DUO[:1]))), said)
    tables = draw_tables(reading, 50, np.random.default_rng(0))
    with_one = next(t for t in tables if t.choices.there)
    without = next(t for t in tables if not t.choices.there)
    pair = [replace(with_one, weight=0.5), replace(without, weight=0.5)]
    weights = torch.tensor([0.5, 0.5])
    for right in (torch.tensor([True, False]), torch.tensor([False, True])):
        likelihood = log_likelihood(said, pair)
        gradient = torch.autograd.grad(
            answers_likelier(likelihood, weights, right), (share, heard), allow_unused=True
        )
        stepped = judged(share - 0.1 * gradient[0], heard - 0.1 * gradient[1])
        gained = log_likelihood(stepped, pair) - likelihood
        assert gained[right].item() > gained[~right].item()
        assert np.sign(-gradient[0].item()) == (1 if right[0] else -1)


@pytest.mark.parametrize("right", [[True, True], [False, False]])
def test_nothing_is_learned_where_all_tables_answer_alike(right):
    likelihood = torch.tensor([-1.0, -2.0], requires_grad=True)
    answers_likelier(likelihood, torch.tensor([0.5, 0.5]), torch.tensor(right)).backward()
    assert likelihood.grad.abs().max() == 0
