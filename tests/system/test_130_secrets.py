"""Where credentials must not turn up: what a hostile or careless provider says, what a client can
make of an operator's headers, what a process keeps in its memory."""

import json
import os
import re

import pytest

from gateway import chat_body, wait
from liar import Liar, answer
from plane import _provider, plane, provider  # noqa: F401

CONF = {"workers": "1"}
SECRET = "sk-liar-0123456789-secret"
DONE = json.dumps({"id": "x", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode()


@pytest.fixture(scope="module")
def key(plane):
    return plane.key()


@pytest.fixture
def lied_to(plane):
    """lied_to(answer) starts a provider and leads the integration "liar" to it."""
    liars = []

    def lead(say, **configurations):
        liars.append(Liar(say))
        slug = f"liar-{id(liars[-1])}"
        plane.admin("POST", "/integrations", {"name": slug, "slug": slug, "ai_provider_id": "openai", "key": SECRET,
                                              "configurations": {"custom_host": liars[-1].url, **configurations}})
        plane.grant(slug, plane.default_workspace())
        return liars[-1], f"@{slug}/gpt-4o-mini"
    yield lead
    for one in liars:
        one.close()


def authorization(head):
    return next(line for line in head.split("\r\n") if line.lower().startswith("authorization:"))


@pytest.mark.parametrize("status", [200, 401])
def test_a_provider_that_sends_our_credential_back_in_a_header_is_not_quoted(plane, key, lied_to, status):
    _, model = lied_to(lambda head, body: answer(status, DONE, authorization(head), f"x-echo: got {authorization(head)}",
                                                 "x-honest: stays"))
    got = plane.post(key, chat_body(model=model))
    assert got.status == status and got.headers["x-honest"] == "stays"
    assert "authorization" not in got.headers and "x-echo" not in got.headers
    assert SECRET not in str(got.headers)


def test_an_error_text_that_quotes_our_credential_has_it_masked(plane, key, lied_to):
    def say(head, body):
        return answer(401, json.dumps({"error": {"message": f"bad key: {authorization(head)}, {SECRET}!"}}).encode())
    _, model = lied_to(say)
    got = plane.post(key, chat_body(model=model))
    assert got.status == 401 and SECRET not in got.text
    assert got.json["error"]["message"].endswith("*" * len(SECRET) + "!")
    assert SECRET not in plane.log


def test_a_client_cannot_repeat_a_header_that_the_integration_configures(plane, key, lied_to):
    liar, model = lied_to(lambda head, body: answer(200, DONE), custom_headers={"x-tenant": "ours", "x-te": "too"})
    assert plane.post(key, chat_body(model=model), headers={"X-Tenant": "theirs", "x-ten": "passes"}).status == 200
    lines = [line.lower() for line in liar.heads[-1].split("\r\n")]
    assert [line for line in lines if line.startswith("x-tenant")] == ["x-tenant: ours"]
    assert "x-ten: passes" in lines and "x-te: too" in lines


def copies_in_memory(pid, secret):
    """How many times the process holds it."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if "w" not in rights:
                continue
            begin, end = (int(x, 16) for x in place.split("-"))
            if end - begin > 1 << 30:
                continue  # the shadow of a sanitizer
            memory.seek(begin)
            found += memory.read(end - begin).count(secret.encode())
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into an undumpable process")
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_worker_keeps_no_customer_key_and_one_locked_copy_of_the_provider_s(plane, provider, key, is_stream):
    worker = plane.pids("worker")[0]
    with plane.connect() as kept:
        for _ in range(3):
            kept.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body(stream=is_stream))
            assert kept.read_answer("POST").status == 200
        assert copies_in_memory(worker, "sk-upstream-secret") == 1
        assert copies_in_memory(worker, str(key)) == 0


def test_a_name_that_leads_inwards_is_not_followed_unless_trusted(gateway_factory, mock):
    g = gateway_factory(mock=mock, conf={"workers": "1", "trusted_hosts": "127.0.0.1,localhost"})
    g.integration(slug="named", configurations={"custom_host": f"http://localhost:{mock.port}/v1"})
    g.grant("named", g.default_workspace())
    key = g.key()
    g.configure(trusted_hosts="127.0.0.1")  # as if the name had been made to lead here later
    g.reload()
    wait(lambda: re.search(r"worker/0\[\d+\] notice: configuration reloaded", g.log), "the worker to know")
    assert g.chat(key, model="@named/gpt-4o-mini").status == 503
    assert 'host "localhost" leads to a private' in g.log and mock.stats()["requests"] == 0
    g.configure(trusted_hosts=f"127.0.0.1,localhost:{mock.port}")
    g.reload()
    wait(lambda: g.chat(key, model="@named/gpt-4o-mini").status == 200, "the name to be trusted")
