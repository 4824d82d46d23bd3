"""Whatever a server does, it is told what came of the question, and nobody learns the key."""

import base64
import io
import json
import wave
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("openai")

from made_adapters import make_set
from made_server import serving
from musicavqa.llm import runs
from musicavqa.llm.api import ServerModel, open_server
from musicavqa.llm.contract import Generation, ModelError, Opening, Request, put
from musicavqa.llm.costs import BudgetError, Meter, estimate
from musicavqa.llm.opening import open_model
from musicavqa.llm.prompts import preset
from musicavqa.llm.running import Setting
from musicavqa.llm.sampling import Coverage, Material, parse_policy
from musicavqa.llm.servers import SERVERS

KEY = "sk-test-0123456789"
PICTURES = np.zeros((2, 32, 48, 3), np.uint8)
SOUND = np.zeros(8000, np.float32)
CLIP = Material(PICTURES, 1.0, SOUND, Coverage(0.5, 2, 1.0, 0.5, True, True))
REQUEST = Request("How many flutes?", "Be brief.", CLIP, ("one", "two"))


@pytest.fixture(autouse=True)
def key(monkeypatch):
    for server in SERVERS.values():
        if server.key_from:
            monkeypatch.setenv(server.key_from, KEY)


def model(script, server="vllm", **more):
    return ServerModel(SERVERS[server], "m", script.url, **{"retries": 0, **more})


@pytest.mark.parametrize("server", SERVERS)
def test_frames_and_a_wav_of_their_own_are_sent_as_far_as_the_server_has_the_sense(server):
    with serving() as script:
        reply = put(model(script, server), "generate", REQUEST)
    kinds = [part["type"] for part in script.seen[0]["messages"][-1]["content"]]
    senses = SERVERS[server].senses
    assert kinds.count("image_url") == (2 if "V" in senses else 0)
    assert kinds.count("input_audio") == ("A" in senses)
    assert kinds[-1] == "text"
    assert script.seen[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "temperature" not in script.seen[0]
    assert reply.text == "two"
    assert reply.receipt.frames == (2 if "V" in senses else 0)
    assert reply.receipt.seconds_heard == (0.5 if "A" in senses else 0.0)
    assert reply.receipt.prompt_tokens == script.tokens(script.seen[0])
    assert reply.usage["named"] == "m-dated"
    assert reply.usage["fingerprint"] == "fp_1"


def test_the_media_that_are_sent_are_those_of_the_clip():
    from PIL import Image

    pictures = np.zeros((1, 32, 48, 3), np.uint8)
    pictures[..., 0] = 200
    sound = (np.sin(np.arange(1600) / 5) / 2).astype(np.float32)
    with serving() as script:
        put(
            model(script),
            "generate",
            replace(REQUEST, material=replace(CLIP, pictures=pictures, sound=sound)),
        )
    image, audio, _ = script.seen[0]["messages"][-1]["content"]
    data = base64.b64decode(image["image_url"]["url"].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(data)))
    assert shown.shape == (32, 48, 3)
    assert np.abs(shown.astype(int) - pictures[0]).max() < 12
    with wave.open(io.BytesIO(base64.b64decode(audio["input_audio"]["data"]))) as file:
        heard = np.frombuffer(file.readframes(9999), "<i2") / 32767
        assert file.getframerate() == 16000
    assert np.abs(heard - sound).max() < 1e-4


