"""`transformers serve` in a process of its own, with small networks that see or hear."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import tiny_models

STARTS_WITHIN_S = 600
MEDIA = {"hears": ("audio", "<|audio_bos|><|AUDIO|><|audio_eos|>"), "sees": ("image", "<image>")}
SERVE = "import transformers.cli.transformers as cli; cli.app()"  # without a look for updates


def template(sense: str) -> str:
    """A chat form that has a place for one sense, and passes over the other without a word."""
    kind, mark = MEDIA[sense]
    return (
        "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{% for part in turn.content %}"
        f"{{% if part.type == '{kind}' %}}{mark}"
        "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def save(sense: str, folder: Path) -> Path:
    """A network of random weights whose every third token ends its answer."""
    import transformers

    network, processor = {"hears": _hearing, "sees": _seeing}[sense]()
    network.generation_config.eos_token_id = list(range(0, len(processor.tokenizer), 3))
    network.generation_config.pad_token_id = 0
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    assert transformers.AutoConfig.from_pretrained(folder).model_type
    return folder


def _hearing() -> tuple[Any, Any]:
    import transformers

    kind = "qwen2_audio"
    torch.manual_seed(0)
    network = transformers.Qwen2AudioForConditionalGeneration(tiny_models.config(kind))
    return network, transformers.Qwen2AudioProcessor(
        tiny_models.extractor(kind), tiny_models.tokenizer(kind), chat_template=template("hears")
    )


def _seeing() -> tuple[Any, Any]:
    import copy

    import transformers as t

    words = copy.deepcopy(tiny_models.tokenizer("qwen2_audio"))
    words.add_special_tokens({"additional_special_tokens": ["<image>"]}, False)
    text = {**tiny_models.TEXT, "vocab_size": len(words) + 8, "model_type": "qwen2"}
    eye = dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        image_size=56, patch_size=14, model_type="clip_vision_model",
    )  # fmt: skip
    told = t.LlavaConfig(
        vision_config=eye, text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    torch.manual_seed(0)
    pictures = t.CLIPImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    return t.LlavaForConditionalGeneration(told), t.LlavaProcessor(
        pictures, words, patch_size=14, vision_feature_select_strategy="default",
        chat_template=template("sees"), num_additional_image_tokens=1,
    )  # fmt: skip


@contextmanager
def transformers_serve(folder: Path) -> Iterator[str]:
    """The address of a server of the model in `folder`, which is there until the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "serve", str(folder), "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu"]  # fmt: skip
    log = folder.with_suffix(".log")
    around = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with log.open("w") as said:
        process = subprocess.Popen(command, env=around, stdout=said, stderr=said)
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise TimeoutError(f"no server within {STARTS_WITHIN_S} s: {log.read_text()[-3000:]}")
