"""What stands in shared memory follows PostgreSQL: through deaths, outages and restarts."""

import hashlib
import itertools
import threading
import time

from gateway import wait


def admin_is_back(gateway):
    wait(lambda: gateway.admin_ask("GET", "/admin/workspaces").status == 200, "the admin API to be back")


def wait_stored(gateway, n):
    """Until the ledger holds n rows."""
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.ledger") >= n, f"{n} rows in the ledger")


def restart_control(gateway):
    """kill -9; its successor loads everything anew."""
    gateway.expect_error("control died of signal 9")
    pid = gateway.kill9("control")
    gateway.wait_new("control", 0, pid)
    admin_is_back(gateway)


def test_a_new_control_finds_what_the_dead_one_did_not_publish(gateway):
    """As after a death between commit and publication: PostgreSQL says more than the segment."""
    kept, doomed = gateway.key(budget_usd="5"), gateway.key()
    assert gateway.chat(kept).status == 200
    wait_stored(gateway, 1)
    used = gateway.key_object(kept)["usage_limits"]["current_usage"]
    secret = "ag-written-behind-its-back"
    gateway.sql("UPDATE aigate.api_key SET status = 'deleted' WHERE uuid = %s", doomed.id)
    gateway.sql("UPDATE aigate.meter SET limit_amount = 6000000000 WHERE limit_amount = 5000000000")
    gateway.sql("INSERT INTO aigate.api_key (organisation_id, workspace_id, kind, name, key_hash,"
                " key_mask, scopes) SELECT organisation_id, workspace_id, kind, 'late',"
                f" '\\x{hashlib.sha256(secret.encode()).hexdigest()}', 'x', scopes"
                " FROM aigate.api_key WHERE uuid = %s", kept.id)
    assert gateway.chat(secret).status == 401 and gateway.chat(doomed).status == 200
    restart_control(gateway)
    assert gateway.chat(secret).status == 200 and gateway.chat(doomed).status == 401
    after = gateway.key_object(kept)["usage_limits"]
    assert after["current_usage"] >= used
    assert round(after["remaining"] + after["current_usage"], 9) == 6


def test_traffic_does_not_notice_the_death_of_control(gateway):
    key = gateway.key(budget_usd="5")
    gateway.expect_error("control died of signal 9")
    pid = gateway.kill9("control")
    assert [gateway.chat(key).status for _ in range(5)] == [200] * 5
    gateway.wait_new("control", 0, pid)
    admin_is_back(gateway)


def test_without_postgresql_traffic_goes_on_and_admin_calls_say_503(gateway, pg):
    key = gateway.key(budget_usd="5", rpm=100)
    pg.stop()
    answer = gateway.admin_ask("POST", "/admin/workspaces", {"name": "x"})
    assert answer.status == 503 and answer.json["data"]["errorCode"] == "AB04"
    assert answer.headers["x-portkey-trace-id"], "or clients would repeat the POST"
    assert gateway.admin_ask("GET", "/api-keys").status == 503
    assert gateway.chat(key).status == 200
    pg.start()
    admin_is_back(gateway)
    assert gateway.admin("GET", "/admin/workspaces?exact_name=x")["total"] == 0


def test_a_restart_of_all_without_postgresql_serves_what_stands(gateway, pg):
    key = gateway.key(budget_usd="5")
    assert gateway.chat(key).status == 200
    wait_stored(gateway, 1)
    gateway.stop()
    pg.stop()
    gateway.start(wait_ready=False)
    wait(lambda: gateway.ports(), "the ports to be bound")

    def is_served():
        try:
            return gateway.chat(key).status == 200
        except OSError:
            return False
    wait(is_served, "requests to be served from the segment that stands")
    assert gateway.admin_ask("GET", "/admin/workspaces").status == 503
    pg.start()
    admin_is_back(gateway)


def test_a_frozen_postgresql_costs_an_admin_call_no_more_than_its_time(gateway, pg):
    pg.freeze()
    answer = gateway.ask("GET", "/v1/admin/workspaces", {"x-portkey-api-key": gateway.admin_key},
                         timeout=60)
    assert answer.status == 503
    pg.thaw()
    admin_is_back(gateway)


def test_a_rebuilt_segment_knows_keys_and_spend(gateway):
    key = gateway.key(budget_usd="5", period="monthly")
    gone = gateway.key()
    gateway.admin("DELETE", f"/api-keys/{gone.id}")
    for _ in range(3):
        assert gateway.chat(key).status == 200
    wait_stored(gateway, 3)
    before = gateway.key_object(key)["usage_limits"]["current_usage"]
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    assert gateway.key_object(key)["usage_limits"]["current_usage"] == before > 0
    assert gateway.chat(key).status == 200 and gateway.chat(gone).status == 401


