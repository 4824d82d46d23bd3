"""Models behind servers of the OpenAI dialect, by the official `openai` package.

Pictures go as JPEG frames, sound as one WAV. A key is read from the environment when a request is
made; it is in no record, no identity and no message. Replies that are no answers (cut short,
damaged, empty of a message) are errors of their kind; a refusal is an answer.
"""

from __future__ import annotations

import base64
import io
import os
import re
import threading
import wave
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.files import parse_json
from musicavqa.llm.contract import Ability, ModelError, Receipt, Reply, Request, Way
from musicavqa.llm.costs import Meter
from musicavqa.llm.sampling import RATE_HZ, Coverage, Material, Policy
from musicavqa.llm.servers import SERVERS, Server

if TYPE_CHECKING:
    from musicavqa.llm.contract import Opening

QUALITY = 90
"""Of JPEG."""
PROBE_PICTURES, PROBE_S = 2, 2.0


@dataclass
class ServerModel:
    """One model of one server."""

    server: Server
    model: str
    url: str
    meter: Meter = field(default_factory=Meter)
    parallel: int = 4
    timeout_s: float = 120.0
    retries: int = 4

    @cached_property
    def ability(self) -> Ability:
        """Senses that the server's dialect carries; what arrives, `probe` finds out."""
        ways: tuple[Way, ...] = ("generate",)
        if self.server.holds_to != "nothing":
            ways = ("generate", "choose")
        return Ability(self.server.senses, ways, tier="by API")

    def identity(self) -> dict[str, Any]:
        """Server, address and model, and how media are written; no key."""
        return {
            "model": self.model,
            "revision": "as the server names it; fingerprints are in the records",
            "server": self.server.name,
            "url": self.url,
            "media": f"jpeg {QUALITY}, wav 16-bit mono {RATE_HZ} Hz",
        }

    def generate(self, request: Request) -> Reply:
        """Free text."""
        return self._ask(request, {})

    def choose(self, request: Request) -> Reply:
        """Text that the server holds to the candidates."""
        reply = self._ask(request, _held(self.server, request.candidates))
        if self.server.holds_to != "json_schema" or reply.refused is not None:
            return reply
        try:
            return replace(reply, text=str(parse_json(reply.text or "")["answer"]))
        except (ValueError, KeyError, TypeError):
            raise ModelError(
                "damaged reply",
                f"the reply is not of the schema that was asked for: {reply.text!r}",
            ) from None

    def score(self, request: Request) -> Reply:
        """No server of this dialect gives likelihoods of what it did not write itself."""
        raise ValueError(f"{self.server.name} gives no likelihoods of given answers.")

    def probe(self, policy: Policy) -> list[str]:
        """One line for each sense; ModelError where its media add nothing to the prompt's tokens.

        A server that does not tell tokens cannot be probed, and the line says so.
        """
        pictures = np.zeros((PROBE_PICTURES, 112, 112, 3), np.uint8)
        pictures[:, ::2] = 255
        sound = np.sin(np.arange(round(PROBE_S * RATE_HZ)) / 8).astype(np.float32) / 4
        told = Coverage(PROBE_S, PROBE_PICTURES, 1.0, PROBE_S, True, True)
        both = Material(pictures, 1.0, sound, told)
        tried = {"pictures": ("V", both.without("audio")), "sound": ("A", both.without("visual"))}
        plain = self._prompt_tokens(both.without("audio", "visual"))
        lines = []
        for name, (sense, material) in tried.items():
            given = policy.frames != 0 if sense == "V" else policy.sound != "none"
            if not (self.ability.has(sense) and given):
                continue
            try:
                tokens = self._prompt_tokens(material)
            except ModelError as error:
                raise ModelError(
                    error.kind,
                    f"{self.model} could not take {name}: {error}. Look at the server's log; "
                    "--no-probe asks it nevertheless.",
                ) from None
            if plain is None or tokens is None:
                lines.append(f"{name}: {self.server.name} tells no tokens, so it is not known")
            elif tokens <= plain:
                raise ModelError(
                    "media ignored",
                    f"{self.model} took {name} and its prompt has {tokens} tokens as without "
                    f"({plain}): they do not reach the model. --no-probe asks it nevertheless.",
                )
            else:
                lines.append(f"{name}: {tokens - plain} tokens more, so they reach the model")
        return lines

    def _prompt_tokens(self, material: Material) -> int | None:
        from musicavqa.llm.contract import Generation

        request = Request("Say yes.", None, material, generation=Generation(max_tokens=16))
        told = self._sent(request, {})
        return None if told.usage is None else told.usage.prompt_tokens

    def _ask(self, request: Request, more: dict[str, Any]) -> Reply:
        told = self._sent(request, more)
        usage = {} if told.usage is None else _counts(told.usage)
        spent = self.meter.spend(usage)
        if not told.choices or told.choices[0].message is None:
            raise ModelError("damaged reply", "the reply holds no message")
        first = told.choices[0]
        refused = first.message.refusal or None
        if first.finish_reason == "content_filter":
            refused = refused or "stopped by the content filter"
        if first.finish_reason == "length" and refused is None:
            raise ModelError("cut short", "the reply reached its token limit: raise --max-tokens")
        text = first.message.content or refused or ""
        named = {"named": told.model, "fingerprint": told.system_fingerprint}
        return Reply(
            self._receipt(request, usage.get("prompt_tokens")), text, refused=refused,
            usage={**usage, **({"money": spent} if spent is not None else {}), **named},
        )  # fmt: skip

    def _sent(self, request: Request, more: dict[str, Any]) -> Any:
        """The reply; every failure becomes a ModelError of its kind, without the key."""
        import openai

        how = request.generation
        options: dict[str, Any] = {"max_completion_tokens": how.max_tokens}
        if self.server.name not in ("openai", "openai-audio"):
            options = {"max_tokens": how.max_tokens}
        options |= {} if how.temperature is None else {"temperature": how.temperature}
        options |= {} if how.seed is None else {"seed": how.seed}
        client = self._client
        self.meter.wait()
        try:
            return client.chat.completions.create(
                model=self.model, messages=self._messages(request), **options, **more
            )
        except openai.APITimeoutError:
            raise ModelError("timeout", f"no reply within {self.timeout_s:g} s") from None
        except openai.RateLimitError as error:
            raise ModelError("rate limit", self._clean(error)) from None
        except openai.APIStatusError as error:
            kind = "server" if error.status_code >= 500 else "refused request"
            raise ModelError(kind, self._clean(error)) from None
        except openai.APIConnectionError as error:
            raise ModelError(
                "server", f"no connection to {self.identity()['url']} ({error})"
            ) from None
        except (openai.APIError, ValueError) as error:
            raise ModelError("damaged reply", self._clean(error)) from None

    def _clean(self, error: Exception) -> str:
        """Message without anything that looks like the key."""
        text, key = str(error), self._key()
        return text.replace(key, "***") if key else text

    def _key(self) -> str | None:
        return os.environ.get(self.server.key_from) if self.server.key_from else None

    @cached_property
    def _client(self) -> Any:
        import openai

        key = self._key()
        own = self.server.url is None or self.url != self.server.url
        if key is None and not own:
            raise ValueError(
                f"{self.server.name} needs a key: set {self.server.key_from} in the environment."
            )
        return openai.OpenAI(
            api_key=key or "none", base_url=self.url, timeout=self.timeout_s,
            max_retries=self.retries,
        )  # fmt: skip

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        parts = _media_parts(request.material, self.ability)
        content = [*parts, {"type": "text", "text": request.text}]
        turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if request.system is not None:
            turns.insert(0, {"role": "system", "content": request.system})
        return turns

    def _receipt(self, request: Request, prompt_tokens: int | None) -> Receipt:
        pictures, sound = request.material.pictures, request.material.sound
        seen = pictures is not None and self.ability.has("V")
        heard = sound is not None and self.ability.has("A")
        seconds = 0.0 if sound is None else len(sound) / RATE_HZ
        notes = []
        if sound is not None and not heard:
            notes.append("the model does not hear: the sound was not sent")
        if pictures is not None and not seen:
            notes.append("the model does not see: the pictures were not sent")
        return Receipt(
            frames=len(pictures) if seen and pictures is not None else 0,
            seconds_heard=seconds if heard else 0.0,
            seconds_of_sound=seconds,
            prompt_tokens=prompt_tokens,
            notes=tuple(notes),
        )


