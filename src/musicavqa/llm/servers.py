"""What servers that speak the dialect of OpenAI take, and where they differ.

Rows are from documentation unless `tried` says otherwise: what a server makes of media changes
with its release, so a run begins with a probe (`api.ServerModel.probe`) and not with trust in this
table. Pictures always go as single frames and sound as a WAV of its own: what becomes of the sound
track in a whole video differs from server to server, and some drop it without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from musicavqa.llm.contract import Senses


@dataclass(frozen=True)
class Server:
    """One kind of server."""

    name: str
    url: str | None
    """Where it is by default; None where it is your own."""
    key_from: str | None
    """The environment variable with the key; None where none is needed."""
    senses: Senses
    holds_to: Literal["json_schema", "structured_outputs", "regex", "nothing"]
    """How an answer is held to the candidates."""
    tells_usage: bool = True
    tried: str = "not tried here: from documentation"


SERVERS = {
    server.name: server
    for server in (
        Server("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "V", "json_schema"),
        Server(
            "openai-audio", "https://api.openai.com/v1", "OPENAI_API_KEY", "A", "nothing"
        ),  # its models that hear take no pictures, and no schema
        Server(
            "gemini", "https://generativelanguage.googleapis.com/v1beta/openai/", "GEMINI_API_KEY",
            "AV", "json_schema",
        ),
        Server("vllm", None, "VLLM_API_KEY", "AV", "structured_outputs"),
        Server("sglang", None, "SGLANG_API_KEY", "AV", "regex"),
        Server("transformers", None, None, "AV", "nothing"),
    )
}  # fmt: skip
"""By what stands before the colon in SERVER:MODEL[@URL]."""
