"""Official checkpoints as files: converted, loaded like our own, and answering as they did.

The official layout and weights are those of the parity goldens. The reference is the network that
the parity tests compare with the official numbers: it reads the official word numbers.
"""

import dataclasses
import json
import pickle
import re
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import SHAPES, TEXTS, make_batch, make_clips, make_questions
from musicavqa.answers import ANSWERS
from musicavqa.features.encoders.weights import weight_file
from musicavqa.methods import conversion
from musicavqa.methods.conversion import OFFICIAL_WORDS, official_options, word_tables
from musicavqa.methods.layers.spelling import N_LETTERS
from musicavqa.methods.layers.word_pieces import WordPieces, piece_tables
from musicavqa.methods.registry import list_methods, load_checkpoint, load_method
from musicavqa.questions import tokenize, vocabulary
from musicavqa.training.batches import encode_words
from parity import GOLDENS, check, golden, made_tensor
from real_rows import SHARED, needs_real_rows

ONLY_PARTS = ("lavish", "dg_sct", "avmoe")
"""Up to half a billion parameters: of their parts are goldens, and test_adapter_methods.py holds
the names of the encoders."""

OFFICIAL = [
    n
    for n in list_methods()
    if getattr(load_method(n).module, "OFFICIAL_KEYS", None)
    and not getattr(load_method(n).module, "OWN_PARTS", ())
    and n not in ONLY_PARTS
]

OPTIONS = {
    "hcrn": {"n_frames": 6},
    "fcnlstm": {"n_attentions": 0},
    "convlstm": {"n_attentions": 0},
    "mccd": {"n_layers": 2, "feed_width": 1024, "n_places": 80},
    "lavit": {
        "audio_width": 32, "visual_width": 64, "width": 96, "hidden": 192, "n_heads": 4,
        "language_layers": 2, "audio_layers": 2, "visual_layers": 1, "cross_layers": 2,
    },
}  # fmt: skip
"""Sizes of goldens that are not the published ones."""

N_PIECES = 30522
"""Of bert-base-uncased."""
OTHER_SIZES = {
    "psac": {"ques_encoder.char_emb.weight": N_LETTERS},
    "mccd": {"visual_bert.embeddings.word_embeddings.weight": N_PIECES},
    "lavit": {"bert.embeddings.word_embeddings.weight": N_PIECES},
}
"""Rows of official tables: PSAC's letters, which no list of ours describes, and BERT's pieces."""

WITHOUT_ANSWERS = ("avsd",)
"""The official code has another task: nothing there fills our answer layers."""

ON_NO_STREAM = ("lavit",)
"""Official coordinates have six numbers, and no stream has them: the weights fit, no more."""

ANSWERING = [n for n in OFFICIAL if n not in (*WITHOUT_ANSWERS, *ON_NO_STREAM)]
N_SECONDS = 60
"""Of every official clip; some released networks take no other length."""

BIG = 12_000_000
"""Parameters from which on a conversion is no test of seconds."""


def is_big(name):
    return golden(name).spec["parameters"] > BIG


def by_size(names):
    return [pytest.param(n, marks=[pytest.mark.slow] if is_big(n) else []) for n in names]


def official_state(name):
    """A state dict of the official layout, as a released script with DataParallel saves it."""
    spec = golden(name).spec
    rows = OTHER_SIZES.get(name, {})
    state = {}
    for key, about in spec["state_dict"].items():
        shape = (rows[key], *about["shape"][1:]) if key in rows else tuple(about["shape"])
        value = torch.from_numpy(made_tensor(key, shape, spec["seed"]))
        state[f"module.{key}"] = value.to(getattr(torch, about["dtype"]))
    return state


