"""aigatectl explain: why a request was refused, fitted or admitted."""

import json

import pytest

from gateway import wait
from plane import mini_cost


def explain(gateway, what, *more):
    return json.loads(gateway.ctl("-o", "json", "explain", what, *more).stdout)


def trace_of(answer):
    return answer.headers["x-portkey-trace-id"]


@pytest.fixture
def known(gateway, mock):
    mock.script(prompt_tokens=1000, tokens=500)  # 450 000 nano-dollars
    workspace = gateway.workspace("W", usage_limits=[{"credit_limit": 50}])
    gateway.grant("mock", workspace, rate_limits=[{"type": "requests", "unit": "rph", "value": 3}])
    return workspace


def test_a_refused_request_is_told_with_every_limit_it_met(gateway, known):
    key = gateway.key(workspace=known, budget_usd="0.0005", name="poor")
    assert gateway.chat(key, max_tokens=500).status == 200
    gateway.wait_idle()
    answer = gateway.chat(key, "x" * 3000, max_tokens=500)
    assert answer.status == 412
    told = explain(gateway, trace_of(answer))
    assert told["ledger"] == [], "it never was sent"
    d = told["decision"]
    assert (d["decision"], d["rule"], d["status"]) == ("refused", "BUDGET_KEY", 412)
    assert d["error_type"] == answer.json["error"]["type"] and d["detail"] == key.id
    assert d["api_key"] == f"poor ({key.id})" and d["model"] == "@mock/gpt-4o-mini"
    assert d["trace_id"] == trace_of(answer)
    own, room, rate = d["meters"]
    assert (own["scope"], own["name"], own["kind"], own["per"]) == (
        "api_key", "poor", "budget", "for ever")
    assert (own["limit"], own["used"], own["held"]) == (0.0005, 0.00045, 0)
    worst = mini_cost(d["input_tokens_at_most"], d["output_tokens_at_most"])
    assert own["wanted"] == d["wanted"] == worst / 10**9
    assert own["result"] == "refused" and room["result"] == rate["result"] == "room"
    assert (room["scope"], room["name"], room["limit"]) == ("workspace", known["slug"], 50)
    assert (rate["scope"], rate["name"], rate["per"], rate["used"], rate["wanted"]) == (
        "integration", "mock", "rph", 1, 1)
    text = gateway.ctl("explain", d["request_id"]).stdout
    assert "BUDGET_KEY" in text and "poor" in text


def test_what_was_refused_before_any_limit_is_told_too(gateway, known):
    key = gateway.key(workspace=known)
    answer = gateway.chat(key, model="@nobody/gpt-4o", headers={"x-portkey-trace-id": "my own"})
    assert answer.status == 400
    d = explain(gateway, "my own")["decision"]
    assert (d["rule"], d["detail"], d["meters"]) == ("PROVIDER_UNKNOWN", "nobody", [])
    assert gateway.chat("ag-nobody").status == 401
    assert gateway.ctl("explain", "nothing like it", check=False).returncode == 1


def test_a_fitted_request_is_told_with_what_it_was_fitted_to(gateway, mock, known):
    key = gateway.key(workspace=known, budget_usd="0.001")
    answer = gateway.chat(key, max_tokens=10000)
    assert answer.status == 200
    gateway.wait_flushed()
    told = explain(gateway, trace_of(answer))
    d, (row,) = told["decision"], told["ledger"]
    assert d["decision"] == "fitted" and d["output_tokens_asked"] == 10000
    assert 0 < d["output_tokens_at_most"] < 1000
    assert json.loads(mock.last()["body"])["max_tokens"] == d["output_tokens_at_most"]
    assert d["meters"][0]["result"] == "fitted to it" and d["meters"][0]["wanted"] > 0.001
    assert row["held"] == d["held"] and row["cost"] == row["charged"] == 0.00045
    assert [(c["level"], c["type"], c["amount"]) for c in row["charges"]] == [
        ("key", "cost", 0.00045), ("workspace", "cost", 0.00045)]
    assert row["request_id"] == d["request_id"]


def test_an_admitted_request_is_told_in_flight_and_from_the_ledger_alone(gateway, mock, known):
    mock.clear()
    mock.script(wait="go", prompt_tokens=1000, tokens=500)
    key = gateway.key(workspace=known)
    pending = gateway.chat_async(key, max_tokens=500, headers={"x-portkey-trace-id": "in flight"})
    mock.wait_stat("waiting", 1)
    told = explain(gateway, "in flight")
    assert told["decision"]["decision"] == "admitted" and told["ledger"] == []
    assert told["decision"]["meters_looked_at"] == 2 and told["decision"]["held"] > 0.0003
    mock.release()
    assert pending.answer().status == 200
    gateway.wait_flushed()
    request = told["decision"]["request_id"]
    gateway.stop()
    assert explain(gateway, request)["ledger"][0]["outcome"] == "answered"
    gateway.unlink_segment()
    alone = explain(gateway, request)
    assert alone["decision"] is None and alone["ledger"][0]["trace_id"] == "in flight"
    assert len(explain(gateway, "in flight", "--since", "1d")["ledger"]) == 1


def test_the_newest_decisions_stay_and_the_database_may_be_away(gateway, pg, known):
    key = gateway.key(workspace=known, budget_tokens=100)
    traces = [trace_of(gateway.chat(key, "x" * 500)) for _ in range(30)]
    pg.stop()
    done = gateway.ctl("-o", "json", "explain", traces[-1])
    d = json.loads(done.stdout)["decision"]
    assert d["rule"] == "BUDGET_KEY" and "name" not in d["meters"][0]
    assert "could not reach the database" in done.stderr
    assert json.loads(gateway.ctl("-o", "json", "explain", traces[0]).stdout)["decision"]
    pg.ensure_running()
    wait(lambda: gateway.get("/readyz").status == 200, "the gateway to be ready")


def test_what_waited_for_others_is_told_with_its_wait(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "hold_wait": "300ms"})
    mock.script(wait="go", prompt_tokens=10, tokens=5)
    key = gateway.key(budget_usd="0.00035")
    first = gateway.chat_async(key, max_tokens=500)
    mock.wait_stat("waiting", 1)
    refused = gateway.chat(key, max_tokens=500)
    assert refused.status == 412
    d = explain(gateway, trace_of(refused))["decision"]
    assert (d["rule"], d["meters"][0]["enforcement"]) == ("BUDGET_KEY", "strict")
    assert d["waited_ms"] >= 300 and d["meters"][0]["held"] > 0
    mock.release()
    assert first.answer().status == 200
