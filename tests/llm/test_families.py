"""Every family sees and hears what it declares, and weighs answers as the slow way does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from fixtures import make_clips, make_questions
from musicavqa.llm.contract import Generation, ModelError, Request, put
from musicavqa.llm.families import candidates
from musicavqa.llm.families.candidates import weigh, weigh_one_by_one
from musicavqa.llm.opening import open_model
from musicavqa.llm.prompts import build, preset
from musicavqa.llm.sampling import NOTHING, Coverage, Material
from tiny_models import KINDS, adapter, save

QUESTION = make_questions(make_clips(1))[0]
PROMPT = build(QUESTION, preset("short"))
HEARS = [kind for kind in KINDS if kind != "qwen2_5_vl"]
SEES = [kind for kind in KINDS if "vl" in kind or "omni" in kind]


def material(seed=0, n_pictures=3, seconds=2.3, rate_hz=1.0):
    draw = np.random.default_rng(seed)
    pictures = draw.integers(0, 256, (n_pictures, 60, 90, 3), dtype=np.uint8)
    sound = (0.1 * draw.standard_normal(round(16000 * seconds))).astype(np.float32)
    told = Coverage(seconds, n_pictures, rate_hz, seconds, True, True)
    return Material(pictures, rate_hz, sound, told)


def small_looking(made):
    """Few patches, so that tests are quick."""
    if made.chat.looking is not None:
        made.chat.looking = replace(made.chat.looking, least_pixels=56 * 56, most_pixels=112 * 112)
    return made


def request(given, **more):
    return Request(PROMPT.text, None, given, PROMPT.candidates, Generation(**more))


def scores(made, given, **more):
    return put(made, "score", request(given, **more)).scores


@pytest.mark.parametrize("kind", KINDS)
def test_weighing_all_candidates_at_once_equals_one_by_one(kind, monkeypatch):
    made = small_looking(adapter(kind))
    for given in (material(), NOTHING):
        inputs, _ = made._inputs(request(given))
        tokens = [
            made.chat.candidate(text)
            for text in (*PROMPT.candidates[:20:4], "more than ten", "electric bass")
        ]
        assert len({len(some) for some in tokens}) > 1
        slow = weigh_one_by_one(made.model, inputs, tokens)
        assert np.abs(weigh(made.model, inputs, tokens) - slow).max() < 1e-5 * np.abs(slow).max()
        with monkeypatch.context() as without_masks:
            without_masks.setattr(candidates, "_takes_masks", lambda *_: False)
            for most in (candidates.MOST_BYTES, 1):
                without_masks.setattr(candidates, "MOST_BYTES", most)
                rows = weigh(made.model, inputs, tokens)
                assert np.abs(rows - slow).max() < 1e-5 * np.abs(slow).max()


def test_a_network_that_looks_back_over_a_window_is_weighed_by_its_window():
    import transformers

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 64,
             "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
    told = transformers.MistralConfig(**sizes, sliding_window=6)
    model = transformers.MistralForCausalLM(told).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(4.0 if weights.ndim > 1 else 1.0)
    ids = torch.randint(3, 60, (1, 20))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    answers = [[4, 2], [5, 6, 7, 2], [5, 6, 2], [5, 6, 8, 9, 2]]
    slow = weigh_one_by_one(model, inputs, answers)
    assert np.abs(weigh(model, inputs, answers) - slow).max() < 1e-5 * np.abs(slow).max()
    model.config.sliding_window = None
    wide = weigh_one_by_one(model, inputs, answers)
    assert np.abs(weigh(model, inputs, answers) - wide).max() < 1e-5 * np.abs(wide).max()
    assert not np.allclose(wide, slow)


@pytest.mark.parametrize("kind", KINDS)
def test_another_sound_and_another_picture_change_the_scores_of_those_who_have_the_sense(kind):
    made = small_looking(adapter(kind))
    plain, other = material(0), material(1)
    before = scores(made, plain)
    deaf = np.array_equal(before, scores(made, replace(plain, sound=other.sound)))
    blind = np.array_equal(before, scores(made, replace(plain, pictures=other.pictures)))
    assert deaf == (kind not in HEARS)
    assert blind == (kind not in SEES)
    assert np.array_equal(before, scores(made, plain)), "the same is asked twice"


@pytest.mark.parametrize("kind", KINDS)
def test_the_receipt_counts_what_is_in_the_prompt(kind):
    made = small_looking(adapter(kind))
    told = put(made, "score", request(material())).receipt
    assert (told.picture_tokens > 0) == (kind in SEES)
    assert (told.sound_tokens > 0) == (kind in HEARS)
    assert told.frames == (3 if kind in SEES else 0)
    assert told.seconds_heard == pytest.approx(2.3 if kind in HEARS else 0.0, abs=0.02)
    assert told.seconds_of_sound == pytest.approx(2.3)
    blank = put(made, "score", request(NOTHING)).receipt
    assert blank.prompt_tokens < told.prompt_tokens - told.picture_tokens - told.sound_tokens + 1
    if kind not in HEARS:
        assert "does not hear" in told.notes[0]


@pytest.mark.parametrize(
    ("kind", "heard_s", "tokens"),
    [("qwen2_audio", 30.0, 750), ("audioflamingo3", 61.0, 1525), ("musicflamingo", 61.0, 1525),
     ("qwen2_5_omni_thinker", 61.0, 1525), ("qwen3_omni_moe_thinker", 61.0, 793)],
)  # fmt: skip
def test_of_long_sound_it_is_told_how_much_was_heard(kind, heard_s, tokens):
    chat = adapter(kind).chat
    inputs, told = chat.pack(PROMPT.text, None, material(n_pictures=0, seconds=61.0))
    assert told.seconds_heard == pytest.approx(heard_s, abs=0.02)
    assert told.sound_tokens == tokens
    mark = chat.tokenizer.convert_tokens_to_ids(chat.family.sound_mark)
    assert int((inputs["input_ids"] == mark).sum()) == tokens
    limit = adapter(kind).ability.longest_sound_s
    assert limit is None or limit >= heard_s


@pytest.mark.parametrize("kind", SEES)
def test_where_pictures_lie_matters(kind):
    """Places of picture tokens reach the network: the same pictures at another rate are another."""
    made = small_looking(adapter(kind))
    given = material(n_pictures=6)
    assert not np.allclose(scores(made, given), scores(made, replace(given, picture_rate_hz=0.5)))


def test_leaving_out_the_types_of_tokens_is_another_result_so_they_are_always_made():
    made = small_looking(adapter("qwen2_5_vl"))
    inputs, _ = made._inputs(request(material()))
    tokens = [made.chat.candidate(text) for text in PROMPT.candidates]
    right = weigh(made.model, inputs, tokens)
    types = inputs.pop("mm_token_type_ids")
    assert int((types == 2).sum()) > 0
    assert not np.allclose(weigh(made.model, inputs, tokens), right)


@pytest.mark.parametrize("kind", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_interleaved_and_apart_are_different_and_named(kind):
    mixed, apart = small_looking(adapter(kind)), small_looking(adapter(kind, mixed=False))
    given = material(n_pictures=6, seconds=6.0)
    assert not np.allclose(scores(mixed, given), scores(apart, given))
    assert mixed.identity() != apart.identity()


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_text_that_ends_or_says_that_it_was_cut(kind):
    made = small_looking(adapter(kind))
    with pytest.raises(ModelError, match="give more") as cut:
        put(made, "generate", request(material(), max_tokens=1))
    assert cut.value.kind == "cut short"
    written = made.model.generate(**made._inputs(request(material()))[0], max_new_tokens=3)
    made.chat.end = int(written[0, -1])  # let what comes third be the end
    assert isinstance(put(made, "generate", request(material(), max_tokens=3)).text, str)
    del made.chat.end
    chosen = put(made, "choose", request(material())).text
    assert chosen == PROMPT.candidates[int(np.argmax(scores(made, material())))]


def test_length_and_prior_are_taken_off():
    made = small_looking(adapter("qwen2_5_vl"))
    plain, blank = scores(made, material()), scores(made, NOTHING)
    lengths = [len(made.chat.candidate(text)) for text in PROMPT.candidates]
    assert scores(made, material(), length="mean") == pytest.approx(plain / lengths)
    assert scores(made, material(), prior=True) == pytest.approx(plain - blank)
    assert scores(made, NOTHING, prior=True) == pytest.approx(np.zeros(len(lengths)))


def test_text_alone_after_pictures_is_what_it_is_before_them():
    made = small_looking(adapter("qwen2_5_vl"))
    before = scores(made, NOTHING)
    scores(made, material())
    assert np.array_equal(scores(made, NOTHING), before)


def test_a_question_with_marks_of_the_chat_form_is_refused():
    made = adapter("qwen2_5_vl")
    with pytest.raises(ModelError, match="marks of the chat form"):
        made.generate(Request("Who plays?<|im_end|>", None, NOTHING))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_folder_opens_as_the_same_model(kind, tmp_path):
    opened = small_looking(open_model(str(save(kind, tmp_path / "model"))))
    made = small_looking(adapter(kind))
    assert scores(opened, material()) == pytest.approx(scores(made, material()), abs=1e-5)
    assert opened.identity()["model"] == "model"
    assert opened.ability.senses == made.ability.senses


def test_a_folder_of_another_kind_says_what_to_do(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="type 'bert'; known are"):
        open_model(str(tmp_path))
    with pytest.raises(ValueError, match="neither a folder with a model"):
        open_model("Qwen/Qwen2.5-VL-7B")
