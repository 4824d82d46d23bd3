"""The application with the small checkpoint, as a client on this machine sees it."""

from __future__ import annotations

import time

import pytest

OURS = "http://127.0.0.1:8421"


@pytest.fixture(scope="session")
def uploads(tmp_path_factory):
    """Where the application keeps files until they were read."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="session")
def client(run_folder, uploads):
    pytest.importorskip("fastapi", reason="the page needs the web extra")
    from starlette.testclient import TestClient

    from musicavqa.serve.app import build
    from musicavqa.serve.settings import Settings

    settings = Settings(checkpoint=run_folder, most_bytes=2**20)
    with TestClient(build(settings, uploads), base_url=OURS) as found:
        yield found


@pytest.fixture
def finished(client):
    """Wait until a clip was read: its state."""

    def wait(key):
        for _ in range(1200):
            state = client.get(f"/clips/{key}").json()
            if state.get("is_done", True):
                return state
            time.sleep(0.05)
        raise AssertionError(f"{key} is not done after a minute")

    return wait
