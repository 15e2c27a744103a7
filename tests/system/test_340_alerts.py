"""Alerts: once per period and kind, whatever dies; armed anew as the admin API says."""

import json
import os
import signal
import stat
import struct
import threading

import pytest

from gateway import wait
from hook import Hook

SECRET = "a secret between two"
COST = 6000000  # nano-dollars of a request of the mock below


@pytest.fixture
def hook():
    with Hook(SECRET) as one:
        yield one


@pytest.fixture
def alerting(gateway_factory, mock, hook):
    """alerting(conf) starts a gateway whose alerts go to the hook, at 0.006 dollars a request."""
    def start(**conf):
        mock.script(prompt_tokens=1000, tokens=500)
        gateway = gateway_factory(mock=mock, conf=conf, start=False)
        path = os.path.join(gateway.dir, "alert.secret")
        with open(path, "w") as f:
            f.write(SECRET + "\n")
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, gateway.account.pw_uid, gateway.account.pw_gid)
        gateway.configure(alert_webhook=hook.url, alert_secret_file=path)
        if os.geteuid() == 0:
            os.chown(os.path.join(gateway.dir, "aigated.conf"), gateway.account.pw_uid, -1)
        gateway.start()
        hook.explain = lambda: "\n".join(str(row) for row in gateway.rows(
            "SELECT id, kind, arming, attempts, last_error, created_at, next_attempt_at, webhook_at,"
            " delivered_at, clock_timestamp() FROM aigate.alert ORDER BY id")
            + [(name, n) for name, n in gateway.counters().items() if name.startswith("alerts_")])
        gateway.integration()
        gateway.admin("PUT", "/integrations/mock/models", {"models": [{
            "slug": "gpt-4o-mini", "enabled": True, "pricing_config": {
                "type": "static", "pay_as_you_go": {"request_token": {"price": 0.0001},
                                                    "response_token": {"price": 0.001}}}}]})
        return gateway
    return start


def spend(gateway, key, n=1):
    for _ in range(n):
        answer = gateway.chat(key, max_tokens=500)
        assert answer.status == 200, answer
    gateway.wait_idle()


def rows(gateway, key=None):
    """(kind, arming, reason) of the alerts of a key, in the order in which they were raised."""
    return gateway.rows(
        "SELECT kind, arming, reason FROM aigate.alert WHERE %s::text IS NULL OR scope_uuid::text = %s"
        " ORDER BY id", key and key.id, key and key.id)


def wait_rows(gateway, n, key=None):
    wait(lambda: len(rows(gateway, key)) >= n, f"{n} alerts")
    settle(gateway)
    return rows(gateway, key)


def settle(gateway, looks=3):
    """Until control has looked at the meters some times more: what it had to find it has found."""
    for _ in range(looks):
        seen = gateway.stat()["processes"][0]["heartbeat_us"]
        wait(lambda seen=seen: gateway.stat()["processes"][0]["heartbeat_us"] != seen, "control to look")


def limit(gateway, key, **usage):
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": usage})


def test_a_threshold_is_told_once_with_all_that_matters(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="0.1", alert=0.01, period="monthly", name="the key",
                      alert_emails=["a@example.org"])
    spend(gateway, key)
    settle(gateway)
    assert rows(gateway) == [], "0.006 is below 0.01"
    spend(gateway, key, 3)
    told = hook.wait(1)[0]
    assert told["object"] == "alert" and told["kind"] == "threshold" and told["reason"] == "reached"
    assert (told["scope"], told["scope_id"], told["name"]) == ("api_key", key.id, "the key")
    assert told["type"] == "cost" and told["alert_threshold"] == 0.01 and told["credit_limit"] == 0.1
    assert told["current_usage"] in (0.012, 0.018, 0.024) and told["alert_emails"] == ["a@example.org"]
    assert told["next_usage_reset_at"].endswith("-01T00:00:00.000Z")
    spend(gateway, key, 2)
    settle(gateway)
    assert rows(gateway) == [("threshold", 0, "reached")]
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.alert WHERE delivered_at IS NOT NULL"), "delivery")
    assert len(hook.taken) == 1
    assert gateway.counter("alerts_raised") == gateway.counter("alerts_delivered") == 1


