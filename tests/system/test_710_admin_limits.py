"""Limits through the admin API: what they do at once, and what an edit may not touch."""

import pytest

from gateway import wait


def usage(gateway, key):
    return gateway.key_object(key)["usage_limits"]


def meters(gateway, key_id, retired=False):
    return gateway.rows(
        "SELECT m.id, m.kind, m.unit, m.limit_amount, m.resets FROM aigate.meter m"
        " JOIN aigate.api_key k ON k.id = m.scope_id AND m.level = 'key' WHERE k.uuid = %s"
        f" AND m.retired_at IS {'NOT ' if retired else ''}NULL ORDER BY m.id", key_id)


def spend(gateway, key):
    """One answered request; what it cost, as the key's object tells."""
    before = usage(gateway, key)["current_usage"]
    assert gateway.chat(key).status == 200
    return wait(lambda: usage(gateway, key)["current_usage"] - before, "the request to be settled")


def wait_stored(gateway, n):
    """Until the ledger holds n rows."""
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.ledger") >= n, f"{n} rows in the ledger")


def test_a_new_key_works_at_once_and_a_deleted_one_stops_at_once(gateway):
    for _ in range(5):
        key = gateway.key()
        assert gateway.chat(key).status == 200
        gateway.admin("DELETE", f"/api-keys/{key.id}")
        assert [gateway.chat(key).status for _ in range(4)] == [401] * 4


def test_an_expired_key_is_refused(gateway):
    key = gateway.key()
    gateway.admin("PUT", f"/api-keys/{key.id}", {"expires_at": "2020-01-01T00:00:00Z"})
    assert gateway.chat(key).status == 401
    assert gateway.key_object(key)["status"] == "expired"
    gateway.admin("PUT", f"/api-keys/{key.id}", {"expires_at": None})
    assert gateway.chat(key).status == 200


def test_scopes_bind_at_once(gateway):
    key = gateway.key()
    gateway.admin("PUT", f"/api-keys/{key.id}", {"scopes": ["logs.write"]})
    assert gateway.chat(key).status == 403
    gateway.admin("PUT", f"/api-keys/{key.id}", {"scopes": ["completions.write"]})
    assert gateway.chat(key).status == 200


def test_usage_is_counted_in_dollars_to_the_last_digit(gateway):
    key = gateway.key(budget_usd="12.5")
    cost = spend(gateway, key)
    seen = usage(gateway, key)
    assert seen["credit_limit"] == 12.5 and 0 < cost < 0.01
    raw = gateway.admin_ask("GET", f"/api-keys/{key.id}").body.decode()
    assert '"credit_limit":12.5,' in raw
    wait_stored(gateway, 1)
    nusd = gateway.sql("SELECT sum(settled) FROM aigate.budget_state")
    assert round(seen["current_usage"] * 10**9) == nusd


def test_an_edit_of_the_limit_keeps_what_was_used(gateway):
    key = gateway.key(budget_usd="5")
    spend(gateway, key)
    before, rows = usage(gateway, key), meters(gateway, key.id)
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"credit_limit": 0.000001}})
    after = usage(gateway, key)
    assert after["current_usage"] == before["current_usage"] and after["remaining"] == 0
    assert gateway.key_object(key)["status"] == "exhausted"
    assert gateway.chat(key).status == 412
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {"credit_limit": 7}})
    assert gateway.key_object(key)["status"] == "active"
    assert gateway.chat(key).status == 200
    assert [r[0] for r in meters(gateway, key.id)] == [r[0] for r in rows], "the same meter"


def test_a_reset_begins_anew_and_survives_a_rebuilt_segment(gateway):
    key = gateway.key(budget_usd="5", period="monthly")
    spend(gateway, key)
    gateway.admin("PUT", f"/api-keys/{key.id}", {"reset_usage": True})
    assert usage(gateway, key)["current_usage"] == 0
    second = spend(gateway, key)
    assert second > 0 and meters(gateway, key.id)[0][4] == 1
    wait_stored(gateway, 2)
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    assert usage(gateway, key)["current_usage"] == pytest.approx(second, abs=1e-12)


def test_another_unit_is_another_meter(gateway):
    key = gateway.key(budget_usd="5")
    gateway.admin("PUT", f"/api-keys/{key.id}",
                  {"usage_limits": {"credit_limit": 100000, "type": "tokens"}})
    old, new = meters(gateway, key.id, retired=True), meters(gateway, key.id)
    assert [m[2] for m in old] == ["nusd"] and [m[2:4] for m in new] == [("tokens", 100000)]
    spend(gateway, key)
    seen = usage(gateway, key)
    assert seen["remaining"] == 100000 - seen["current_usage"]
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": None})
    assert meters(gateway, key.id) == [] and gateway.chat(key).status == 200


def test_a_period_may_change_in_place(gateway):
    key = gateway.key(budget_usd="5")
    spend(gateway, key)
    gateway.admin("PUT", f"/api-keys/{key.id}",
                  {"usage_limits": {"credit_limit": 5, "periodic_reset_days": 7}})
    seen = usage(gateway, key)
    assert seen["periodic_reset_days"] == 7 and seen["next_usage_reset_at"].endswith("T00:00:00.000Z")
    assert len(meters(gateway, key.id)) == 1 and meters(gateway, key.id, retired=True) == []
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {
        "credit_limit": 5, "periodic_reset_days": 30, "next_usage_reset_at": "2099-03-04T10:00:00Z"}})
    assert gateway.sql("SELECT anchor_date::text FROM aigate.meter WHERE id = %s",
                       meters(gateway, key.id)[0][0]) == "2099-03-04"
    assert "anchor_day" not in usage(gateway, key)
    answer = gateway.admin_ask("PUT", f"/api-keys/{key.id}", {"usage_limits": {
        "credit_limit": 5, "periodic_reset": "weekly", "next_usage_reset_at": "2099-03-04T10:00:00Z"}})
    assert answer.status == 400


