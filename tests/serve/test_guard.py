"""Who may ask: no foreign page, no foreign name; and what every answer says to the browser."""

from __future__ import annotations

import re
from importlib.resources import files

import jsonschema
import pytest

from musicavqa.ask.documents import schema
from musicavqa.serve.app import ASSETS
from musicavqa.serve.guard import HEADERS, Guard


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8421", True),
        ("localhost", True),
        ("LOCALHOST:8421", True),
        ("[::1]:8421", True),
        ("192.168.1.4:8421", True),
        ("studio.lan:8421", True),
        ("evil.example:8421", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("studio.lan.evil.example", False),
    ],
)
def test_only_addresses_and_known_names_are_answered(host, is_ours):
    guard = Guard(None, frozenset({"studio.lan"}), None)
    assert (guard.why_not("GET", {"host": host}) is None) == is_ours


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:8421"}, True),
        ({"origin": "http://127.0.0.1:8421", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": ""}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
@pytest.mark.parametrize("address", ["/ask", "/clips", "/clips/example/1", "/clips/x/ask"])
def test_a_foreign_page_changes_nothing(client, headers, may, address):
    answer = client.post(address, headers=headers)
    assert (answer.status_code != 403) == may
    if not may:
        jsonschema.validate(answer.json(), schema())


@pytest.mark.parametrize("address", [*ASSETS, "/about", "/openapi.json", "/none", "/clips/none"])
def test_every_answer_has_the_policy(client, address):
    answer = client.get(address)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("address", ["/../settings.py", "/page/page.js", "/%2e%2e/app.py", "/docs"])
def test_nothing_else_of_the_disk_is_given(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    jsonschema.validate(answer.json(), schema())


@pytest.mark.parametrize("name", sorted({name for name, _ in ASSETS.values()}))
def test_the_page_loads_nothing_from_elsewhere_and_makes_no_html_of_text(name):
    text = files("musicavqa.serve").joinpath("page", name).read_text(encoding="utf-8")
    addresses = re.findall(r"https?://[^\s\"'`]+", text)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", text
    )
    assert not re.search(r"@import|url\(|<style|\sstyle=|\son\w+=\"", text)
    assert not re.search(r"<script(?![^>]*src=)", text)


def test_the_api_is_described_without_help_from_elsewhere(client):
    found = client.get("/openapi.json").json()
    assert list(found["paths"]) == ["/ask"]
    about = found["paths"]["/ask"]["post"]
    assert set(about["responses"]) >= {"200", "400", "403", "413", "422", "503", "504"}
    told = about["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(told["properties"]) == set(schema()["properties"])
    assert "$ref" not in str(about)