def test_four_workers_under_load_raise_each_alert_once(alerting, hook):
    gateway = alerting(workers="4")
    workspace = gateway.workspace("W", usage_limits=[{"credit_limit": 1, "alert_threshold": 0.05}])
    keys = [gateway.key(workspace=workspace, budget_usd="0.2", alert=0.1) for _ in range(3)]
    answers = [gateway.chat_async(key, max_tokens=500) for _ in range(25) for key in keys]
    assert {a.answer().status for a in answers} <= {200, 412}
    gateway.wait_idle()
    hook.wait(4)
    settle(gateway)
    found = gateway.rows("SELECT level, scope_name, kind, count(*) FROM aigate.alert"
                         " WHERE kind = 'threshold' GROUP BY 1, 2, 3")
    assert len(found) == 4 and {row[3] for row in found} == {1}, found
    assert len({told["id"] for told in hook.taken}) == len(hook.taken)


def test_used_up_is_told_when_a_request_is_refused_for_it(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="0.025")
    while gateway.chat(key, max_tokens=500).status == 200:
        pass
    gateway.wait_idle()
    assert gateway.chat(key, max_tokens=500).status == 412
    told = hook.wait(1)[0]
    assert told["kind"] == "exhausted" and told["alert_threshold"] is None
    assert gateway.chat(key, max_tokens=500).status == 412
    settle(gateway)
    assert len(rows(gateway)) == len(hook.taken) == 1


def test_a_budget_that_reaches_its_limit_is_told(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_tokens=2000)
    spend(gateway, key)
    settle(gateway)
    assert rows(gateway) == []
    limit(gateway, key, credit_limit=1000, type="tokens")
    told = hook.wait(1)[0]
    assert (told["kind"], told["reason"], told["type"]) == ("exhausted", "reached", "tokens")
    assert told["current_usage"] == 1500 and told["credit_limit"] == 1000


def test_a_webhook_that_fails_is_asked_again(alerting, hook):
    hook.answers = [500, 503, 302]
    gateway = alerting()
    key = gateway.key(budget_usd="0.1", alert=0.001)
    spend(gateway, key)
    told = hook.wait(1, timeout=40)[0]
    assert {body["id"] for _, body in hook.attempts} == {told["id"]} and len(hook.attempts) == 4
    wait(lambda: gateway.rows("SELECT attempts, last_error FROM aigate.alert WHERE delivered_at IS NOT NULL")
         == [(4, None)], "the outcome")
    assert gateway.counter("alerts_failed") == 3


def test_control_killed_between_row_and_delivery_loses_and_doubles_nothing(alerting, hook):
    """The webhook hangs, fails, hangs; control is killed each time; one row, one alert."""
    hook.answers = ["hang", 500, "hang"]
    gateway = alerting(workers="4")
    gateway.expect_error(r"died of signal 9|last words")
    key = gateway.key(budget_usd="1", alert=0.001)
    spend(gateway, key)
    for n in (1, 3):
        hook.wait_attempts(n)
        assert len(rows(gateway)) == 1 and hook.taken == []
        pid = gateway.kill9("control")
        gateway.wait_new("control", 0, pid)
    told = hook.wait(1, timeout=40)
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.alert WHERE delivered_at IS NOT NULL"), "delivery")
    settle(gateway)
    assert rows(gateway) == [("threshold", 0, "reached")] and len(hook.taken) == len(told) == 1
    assert len({body["id"] for _, body in hook.attempts}) == 1


def test_control_killed_all_the_time_still_tells_each_key_once(alerting, hook):
    gateway = alerting(workers="4")
    gateway.expect_error(r"died of signal 9|last words|could not")
    keys = [gateway.key(budget_usd="1", alert=0.01) for _ in range(12)]
    gateway.wait_idle()
    for i, key in enumerate(keys):
        answers = [gateway.chat_async(key, max_tokens=500) for _ in range(3)]
        assert [a.answer().status for a in answers] == [200] * 3
        if i % 3 == 2:
            pid = gateway.kill9("control")
            gateway.wait_new("control", 0, pid)
    wait(lambda: {told["scope_id"] for told in hook.taken} == {key.id for key in keys},
         "an alert of each key", 60)
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.alert WHERE delivered_at IS NULL") == 0, "delivery")
    settle(gateway)
    assert gateway.rows("SELECT count(*), count(distinct scope_id) FROM aigate.alert") == [(12, 12)]


def test_a_restart_on_the_same_and_on_a_new_segment_tells_nothing_twice(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="0.1", alert=0.001, period="monthly")
    spend(gateway, key)
    hook.wait(1)
    gateway.wait_flushed()
    gateway.restart()
    settle(gateway)
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    settle(gateway)
    assert len(rows(gateway)) == 1 and len(hook.taken) == 1


