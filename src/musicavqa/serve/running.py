"""The page is offered on this machine until it is told to stop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from musicavqa.files import cache_folder, temporary_folder
from musicavqa.serve.settings import Settings

PORT = 8421


def serve(
    host: str = "127.0.0.1",
    port: int = PORT,
    settings: Settings | None = None,
    tell: Callable[[str], None] = lambda address: None,
) -> None:
    """Offer the page at `host` and `port` (0: a free one) until interrupted.

    `tell` is told the address when it can be asked. OSError where it cannot be listened there.
    """
    import uvicorn

    from musicavqa.serve.app import build

    with _listening(host, port) as listener:
        uploads = cache_folder() / "uploads"
        uploads.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(uploads) as folder:
            folder.chmod(0o700)
            config = uvicorn.Config(
                build(settings or Settings(), folder),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=64,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=3,
            )
            tell(address(*listener.getsockname()[:2]))
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()  # so that whoever is told the address is heard
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OSError(f"Nothing can be offered at {host}, port {port} ({why}).") from error
    return listener


def address(host: str, port: int) -> str:
    """What is typed into a browser."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def is_local(host: str) -> bool:
    """Whether only this machine itself can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
