"""Providers that do not play by the rules: what they can make a worker do or hold."""

import itertools
import json
import time

import pytest

from gateway import chat_body, wait
from liar import Liar, answer
from plane import _provider, plane, provider  # noqa: F401

CONF = {"workers": "1", "upstream_first_byte_timeout": "600ms", "stream_idle_timeout": "300ms", "body_memory": "1m"}


@pytest.fixture(scope="module")
def key(plane):
    return plane.key()


numbers = itertools.count(1)


def lead_to(plane, liar):
    slug = f"liar-{next(numbers)}"
    plane.admin("POST", "/integrations", {"name": slug, "slug": slug, "ai_provider_id": "openai", "key": "sk-liar",
                                          "configurations": {"custom_host": liar.url}})
    plane.grant(slug, plane.default_workspace())
    return f"@{slug}/gpt-4o-mini"


def drip(pieces):
    """Many small writes, until the other side has enough."""
    def write(connection):
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)
        except OSError:
            pass
    return write


@pytest.mark.parametrize("pieces", [
    [b"HTTP/1.1 200 OK\r\nx-slow: "] + [b"z"] * 3000,
    [b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 3000], ids=["a head that trickles", "interim answers for ever"])
def test_the_deadline_of_the_head_stands_however_busy_the_provider_looks(plane, key, pieces):
    liar = Liar(lambda head, body: drip(pieces))
    got = plane.post(key, chat_body(model=lead_to(plane, liar)), timeout=20)
    assert got.status == 408 and got.json["error"]["type"] == "timeout_error"
    liar.close()


def test_answers_kept_for_their_usage_share_the_memory_of_bodies(plane, key):
    text = json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "x" * 3_000_000}}],
                       "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}).encode()
    liar = Liar(lambda head, body: answer(200, text))
    got = plane.post(key, chat_body(model=lead_to(plane, liar)))
    assert got.status == 200 and len(got.body) == len(text)
    assert plane.chat(key).status == 200
    plane.wait_flushed()
    rows = plane.sql("SELECT output_total, cost_nusd > 0 FROM aigate.ledger ORDER BY received_at DESC LIMIT 2")
    wait(lambda: not plane.slots() or all(not s["holds"] for s in plane.slots()), "no holds")
    assert rows[1][1] and rows[1][0] > 2  # an estimate by what passed, not what it said of itself
    liar.close()


@pytest.mark.parametrize("said, why", [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x", "more than one Content-Length"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"z" * 70000 + b"\r\n\r\n", "head too large"),
    (b"SMTP ready\r\n\r\n", "bad status line")])
def test_what_is_no_http_is_called_that(plane, key, said, why):
    liar = Liar(lambda head, body: said)
    got = plane.post(key, chat_body(model=lead_to(plane, liar)))
    assert got.status == 502 and got.json["error"]["type"] == "upstream_error"
    assert got.json["error"]["message"] == f"The provider's answer is not valid HTTP: {why}"
    liar.close()
