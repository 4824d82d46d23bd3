"""Streams of unequal lengths in one batch: a mask for each, where a method asks for it."""

import dataclasses

import numpy as np
import pytest
import torch

from fixtures import make_clips, make_questions, make_streams, small_options
from musicavqa.features.grids import laid_out
from musicavqa.methods.registry import load_method
from musicavqa.training.batches import Collation, make_batches

OWN = Collation(own_grids=True)
SOUND, PICTURE = "audio_yamnet", "visual_effnet"


def unequal(lengths=((6, 2), (4, 3), (5, 5))):
    """Clips with so many rows of sound and of pictures."""
    clips = make_clips(len(lengths), 6)
    sound, picture = zip(*lengths, strict=True)
    streams = make_streams(clips, (SOUND,), 0, list(sound))
    return clips, streams | make_streams(clips, (PICTURE,), 1, list(picture))


def only_batch(clips, streams, collation):
    return next(make_batches(clips, make_questions(clips, 2), streams, collation=collation))


def test_each_stream_keeps_its_own_length_and_mask():
    batch = only_batch(*unequal(), OWN)
    assert batch.streams[SOUND].shape[:2] == (3, 6)
    assert batch.streams[PICTURE].shape[:2] == (3, 5)
    assert batch.there(SOUND).sum(1).tolist() == [6, 4, 5]
    assert batch.there(PICTURE).sum(1).tolist() == [2, 3, 5]
    assert batch.seconds.sum(1).tolist() == [2, 3, 5]  # what both have
    assert batch.to("cpu").there(SOUND).sum(1).tolist() == [6, 4, 5]


def test_without_asking_all_end_with_the_shortest():
    batch = only_batch(*unequal(), Collation())
    assert batch.streams[SOUND].shape[:2] == batch.streams[PICTURE].shape[:2] == (3, 5)
    assert batch.masks == {}
    assert batch.there(SOUND) is batch.seconds


def read_alone(model, batch):
    """What MCCD's learners answer from each sense alone."""
    audio, visual = batch.streams[SOUND], batch.streams[PICTURE]
    heard, seen = model.hear(audio, batch.there(SOUND)), model.see(visual, batch.there(PICTURE))
    return model.bias_logits(model.read(batch.words), heard, seen, batch.clip_of)


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_mccd_reads_long_sound_with_few_pictures_as_if_each_were_alone(compat):
    method = load_method("mccd")
    assert method.own_grids
    torch.manual_seed(0)
    options = dataclasses.replace(small_options(method), compat=compat)
    model = method.build(options).eval()
    clips, streams = unequal()
    batch = only_batch(clips, streams, OWN)
    with torch.no_grad():
        together, biases = model(batch).logits, read_alone(model, batch)
        for row, clip in enumerate(clips):
            asked = [q for q in make_questions(clips, 2) if q.clip == clip.id]
            alone = next(make_batches([clip], asked, streams, collation=OWN))
            mine = batch.clip_of == row
            torch.testing.assert_close(model(alone).logits, together[mine], atol=1e-5, rtol=1e-4)
            for sense, logits in read_alone(model, alone).items():
                torch.testing.assert_close(logits, biases[sense][mine], atol=1e-5, rtol=1e-4)
    for name in (SOUND, PICTURE):
        batch.streams[name][~batch.there(name)] = 50.0
    with torch.no_grad():
        torch.testing.assert_close(model(batch).logits, together, atol=1e-5, rtol=1e-4)


def test_every_row_of_the_longer_sense_counts():
    method = load_method("mccd")
    model = method.build(small_options(method)).eval()
    batch = only_batch(*unequal(), OWN)
    with torch.no_grad():
        before = model(batch).logits
        batch.streams[SOUND][0, 5] += 1.0  # beyond the last picture
        after = model(batch).logits
    first = batch.clip_of == 0
    assert not torch.allclose(before[first], after[first])
    assert torch.equal(before[~first], after[~first])


def test_negatives_and_own_grids_exclude_each_other():
    with pytest.raises(ValueError, match="drawn on one grid"):
        Collation(own_grids=True, negatives=(PICTURE,))


def test_stores_stay_as_they_are_for_such_a_method():
    stores = {SOUND: {"clip": np.zeros((6, 1))}}
    assert laid_out(stores, own_grids=True) is stores
