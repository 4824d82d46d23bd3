"""Pictures are cut and prompts laid out as the official processors do it."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("transformers")

import official
from musicavqa.llm.families.packing import Looking, fitted, in_chunks, in_time, patches
from musicavqa.llm.sampling import Coverage, Material
from tiny_models import KINDS, adapter, extractor, tokenizer

TOLD = json.loads(official.GOLDEN.read_text())


def look(patch):
    return Looking(patch, least_pixels=4 * (2 * patch) ** 2, most_pixels=16 * (2 * patch) ** 2)


def material(n, rate, seconds):
    told = Coverage(seconds, n, rate, seconds, True, True)
    return Material(official.drawn(n, 56, 84) if n else None, rate, official.sound(seconds), told)


@pytest.mark.parametrize("place", range(len(official.PICTURES)))
def test_patches_are_those_of_the_official_processor(place):
    n, height, width, patch = official.PICTURES[place]
    values, grid = patches(official.drawn(n, height, width), look(patch))
    golden = TOLD["pictures"][place]
    assert list(grid) == golden["grid"]
    some = values.flatten()[:: max(1, values.numel() // 40)]
    assert np.abs(some.numpy() - golden["some"]).max() < 1e-6
    assert float(values.double().mean()) == pytest.approx(golden["mean"], abs=1e-6)


@pytest.mark.parametrize("kind", official.OMNI)
@pytest.mark.parametrize("place", range(len(official.LAYOUTS)))
def test_pictures_and_sound_are_interleaved_as_the_official_processor_does(kind, place):
    chat = adapter(kind).chat
    eye = chat.looking
    unit = 2 * eye.patch
    chat.looking = Looking(eye.patch, least_pixels=unit**2, most_pixels=16 * unit**2)
    ids = chat.pack("Who?", None, material(*official.LAYOUTS[place]))[0]["input_ids"][0].tolist()
    golden = TOLD["layouts"][kind][place]
    runs = official.runs_of(ids)
    assert any(runs[i : i + len(golden)] == golden for i in range(len(runs)))


@pytest.mark.parametrize("kind", ["qwen2_audio", "audioflamingo3", "musicflamingo"])
def test_inputs_of_sound_are_those_of_the_official_processor(kind):
    import transformers

    words, chat = tokenizer(kind), adapter(kind).chat
    name = chat.family.classes[0].replace("ForConditionalGeneration", "Processor")
    right = getattr(transformers, name)(extractor(kind), words)
    wave = official.sound(31.5 if "flamingo" in kind else 3.1)
    told = right(text=[chat._chat("Who?", None, ["audio"])], audio=[wave], return_tensors="pt")
    ours, _ = chat.pack("Who?", None, material(0, 0.0, len(wave) / 16000))
    assert ours["input_ids"].tolist() == told["input_ids"].tolist()
    for part in ("input_features", chat.family.sound_mask):
        assert ours[part].shape == told[part].shape
        assert float((ours[part] - told[part]).abs().max()) < 1e-6


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "qwen2_5_vl"])
def test_as_many_marks_stand_in_the_prompt_as_the_network_makes_tokens_of_sound(kind):
    """The networks check it themselves: another number raises."""
    made = adapter(kind)
    for seconds in (0.3, 1.0, 2.345, 7.77):
        inputs, _ = made.chat.pack("Who?", None, material(0, 0.0, seconds))
        assert made.model(**inputs).logits.isfinite().all()


def test_sizes_fit_patches_and_bounds_and_absurd_shapes_are_refused():
    how = Looking()
    for height, width in [(360, 640), (20, 30), (2000, 3000), (28, 2800), (1, 150)]:
        tall, wide = fitted(height, width, how)
        assert tall % 28 == wide % 28 == 0
        assert how.least_pixels <= tall * wide <= how.most_pixels or min(tall, wide) == 28
    assert fitted(252, 448, Looking(least_pixels=28 * 28)) == (252, 448)
    with pytest.raises(ValueError, match="too narrow"):
        fitted(1, 300, how)


def test_runs_keep_every_token_whatever_the_rates():
    for n, seconds in [(0, 5), (7, 0), (40, 3), (3, 300)]:
        times = np.arange(n) * 7.5
        for runs in (in_chunks(times, seconds * 25, 50), in_time(times, seconds * 25)):
            assert sum(length for sense, length in runs if sense == "picture") == n
            assert sum(length for sense, length in runs if sense == "sound") == seconds * 25
            assert all(length > 0 for _, length in runs)
    assert math.prod(np.shape(in_time(np.zeros(0), 0))) == 0
