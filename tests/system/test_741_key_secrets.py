"""A key with two secrets: rotation, its end, its revocation; and one budget for both."""

import pytest

from gateway import wait
from people import call, refused

MINUTES_30 = 1_800_000


def rotate(gateway, key, **body):
    answer = gateway.admin_ask("POST", f"/api-keys/{key.id}/rotate", body or None)
    assert answer.status == 200, answer
    return answer.json


def test_both_secrets_are_one_key_until_the_former_one_ends(gateway):
    key = gateway.key(budget_usd="1", rpm=3)
    assert gateway.chat(key).status == 200
    before = gateway.key_object(key)
    made = rotate(gateway, key)
    assert set(made) == {"id", "key", "key_transition_expires_at", "object"}
    assert made["id"] == key.id and made["key"] != key
    seen = gateway.key_object(key)
    assert seen["key_transition_expires_at"] == made["key_transition_expires_at"]
    assert seen["last_rotated_at"] and seen["key"].endswith(made["key"][-3:])
    assert seen["id"] == before["id"] and seen["created_at"] == before["created_at"]

    # one key: one rate (three a minute were allowed, one of them is gone) ...
    assert gateway.chat(key).status == 200 and gateway.chat(made["key"]).status == 200
    assert gateway.chat(made["key"]).status == 429 and gateway.chat(key).status == 429
    # ... one budget, one row in the ledger per call, all of this key
    gateway.wait_flushed()
    gateway.wait_idle()
    calls, keys, spent = gateway.rows("SELECT count(*), count(DISTINCT api_key_id),"
                                      " sum(charged_nusd)::bigint FROM aigate.ledger")[0]
    assert (calls, keys) == (3, 1)
    usage = gateway.key_object(key)["usage_limits"]
    assert round(usage["current_usage"] * 1e9) == spent > 0

    # the end of the transition is the clock's, not a job's: the next load learns of it
    gateway.sql("UPDATE aigate.api_key SET former_expires_at = now() - interval '1 s'"
                " WHERE former_hash IS NOT NULL")
    gateway.reload()
    wait(lambda: gateway.chat(key).status == 401, "the former secret ends")
    assert gateway.chat(made["key"]).status == 429


def test_the_workers_end_the_former_secret_by_its_own_clock(gateway):
    key = gateway.key()
    made = rotate(gateway, key)
    gateway.sql("UPDATE aigate.api_key SET former_expires_at = now() + interval '3 s'"
                " WHERE former_hash IS NOT NULL")
    gateway.reload()
    wait(lambda: gateway.chat(key).status == 401, "the former secret ends by itself")
    answer = gateway.chat(key)
    assert "Expired" in answer.message or "expired" in answer.message, answer
    assert gateway.chat(made["key"]).status == 200


def test_a_revoked_former_secret_fails_the_next_request_on_every_worker(gateway):
    key = gateway.key()
    made = rotate(gateway, key, key_transition_period_ms=86_400_000)
    for _ in range(8):
        assert gateway.chat(key).status == 200
    url = f"/api-keys/{key.id}/former-secret"
    assert gateway.admin("DELETE", url) == {}
    for _ in range(16):
        assert gateway.chat(key).status == 401
    assert gateway.chat(made["key"]).status == 200
    assert gateway.key_object(key)["key_transition_expires_at"] is None
    refused(gateway.admin_ask("DELETE", url), 404, "AB08", "former secret")


def test_there_are_two_live_secrets_at_most(gateway):
    key = gateway.key()
    second = rotate(gateway, key)["key"]
    refused(gateway.admin_ask("POST", f"/api-keys/{key.id}/rotate"), 409, "AB07", "transition")
    assert gateway.chat(key).status == 200 and gateway.chat(second).status == 200
    gateway.admin("DELETE", f"/api-keys/{key.id}/former-secret")
    third = rotate(gateway, key)["key"]
    assert [gateway.chat(k).status for k in (key, second, third)] == [401, 200, 200]