@pytest.mark.parametrize(
    ("reply", "kind"),
    [("500", "server"), ("503", "server"), ("429", "rate limit"), ("400", "refused request"),
     ("truncated", "damaged reply"), ("no choices", "damaged reply"), ("length", "cut short"),
     ("slow", "timeout")],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_of_its_kind(reply, kind):
    with serving(reply) as script, pytest.raises(ModelError) as error:
        put(model(script, timeout_s=0.3), "generate", REQUEST)
    assert error.value.kind == kind


@pytest.mark.parametrize("failure", ["429", "500", "slow"])
def test_a_failure_that_passes_is_tried_again(failure):
    with serving(failure, failure, "ok") as script:
        reply = put(model(script, retries=2, timeout_s=0.3), "generate", REQUEST)
    assert reply.text == "two"
    assert len(script.seen) == 3


def test_a_server_that_is_away_is_an_error():
    with serving() as script:
        pass
    with pytest.raises(ModelError, match="no connection to http"):
        put(model(script), "generate", REQUEST)


def test_empty_is_a_text_and_a_refusal_an_answer():
    with serving("empty", "refusal", "content_filter") as script:
        empty, refused, filtered = (put(model(script), "generate", REQUEST) for _ in range(3))
    assert (empty.text, empty.refused) == ("", None)
    assert refused.refused == refused.text == "I cannot help with that."
    assert filtered.refused == "stopped by the content filter"


@pytest.mark.parametrize(
    ("server", "says", "held"),
    [("openai", '{"answer": "two"}', '"enum": ["one", "two"]'),
     ("gemini", '{"answer": "two"}', '"enum": ["one", "two"]'),
     ("vllm", "two", '"structured_outputs": {"choice": ["one", "two"]}'),
     ("sglang", "two", '"regex": "one|two"')],
)  # fmt: skip
def test_a_choice_is_held_to_the_candidates_as_each_server_can(server, says, held):
    with serving(says=says) as script:
        assert put(model(script, server), "choose", REQUEST).text == "two"
    assert held in json.dumps(script.seen[0])


def test_a_choice_that_is_not_of_the_schema_is_damaged_and_some_servers_cannot():
    with serving(says="two, I think") as script:
        with pytest.raises(ModelError, match="not of the schema"):
            put(model(script, "openai"), "choose", REQUEST)
        with pytest.raises(ValueError, match="m cannot choose; it can generate"):
            put(model(script, "transformers"), "choose", REQUEST)
        with pytest.raises(ValueError, match="cannot score"):
            put(model(script), "score", REQUEST)


def test_the_probe_says_what_reaches_the_model_and_stops_where_something_does_not():
    policy = parse_policy("frames=2")
    with serving() as script:
        pictures, sound = model(script).probe(policy)
    assert pictures == "pictures: 170 tokens more, so they reach the model"
    assert sound == "sound: 50 tokens more, so they reach the model"
    with serving(hears=False) as script, pytest.raises(ModelError, match="took sound and") as deaf:
        model(script).probe(policy)
    assert deaf.value.kind == "media ignored"
    with serving(sees=False) as script, pytest.raises(ModelError, match="took pictures and"):
        model(script).probe(policy)
    with serving(hears=False) as script:  # who is given no sound need not hear
        assert len(model(script).probe(parse_policy("frames=2 sound=none"))) == 1
    with serving("no usage") as script:
        assert "tells no tokens" in model(script).probe(policy)[0]


def test_the_key_is_sent_and_stands_nowhere_else(tmp_path):
    clips, questions = make_set(tmp_path, 1, 3)
    setting = Setting("generate", preset("short"), parse_policy("frames=1 side=64"))
    errand = runs.Errand("synthetic", "train", clips, questions, setting, baselines=False)
    with serving("leaks") as script:
        folder = runs.run_llm(errand, model(script, parallel=2), tmp_path / "runs")
    assert set(script.keys) == {f"Bearer {KEY}"}
    written = [path.read_text() for path in folder.iterdir() if path.is_file()]
    assert KEY not in "".join(written)
    assert "bad key ***" in "".join(written)
    assert KEY not in repr(model(script))


def test_a_missing_key_and_a_missing_address_say_what_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY in the environment"):
        put(open_server("openai", "gpt-x", Opening()), "generate", REQUEST)
    with pytest.raises(ValueError, match="vllm:Qwen/x@http://localhost"):
        open_model("vllm:Qwen/x")
    assert open_model("vllm:Qwen/x@http://host:8000/v1").model == "Qwen/x"
    with pytest.raises(ValueError, match="holds a name or password") as error:
        open_model("vllm:x@http://me:secret@host/v1")
    assert "secret" not in str(error.value)


def test_the_pace_is_kept_over_all_requests():
    slept = []
    meter = Meter(per_minute=30, clock=lambda: 100.0, sleep=slept.append)
    for _ in range(4):
        meter.wait()
    assert slept == [2.0, 4.0, 6.0]


def test_the_budget_stops_before_it_is_passed_and_the_run_goes_on_with_more(tmp_path):
    clips, questions = make_set(tmp_path, 1, 6)
    setting = Setting("generate", preset("short"), parse_policy("frames=1 side=64"))
    errand = runs.Errand("synthetic", "train", clips, questions, setting, baselines=False)
    with serving() as script:
        poor = model(script, parallel=1, meter=Meter((1000.0, 1000.0), 0.5))
        with pytest.raises(BudgetError, match="would be passed"):
            runs.run_llm(errand, poor, tmp_path / "runs")
        assert 0 < len(script.seen) < 6
        assert poor.meter.spent <= 0.5
        first = len(script.seen)
        folder = runs.run_llm(errand, model(script, parallel=1), tmp_path / "runs")
        assert len(script.seen) == 6 > first
    assert runs.llm_report(folder, "train")["counts"]["put"] == 6
    with pytest.raises(ValueError, match="--budget needs --price"):
        Meter(budget=1.0)


def test_a_dry_run_counts_and_asks_nothing(tmp_path):
    clips, questions = make_set(tmp_path, 1, 4)
    setting = Setting(
        "generate", preset("short"), parse_policy("frames=2"), Generation(max_tokens=10)
    )
    errand = runs.Errand("synthetic", "train", clips, questions, setting)
    with serving() as script:
        told = estimate(errand, model(script, meter=Meter((1.0, 2.0))))
    assert script.seen == []
    assert told["requests"] == 12  # with the question alone, and with one picture
    assert told["completion tokens, at most"] == 120
    into = told["prompt tokens, roughly"]
    assert into > 4 * (2 * 260 + 2 * 25) + 4 * 260
    assert told["money, roughly at most"] == pytest.approx((into + 240) / 1e6, abs=1e-4)