@cache
def bert():
    """The tokenizer of bert-base-uncased, which MiniLM has too; its list is BERT's."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(weight_file("minilm").with_name("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@cache
def bert_words():
    numbers = bert().get_vocab()
    assert len(numbers) == N_PIECES
    return tuple(sorted(numbers, key=numbers.__getitem__))


def reads_pieces(name):
    return hasattr(load_method(name).options(), "word_pieces")


def official_words(name, state):
    """The official list, longer where a golden was made with more words."""
    method = load_method(name)
    if reads_pieces(name):
        return bert_words()
    options = official_options(method, OPTIONS.get(name))
    tables = word_tables(method, options)
    if not tables:
        return OFFICIAL_WORDS
    here = dict(method.build(options).named_parameters())[tables[0]]
    n_words = len(vocabulary()) + len(method.convert(state)[tables[0]]) - len(here)
    return (*OFFICIAL_WORDS, *(f"word-{i}" for i in range(n_words - len(OFFICIAL_WORDS))))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """name -> (official state, file with it, its word list); one at a time is kept."""
    kept = {}

    def save(name):
        if name not in kept:
            kept.clear()
            path = tmp_path_factory.mktemp(name) / "official.pt"
            state = official_state(name)
            torch.save(state, path)
            kept[name] = state, path, official_words(name, state)
        return kept[name]

    return save


def reference(name, state, words):
    """The model with official weights and official word numbers, as the parity tests run it."""
    method = load_method(name)
    options = official_options(method, OPTIONS.get(name), words)
    if reads_pieces(name):
        model = method.build(options).eval()
        del model.pieces
        model.pieces = lambda numbers: (numbers, numbers != 0)  # they come as the tokenizer's
        model.load_state_dict(method.convert(state), strict=True)
        return model
    if word_tables(method, options):
        options = dataclasses.replace(options, n_words=len(words))
    model = method.build(options).eval()
    model.load_state_dict(method.convert(state), strict=True)
    if hasattr(model, "spelling"):  # letters of official word numbers; it refuses other lists
        model.spelling = model.spelling[[vocabulary().index(word) for word in words]]
        model.options = dataclasses.replace(options, n_words=len(vocabulary()))
    return model


def official_pieces(questions, longest):
    """What BERT's tokenizer makes of them; longer ones lose words, not the mark of the end."""
    texts = [question.text.replace("\uff1f", "?") for question in questions]  # one is full-width
    found = [bert().encode(text).ids for text in texts]
    longest = longest or max(map(len, found))
    cut = [ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]] for ids in found]
    return torch.tensor([ids + [0] * (longest - len(ids)) for ids in cut])


def official_numbers(questions, words):
    """What official data loaders make of a question: blanks part words, the last mark is cut."""
    numbers = torch.zeros(len(questions), 14, dtype=torch.long)
    for row, question in zip(numbers, questions, strict=True):
        for place, word in enumerate(question.text.rstrip()[:-1].split(" ")):
            row[place] = words.index(word)
    return numbers


def two_batches(method, options, words):
    """The same questions about the same clips, in our word numbers and in the official ones."""
    streams = method.streams(options)
    known = tuple(name for name in streams if name in SHAPES)
    maps = "visual_resnet18_map" in streams  # stored every sixth second, which is the grid of all
    n_rows = N_SECONDS // 6 if maps else N_SECONDS
    batch = make_batch(known, n_clips=2, n_seconds=n_rows, per_clip=4)
    rng = torch.Generator().manual_seed(0)
    for name in streams:
        shape = wanted_shape(name, options)
        if shape != SHAPES.get(name):
            batch.streams[name] = torch.randn(2, n_rows, *shape, generator=rng)
    batch.texts = {name: batch.texts[name] for name in TEXTS}
    questions = make_questions(make_clips(2), per_clip=4)
    np.testing.assert_array_equal(encode_words([q.text for q in questions]), batch.words)
    if getattr(options, "word_pieces", 0):
        theirs = official_pieces(questions, getattr(options, "longest_question", 0))
    else:
        theirs = official_numbers(questions, words)
    return batch, dataclasses.replace(batch, words=theirs)


def wanted_shape(stream, options):
    """Shape of one second, with as many channels as the options say."""
    shape = SHAPES.get(stream, ())
    for sense in ("audio", "visual"):
        if getattr(options, f"{sense}_stream", None) == stream:
            width = getattr(options, f"{sense}_width", None)
            return shape if width is None or width in shape else (width, *shape[1:])
    return shape


def logits(model, batch):
    torch.manual_seed(0)  # HCRN as released draws even when it answers
    with torch.no_grad():
        return model(batch).logits


@pytest.mark.parametrize("name", by_size(ANSWERING))
def test_a_converted_checkpoint_answers_as_the_official_network_does(name, saved, tmp_path):
    state, path, words = saved(name)
    done = conversion.convert(name, path, tmp_path, OPTIONS.get(name), words)
    loaded = load_checkpoint(done.folder)
    ours, theirs = two_batches(loaded.method, loaded.model.options, words)
    wanted = logits(reference(name, state, words), theirs)
    assert wanted.std() > 0
    assert torch.equal(logits(loaded.model, ours), wanted)