def open_server(server: str, rest: str, opening: Opening) -> ServerModel:
    """MODEL or MODEL@URL of a server; ValueError where the address is missing."""
    told = SERVERS[server]
    found = re.fullmatch(r"(.+?)@(https?://.+)", rest)
    model, url = found.groups() if found else (rest, told.url or "")
    if re.search(r"//[^/]*@", url):
        raise ValueError(
            f"The address holds a name or password. Leave it out; a key goes in {told.key_from}."
        )
    if not url:
        raise ValueError(f"Where is it? Write {server}:{rest}@http://localhost:8000/v1.")
    meter = Meter(opening.price, opening.budget, opening.per_minute)
    return ServerModel(told, model, url, meter, opening.parallel)


def _held(server: Server, candidates: tuple[str, ...]) -> dict[str, Any]:
    """What holds an answer to the candidates."""
    words = list(candidates)
    if server.holds_to == "json_schema":
        schema = {
            "type": "object",
            "properties": {"answer": {"type": "string", "enum": words}},
            "required": ["answer"],
            "additionalProperties": False,
        }
        told = {"name": "answer", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": told}}
    if server.holds_to == "structured_outputs":
        return {"extra_body": {"structured_outputs": {"choice": words}}}
    return {"extra_body": {"regex": "|".join(re.escape(word) for word in words)}}


def _counts(usage: Any) -> dict[str, Any]:
    found = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return {name: value for name, value in found.items() if isinstance(value, int)}


_written: dict[int, tuple[Material, list[dict[str, Any]]]] = {}
_lock = threading.Lock()


def _media_parts(material: Material, ability: Ability) -> list[dict[str, Any]]:
    """Frames and sound as content parts, written once for all questions about a clip."""
    with _lock:
        kept = _written.get(id(material))
        if kept is None or kept[0] is not material:
            while len(_written) >= 4:
                _written.pop(next(iter(_written)))
            kept = _written[id(material)] = (material, _parts(material))
    wanted = {"image_url": ability.has("V"), "input_audio": ability.has("A")}
    return [part for part in kept[1] if wanted[part["type"]]]


def _parts(material: Material) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for picture in material.pictures if material.pictures is not None else ():
        data = base64.b64encode(jpeg(picture)).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
    if material.sound is not None:
        data = base64.b64encode(wav(material.sound)).decode()
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    return parts


def jpeg(picture: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 as a JPEG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def wav(sound: np.ndarray) -> bytes:
    """Sound (samples,) in -1..1 as a WAV file of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()
