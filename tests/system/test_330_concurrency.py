"""So many at a time and no more: rate_limits with unit "concurrent", at every level."""

import pytest

from gateway import chat_body, wait

CAP = 3
CROWD = 24


@pytest.fixture
def gateway(gateway_factory, mock):
    """Four workers, so that the cap is one they share."""
    return gateway_factory(mock=mock, conf={"workers": "4"})


def cap(n):
    return [{"type": "requests", "unit": "concurrent", "value": n}]


def crowd(gateway, key, n=CROWD, **fields):
    return [gateway.chat_async(key, **fields) for _ in range(n)]


def gauges(gateway):
    return [m for m in gateway.meters() if m["kind"] == "gauge"]


def exactly_the_cap_gets_through(gateway, mock, key, scope):
    mock.script(wait="go", tokens=5)
    before = mock.stats()["requests"]
    refused = gateway.counter("req_denied_concurrency")
    pending = crowd(gateway, key)
    gateway.wait_counter("req_denied_concurrency", refused + CROWD - CAP)
    mock.wait_stat("requests", before + CAP)
    assert [m["used"] for m in gauges(gateway)] == [CAP]
    mock.release("go")
    mock.clear()
    answers = [p.answer() for p in pending]
    assert sorted(a.status for a in answers) == [200] * CAP + [429] * (CROWD - CAP)
    no = next(a for a in answers if a.status == 429)
    assert no.headers["x-should-retry"] == "true"
    error = no.json["error"]
    assert (error["kind"], error["scope"], error["limit"]) == ("concurrency", scope, CAP)
    gateway.wait_idle()
    assert [m["used"] for m in gauges(gateway)] == [0]
    assert gateway.chat(key).status == 200, "there is room again"
    assert mock.stats()["requests"] == before + CAP + 1, "the refused never reached the provider"


def test_a_key_has_no_more_at_a_time(gateway, mock):
    exactly_the_cap_gets_through(gateway, mock, gateway.key(rate_limits=cap(CAP)), "api_key")


def test_a_workspace_has_no_more_at_a_time(gateway, mock):
    place = gateway.workspace(rate_limits=cap(CAP))
    exactly_the_cap_gets_through(gateway, mock, gateway.key(workspace=place), "workspace")


def test_a_grant_has_no_more_at_a_time(gateway, mock):
    key = gateway.key()
    gateway.grant("mock", gateway.default_workspace(), rate_limits=cap(CAP))
    exactly_the_cap_gets_through(gateway, mock, key, "integration")


def test_an_organisation_has_no_more_at_a_time(gateway, mock):
    gateway.admin("PUT", "/admin/organisation/settings", {"rate_limits": cap(CAP)})
    exactly_the_cap_gets_through(gateway, mock, gateway.key(), "organisation")


def test_the_cap_stands_beside_rates_and_budgets_and_none_is_burnt_by_it(gateway, mock):
    """Refused by the gauge, which is asked last: budget and rate are as they were."""
    gateway.admin("PUT", "/admin/organisation/settings", {"rate_limits": cap(0)})
    key = gateway.key(budget_usd="1", rpm=100)
    assert [gateway.chat(key).status for _ in range(5)] == [429] * 5
    assert {m["kind"]: m["used"] for m in gateway.meters()} == {"budget": 0, "rate": 0, "gauge": 0}
    assert mock.stats()["requests"] == 0


def test_a_client_that_leaves_makes_room(gateway, mock):
    key = gateway.key(rate_limits=cap(1))
    mock.script(wait="go", tokens=5)
    connection = gateway.connect()
    connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"},
                       chat_body(stream=True))
    mock.wait_stat("requests", 1)
    assert gateway.chat(key).status == 429
    connection.close()
    gateway.wait_idle()
    mock.clear()
    mock.release()
    assert gateway.chat(key).status == 200


def test_a_worker_that_dies_gives_its_places_back(gateway, mock):
    gateway.expect_error("worker")
    key = gateway.key(rate_limits=cap(CAP))
    mock.script(wait="go", tokens=5)
    pending = crowd(gateway, key, CAP)
    mock.wait_stat("requests", CAP)
    old = {ix: gateway.kill9("worker", ix) for ix in range(4)}
    for ix, pid in old.items():
        gateway.wait_new("worker", ix, pid)
    for one in pending:
        with pytest.raises(Exception):
            one.answer()
    mock.clear()
    mock.release()
    wait(lambda: [m["used"] for m in gauges(gateway)] == [0], "the places to be given back")
    assert gateway.chat(key).status == 200


def test_the_admin_api_says_what_it_was_told(gateway):
    both = [{"type": "requests", "unit": "rpm", "value": 9}, *cap(4)]
    key = gateway.key(rate_limits=both)
    assert gateway.key_object(key)["rate_limits"] == both
    gateway.admin("PUT", f"/api-keys/{key.id}", {"rate_limits": cap(5)})
    assert gateway.key_object(key)["rate_limits"] == cap(5)
    assert [(m["kind"], m["limit"]) for m in gateway.meters()] == [("gauge", 5)]
    answer = gateway.admin_ask("PUT", f"/api-keys/{key.id}", {
        "rate_limits": [{"type": "tokens", "unit": "concurrent", "value": 4}]})
    assert answer.status == 400 and "type must be requests" in answer.message
    answer = gateway.admin_ask("PUT", f"/api-keys/{key.id}", {"rate_limits": cap(1) + cap(2)})
    assert answer.status == 400 and "twice" in answer.message


def test_organisation_limits_are_read_back_and_bind_at_once(gateway):
    key = gateway.key()
    gateway.admin("PUT", "/admin/organisation/settings", {
        "usage_limits": [{"type": "cost", "credit_limit": 3.5, "periodic_reset": "monthly"}]})
    assert gateway.chat(key).status == 200
    gateway.wait_idle()
    seen = gateway.admin("GET", "/admin/organisation/settings")
    assert seen["rate_limits"] is None and seen["object"] == "organisation-settings"
    assert seen["usage_limits"][0]["credit_limit"] == 3.5
    assert 0 < seen["usage_limits"][0]["current_usage"] < 0.01
    gateway.admin("PUT", "/admin/organisation/settings", {
        "usage_limits": [{"type": "cost", "credit_limit": 1e-9, "periodic_reset": "monthly"}]})
    assert gateway.chat(key).status == 412
    assert "Organisation Usage Limit" in gateway.chat(key).message
    gateway.admin("PUT", "/admin/organisation/settings", {"usage_limits": None})
    assert gateway.chat(key).status == 200
    answer = gateway.admin_ask("PUT", "/admin/organisation/settings",
                               {"jwks_url": "https://idp.example.com/keys"})
    assert answer.status == 400, "what is not served is not swallowed"