@pytest.mark.parametrize("name", by_size(ANSWERING))
def test_answers_in_another_order_come_out_as_the_same_answers(name, saved, tmp_path):
    state, path, words = saved(name)
    order = tuple(sorted(ANSWERS))
    done = conversion.convert(name, path, tmp_path, OPTIONS.get(name), words, order)
    loaded = load_checkpoint(done.folder)
    ours, theirs = two_batches(loaded.method, loaded.model.options, words)
    wanted = logits(reference(name, state, words), theirs)[:, [order.index(a) for a in ANSWERS]]
    torch.testing.assert_close(logits(loaded.model, ours), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", by_size(n for n in OFFICIAL if n in ON_NO_STREAM))
def test_weights_that_no_stream_here_can_feed_are_converted_all_the_same(name, saved, tmp_path):
    _, path, words = saved(name)
    done = conversion.convert(name, path, tmp_path, OPTIONS.get(name), words)
    assert load_checkpoint(done.folder).method.name == name


@pytest.mark.parametrize("name", by_size(n for n in OFFICIAL if n in WITHOUT_ANSWERS))
def test_weights_of_another_task_are_refused_by_what_nothing_fills(name, saved, tmp_path):
    _, path, words = saved(name)
    with pytest.raises(ValueError, match=r"nothing fills answer\."):
        conversion.convert(name, path, tmp_path, OPTIONS.get(name), words)
    assert not list(tmp_path.iterdir())


def test_every_method_with_official_keys_has_a_golden_of_their_layout():
    assert OFFICIAL
    assert [name for name in OFFICIAL if not (GOLDENS / f"{name}.json").exists()] == []


def test_converted_avst_gives_the_numbers_of_the_official_code(tmp_path):
    """The golden's own questions: random word numbers, put into ours."""

    def run(spec, weights, inputs):
        torch.save(weights, tmp_path / "avst.pt")
        done = conversion.convert("avst", tmp_path / "avst.pt", tmp_path, {"every_nth_second": 1})
        model = load_checkpoint(done.folder).model
        ours = torch.tensor([vocabulary().index(word) for word in OFFICIAL_WORDS])
        batch = make_batch((), n_clips=len(inputs["audio"]), per_clip=1)
        batch.streams = {
            "audio_vggish": inputs["audio"], "visual_resnet18_map": inputs["visual_posi"]
        }  # fmt: skip
        batch.negatives = {"visual_resnet18_map": inputs["visual_nega"]}
        batch.words, batch.answers = ours[inputs["question"]], inputs["target"]
        batch.seconds = torch.ones(inputs["audio"].shape[:2], dtype=torch.bool)
        found, pairs = {}, []
        model.match.register_forward_hook(lambda module, given, result: pairs.append(result))
        output = model(batch)
        found |= {"out_qa": output.logits, "out_match_posi": pairs[0], "out_match_nega": pairs[1]}
        found["loss.ce"] = torch.nn.functional.cross_entropy(output.logits, batch.answers)
        found["loss.match"] = output.losses["match"] / model.options.match_weight
        found["loss.total"] = found["loss.ce"] + output.losses["match"]
        return found, model

    check("avst", "float32", run)


SMALL = "avst_baseline"


@pytest.fixture
def official(tmp_path):
    """Write a changed official state dict: change(state) -> file."""

    def write(change=lambda state: state):
        state = official_state(SMALL)
        state = change(state) or state
        torch.save(state, tmp_path / "changed.pt")
        return tmp_path / "changed.pt"

    return write


GROWN = {
    "mccd": ({80: 512, 1024: 3072}, {"visual_bert.encoder.layer.": 12}),
    "lavit": (
        {96: 768, 192: 3072, 576: 4608, 288: 2304, 64: 2048, 32: 2048},
        {"bert.encoder.layer.": 9, "bert.encoder.a_layers.": 5, "bert.encoder.v_layers.": 5,
         "bert.encoder.x_layers.": 5},
    ),
    "hcrn": ({}, {
        f"visual_input_unit.{unit}_cond.{kind}k_objects_fusion.": n_layers
        for unit, n_layers in (("clip_level_motion", 11), ("clip_level_question", 9))
        for kind in (("",) if "motion" in unit else ("", "gate_"))
    }),
}  # fmt: skip
"""Goldens below the released size: axis there -> here, and layers by the beginning of their name.

HCRN at full size is the network of 12 frames and 512 numbers a frame, as MUSIC-AVQA gives them.
"""


def official_layout(name):
    """Names and shapes of the released network at its full size, as tensors without memory."""
    spec, rows = golden(name).spec, OTHER_SIZES.get(name, {})
    sizes, depths = GROWN.get(name, ({}, {}))
    layout = {}
    for key, about in spec["state_dict"].items():
        shape = [sizes.get(n, n) for n in about["shape"]]
        shape[:1] = [rows[key]] if key in rows else shape[:1]
        for each in _repeated(key, depths):
            layout[each] = torch.empty(shape, dtype=getattr(torch, about["dtype"]), device="meta")
    return layout


def _repeated(key, depths):
    """The name in each layer of which the first one stands for all."""
    before = next((begin for begin in depths if key.startswith(begin)), None)
    if before is None:
        return [key]
    place, _, rest = key[len(before) :].partition(".")
    return [f"{before}{i}.{rest}" for i in range(depths[before])] if place == "0" else []


OFFERED = [n for n in OFFICIAL if n not in WITHOUT_ANSWERS]
PAGES = Path(__file__).parents[2] / "docs" / "methods"


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_page_offers_what_can_be_done_with_the_official_layout_at_full_size(name):
    page, method = (PAGES / f"{name}.md").read_text(encoding="utf-8"), load_method(name)
    offer = re.search(rf"`musicavqa convert {name} checkpoint\.pt( --words vocab\.txt)?`", page)
    assert bool(offer) == (name in OFFERED)
    layout = official_layout(name)
    words = bert_words() if offer and offer[1] else OFFICIAL_WORDS
    if not word_tables(method, official_options(method)):
        words = OFFICIAL_WORDS
    if name not in OFFERED:
        with pytest.raises(ValueError, match="nothing fills"):
            conversion.official_model(method, layout)
        return
    model, _ = conversion.official_model(method, layout, None, words)
    assert all(tensor.is_meta for tensor in model.parameters())


@pytest.mark.parametrize("name", [n for n in OFFERED if reads_pieces(n)])
def test_a_table_of_word_pieces_asks_for_its_list(name):
    with pytest.raises(ValueError, match=r"30,522 rows.*--words vocab.txt") as told:
        conversion.official_model(load_method(name), official_layout(name))
    assert len(str(told.value).splitlines()) == 1
    broken = tuple(word for word in bert_words() if word != "[CLS]")
    with pytest.raises(ValueError, match=r"lacks \[CLS\]"):
        conversion.official_model(load_method(name), official_layout(name), None, broken)


def test_a_list_of_word_pieces_is_refused_where_words_are_read():
    with pytest.raises(ValueError, match="avst reads words"):
        conversion.official_model(load_method("avst"), official_layout("avst"), None, bert_words())


def test_our_questions_are_the_pieces_of_the_tokenizer():
    questions = [q for seed in range(6) for q in make_questions(make_clips(33), 1, seed)]
    tables = piece_tables(bert_words())
    pieces = WordPieces(tables["table"].shape[1])
    pieces.load_state_dict(tables)
    words = torch.from_numpy(encode_words([question.text for question in questions]))
    for longest in (0, 14):
        pieces.longest = longest
        found, there = pieces(words)
        wanted = official_pieces(questions, longest)
        assert torch.equal(found, wanted)
        assert torch.equal(there, wanted != 0)


def test_a_word_list_is_read_from_a_tokenizer_or_from_lines(tmp_path):
    tokenizer = weight_file("minilm").with_name("tokenizer.json")
    (tmp_path / "vocab.txt").write_text("\n".join(bert_words()), encoding="utf-8")
    assert conversion.read_list(tokenizer) == bert_words()
    assert conversion.read_list(tmp_path / "vocab.txt") == bert_words()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no vocabulary under model"):
        conversion.read_list(tmp_path / "other.json")


def refused(command_line, *arguments):
    code, out, err = command_line("convert", *arguments)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    return err


def test_the_command_line_converts_and_names_the_run_folder(official, tmp_path, command_line):
    path = official()
    (tmp_path / "words.txt").write_text("\n".join((*OFFICIAL_WORDS, "tambourine")))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))

    def longer(state):
        table = state["module.question_encoder.word2vec.weight"]
        state["module.question_encoder.word2vec.weight"] = torch.cat([table, table[:1]])

    lists = ["--words", tmp_path / "words.txt", "--answers", tmp_path / "answers.json"]
    code, out, err = command_line(
        "convert", SMALL, official(longer), "--out", tmp_path, "--options", "dropout=0.5", *lists
    )
    assert code == 0
    folder = tmp_path / "music_avqa" / SMALL
    assert out.strip().startswith(str(folder / "official-"))
    assert "1 words that no template has left out" in err
    about = json.loads((folder / out.strip().rpartition("/")[2] / "run.json").read_text())
    assert about["options"]["dropout"] == 0.5
    assert about["converted_from"]["words"][-1] == "tambourine"
    assert about["converted_from"]["file"] == path.name


