"""Tools that a provider runs itself: held for as often as they may be called, and told so."""

import json

import pytest

from plane import (_provider, plane, provider)  # noqa: F401

CONF = {"workers": "1", "default_max_tool_calls": "3"}
CLAUDE, GPT = "claude-sonnet-5", "gpt-4o-mini"
FEE = 10_000_000  # nano-USD a search


@pytest.fixture(scope="module")
def claude(plane):
    plane.grant(plane.integration(slug="claude", family="anthropic"), plane.default_workspace())
    return f"@claude/{CLAUDE}"


@pytest.fixture(scope="module")
def gem(plane):
    plane.grant(plane.integration(slug="gem", family="google"), plane.default_workspace())
    return "@gem/gemini-2.5-flash"


def post(plane, key, body, path):
    if path != "/v1/messages":  # the simulator answers those by itself
        plane.mock.script(times=1, body="{}")
    return plane.post(key, body, path)


def messages(claude, tools, **fields):
    return {"model": claude, "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], "tools": tools, **fields}


def response(tools, **fields):
    return {"model": f"@mock/{GPT}", "max_output_tokens": 16, "input": "hi", "tools": tools, **fields}


def held(plane, path, body):
    """What one request held in nano-USD, and what the provider was sent."""
    answer = post(plane, plane.key(budget_usd="900"), body, path)
    assert answer.status == 200, answer
    plane.wait_flushed()
    (row,) = plane.rows("SELECT held_nusd FROM aigate.ledger ORDER BY received_at DESC LIMIT 1")
    return row[0], json.loads(plane.mock.last()["body"])


SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def test_each_use_is_held_with_its_fee_and_the_prompt_once_more(plane, provider, claude):
    none, _ = held(plane, "/v1/messages", messages(claude, [{"name": "f", "input_schema": {"type": "object"}}]))
    one, sent = held(plane, "/v1/messages", messages(claude, [{**SEARCH, "max_uses": 1}]))
    two, _ = held(plane, "/v1/messages", messages(claude, [{**SEARCH, "max_uses": 2}]))
    assert sent["tools"] == [{**SEARCH, "max_uses": 1}], "what has a limit passes as it is"
    window = two - one - FEE
    assert window > 0 and abs(one - 2 * window - FEE) < window // 10 and none < window


def test_what_has_no_limit_is_given_one(plane, provider, claude):
    three, _ = held(plane, "/v1/messages", messages(claude, [{**SEARCH, "max_uses": 3}]))
    default, sent = held(plane, "/v1/messages", messages(claude, [SEARCH]))
    assert default == three and sent["tools"] == [{**SEARCH, "max_uses": 3}]
    both = [{"name": "f", "input_schema": {"type": "object"}}, SEARCH, {"type": "web_fetch_20260318", "name": "web_fetch"}]
    _, sent = held(plane, "/v1/messages", messages(claude, both))
    assert [t.get("max_uses") for t in sent["tools"]] == [None, 3, 3]
    plane.mock.reset()
    assert plane.post(plane.key(), messages(claude, [SEARCH]), "/v1/messages").status == 200
    assert json.loads(provider.last()["body"])["tools"] == [SEARCH], "nothing is held, nothing is written"


def test_one_limit_for_all_tools_of_responses(plane, provider):
    given, sent = held(plane, "/v1/responses", response([{"type": "web_search"}], max_tool_calls=3))
    assert sent["max_tool_calls"] == 3
    default, sent = held(plane, "/v1/responses", response([{"type": "web_search"}]))
    assert default == given and sent["max_tool_calls"] == 3
    null, sent = held(plane, "/v1/responses", response([{"type": "web_search"}], max_tool_calls=None))
    assert null == given and sent["max_tool_calls"] == 3
    one, _ = held(plane, "/v1/responses", response([{"type": "web_search"}], max_tool_calls=1))
    assert one < given
    assert post(plane, plane.key(), response([{"type": "web_search"}]), "/v1/responses").status == 200
    assert "max_tool_calls" not in json.loads(provider.last()["body"])
    for bad in (0, -1, "3", 1.5):
        no = plane.post(plane.key(), response([{"type": "web_search"}], max_tool_calls=bad), "/v1/responses")
        assert no.status == 400 and "max_tool_calls" in no.json["error"]["message"]


def test_searches_that_were_made_are_charged_and_stay_within_the_hold(plane, provider, claude):
    provider.script(match={"path": "/v1/messages"}, times=1, body=json.dumps({
        "id": "m", "type": "message", "role": "assistant", "content": [], "model": CLAUDE, "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5, "server_tool_use": {"web_search_requests": 3}}}))
    held(plane, "/v1/messages", messages(claude, [SEARCH]))
    (row,) = plane.rows("SELECT web_searches, charged_nusd >= 3 * 10000000, charged_nusd <= held_nusd "
                        "FROM aigate.ledger ORDER BY received_at DESC LIMIT 1")
    assert row == (3, True, True)


def test_tokens_are_held_for_every_turn_too(plane, provider, claude):
    body = messages(claude, [{**SEARCH, "max_uses": 1}])
    window = 2 * 1_000_000 + 20_000
    assert plane.post(plane.key(budget_tokens=1000), body, "/v1/messages").status == 412
    assert plane.post(plane.key(budget_tokens=window), body, "/v1/messages").status == 200
    assert plane.post(plane.key(budget_tokens=window), messages(claude, [{**SEARCH, "max_uses": 9}]),
                      "/v1/messages").status == 412


@pytest.mark.parametrize("path, body, tool", [
    ("/v1/responses", response([{"type": "file_search", "vector_store_ids": []}]), "file_search"),
    ("/v1/responses", response([{"type": "code_interpreter", "container": {"type": "auto"}}]), "code_interpreter"),
    ("/v1/responses", response([{"type": "web_search"}, {"type": "image_generation"}]), "image_generation"),
    ("/v1/responses", response([{"type": "brand_new"}]), "brand_new"),
    ("/v1/responses", {**response([{"type": "web_search"}]), "model": "@mock/gpt-4o-2024-08-06"}, "web search"),
    ("/v1/messages", messages("@claude/" + CLAUDE, [{"type": "code_execution_20250825", "name": "x"}]), "code_execution"),
    ("/v1beta/models/@gem/gemini-2.5-flash:generateContent",
     {"contents": [{"parts": [{"text": "x"}]}], "tools": [{"googleMaps": {}}]}, "googleMaps"),
])
def test_a_fee_without_a_price_is_refused_by_name_under_a_budget(plane, provider, claude, gem, path, body, tool):
    no = plane.post(plane.key(budget_usd="900"), body, path)
    assert no.status == 412 and f'the tool \\"{tool}' in no.text and "uncounted_work" in no.text, no
    assert provider.stats()["requests"] == 0
    assert post(plane, plane.key(), body, path).status != 412, "without a budget it is the provider that answers"
    assert provider.stats()["requests"] == 1


def test_the_operator_may_pay_fees_himself(plane, provider):
    plane.grant(plane.integration(slug="paid", configurations={"uncounted_work": "true"}), plane.default_workspace())
    body = {**response([{"type": "image_generation"}]), "model": f"@paid/{GPT}"}
    assert post(plane, plane.key(budget_usd="900"), body, "/v1/responses").status == 200


def test_google_searches_once_and_is_held_for_its_queries(plane, provider, gem):
    path = "/v1beta/models/@gem/gemini-2.5-flash:generateContent"
    body = {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 10}}
    with_search, _ = held(plane, path, {**body, "tools": [{"googleSearch": {}}]})
    assert with_search >= 3 * 35_000_000