def test_alerts_wait_for_postgresql(alerting, hook, pg):
    gateway = alerting()
    gateway.expect_error(r"PostgreSQL|connect|could not")
    key = gateway.key(budget_usd="0.1", alert=0.001)
    pg.stop()
    spend(gateway, key, 2)
    gateway.wait_log("alerts wait for PostgreSQL")
    pg.start()
    assert hook.wait(1, timeout=40)[0]["scope_id"] == key.id
    settle(gateway)
    assert len(rows(gateway)) == 1


def test_raising_the_limit_arms_both_and_lowering_none(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="0.1", alert=0.01)
    spend(gateway, key, 3)
    assert wait_rows(gateway, 1) == [("threshold", 0, "reached")]
    limit(gateway, key, credit_limit=0.015, alert_threshold=0.01)
    assert wait_rows(gateway, 2)[1] == ("exhausted", 0, "reached")
    limit(gateway, key, credit_limit=0.016, alert_threshold=0.01)
    settle(gateway)
    assert len(rows(gateway)) == 2, "raised, but not above the 0.018 that are used"
    limit(gateway, key, credit_limit=0.03, alert_threshold=0.01)
    assert wait_rows(gateway, 3)[2] == ("threshold", 1, "reached"), "armed anew, and still so"
    spend(gateway, key, 1)
    limit(gateway, key, credit_limit=0.02, alert_threshold=0.01)
    assert wait_rows(gateway, 4)[3] == ("exhausted", 1, "reached")
    gateway.admin("PUT", f"/api-keys/{key.id}", {"name": "another name"})
    settle(gateway)
    assert len(rows(gateway)) == 4, "an edit of something else arms nothing"
    hook.wait(4)


def test_what_was_due_when_its_limit_went_is_delivered(alerting, hook):
    """Found by the edit that removes the limit, and by nobody after it."""
    gateway = alerting()
    key = gateway.key(budget_usd="0.1", alert=0.01)
    settle(gateway)
    control = gateway.pids("control")[0]
    before = gateway.counters()["req_admin"]
    os.kill(control, signal.SIGSTOP)
    try:
        spend(gateway, key, 3)
        # What waits at control's socket is served before its next look around.
        edit = threading.Thread(target=gateway.admin, args=("PUT", f"/api-keys/{key.id}", {"usage_limits": None}))
        edit.start()
        wait(lambda: gateway.counters()["req_admin"] > before, "the edit to be forwarded")
    finally:
        os.kill(control, signal.SIGCONT)
    edit.join()
    hook.wait(1)
    assert rows(gateway, key) == [("threshold", 0, "reached")]


def test_raising_or_removing_the_threshold_arms_it(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="1", alert=0.01)
    spend(gateway, key, 2)
    wait_rows(gateway, 1)
    limit(gateway, key, credit_limit=1, alert_threshold=0.005)
    settle(gateway)
    assert len(rows(gateway)) == 1, "a lowered threshold was told already"
    limit(gateway, key, credit_limit=1, alert_threshold=0.02)
    settle(gateway)
    assert len(rows(gateway)) == 1, "raised above what is used"
    spend(gateway, key, 2)
    assert wait_rows(gateway, 2)[1] == ("threshold", 1, "reached")
    limit(gateway, key, credit_limit=1)
    settle(gateway)
    assert len(rows(gateway)) == 2
    limit(gateway, key, credit_limit=1, alert_threshold=0.02)
    assert wait_rows(gateway, 3)[2] == ("threshold", 2, "reached")


def test_a_reset_begins_anew(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="1", alert=0.01, period="weekly")
    spend(gateway, key, 2)
    wait_rows(gateway, 1)
    gateway.admin("PUT", f"/api-keys/{key.id}", {"reset_usage": True})
    settle(gateway)
    assert len(rows(gateway)) == 1
    spend(gateway, key, 2)
    assert wait_rows(gateway, 2) == [("threshold", 0, "reached")] * 2
    assert gateway.sql("SELECT count(distinct period) FROM aigate.alert") == 2
    hook.wait(2)


def turn_period(gateway, meter):
    """Ends the period of a budget as the clock does: its account is closed, the other one is empty.
    Offsets: struct ag_shm_hdr and struct ag_meter of shm_layout.h."""
    with open("/dev/shm" + gateway.shm_name, "r+b") as f:
        f.seek(112)
        meters_off = struct.unpack("<Q", f.read(8))[0]
        at = meters_off + 384 * meter["index"]
        f.seek(at)
        assert struct.unpack("<q", f.read(8))[0] == meter["id"], "the layout has changed"
        f.seek(at + 56)
        resets = struct.unpack("<I", f.read(4))[0]
        f.seek(at + 56)
        f.write(struct.pack("<I", resets + 1))