def test_weights_within_a_training_script_s_dictionary_are_found(official, tmp_path):
    path = official(lambda state: {"state_dict": state, "epoch": 3})
    assert load_checkpoint(conversion.convert(SMALL, path, tmp_path).folder)


def test_unknown_keys_are_refused_with_the_first_and_their_number(official, tmp_path, command_line):
    def add(state):
        state.update({f"module.extra.{i}": torch.zeros(1) for i in range(9)})

    err = refused(command_line, SMALL, official(add), "--out", tmp_path)
    assert "'extra.0', 'extra.1'" in err
    assert "4 more (9 in all)" in err


def test_missing_keys_and_wrong_shapes_are_refused_by_name(official, tmp_path, command_line):
    def damage(state):
        del state["module.fc_ans.weight"], state["module.fc_ans.bias"]
        state["module.fc_a1.weight"] = torch.zeros(512, 64)

    err = refused(command_line, SMALL, official(damage), "--out", tmp_path)
    assert "nothing fills answer.weight, answer.bias" in err
    assert "audio_in.weight (512, 64) instead of (512, 128)" in err


@pytest.mark.parametrize("name", by_size(OFFICIAL))
def test_each_official_tensor_is_needed_or_dead(name, saved):
    state, _, words = saved(name)
    method = load_method(name)
    names = [key.removeprefix("module.") for key in state]
    dead = tuple(f"module.{key}" for key in method.dead_keys(names))
    alive = [key for key in state if not key.startswith(dead)]
    for key in alive[:: max(1, len(alive) // 6)]:
        rest = {other: value for other, value in state.items() if other != key}
        with pytest.raises(ValueError, match=r"nothing fills|official names and shapes"):
            conversion.official_model(method, rest, OPTIONS.get(name), words)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, command_line):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('it ran')",))

    for number, held in enumerate(({"weight": Trap()}, Trap())):
        path = tmp_path / f"trap{number}.pt"
        torch.save(held, path)
        assert "only weights are read" in refused(command_line, SMALL, path, "--out", tmp_path)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Trap()))
    assert "PyTorch file" in refused(command_line, SMALL, tmp_path / "plain.pkl")


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([torch.zeros(1)], "holds a list"),
        ({}, "holds a dict"),
        ({"fc_ans.weight": 1.0}, "no tensor under fc_ans.weight"),
        ({3: torch.zeros(1)}, "no tensor under 3"),
    ],
)
def test_what_is_no_state_dict_is_refused_in_one_line(held, message, tmp_path, command_line):
    torch.save(held, tmp_path / "x.pt")
    assert message in refused(command_line, SMALL, tmp_path / "x.pt", "--out", tmp_path)


