"""What binds a key, read with the key itself, with aigatectl, and in the admin API's objects."""

import json
from decimal import Decimal

import pytest

from gateway import wait


def exact(answer):
    """The body with its numbers as they were written."""
    return json.loads(answer.body, parse_float=Decimal)


def limits(gateway, key, path="/v1/limits"):
    answer = gateway.get(path, key)
    assert answer.status == 200, answer
    return exact(answer)


def of(seen, scope, kind=None):
    found = [one for one in seen["limits"]
             if one["scope"] == scope and (kind is None or one["kind"] == kind)]
    assert len(found) == 1, seen
    return found[0]


@pytest.fixture
def bound(gateway, mock):
    """A key with limits on every level the admin API can set."""
    mock.script(prompt_tokens=1000, tokens=500)  # 450 000 nano-dollars
    workspace = gateway.workspace("W", usage_limits=[
        {"credit_limit": 50, "periodic_reset": "weekly"},
        {"credit_limit": 1000000, "type": "tokens", "periodic_reset_days": 7}])
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 40}],
                  rate_limits=[{"type": "requests", "unit": "rph", "value": 1000}])
    key = gateway.key(budget_usd="12.5", period="monthly", alert=10.25, rpm=100,
                      workspace=workspace)
    return key, workspace


def test_every_level_is_told_with_exact_amounts(gateway, bound):
    key, workspace = bound
    assert gateway.chat(key).status == 200
    gateway.wait_idle()
    seen = limits(gateway, key)
    assert seen["object"] == "limits" and seen["key_id"] == key.id and seen["status"] == "active"
    own = of(seen, "api_key", "budget")
    assert own == {
        "scope": "api_key", "name": key.id, "kind": "budget", "type": "cost", "period": "monthly",
        "limit": Decimal("12.5"), "used": Decimal("0.00045"), "held": 0,
        "remaining": Decimal("12.49955"), "alert_threshold": Decimal("10.25"),
        "resets_at": own["resets_at"], "status": "active", "enforcement": "strict", "bound": 0}
    assert own["resets_at"].endswith("-01T00:00:00.000Z")
    rate = of(seen, "api_key", "rate")
    assert (rate["unit"], rate["window_s"], rate["type"]) == ("rpm", 60, "requests")
    assert (rate["limit"], rate["used"], rate["remaining"]) == (100, 1, 99)
    weekly, tokens = [one for one in seen["limits"] if one["scope"] == "workspace"]
    assert weekly["name"] == workspace["slug"] and weekly["used"] == Decimal("0.00045")
    assert (tokens["type"], tokens["period"], tokens["period_days"]) == ("tokens", "days", 7)
    assert tokens["used"] == 1500 and tokens["remaining"] == 998500
    assert of(seen, "integration", "budget")["name"] == "mock"
    assert of(seen, "integration", "budget")["resets_at"] is None
    assert of(seen, "integration", "rate")["unit"] == "rph"


def test_what_requests_in_flight_hold_is_told(gateway, mock, bound):
    key, _ = bound
    mock.clear()
    mock.script(wait="go", prompt_tokens=10, tokens=5)
    pending = gateway.chat_async(key, max_tokens=1000)
    mock.wait_stat("waiting", 1)
    own = of(limits(gateway, key), "api_key", "budget")
    assert own["held"] > 0 and own["used"] == 0
    assert own["remaining"] == own["limit"] - own["held"]
    admin = gateway.key_object(key)["usage_limits"]
    assert admin["held"] == float(own["held"]) and admin["current_usage"] == 0
    mock.release("go")
    assert pending.answer().status == 200
    gateway.wait_idle()
    own = of(limits(gateway, key), "api_key", "budget")
    assert own["held"] == 0 and own["used"] > 0


def test_reading_consumes_nothing_and_needs_a_scope(gateway):
    key = gateway.key(rpm=1)
    for _ in range(5):
        assert limits(gateway, key)["status"] == "active"
    assert gateway.chat(key).status == 200
    assert limits(gateway, key)["status"] == "limited"
    viewer = gateway.key(scopes=("logs.view",))
    assert limits(gateway, viewer)["limits"] == []
    writer = gateway.key(scopes=("logs.write",))
    assert gateway.get("/v1/limits", writer).status == 403
    assert gateway.get("/v1/limits", "ag-nobody").status == 401
    assert gateway.get("/v1/limits").status == 401
    assert gateway.ask("POST", "/v1/limits", {"x-portkey-api-key": key}, {}).status == 405


def test_a_spent_budget_is_exhausted_and_a_raised_one_active(gateway, mock):
    mock.script(prompt_tokens=1000, tokens=500)
    key = gateway.key(budget_usd="0.025")
    # Ten dollars a million output tokens, and no more: the last of the budget is soon too little.
    gateway.admin("PUT", "/integrations/mock/models", {"models": [{
        "slug": "gpt-4o-mini", "enabled": True, "pricing_config": {
            "type": "static", "pay_as_you_go": {"request_token": {"price": 0.0001},
                                                "response_token": {"price": 0.001}}}}]})
    while gateway.chat(key, max_tokens=500).status == 200:
        pass
    gateway.wait_idle()
    assert gateway.chat(key, max_tokens=500).status == 412
    seen = limits(gateway, key)
    assert seen["status"] == "exhausted" and of(seen, "api_key")["status"] == "exhausted"
    assert gateway.key_object(key)["status"] == "exhausted"
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"credit_limit": 1}})
    assert limits(gateway, key)["status"] == "active"
    assert gateway.key_object(key)["status"] == "active"