def test_what_changes_a_key_changes_it_for_both_secrets(gateway):
    key = gateway.key(scopes=["completions.write"])
    second = rotate(gateway, key)["key"]
    gateway.admin("PUT", f"/api-keys/{key.id}", {
        "rate_limits": [{"type": "requests", "unit": "rph", "value": 0}]})
    assert [gateway.chat(k).status for k in (key, second)] == [429, 429]
    gateway.admin("PUT", f"/api-keys/{key.id}", {"rate_limits": None,
                                                 "scopes": ["logs.view"]})
    assert [gateway.chat(k).status for k in (key, second)] == [gateway.chat(key).status] * 2 != [200] * 2
    gateway.admin("PUT", f"/api-keys/{key.id}", {"scopes": ["completions.write"],
                                                 "expires_at": "2020-01-01T00:00:00Z"})
    assert [gateway.chat(k).status for k in (key, second)] == [401, 401]
    gateway.admin("PUT", f"/api-keys/{key.id}", {"expires_at": None})
    assert [gateway.chat(k).status for k in (key, second)] == [200, 200]
    gateway.admin("DELETE", f"/api-keys/{key.id}")
    assert [gateway.chat(k).status for k in (key, second)] == [401, 401]


def test_both_secrets_survive_a_restart_and_a_lost_segment(gateway):
    key = gateway.key(budget_usd="1")
    second = rotate(gateway, key)["key"]
    gateway.expect_error("control died of signal 9")
    gateway.kill9("control")
    wait(lambda: gateway.admin_ask("GET", f"/api-keys/{key.id}").status == 200, "control is back")
    assert [gateway.chat(k).status for k in (key, second)] == [200, 200]
    gateway.wait_flushed()
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    assert [gateway.chat(k).status for k in (key, second)] == [200, 200]
    gateway.admin("DELETE", f"/api-keys/{key.id}/former-secret")
    assert [gateway.chat(k).status for k in (key, second)] == [401, 200]


def test_a_rotation_is_held_to_its_rules(gateway):
    key = gateway.key()
    url = f"/api-keys/{key.id}/rotate"
    for period in (MINUTES_30 - 1, "soon", 1.5, -1, 10**15):
        refused(gateway.admin_ask("POST", url, {"key_transition_period_ms": period}), 400, "AB01",
                "key_transition_period_ms")
    refused(gateway.admin_ask("POST", "/api-keys/nothing/rotate"), 404, "AB08")
    assert gateway.key_object(key)["last_rotated_at"] is None
    rotate(gateway, key, key_transition_period_ms=MINUTES_30)


def test_no_secret_of_a_rotation_is_kept(gateway):
    import json
    key = gateway.key()
    second = rotate(gateway, key)["key"]
    dump = json.dumps([gateway.rows("SELECT * FROM aigate.api_key"),
                       gateway.rows("SELECT * FROM aigate.audit_log")], default=str)
    assert second not in dump and second not in gateway.log
    assert gateway.rows("SELECT action, object_kind FROM aigate.audit_log ORDER BY id DESC LIMIT 1") == [
        ("rotate", "api_key")]


@pytest.mark.parametrize("kind", ["workspace", "organisation"])
def test_rotating_needs_its_own_scope(gateway, kind):
    workspace = gateway.workspace("w")
    target = gateway.admin("POST", f"/api-keys/{kind}/service", {
        "name": "t", "workspace_id": workspace["slug"], "scopes": []})
    names = f"{kind}_service_api_keys"
    for scope, status in ((f"{names}.update", 401), (f"{names}.rotate", 200)):
        key = gateway.admin("POST", "/api-keys/organisation/service", {
            "name": "k", "scopes": [scope]})["key"]
        assert call(gateway, "POST", f"/api-keys/{target['id']}/rotate", key=key).status == status
