"""A provider that bills by its own figures is told the dearest price that is held for."""

import json
from decimal import Decimal

import pytest

from plane import (_provider, plane, provider)  # noqa: F401

CONF = {"workers": "1"}
MODEL = "anthropic/claude-haiku-4.5"  # 1 and 5 dollars a million tokens
PRICE = {"prompt": 1, "completion": 5, "request": 0}


@pytest.fixture(scope="module")
def router(plane):
    plane.grant(plane.integration(slug="router", family="openrouter"), plane.default_workspace())
    return f"@router/{MODEL}"


def ask(plane, key, model, **fields):
    plane.mock.script(times=1, body=json.dumps({"id": "x", "choices": [], "usage": {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.000035}}))
    return plane.chat(key, model=model, max_tokens=20, **fields)


def sent(provider):
    return json.loads(provider.last()["body"])


@pytest.mark.parametrize("given, want", [
    (None, {"max_price": PRICE}), ({}, {"max_price": PRICE}), ({"sort": "price"}, {"sort": "price", "max_price": PRICE}),
    ({"max_price": {"prompt": 900, "completion": 900}, "order": ["x"]}, {"max_price": PRICE, "order": ["x"]})])
def test_no_host_is_dearer_than_what_is_held(plane, provider, router, given, want):
    fields = {} if given is None else {"provider": given}
    assert ask(plane, plane.key(budget_usd="1"), router, **fields).status == 200
    assert sent(provider)["provider"] == want
    assert sent(provider)["max_tokens"] == 20 and sent(provider)["model"] == MODEL
    plane.wait_flushed()
    row, = plane.rows("SELECT provider_cost_nusd, charged_nusd <= held_nusd FROM aigate.ledger "
                      "ORDER BY received_at DESC LIMIT 1")
    assert row == (35000, True)


def test_without_a_budget_the_client_chooses(plane, provider, router):
    assert ask(plane, plane.key(), router).status == 200
    assert "provider" not in sent(provider)
    assert ask(plane, plane.key(), router, provider={"max_price": {"prompt": 9}}).status == 200
    assert sent(provider)["provider"] == {"max_price": {"prompt": 9}}


def test_two_prices_are_refused(plane, provider, router):
    body = json.dumps({"model": router, "max_tokens": 9, "messages": [], "provider": "P"}).encode()
    key = plane.key(budget_usd="1")
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    for text in (b'{"max_price":{},"max_price":{"prompt":9}}', b'{"max_price":{},"max_\\u0070rice":{}}', b"[]", b'"x"'):
        no = plane.ask("POST", "/v1/chat/completions", headers, body.replace(b'"P"', text))
        assert no.status == 400 and "provider" in no.json["error"]["message"], text
    assert provider.stats()["requests"] == 0


def test_a_translated_request_is_told_too(plane, provider, router):
    provider.script(times=1, body=json.dumps({"id": "x", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
                                              "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.000035}}))
    body = {"model": router, "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]}
    assert plane.post(plane.key(budget_usd="1"), body, "/v1/messages").status == 200
    assert sent(provider)["provider"] == {"max_price": PRICE}


def test_a_multiple_is_not_told_to_hosts(plane, provider):
    """They show their list prices; the contract is between others."""
    for slug, factor, want in (("half", "0.5", PRICE), ("twice", "2", {**PRICE, "prompt": 2, "completion": 10})):
        plane.grant(plane.integration(slug=slug, family="openrouter", configurations={"price_multiplier": factor}),
                    plane.default_workspace())
        assert ask(plane, plane.key(budget_usd="1"), f"@{slug}/{MODEL}").status == 200
        assert {k: Decimal(str(v)) for k, v in sent(provider)["provider"]["max_price"].items()} == want


def test_a_search_it_bills_by_itself_needs_a_price(plane, provider, router):
    no = ask(plane, plane.key(budget_usd="1"), router, plugins=[{"id": "web"}])
    assert no.status == 412 and "web search" in no.json["error"]["message"]
    provider.clear()
    assert ask(plane, plane.key(), router, plugins=[{"id": "web"}]).status == 200
