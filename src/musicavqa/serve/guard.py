"""What every request must be and every answer says: no foreign page, no foreign name, no script.

A page of somebody else may send requests here from a visitor's browser. It is told apart by Origin
and Sec-Fetch-Site; and where it has its own name lead to this machine (DNS rebinding), by Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
READING = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """An application behind the checks; `refuse` makes the answer to what does not pass."""

    def __init__(self, app: App, names: frozenset[str], refuse: Callable[[str], App]) -> None:
        self.app, self.refuse = app, refuse
        self.names = {name.lower() for name in names} | {"localhost"}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        why = self.why_not(scope["method"], headers_of(scope))
        app = self.app if why is None else self.refuse(why)
        await app(scope, receive, send_with_headers)

    def why_not(self, method: str, headers: dict[str, str]) -> str | None:
        """Why a request is refused; None for one that may pass."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"This machine is not known as {host[:100]!r}. Start with --name to allow it."
        if method in READING:
            return None
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        if site not in ("same-origin", "none"):
            return "The request comes from a page of somebody else."
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "The request comes from a page of somebody else."
        return None

    def _is_ours(self, host: str) -> bool:
        """An address is typed or linked, and no name that leads elsewhere tomorrow."""
        name = host.lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def headers_of(scope: Message) -> dict[str, str]:
    """Headers of a request by name in small letters; of several of one name the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