def test_a_full_key_table_refuses_and_stores_nothing(gateway_factory, mock):
    gateway = gateway_factory(conf={"max_keys": "16"}, mock=mock)
    workspace = gateway.workspace("W")
    made, answer = [], None
    for _ in range(40):
        answer = gateway.admin_ask("POST", "/api-keys/workspace/service", {
            "name": "k", "workspace_id": workspace["slug"], "scopes": ["completions.write"]})
        if answer.status != 200:
            break
        made.append(answer.json)
    assert answer.status == 503 and "max_keys" in answer.json["data"]["message"]
    assert gateway.sql("SELECT count(*) FROM aigate.api_key") == len(made) + 1
    gateway.admin("DELETE", f"/api-keys/{made[0]['id']}")
    assert gateway.chat(gateway.key(workspace=workspace)).status == 200


def test_a_full_meter_table_refuses_and_stores_nothing(gateway_factory, mock):
    gateway = gateway_factory(conf={"max_meters": "64"}, mock=mock)
    workspace = gateway.workspace("W")
    answer = None
    for _ in range(80):
        answer = gateway.admin_ask("POST", "/api-keys/workspace/service", {
            "name": "k", "workspace_id": workspace["slug"], "scopes": ["completions.write"],
            "usage_limits": {"credit_limit": 1}})
        if answer.status != 200:
            break
    assert answer.status == 503 and "max_meters" in answer.json["data"]["message"]
    assert gateway.sql("SELECT count(*) FROM aigate.meter") + 1 == \
        gateway.sql("SELECT count(*) FROM aigate.api_key"), "every key but the admin's has its meter"


def test_deaths_while_keys_are_made_leave_no_difference(gateway):
    """kill -9 of control under a stream of creates and deletes: whatever was answered holds, and what
    PostgreSQL says is what workers do."""
    gateway.expect_error("control died of signal 9")
    workspace = gateway.workspace("W")
    alive, dead, stop, number = [], [], threading.Event(), itertools.count()

    def work():
        while not stop.is_set():
            answer = gateway.admin_ask("POST", "/api-keys/workspace/service", {
                "name": "k", "workspace_id": workspace["slug"], "scopes": ["completions.write"],
                "usage_limits": {"credit_limit": 3}})
            if answer.status != 200:
                continue
            made = answer.json
            if next(number) % 3 == 2 and gateway.admin_ask(
                    "DELETE", f"/api-keys/{made['id']}").status == 200:
                dead.append(made)
            else:
                alive.append(made)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            n = len(alive)
            wait(lambda n=n: len(alive) > n + 5, "keys to be made")
            pid = gateway.kill9("control")
            gateway.wait_new("control", 0, pid)
    finally:
        stop.set()
        for t in threads:
            t.join()
    admin_is_back(gateway)
    stored = dict(gateway.rows("SELECT uuid::text, status FROM aigate.api_key"))
    for made in alive + dead:
        expected = 200 if stored[made["id"]] == "active" else 401
        assert gateway.chat(made["key"]).status == expected, made
    assert all(stored[made["id"]] == "deleted" for made in dead)
    assert gateway.sql("SELECT count(*) FROM aigate.meter m WHERE retired_at IS NULL AND level = 'key'"
                       " AND NOT EXISTS (SELECT FROM aigate.api_key k WHERE k.id = m.scope_id"
                       " AND k.status = 'active')") == 0


def test_a_hup_takes_over_what_was_written_behind_our_back(gateway):
    key = gateway.key()
    gateway.sql("UPDATE aigate.api_key SET status = 'disabled' WHERE uuid = %s", key.id)
    assert gateway.chat(key).status == 200
    gateway.reload()
    wait(lambda: gateway.chat(key).status == 401, "the disabled key to be refused")


def test_a_hup_puts_no_admin_call_off(gateway):
    reloads = 20

    def loads():
        return gateway.log.count("loading everything anew: told to reload")

    for n in range(1, reloads + 1):
        gateway.reload()
        give_up_at = time.monotonic() + 20
        while loads() < n:
            assert time.monotonic() < give_up_at, "the reload never came"
            assert gateway.admin_ask("GET", "/admin/workspaces").status == 200
    assert gateway.admin_ask("GET", "/admin/workspaces").status == 200
