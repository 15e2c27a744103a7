"""Rate limits: strict whatever the concurrency, paid by nobody who was refused, and told in figures."""

import json

import pytest

from gateway import chat_body, wait
from plane import _provider, connections_to_all_workers, meter_of, plane, provider  # noqa: F401

CONF = {"workers": "4"}
BODY = json.dumps(chat_body(max_tokens=16), separators=(",", ":"))


@pytest.fixture(scope="module")
def everywhere(plane):
    """Thirteen connections to each of four workers."""
    connections = connections_to_all_workers(plane, 13)
    yield connections
    for c in connections:
        c.close()


def send_all(connections, key, body=BODY):
    for c in connections:
        c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body)


@pytest.mark.parametrize("limit", [1, 7])
def test_of_fifty_requests_at_once_no_more_than_the_limit_get_through(plane, provider, everywhere, limit):
    key = plane.key(rpm=limit)
    refused = plane.counter("req_denied_rate")
    provider.script(wait="go")
    send_all(everywhere, key)
    plane.wait_counter("req_denied_rate", refused + len(everywhere) - limit)
    assert provider.wait_stat("requests", limit)["requests"] == limit
    assert len(plane.slots()) == limit
    provider.release("go")
    got = [c.read_answer("POST").status for c in everywhere]
    assert got.count(200) == limit and got.count(429) == len(everywhere) - limit
    assert provider.stats()["requests"] == limit


def test_a_refusal_says_who_what_and_when(plane, provider):
    key = plane.key(rpm=1)
    assert plane.chat(key, max_tokens=4).status == 200
    answer = plane.chat(key, max_tokens=4)
    assert answer.status == 429
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    text = f"Portkey Error: apikey {key.id} rate limit exceeded. Error Code: 05"
    error = answer.json["error"]
    assert answer.json["status"] == "failure" and answer.json["message"] == text
    assert error["message"] == text and error["code"] == "05" and error["type"] == "api_key_rate_limit_error"
    assert (error["scope"], error["kind"], error["unit"]) == ("api_key", "rate", "requests")
    assert (error["limit"], error["used"], error["remaining"]) == (1, 1, 0)
    assert error["resets_at"].endswith("Z")
    assert answer.headers["x-should-retry"] == "true"
    assert 1 <= int(answer.headers["retry-after"]) <= 64
    assert 0 < int(answer.headers["retry-after-ms"]) <= 1000 * int(answer.headers["retry-after"])
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert provider.stats()["requests"] == 1


def test_an_answer_tells_what_is_left_instead_of_the_providers_figures(plane, provider):
    key = plane.key(rpm=10)
    for left in (9, 8, 7):
        answer = plane.chat(key, max_tokens=4)
        assert answer.headers["x-ratelimit-limit-requests"] == "10"
        assert answer.headers["x-ratelimit-remaining-requests"] == str(left)


def test_refused_requests_consume_nothing_and_room_comes_back(plane, provider):
    key = plane.key(rps=2)
    got = [plane.chat(key, max_tokens=4).status for _ in range(2)]
    assert got == [200, 200]
    # Whoever hammers a full window gets in again as soon as somebody patient would.
    wait(lambda: plane.chat(key, max_tokens=4).status == 200, "room in the window")


def test_several_windows_hold_together(plane, provider):
    key = plane.key(rate_limits=[{"type": "requests", "unit": "rps", "value": 100},
                                 {"type": "requests", "unit": "rpd", "value": 3}])
    assert [plane.chat(key, max_tokens=4).status for _ in range(5)] == [200, 200, 200, 429, 429]


# -- tokens --------------------------------------------------------------------------------------

