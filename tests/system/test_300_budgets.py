"""Budgets: never passed, exact to the nano-dollar, and refused with figures."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from gateway import chat_body
from plane import (_provider, connections_to_all_workers, meter_of, mini_cost, plane,  # noqa: F401
                   provider)

CONF = {"workers": "4", "fit_min_tokens": "16"}
BODY = json.dumps(chat_body(max_tokens=1000), separators=(",", ":"))
WORST = mini_cost(len(BODY), 1000)


def usd(nusd):
    return format(Decimal(nusd) / 10**9, "f")


@pytest.fixture(scope="module")
def everywhere(plane):
    connections = connections_to_all_workers(plane, 13)
    yield connections
    for c in connections:
        c.close()


def send_all(connections, key, body=BODY):
    for c in connections:
        c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body)


def budget(plane, limit, level="key", unit="nusd"):
    return meter_of(plane, "budget", unit, level, limit)


# -- the cap -------------------------------------------------------------------------------------

def test_a_budget_for_one_worst_case_lets_one_of_fifty_through(plane, provider, everywhere):
    key = plane.key(budget_usd=usd(WORST))
    refused = plane.counter("req_denied_budget")
    provider.script(wait="go", prompt_tokens=40, tokens=10)
    send_all(everywhere, key)
    plane.wait_counter("req_denied_budget", refused + len(everywhere) - 1)
    assert provider.wait_stat("requests", 1)["requests"] == 1
    m = budget(plane, WORST)
    assert (m["settled"], m["held"], m["remaining"]) == (0, WORST, 0)
    provider.release("go")
    got = [c.read_answer("POST").status for c in everywhere]
    assert got.count(200) == 1 and got.count(412) == len(everywhere) - 1
    assert provider.stats()["requests"] == 1
    m = budget(plane, WORST)
    assert (m["settled"], m["held"]) == (mini_cost(40, 10), 0)


def test_a_budget_for_three_worst_cases_lets_three_through(plane, provider, everywhere):
    limit = 3 * WORST + 1
    key = plane.key(budget_usd=usd(limit))
    refused = plane.counter("req_denied_budget")
    provider.script(wait="go")
    send_all(everywhere, key)
    plane.wait_counter("req_denied_budget", refused + len(everywhere) - 3)
    assert provider.wait_stat("requests", 3)["requests"] == 3
    provider.release("go")
    assert [c.read_answer("POST").status for c in everywhere].count(200) == 3


def test_a_hammered_budget_is_used_up_and_never_passed(plane, provider, everywhere):
    limit = 40 * WORST + 17
    key = plane.key(budget_usd=usd(limit))
    provider.script(tokens=100_000, prompt_tokens=len(BODY))  # as dear as the limit allows
    answered = 0
    for _ in range(400):
        send_all(everywhere, key)
        got = [c.read_answer("POST").status for c in everywhere]
        assert set(got) <= {200, 412}
        assert budget(plane, limit)["used"] <= limit
        answered += got.count(200)
        if got.count(200) == 0:
            break
    m = budget(plane, limit)
    assert m["held"] == 0 and m["settled"] <= limit
    assert m["settled"] > limit - mini_cost(len(BODY), 16), "what is left pays for nothing more"
    assert answered >= 40
    plane.wait_flushed()
    assert plane.sql("SELECT sum(charged_nusd)::bigint FROM ledger l JOIN api_key k ON k.id = l.api_key_id "
                     "WHERE k.uuid = %s", key.id) == m["settled"]


# -- the figures ---------------------------------------------------------------------------------

def test_a_refusal_says_whose_limit_how_much_and_when(plane, provider):
    key = plane.key(budget_usd=usd(WORST + 5), period="monthly")
    provider.script(times=1, wait="go", prompt_tokens=40, tokens=10)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    answer = plane.post(key, BODY)
    provider.release("go")
    assert first.answer().status == 200
    assert answer.status == 412
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["x-should-retry"] == "false"
    text = "Portkey Error: Portkey API Key Usage Limit Exceeded. Error Code: 04"
    error = json.loads(answer.body, parse_float=Decimal)["error"]
    assert answer.json["status"] == "failure" and answer.json["message"] == text
    assert error["message"] == text and error["code"] == "04" and error["type"] == "api_key_exhaust_error"
    assert (error["scope"], error["kind"], error["unit"]) == ("api_key", "budget", "usd")
    assert error["limit"] == Decimal(usd(WORST + 5))
    assert error["used"] == 0 and error["held"] == Decimal(usd(WORST)) and error["remaining"] == Decimal(usd(5))
    today = datetime.datetime.now(datetime.timezone.utc)
    turn = (today.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    assert error["resets_at"].startswith(turn.strftime("%Y-%m-01T00:00:00"))


def test_a_budget_without_a_period_never_resets(plane, provider):
    key = plane.key(budget_usd="0.000001")
    answer = plane.post(key, BODY)
    assert answer.status == 412 and answer.json["error"]["resets_at"] is None
    assert "retry-after" not in answer.headers
    assert provider.stats()["requests"] == 0


def test_spend_is_exact_to_the_nano_dollar(plane, provider):
    key = plane.key(budget_usd="0.5")
    shapes = [(21, 0, 16), (1, 0, 1), (4096, 4000, 7), (333, 1, 999), (7, 7, 0), (1234, 567, 89)]
    for prompt, cached, tokens in shapes:
        provider.clear()
        provider.script(prompt_tokens=prompt, cached_tokens=cached, tokens=tokens)
        answer = plane.post(key, BODY)
        assert answer.status == 200 and answer.usage["prompt_tokens"] == prompt
    want = sum(mini_cost(p - c, t, c) for p, c, t in shapes)
    m = next(m for m in plane.meters() if m["kind"] == "budget" and m["limit"] == 500_000_000)
    assert (m["settled"], m["held"]) == (want, 0)
    plane.wait_flushed()
    rows = plane.rows("SELECT input_fresh + cache_read, cache_read, output_total, cost_nusd, charged_nusd FROM ledger l "
                      "JOIN api_key k ON k.id = l.api_key_id WHERE k.uuid = %s ORDER BY l.seq, l.worker", key.id)
    assert sorted(r[:3] for r in rows) == sorted(shapes)
    assert all(r[3] == r[4] == mini_cost(r[0] - r[1], r[2], r[1]) for r in rows)
    assert plane.sql("SELECT settled FROM budget_state WHERE meter_id = %s", m["id"]) == want


def test_what_the_provider_refused_costs_nothing(plane, provider):
    key = plane.key(budget_usd=usd(WORST + 6))
    for status in (307, 400, 401, 429, 500, 503):
        provider.clear()
        provider.script(status=status)
        assert plane.post(key, BODY).status == status
        m = budget(plane, WORST + 6)
        assert (m["used"], m["held"]) == (0, 0), status
    provider.clear()
    assert plane.post(key, BODY).status == 200, "all of it is there again"


@pytest.mark.parametrize("lie", ["no_usage", "usage_zero", "usage_negative"])
def test_a_provider_that_does_not_tell_its_usage_is_not_free(plane, provider, lie):
    limit = WORST + 7 + len(lie)
    key = plane.key(budget_usd=usd(limit))
    provider.script(**{lie: True})
    assert plane.post(key, BODY).status == 200
    m = budget(plane, limit)
    assert 0 < m["settled"] <= WORST and m["held"] == 0
    plane.wait_flushed()
    assert plane.sql("SELECT usage_source FROM ledger l JOIN api_key k ON k.id = l.api_key_id WHERE k.uuid = %s",
                     key.id) == "estimated"


def test_choices_multiply_the_hold(plane, provider):
    body = json.dumps(chat_body(max_tokens=100, n=5), separators=(",", ":"))
    worst = mini_cost(len(body), 500)
    key = plane.key(budget_usd=usd(worst))
    provider.script(wait="go", tokens=100)
    pending = plane.post_async(key, body)
    provider.wait_stat("requests", 1)
    assert budget(plane, worst)["held"] == worst
    provider.release("go")
    answer = pending.answer()
    assert answer.status == 200 and len(answer.json["choices"]) == 5
    assert budget(plane, worst)["settled"] == mini_cost(answer.usage["prompt_tokens"], 500)


def test_a_search_is_held_and_charged_only_where_one_is_made(plane, provider):
    body = json.dumps(chat_body(max_tokens=10), separators=(",", ":"))
    with_search = json.dumps(chat_body(max_tokens=10, web_search_options={}), separators=(",", ":"))
    key = plane.key(budget_usd="0.032")  # a window of pages read and the fee, once
    provider.script(prompt_tokens=40, tokens=10)
    assert plane.post(key, body).status == 200
    assert budget(plane, 32_000_000)["settled"] == mini_cost(40, 10)
    assert plane.post(key, with_search).status == 200
    assert budget(plane, 32_000_000)["settled"] == 2 * mini_cost(40, 10) + 10_000_000
    assert plane.post(key, with_search).status == 412
    assert plane.post(key, body).status == 200


# -- two levels ----------------------------------------------------------------------------------

def test_when_the_second_level_refuses_the_first_stays_untouched(plane, provider, everywhere):
    space = plane.workspace()
    limit, far = 2 * WORST + 3, 987_000_000
    plane.grant("mock", space, usage_limits=[{"type": "cost", "credit_limit": float(usd(limit))}])
    key = plane.key(workspace=space, budget_usd=usd(far))
    refused = plane.counter("req_denied_budget")
    provider.script(wait="go", prompt_tokens=40, tokens=10)
    send_all(everywhere, key)
    plane.wait_counter("req_denied_budget", refused + len(everywhere) - 2)
    provider.wait_stat("requests", 2)
    assert budget(plane, far)["held"] == 2 * WORST, "none of the fifty refused left anything behind"
    assert budget(plane, limit, "grant")["held"] == 2 * WORST
    provider.release("go")
    answers = [c.read_answer("POST") for c in everywhere]
    error = next(a for a in answers if a.status == 412).json["error"]
    assert error["scope"] == "integration" and error["type"] == "integration_exhaust_error" and error["code"] == "04"
    assert error["message"] == "Portkey Integration mock Usage Limit Exceeded"
    assert budget(plane, far)["settled"] == budget(plane, limit, "grant")["settled"] == 2 * mini_cost(40, 10)


def test_a_rate_and_a_budget_are_taken_together_or_not_at_all(plane, provider):
    key = plane.key(budget_usd="0.000001", rate_limits=[{"type": "requests", "unit": "rpd", "value": 31_000}])
    assert plane.post(key, BODY).status == 412
    assert meter_of(plane, "rate", "requests", "key", 31_000)["used"] == 0


# -- fitting -------------------------------------------------------------------------------------

def test_a_budget_with_some_room_lowers_the_output_limit(plane, provider):
    limit = WORST - 1
    key = plane.key(budget_usd=usd(limit))
    provider.script(wait="go", tokens=100_000)
    fitted = plane.counter("req_fitted")
    pending = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    allowed = json.loads(provider.last()["body"])["max_tokens"]
    assert 16 <= allowed < 1000
    m = budget(plane, limit)
    assert m["held"] == mini_cost(len(BODY), allowed)
    assert m["held"] <= limit // 2 < mini_cost(len(BODY), allowed + 1), "at most half of what is left, and no less"
    provider.release("go")
    answer = pending.answer()
    assert answer.status == 200 and answer.usage["completion_tokens"] == allowed
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert plane.counter("req_fitted") == fitted + 1
    assert budget(plane, limit)["settled"] == mini_cost(answer.usage["prompt_tokens"], allowed)


def test_below_the_least_a_request_is_refused(plane, provider):
    enough = mini_cost(len(BODY), 16)
    key = plane.key(budget_usd=usd(enough - 1))
    assert plane.post(key, BODY).status == 412
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"type": "cost", "credit_limit": float(usd(enough))}})
    assert plane.post(key, BODY).status == 200
    assert json.loads(provider.last()["body"])["max_tokens"] == 16


def test_fifty_at_once_are_fitted_into_one_budget(plane, provider, everywhere):
    limit = 5 * WORST + 11
    key = plane.key(budget_usd=usd(limit))
    provider.script(tokens=100_000, prompt_tokens=len(BODY), delay_ms=20)
    send_all(everywhere, key)
    answers = [c.read_answer("POST") for c in everywhere]
    spent = sum(mini_cost(a.usage["prompt_tokens"], a.usage["completion_tokens"]) for a in answers if a.status == 200)
    m = budget(plane, limit)
    assert m["settled"] == spent <= limit and m["held"] == 0


# -- tokens --------------------------------------------------------------------------------------

def test_a_budget_of_tokens_counts_tokens(plane, provider):
    limit = 3 * (len(BODY) + 1000) + 1
    key = plane.key(budget_tokens=limit)
    provider.script(prompt_tokens=50, tokens=20)
    assert [plane.post(key, BODY).status for _ in range(3)] == [200] * 3
    assert budget(plane, limit, unit="tokens")["settled"] == 210
    provider.clear()
    provider.script(wait="go")
    pending = [plane.post_async(key, BODY) for _ in range(2)]
    provider.wait_stat("requests", 5)
    room = limit - 210 - 2 * (len(BODY) + 1000)
    assert budget(plane, limit, unit="tokens")["remaining"] == room
    body = json.dumps(chat_body(max_tokens=8000), separators=(",", ":"))
    pending.append(plane.post_async(key, body))
    provider.wait_stat("requests", 6)
    assert json.loads(provider.last()["body"])["max_tokens"] == room // 2 - len(body)
    provider.release("go")
    assert [p.answer().status for p in pending] == [200, 200, 200]


def test_a_budget_of_tokens_refuses_in_tokens(plane, provider):
    answer = plane.post(plane.key(budget_tokens=len(BODY) + 15), BODY)
    error = answer.json["error"]
    assert answer.status == 412 and error["unit"] == "tokens"
    assert (error["limit"], error["used"], error["remaining"]) == (len(BODY) + 15, 0, len(BODY) + 15)
    assert provider.stats()["requests"] == 0


# -- requests ------------------------------------------------------------------------------------

@pytest.mark.parametrize("level", ("api_key", "workspace", "integration", "organisation"))
def test_a_budget_of_requests_counts_requests_on_every_level(plane, provider, level):
    limits = [{"type": "requests", "credit_limit": 3, "periodic_reset": "monthly"}]
    workspace = plane.workspace(usage_limits=limits if level == "workspace" else None)
    plane.grant("mock", workspace, **({"usage_limits": limits} if level == "integration" else {}))
    key = plane.key(workspace=workspace, **({"usage_limits": limits[0]} if level == "api_key" else {}))
    if level == "organisation":
        plane.admin("PUT", "/admin/organisation/settings", {"usage_limits": limits, "reset_usage": True})
    try:
        pending = [plane.post_async(key, BODY) for _ in range(12)]
        assert sorted(p.answer().status for p in pending) == [200] * 3 + [412] * 9
        assert provider.stats()["requests"] == 3
        seen = [one for one in plane.get("/v1/limits", key).json["limits"] if one["scope"] == level]
        assert [(one["type"], one["limit"], one["used"], one["held"]) for one in seen] == [("requests", 3, 3, 0)]
    finally:
        if level == "organisation":
            plane.admin("PUT", "/admin/organisation/settings", {"usage_limits": None})


# -- changes -------------------------------------------------------------------------------------

def test_editing_a_limit_keeps_the_spend(plane, provider):
    key = plane.key(budget_usd="0.25")
    provider.script(prompt_tokens=40, tokens=10)
    assert plane.post(key, BODY).status == 200
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"type": "cost", "credit_limit": 0.26}})
    assert budget(plane, 260_000_000)["settled"] == mini_cost(40, 10)
    plane.admin("PUT", f"/api-keys/{key.id}", {"name": "renamed"})
    assert budget(plane, 260_000_000)["settled"] == mini_cost(40, 10)


def test_a_limit_below_the_spend_refuses_at_once(plane, provider):
    key = plane.key(budget_usd="0.35")
    provider.script(prompt_tokens=4000, tokens=1000)
    assert plane.post(key, BODY).status == 200
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"type": "cost", "credit_limit": 0.001}})
    answer = plane.post(key, BODY)
    assert answer.status == 412 and answer.json["error"]["remaining"] == 0


def test_spend_under_many_threads_adds_up(plane, provider):
    key = plane.key(budget_usd="0.45")
    provider.script(prompt_tokens=123, cached_tokens=23, tokens=45)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: plane.post(key, BODY).status, range(160)))
    assert answers == [200] * 160
    m = budget(plane, 450_000_000)
    assert (m["settled"], m["held"]) == (160 * mini_cost(100, 45, 23), 0)