def test_damaged_and_absent_files_are_refused_in_one_line(official, tmp_path, command_line):
    whole = official().read_bytes()
    for n_bytes in (0, 1, 100, len(whole) // 2):
        (tmp_path / "cut.pt").write_bytes(whole[:n_bytes])
        assert "PyTorch file" in refused(command_line, SMALL, tmp_path / "cut.pt")
    assert "There is no checkpoint" in refused(command_line, SMALL, tmp_path / "absent.pt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--options", "widht=3"], "no option 'widht'. Did you mean width"),
        (["--options", "width=wide"], "width takes int"),
        (["--options", "width"], "takes NAME=VALUE"),
        (["--options", "compat=none"], "compat is one of 'paper', 'released'"),
        (["--options", "n_words=93"], "follows from the word list"),
        (["--options", "width=256"], "wrong shapes of"),
        (["--words", "WORDS"], "begins with '<pad>'"),
        (["--answers", "WORDS"], "not made of the 42"),
    ],
)
def test_options_and_lists_that_do_not_fit_are_refused(
    arguments, message, official, tmp_path, command_line
):
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    arguments = [tmp_path / "words.txt" if part == "WORDS" else part for part in arguments]
    assert message in refused(command_line, SMALL, official(), "--out", tmp_path, *arguments)


