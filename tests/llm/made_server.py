"""A server of the OpenAI dialect in this process that answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS = {"image_url": 85, "input_audio": 50}


@dataclass
class Script:
    """`replies` come in turn, the last again and again; `seen` has every request."""

    replies: list[str]
    says: str = "two"
    hears: bool = True
    sees: bool = True
    seen: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""

    def next(self) -> str:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def tokens(self, asked: dict[str, Any]) -> int:
        """Of the prompt; media that are ignored add nothing."""
        total = 0
        for turn in asked["messages"]:
            parts = turn["content"]
            parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
            for part in parts:
                kept = {"image_url": self.sees, "input_audio": self.hears}.get(part["type"], True)
                words = len(part.get("text", "").split())
                total += (words if part["type"] == "text" else TOKENS[part["type"]]) * kept
        return total


class _Handler(BaseHTTPRequestHandler):
    script: Script

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script = self.script
        script.seen.append(asked)
        script.keys.append(self.headers.get("Authorization"))
        how = script.next()
        if how.isdigit():
            self._send(int(how), json.dumps({"error": {"message": f"told to say {how}"}}).encode())
        elif how == "leaks":
            key = str(self.headers.get("Authorization")).removeprefix("Bearer ")
            self._send(400, json.dumps({"error": {"message": f"bad key {key}"}}).encode())
        elif how == "slow":
            time.sleep(1.0)
            self._send(200, b"{}")
        elif how == "truncated":
            self._send(200, json.dumps(self._reply(asked, script.says)).encode()[:40])
        else:
            self._send(200, json.dumps(self._reply(asked, script.says, how)).encode())

    def _reply(self, asked: dict[str, Any], says: str, how: str = "ok") -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": says, "refusal": None}
        reason = "stop"
        if how == "empty":
            message["content"] = ""
        elif how == "refusal":
            message |= {"content": None, "refusal": "I cannot help with that."}
        elif how in ("length", "content_filter"):
            reason = how
        told = {
            "id": "1", "object": "chat.completion", "created": 0,
            "model": asked["model"] + "-dated", "system_fingerprint": "fp_1",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {
                "prompt_tokens": self.script.tokens(asked), "completion_tokens": 2,
                "total_tokens": self.script.tokens(asked) + 2,
            },
        }  # fmt: skip
        if how == "no choices":
            told["choices"] = []
        if how == "no usage":
            del told["usage"]
        return told

    def _send(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("retry-after-ms", "10")
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked did not wait

    def log_message(self, *told: Any) -> None:
        return


@contextmanager
def serving(*replies: str, **more: Any) -> Iterator[Script]:
    """A script, and a server at `script.url` that follows it."""
    script = Script(list(replies) or ["ok"], **more)
    handler = type("Handler", (_Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