def test_a_crossing_in_the_last_moment_of_a_period_is_told_after_its_turn(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="1", alert=0.01, period="monthly")
    control = gateway.pids("control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        spend(gateway, key, 2)
        turn_period(gateway, gateway.meters()[0])
        assert gateway.meters()[0]["settled"] == 0
        spend(gateway, key)
    finally:
        os.kill(control, signal.SIGCONT)
    told = hook.wait(1)[0]
    assert told["kind"] == "threshold" and told["current_usage"] == 0.012
    assert told["next_usage_reset_at"] is None
    settle(gateway)
    assert len(rows(gateway)) == 1
    limit(gateway, key, credit_limit=2, alert_threshold=0.007, periodic_reset="monthly")
    settle(gateway)
    assert len(rows(gateway)) == 1, "what is armed anew is not told of a period that is over"


def test_a_new_limit_is_not_held_against_a_period_that_is_over(alerting, hook):
    gateway = alerting()
    key = gateway.key(budget_usd="1", alert=0.5, period="monthly")
    spend(gateway, key, 2)
    turn_period(gateway, gateway.meters()[0])
    settle(gateway)
    limit(gateway, key, credit_limit=0.01, alert_threshold=0.005, periodic_reset="monthly")
    settle(gateway)
    assert rows(gateway) == []
    gateway.restart()
    settle(gateway)
    assert rows(gateway) == [], "a successor knows it as well"
    spend(gateway, key)
    assert wait_rows(gateway, 1) == [("threshold", 0, "reached")]


def test_another_period_has_alerts_of_its_own(alerting, hook):
    """The period a meter is in changes under it, as it does when the clock turns."""
    gateway = alerting()
    key = gateway.key(budget_usd="1", alert=0.01, period="monthly")
    spend(gateway, key, 2)
    wait_rows(gateway, 1)
    gateway.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {
        "credit_limit": 1, "alert_threshold": 0.01, "periodic_reset_days": 1}})
    settle(gateway)
    spend(gateway, key, 2)
    assert wait_rows(gateway, 2) == [("threshold", 0, "reached")] * 2
    assert gateway.sql("SELECT count(distinct period) FROM aigate.alert") == 2


def test_an_edit_a_moment_after_a_crossing_hides_nothing(alerting, hook):
    gateway = alerting()
    keys = [gateway.key(budget_usd="0.1", alert=0.001) for _ in range(5)]
    for key in keys:
        assert gateway.chat(key, max_tokens=500).status == 200
        gateway.wait_idle()
        gateway.admin("PUT", f"/api-keys/{key.id}", {
            "usage_limits": {"credit_limit": 0.1, "alert_threshold": 0.05}})
        assert rows(gateway, key) == [("threshold", 0, "reached")]
    settle(gateway)
    assert len(rows(gateway)) == 5
    hook.wait(5)


def test_workspace_and_grant_have_alerts(alerting, hook):
    gateway = alerting()
    workspace = gateway.workspace("W", usage_limits=[{"credit_limit": 1, "alert_threshold": 0.001}])
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 1, "alert_threshold": 0.002}])
    spend(gateway, gateway.key(workspace=workspace))
    told = {one["scope"]: one for one in hook.wait(2)}
    assert told["workspace"]["name"] == "W" and told["integration"]["name"] == "mock"
    assert {one["workspace"] for one in told.values()} == {workspace["slug"]}


def test_a_command_is_given_the_alert(alerting, hook):
    gateway = alerting()
    out, script = os.path.join(gateway.dir, "out"), os.path.join(gateway.dir, "told.sh")
    os.mkdir(out)
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\n[ $# = 0 ] || exit 9\nn=$(ls {out} | wc -l)\ncat >{out}/$n.json\n'
                f'[ $n -gt 0 ] || exit 3\n')
    os.chmod(script, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    if os.geteuid() == 0:
        os.chown(out, gateway.account.pw_uid, gateway.account.pw_gid)
    gateway.configure(alert_command=script)
    gateway.reload()
    gateway.wait_log("loading everything anew: told to reload")
    key = gateway.key(budget_usd="0.1", alert=0.001)
    spend(gateway, key)
    wait(lambda: gateway.sql("SELECT count(*) FROM aigate.alert WHERE delivered_at IS NOT NULL"), "delivery")
    got = [json.load(open(os.path.join(out, name))) for name in sorted(os.listdir(out))]
    assert [one["scope_id"] for one in got] == [key.id] * 2 and got[0] == got[1] == hook.taken[0]
    assert len(hook.taken) == 1, "the webhook had taken it in the first attempt"
    assert "left with status 3" in gateway.log