def test_a_blocked_provider_blocks_only_when_there_is_no_other(gateway, mock_factory):
    workspace = gateway.workspace("W")
    key = gateway.key(workspace=workspace)
    gateway.grant("mock", workspace,
                  rate_limits=[{"type": "requests", "unit": "rpm", "value": 0}])
    assert limits(gateway, key)["status"] == "limited"
    gateway.grant(gateway.integration(mock_factory(), slug="other"), workspace)
    seen = limits(gateway, key)
    assert seen["status"] == "active" and of(seen, "integration")["status"] == "limited"


def test_it_is_answered_without_control_and_postgresql(gateway, pg, bound):
    key, _ = bound
    gateway.expect_error(r"control|PostgreSQL|connect|died of signal|last words|could not")
    pg.stop()
    assert of(limits(gateway, key), "api_key", "budget")["limit"] == Decimal("12.5")
    assert gateway.get("/v1/usage", key).status == 503
    pg.start()


def test_usage_is_told_by_day_and_model_and_only_ones_own(gateway, mock, bound):
    key, workspace = bound
    other = gateway.key(workspace=workspace)
    for one, n in ((key, 3), (other, 2)):
        for _ in range(n):
            assert gateway.chat(one).status == 200
    gateway.wait_flushed()
    seen = limits(gateway, key, "/v1/usage")
    assert seen["object"] == "usage" and seen["key_id"] == key.id
    assert of(seen, "api_key", "budget")["used"] == Decimal("0.00135")
    assert len(seen["data"]) == 1
    row = seen["data"][0]
    assert row["model"] == "gpt-4o-mini" and row["provider"] == "openai"
    assert row["requests"] == 3 and row["cost"] == row["charged"] == Decimal("0.00135")
    assert (row["input_tokens"], row["output_tokens"]) == (3000, 1500)
    assert row["day"] == gateway.sql("SELECT (now() at time zone 'UTC')::date::text")
    assert seen["total"]["cost"] == Decimal("0.00135") and seen["total"]["requests"] == 3
    assert limits(gateway, other, "/v1/usage")["total"]["requests"] == 2


def test_usage_keeps_to_the_span_asked_for(gateway, bound):
    key, _ = bound
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    gateway.sql("UPDATE aigate.usage_hour SET hour = hour - interval '40 days'")
    assert limits(gateway, key, "/v1/usage")["data"] == []
    day = gateway.sql("SELECT ((now() - interval '40 days') at time zone 'UTC')::date::text")
    seen = limits(gateway, key, f"/v1/usage?since={day}")
    assert seen["since"].startswith(day) and seen["data"][0]["day"] == day
    until = limits(gateway, key, f"/v1/usage?since=2020-01-01&until={day}")
    assert until["data"] == [], "until is the first day left out"
    for bad in ("since=yesterday", "until=x", "since=2026-02-02&until=2026-02-01"):
        assert gateway.get("/v1/usage?" + bad, key).status == 400, bad


def test_usage_needs_a_scope(gateway):
    assert gateway.get("/v1/usage", gateway.key(scopes=("logs.write",))).status in (401, 403)
    assert gateway.get("/v1/usage", gateway.key(scopes=("logs.view",))).status == 200
    assert gateway.get("/v1/usage", "ag-nobody").status == 401


def test_an_operator_reads_the_limits_of_any_key(gateway, bound):
    key, _ = bound
    assert gateway.chat(key).status == 200
    gateway.wait_idle()
    name = gateway.key_object(key)["name"]
    mine = limits(gateway, key)
    seen = json.loads(gateway.ctl("-o", "json", "limits", key.id).stdout, parse_float=Decimal)
    assert seen["limits"] == mine["limits"] and seen["name"] == name
    table = gateway.ctl("limits", name).stdout
    line = next(one for one in table.splitlines() if "monthly" in one)
    assert "api_key" in line and "12.5" in line and "0.00045" in line and "active" in line
    assert "rpm" in table and "workspace" in table
    again = gateway.admin("GET", f"/api-keys/{key.id}/limits")
    assert len(again["limits"]) == len(mine["limits"])
    assert gateway.ctl("limits", "nobody", check=False).returncode == 1
    gateway.key(name=name)
    twice = gateway.ctl("limits", name, check=False)
    assert twice.returncode == 1 and "several" in twice.stderr
    assert gateway.admin_ask("GET", f"/api-keys/{key.id}/limits", key=key).status in (401, 403)


def test_admin_objects_tell_usage_held_and_status(gateway, bound):
    key, workspace = bound
    assert gateway.chat(key).status == 200
    gateway.wait_idle()
    members = {"current_usage", "held", "remaining", "next_usage_reset_at", "status"}
    grant = gateway.admin("GET", "/integrations/mock/workspaces")["workspaces"][0]
    for seen in (gateway.key_object(key)["usage_limits"], grant["usage_limits"][0],
                 gateway.admin("GET", f"/admin/workspaces/{workspace['id']}")["usage_limits"][0]):
        assert members <= set(seen) and seen["status"] == "active"
        assert wait(lambda seen=seen: seen["current_usage"] == 0.00045, "the spend")