def test_a_read_object_can_be_sent_back(gateway):
    key = gateway.key(budget_usd="5", period="monthly", alert=4, rpm=7)
    seen = gateway.key_object(key)
    gateway.admin("PUT", f"/api-keys/{key.id}",
                  {k: seen[k] for k in ("name", "usage_limits", "rate_limits", "defaults", "scopes",
                                        "expires_at", "alert_emails") if k != "defaults"})
    after = gateway.key_object(key)
    assert {**after, "last_updated_at": 0} == {**seen, "last_updated_at": 0}


def test_a_rate_limit_binds_and_an_edit_loosens_it(gateway):
    key = gateway.key(rpm=2)
    assert [gateway.chat(key).status for _ in range(3)] == [200, 200, 429]
    gateway.admin("PUT", f"/api-keys/{key.id}",
                  {"rate_limits": [{"type": "requests", "unit": "rpm", "value": 3}]})
    assert [gateway.chat(key).status for _ in range(2)] == [200, 429], "what was admitted counts on"
    gateway.admin("PUT", f"/api-keys/{key.id}", {"rate_limits": None})
    assert gateway.chat(key).status == 200 and gateway.key_object(key)["rate_limits"] == []
    gateway.admin("PUT", f"/api-keys/{key.id}",
                  {"rate_limits": [{"type": "requests", "unit": "rps", "value": 0}]})
    assert gateway.chat(key).status == 429, "0 allows nothing"


def test_a_workspaces_budget_binds_all_its_keys(gateway):
    workspace = gateway.workspace("W", usage_limits=[{"credit_limit": 5, "periodic_reset": "weekly"}])
    keys = [gateway.key(workspace=workspace) for _ in range(2)]
    for key in keys:
        assert gateway.chat(key).status == 200
    wait_stored(gateway, 2)
    seen = gateway.admin("GET", f"/admin/workspaces/{workspace['id']}")["usage_limits"][0]
    assert 0 < seen["current_usage"] < 5 and seen["next_usage_reset_at"]
    after = gateway.admin("PUT", f"/admin/workspaces/{workspace['id']}",
                          {"usage_limits": [{"credit_limit": 0.000001, "periodic_reset": "weekly"}]})
    assert after["usage_limits"][0]["current_usage"] == seen["current_usage"]
    assert after["usage_limits"][0]["status"] == "exhausted"
    assert [gateway.chat(key).status for key in keys] == [412, 412]
    after = gateway.admin("PUT", f"/admin/workspaces/{workspace['id']}", {"usage_limits": None})
    assert after["usage_limits"] is None
    assert [gateway.chat(key).status for key in keys] == [200, 200]


def test_a_grants_budget_binds_and_can_be_reset(gateway):
    workspace = gateway.workspace("W")
    key = gateway.key(workspace=workspace)
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 5}])
    assert gateway.chat(key).status == 200
    wait_stored(gateway, 1)

    def seen():
        return gateway.admin("GET", "/integrations/mock/workspaces")["workspaces"][0]["usage_limits"][0]
    assert 0 < seen()["current_usage"] < 5
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 5}], reset_usage=True)
    assert seen()["current_usage"] == 0
    gateway.grant("mock", workspace, rate_limits=[{"type": "requests", "unit": "rpm", "value": 0}])
    assert gateway.chat(key).status == 429
    gateway.admin("PUT", "/integrations/mock/workspaces",
                  {"workspaces": [{"id": workspace["slug"], "enabled": False}]})
    assert gateway.chat(key).status in (400, 403)


def test_a_price_of_an_integrations_own_is_charged(gateway):
    workspace = gateway.workspace("W")
    key = gateway.key(workspace=workspace, budget_usd="100")
    cheap = spend(gateway, key)
    gateway.admin("PUT", "/integrations/mock/models", {"models": [{
        "slug": "gpt-4o-mini", "enabled": True, "pricing_config": {
            "type": "static", "pay_as_you_go": {"request_token": {"price": 0.015},
                                                "response_token": {"price": 0.06}}}}]})
    dear = spend(gateway, key)
    assert round(dear / cheap) == 1000, "1000 times the list price of 0.15 and 0.60 dollars a million"


def test_limits_in_use_when_many_edit_at_once_end_as_the_last_edit_says(gateway):
    key = gateway.key(rpm=1000)
    answers = [gateway.chat_async(key) for _ in range(20)]
    for value in (900, 800, 700):
        gateway.admin("PUT", f"/api-keys/{key.id}",
                      {"rate_limits": [{"type": "requests", "unit": "rpm", "value": value}]})
    assert {a.answer().status for a in answers} == {200}
    assert gateway.key_object(key)["rate_limits"][0]["value"] == 700
    assert meters(gateway, key.id)[0][3] == 700 and len(meters(gateway, key.id)) == 1
