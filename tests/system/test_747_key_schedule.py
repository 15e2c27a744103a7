"""Keys that get new secrets by a timetable: when, whom it is told, and that it happens once whatever dies."""

import datetime
import os
import stat

import pytest

from gateway import wait
from hook import Hook
from people import refused

SECRET = "a secret between two"
POLICY = {"rotation_period": "weekly", "key_transition_period_ms": 3_600_000}


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def midnight(day):
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def make_due(gateway, key, ago="1 s"):
    gateway.sql(f"UPDATE aigate.api_key SET next_rotation_at = now() - interval '{ago}'"
                f" WHERE uuid = '{key.id}'")


def rotated(gateway, key):
    return wait(lambda: gateway.key_object(key)["last_rotated_at"], "the key to be rotated")


def fetch(gateway, key):
    return gateway.admin("POST", f"/api-keys/{key.id}/new-secret")


def count(gateway, key, action):
    return gateway.sql("SELECT count(*) FROM aigate.audit_log WHERE object_kind = 'api_key'"
                       f" AND object_uuid = '{key.id}' AND action = '{action}'")


def test_dates_of_a_timetable(gateway):
    today = midnight(utc_now())
    months = today.year * 12 + today.month
    for policy, date in (
            ({"rotation_period": "weekly"}, today + datetime.timedelta(days=7 - today.weekday())),
            ({"rotation_period": "monthly"}, today.replace(year=months // 12, month=months % 12 + 1, day=1)),
            ({"rotation_period_days": 10}, today + datetime.timedelta(days=10)),
            ({"next_rotation_at": "2999-01-01T12:00:00Z"}, parse("2999-01-01T12:00:00Z")),
            ({"rotation_period": "weekly", "next_rotation_at": "2999-01-01T12:00:00Z"},
             parse("2999-01-01T12:00:00Z"))):
        key = gateway.key(rotation_policy=policy)
        seen = gateway.key_object(key)["rotation_policy"]
        assert midnight(utc_now()) != today or parse(seen["next_rotation_at"]) == date
        assert seen["key_transition_period_ms"] == 1_800_000
        assert {k: v for k, v in seen.items() if k.startswith("rotation_")} \
            == {k: v for k, v in policy.items() if k.startswith("rotation_")}
    # The date stands while the timetable does; another timetable has another; null ends it.
    path = f"/api-keys/{key.id}"
    gateway.admin("PUT", path, {"name": "other", "rotation_policy": {"rotation_period": "weekly"}})
    assert gateway.key_object(key)["rotation_policy"] == seen
    gateway.admin("PUT", path, {"rotation_policy": {"rotation_period_days": 3}})
    assert parse(gateway.key_object(key)["rotation_policy"]["next_rotation_at"]) < parse(seen["next_rotation_at"])
    gateway.admin("PUT", path, {"rotation_policy": None})
    assert gateway.key_object(key)["rotation_policy"] is None


@pytest.mark.parametrize("policy, word", [
    ({}, "needs"), ({"rotation_period": "daily"}, "weekly or monthly"),
    ({"rotation_period": "weekly", "rotation_period_days": 3}, "exclude"),
    ({"rotation_period_days": 0}, "rotation_period_days"), ({"rotation_period_days": 366}, "rotation_period_days"),
    ({"rotation_period_days": 1.5}, "rotation_period_days"),
    ({"next_rotation_at": "2001-01-01T00:00:00Z"}, "future"), ({"next_rotation_at": "soon"}, "next_rotation_at"),
    ({"rotation_period": "weekly", "key_transition_period_ms": 1_799_999}, "key_transition_period_ms"),
    ({"rotation_period_days": 1, "key_transition_period_ms": 86_400_000}, "shorter"),
    ({"rotation_period": "weekly", "cron": "* * * * *"}, "cron"), ("weekly", "rotation_policy")])
def test_a_bad_timetable_is_refused_and_changes_nothing(gateway, policy, word):
    refused(gateway.admin_ask("POST", "/api-keys/workspace/service", {
        "name": "k", "scopes": ["completions.write"], "workspace_id": gateway.default_workspace()["slug"],
        "rotation_policy": policy}), 400, "AB01", "rotation_policy", word)
    assert gateway.sql("SELECT count(*) FROM aigate.api_key WHERE name = 'k'") == 0


def test_a_due_key_has_two_secrets_and_whoever_may_rotate_fetches_the_new_one(gateway):
    key = gateway.key(budget_usd="1", rotation_policy=POLICY)
    path = f"/api-keys/{key.id}/new-secret"
    refused(gateway.admin_ask("POST", path), 404, "AB08", "new secret")
    make_due(gateway, key)
    rotated(gateway, key)
    seen = gateway.key_object(key)
    assert seen["new_secret_waiting"] is True and parse(seen["rotation_policy"]["next_rotation_at"]) > utc_now()
    transition = parse(seen["key_transition_expires_at"]) - parse(seen["last_rotated_at"])
    assert abs(transition - datetime.timedelta(hours=1)) < datetime.timedelta(seconds=1)

    refused(gateway.admin_ask("POST", path, key=key), 401, "AB05", "rotate")
    made = fetch(gateway, key)
    assert made["id"] == key.id and made["key"] != key and made["object"] == "api-key"
    assert made["key_transition_expires_at"] == seen["key_transition_expires_at"]
    assert fetch(gateway, key) == made, "an answer that was lost is asked for again"
    assert gateway.key_object(key)["new_secret_waiting"] is False
    assert [gateway.chat(k).status for k in (key, made["key"])] == [200, 200]
    assert (count(gateway, key, "rotate"), count(gateway, key, "tell")) == (1, 2)
    told = gateway.rows("SELECT actor_kind, before::text || after::text FROM aigate.audit_log"
                        " WHERE action = 'rotate' AND object_uuid = %s", key.id)
    assert told[0][0] == "system" and made["key"] not in told[0][1]
    # Neither the database nor a log has ever seen it.
    dump = gateway.sql("SELECT string_agg(t::text, '') FROM aigate.api_key t")
    assert made["key"] not in dump and made["key"] not in gateway.log

    # Once the former secret has ended, what was told is forgotten.
    gateway.sql("UPDATE aigate.api_key SET former_expires_at = now() - interval '1 s' WHERE former_hash IS NOT NULL")
    wait(lambda: gateway.admin_ask("POST", path).status == 404, "the seed to be forgotten")
    assert gateway.sql("SELECT count(*) FROM aigate.api_key WHERE rotation_seed IS NOT NULL") == 0


def test_what_nobody_fetched_waits_and_rotating_by_hand_ends_it(gateway):
    key = gateway.key(rotation_policy=POLICY)
    make_due(gateway, key)
    rotated(gateway, key)
    gateway.sql("UPDATE aigate.api_key SET former_expires_at = now() - interval '1 s' WHERE former_hash IS NOT NULL")
    gateway.restart()
    assert fetch(gateway, key)["key_transition_expires_at"] is None
    assert gateway.chat(fetch(gateway, key)["key"]).status == 200
    gateway.sql("UPDATE aigate.api_key SET rotation_seed = sha256('under another master key')"
                " WHERE rotation_seed IS NOT NULL")
    refused(gateway.admin_ask("POST", f"/api-keys/{key.id}/new-secret"), 409, "AB07", "by hand")
    by_hand = gateway.admin("POST", f"/api-keys/{key.id}/rotate")["key"]
    refused(gateway.admin_ask("POST", f"/api-keys/{key.id}/new-secret"), 404, "AB08")
    assert gateway.chat(by_hand).status == 200


def test_dates_that_were_missed_are_made_up_for_once(gateway):
    """The machine was off for a month, or its clock stepped ahead."""
    key = gateway.key(rotation_policy={"rotation_period_days": 1})
    gateway.stop()
    make_due(gateway, key, "40 days")
    gateway.start()
    rotated(gateway, key)
    assert parse(gateway.key_object(key)["rotation_policy"]["next_rotation_at"]) > utc_now()
    other = gateway.key(rotation_policy=POLICY)
    make_due(gateway, other)
    rotated(gateway, other)
    assert count(gateway, key, "rotate") == 1, "and the clock went on meanwhile"


def test_a_timetable_without_a_period_is_for_once(gateway):
    soon = utc_now() + datetime.timedelta(seconds=2)
    key = gateway.key(rotation_policy={"next_rotation_at": soon.isoformat()})
    assert gateway.key_object(key)["last_rotated_at"] is None
    assert parse(rotated(gateway, key)) >= soon - datetime.timedelta(milliseconds=1)
    assert gateway.key_object(key)["rotation_policy"] is None


def test_a_key_in_transition_waits_and_an_expired_or_deleted_one_is_left_alone(gateway):
    waits = gateway.key(rotation_policy=POLICY)
    gateway.admin("POST", f"/api-keys/{waits.id}/rotate")
    expired, gone = gateway.key(rotation_policy=POLICY), gateway.key(rotation_policy=POLICY)
    gateway.sql(f"UPDATE aigate.api_key SET expires_at = now() - interval '1 h' WHERE uuid = '{expired.id}'")
    gateway.admin("DELETE", f"/api-keys/{gone.id}")
    for key in (waits, expired):
        make_due(gateway, key)
    witness = gateway.key(rotation_policy=POLICY)
    make_due(gateway, witness)
    rotated(gateway, witness)
    assert [count(gateway, k, "rotate") for k in (waits, expired, gone)] == [1, 0, 0]
    gateway.sql("UPDATE aigate.api_key SET former_expires_at = now() - interval '1 s'"
                f" WHERE uuid = '{waits.id}'")
    wait(lambda: count(gateway, waits, "rotate") == 2, "its turn to come")


def test_whom_it_is_told(gateway_factory, mock):
    with Hook(SECRET) as hook:
        gateway = gateway_factory(mock=mock, start=False)
        path = os.path.join(gateway.dir, "alert.secret")
        with open(path, "w") as f:
            f.write(SECRET + "\n")
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        if os.geteuid() == 0:
            os.chown(path, gateway.account.pw_uid, gateway.account.pw_gid)
        gateway.configure(alert_webhook=hook.url, alert_secret_file=path)
        if os.geteuid() == 0:
            os.chown(os.path.join(gateway.dir, "aigated.conf"), gateway.account.pw_uid, -1)
        gateway.start()
        hook.answers = [500]
        key = gateway.key(rotation_policy=POLICY, alert_emails=["ada@example.com"], name="backend")
        make_due(gateway, key)
        told = hook.wait(1)[0]
        seen = gateway.key_object(key)
        assert (told["kind"], told["reason"], told["scope"], told["scope_id"], told["name"]) == (
            "rotated", "scheduled", "api_key", key.id, "backend")
        assert told["key_transition_expires_at"] == seen["key_transition_expires_at"]
        assert told["alert_emails"] == ["ada@example.com"] and hook.complaints == []
        assert fetch(gateway, key)["key"] not in str(hook.attempts)
        assert gateway.sql("SELECT count(*) FROM aigate.v_alert WHERE kind = 'rotated'") == 1


def test_each_due_key_is_rotated_once_though_control_dies_in_the_middle(gateway):
    gateway.expect_error("control died of signal 9")
    keys = [gateway.key(rotation_policy=POLICY) for _ in range(50)]
    gateway.sql("UPDATE aigate.api_key SET next_rotation_at = now() - interval '1 s'"
                " WHERE rotation_policy IS NOT NULL")
    done = "SELECT count(*) FROM aigate.api_key WHERE rotated_at IS NOT NULL"
    for at_least in (3, 20, 35):
        wait(lambda n=at_least: gateway.sql(done) >= n, f"{at_least} keys to be rotated")
        gateway.wait_new("control", 0, gateway.kill9("control"))
    wait(lambda: gateway.sql(done) == len(keys), "the rest to be rotated")
    assert gateway.rows("SELECT n, count(*) FROM (SELECT count(*) AS n FROM aigate.audit_log"
                        " WHERE action = 'rotate' GROUP BY object_uuid) r GROUP BY n") == [(1, len(keys))]
    assert gateway.rows("SELECT n, count(*) FROM (SELECT count(*) AS n FROM aigate.alert"
                        " WHERE kind = 'rotated' GROUP BY scope_id) r GROUP BY n") == [(1, len(keys))]
    gateway.wait_ready()
    for key in keys[::7]:
        made = wait(lambda k=key: gateway.admin_ask("POST", f"/api-keys/{k.id}/new-secret").json.get("key"),
                    "control to be back")
        assert [gateway.chat(k).status for k in (key, made)] == [200, 200]