def test_tokens_are_held_as_estimated_and_settled_as_reported(plane, provider):
    key = plane.key(tpm=100_001)
    provider.script(prompt_tokens=30, tokens=12, wait="go")
    pending = plane.chat_async(key, max_tokens=500)
    provider.wait_stat("requests", 1)
    sent = len(json.dumps(chat_body(max_tokens=500), separators=(",", ":")))
    assert meter_of(plane, "rate", "tokens", "key", 100_001)["used"] == sent + 500
    provider.release("go")
    answer = pending.answer()
    assert answer.status == 200 and answer.usage["total_tokens"] == 42
    assert answer.headers["x-ratelimit-limit-tokens"] == "100001"
    plane.wait_idle()
    assert meter_of(plane, "rate", "tokens", "key", 100_001)["used"] == 42


def test_a_request_that_cannot_fit_is_refused_for_good(plane, provider):
    key = plane.key(tpm=1000)
    answer = plane.chat(key, max_tokens=5000)
    assert answer.status == 429 and answer.json["error"]["unit"] == "tokens"
    assert "retry-after" not in answer.headers
    assert plane.chat(key, max_tokens=500).status == 200, "and took nothing"
    assert provider.stats()["requests"] == 1


def test_tokens_of_many_at_once_stay_below_the_limit(plane, provider, everywhere):
    sent = len(BODY)
    limit = 5 * (sent + 16) + 3
    key = plane.key(tpm=limit)
    refused = plane.counter("req_denied_rate")
    provider.script(wait="go", prompt_tokens=sent, tokens=16)
    send_all(everywhere, key)
    plane.wait_counter("req_denied_rate", refused + len(everywhere) - 5)
    provider.wait_stat("requests", 5)
    assert meter_of(plane, "rate", "tokens", "key", limit)["used"] <= limit
    provider.release("go")
    assert [c.read_answer("POST").status for c in everywhere].count(200) == 5
    assert meter_of(plane, "rate", "tokens", "key", limit)["used"] == 5 * (sent + 16)


# -- several levels ------------------------------------------------------------------------------

def test_when_the_second_level_refuses_the_first_stays_untouched(plane, provider, everywhere):
    space = plane.workspace()
    plane.grant("mock", space, rate_limits=[{"type": "requests", "unit": "rpd", "value": 4}])
    key = plane.key(workspace=space, rate_limits=[{"type": "requests", "unit": "rpd", "value": 40_000}])
    send_all(everywhere, key)
    answers = [c.read_answer("POST") for c in everywhere]
    refused = [a for a in answers if a.status == 429]
    assert len(answers) - len(refused) == 4
    assert refused[0].json["error"]["scope"] == "integration"
    assert refused[0].json["error"]["message"] == "Portkey Integration mock Rate Limit Exceeded"
    assert refused[0].json["error"]["type"] == "integration_rate_limit_error"
    assert meter_of(plane, "rate", "requests", "key", 40_000)["used"] == 4
    assert meter_of(plane, "rate", "requests", "grant", 4)["used"] == 4
    assert provider.stats()["requests"] == 4


def test_keys_do_not_share_their_limits_but_share_their_workspaces(plane, provider):
    space = plane.workspace(rate_limits=[{"type": "requests", "unit": "rpd", "value": 5}])
    one, two = plane.key(workspace=space, rpm=3), plane.key(workspace=space, rpm=4)
    assert [plane.chat(one, max_tokens=4).status for _ in range(4)] == [200, 200, 200, 429]
    answers = [plane.chat(two, max_tokens=4) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert answers[2].json["error"]["scope"] == "workspace"
    assert answers[2].json["message"] == f"Portkey Error: workspace {space['slug']} rate limit exceeded. Error Code: 05"


def test_a_limit_taken_away_is_gone(plane, provider):
    key = plane.key(rpm=1)
    assert [plane.chat(key, max_tokens=4).status for _ in range(2)] == [200, 429]
    plane.admin("PUT", f"/api-keys/{key.id}", {"rate_limits": []})
    assert plane.chat(key, max_tokens=4).status == 200


def test_a_failed_attempt_still_is_a_request(plane, provider):
    key = plane.key(rpm=2)
    provider.script(times=1, status=500)
    assert [plane.chat(key, max_tokens=4).status for _ in range(3)] == [500, 200, 429]