def test_a_method_without_official_code_cannot_be_converted(official, command_line):
    assert "no OFFICIAL_KEYS" in refused(command_line, "question_gru", official())


def test_weights_that_fill_a_part_only_are_refused_by_what_they_leave_empty(tmp_path, command_line):
    torch.save({"fc_cls.weight": torch.zeros(1)}, tmp_path / "cign.pt")
    err = refused(command_line, "cign", tmp_path / "cign.pt", "--out", tmp_path)
    assert "fill only a part of cign: question., which., fusion., answer." in err


def test_a_word_list_without_our_words_is_refused():
    with pytest.raises(ValueError, match="lacks words of our templates: tuba"):
        conversion.check_words([word for word in OFFICIAL_WORDS if word != "tuba"])


def test_unknown_words_read_as_the_mean_of_all_words_and_padding_as_padding():
    table = torch.randn(len(OFFICIAL_WORDS) + 1, 3)
    rows = conversion.reorder_words(table, OFFICIAL_WORDS)
    assert torch.equal(rows[0], table[0])
    torch.testing.assert_close(rows[1], table[1:93].mean(0))
    assert torch.equal(rows[-1], table[-1])
    assert torch.equal(rows[vocabulary().index("tuba")], table[OFFICIAL_WORDS.index("tuba")])


def test_official_words_are_ours_in_another_order():
    assert len(OFFICIAL_WORDS) == len(set(OFFICIAL_WORDS)) == 93
    assert {*OFFICIAL_WORDS, "<unk>"} == set(vocabulary())
    for question in make_questions(make_clips(33), per_clip=1):
        cut = question.text.rstrip()[:-1].split(" ")
        assert cut == tokenize(question.text)


@needs_real_rows
def test_official_lists_are_those_of_the_published_files():
    folder = SHARED / "dg_sct"
    assert conversion.read_list(folder / "ques_vocab.txt") == OFFICIAL_WORDS
    assert conversion.read_list(folder / "ans_vocab.txt") == ANSWERS


@pytest.mark.parametrize(
    ("prefix", "wrapper"),
    [
        ("model.", "state_dict"),
        ("net.", "net"),
        ("_orig_mod.", "model_state"),
        ("model._orig_mod.module.", None),
        ("_orig_mod.net.", "model"),
    ],
)
def test_what_wrappers_put_around_weights_is_taken_off(prefix, wrapper, official, tmp_path):
    def wrap(state):
        state = {prefix + key.removeprefix("module."): tensor for key, tensor in state.items()}
        beside = {"epoch": 3, "best": np.float64(71.5), "seen": np.int64(4), "by": np.ones(2)}
        return {wrapper: state, **beside} if wrapper else {**state, **beside}

    plain = load_checkpoint(conversion.convert(SMALL, official(), tmp_path / "a").folder).model
    found = load_checkpoint(conversion.convert(SMALL, official(wrap), tmp_path / "b").folder).model
    assert all(torch.equal(found.state_dict()[k], v) for k, v in plain.state_dict().items())


def test_compiled_parts_within_a_network_keep_their_place():
    state = {"net.a._orig_mod.weight": torch.ones(1), "net.b.weight": torch.ones(2)}
    assert set(conversion.plain_names(state)) == {"a.weight", "b.weight"}
    assert set(conversion.plain_names(state, ("net.a.",))) == {"net.a.weight", "net.b.weight"}


def test_numbers_of_old_numpy_are_read_beside_weights(tmp_path):
    torch.save({"model": {"w": torch.ones(1)}, "best": np.float64(1)}, tmp_path / "new.pt")
    with (
        zipfile.ZipFile(tmp_path / "new.pt") as new,
        zipfile.ZipFile(tmp_path / "old.pt", "w") as old,
    ):
        for name in new.namelist():
            text = new.read(name).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            old.writestr(name, text)
    assert conversion.read_official(tmp_path / "old.pt")["w"] == 1


def test_an_empty_file_is_told_as_such(tmp_path, command_line):
    (tmp_path / "empty.pt").touch()
    assert "empty.pt is empty" in refused(command_line, SMALL, tmp_path / "empty.pt")
