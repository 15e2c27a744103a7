"""Policies: limits on whatever meets their conditions, counted apart for each value of their groups,
with meters that appear on first use."""

import json
import os
import signal
from decimal import Decimal

import pytest

from gateway import chat_body, wait
from plane import connections_to_all_workers, mini_cost

BODY = json.dumps(chat_body(max_tokens=1000), separators=(",", ":"))
WORST = mini_cost(len(BODY), 1000)
NOBODY = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture
def gateway(gateway_factory, mock):
    return gateway_factory(mock=mock, conf={"workers": "4"})


def usd(nusd):
    return json.loads(format(Decimal(nusd) / 10**9, "f"))


def any_model():
    return [{"key": "model", "value": "@openai/*"}]


def usage_policy(gateway, workspace=None, **fields):
    """Id of a new usage policy in the default workspace."""
    place = (workspace or gateway.default_workspace())["slug"]
    body = {"name": "p", "conditions": any_model(), "group_by": [{"key": "metadata.user"}],
            "type": "cost", "credit_limit": 1, "workspace_id": place, **fields}
    made = gateway.admin("POST", "/policies/usage-limits", body)
    assert made == {"id": made["id"], "object": "policy_usage_limits"}
    return made["id"]


def rate_policy(gateway, **fields):
    body = {"conditions": any_model(), "group_by": [{"key": "metadata.user"}], "type": "requests",
            "unit": "rpm", "value": 3, "workspace_id": gateway.default_workspace()["slug"], **fields}
    made = gateway.admin("POST", "/policies/rate-limits", body)
    assert made == {"id": made["id"], "object": "policy_rate_limits"}
    return made["id"]


def as_user(user, **more):
    return {"x-portkey-metadata": json.dumps({"user": user, **more})}


def ask(gateway, key, user, **fields):
    return gateway.chat(key, headers=as_user(user), **fields)


def of_policies(gateway, kind=None):
    return [m for m in gateway.meters() if m["level"] == "policy" and kind in (None, m["kind"])]


def entities(gateway, policy, query=""):
    return gateway.admin("GET", f"/policies/usage-limits/{policy}/entities{query}")["data"]


def usage_of(gateway, policy, user):
    found = [e for e in entities(gateway, policy) if e["value_key"] == f"metadata.user:{user}"]
    assert len(found) == 1, f"{len(found)} values for {user}"
    return found[0]["current_usage"]


def send_all(connections, key, user, body=BODY):
    for c in connections:
        c.request("POST", "/v1/chat/completions",
                  {"authorization": f"Bearer {key}", **as_user(user)}, body)


# -- exact -----------------------------------------------------------------------------------------

def test_each_value_has_its_own_budget_and_no_value_passes_it(gateway, mock):
    """Three worst cases for each user; 24 at once over four workers: three reach the provider."""
    key = gateway.key()
    policy = usage_policy(gateway, credit_limit=usd(3 * WORST + 1))
    everywhere = connections_to_all_workers(gateway, 6)
    mock.script(wait="go", prompt_tokens=40, tokens=10)
    for round_, user in enumerate(("ann", "bob")):
        refused = gateway.counter("req_denied_budget")
        send_all(everywhere, key, user)
        gateway.wait_counter("req_denied_budget", refused + len(everywhere) - 3)
        mock.wait_stat("requests", 3 * (round_ + 1))
        mock.release("go")
        answers = [c.read_answer("POST") for c in everywhere]
        assert sorted({a.status for a in answers}) == [200, 412]
        assert [a.status for a in answers].count(200) == 3
        no = next(a for a in answers if a.status == 412)
        error = no.json["error"]
        assert error["message"] == (f"Portkey Usage Limits Policy {policy} Exceeded for value key "
                                    f"metadata.user:{user}")
        assert error["type"] == "usage_limits_policy_exhaust_error" and error["code"] == "06"
        assert (error["kind"], error["scope"]) == ("budget", "policy")
        assert no.headers["x-should-retry"] == "false"
    gateway.wait_flushed()
    assert [usage_of(gateway, policy, u) for u in ("ann", "bob")] == [usd(3 * mini_cost(40, 10))] * 2
    assert gateway.rows("SELECT meter_id > 4611686018427387904, settled, requests, policy_id"
                        " FROM aigate.budget_state") == [
        (True, 3 * mini_cost(40, 10), 3, 1)] * 2
    assert [m["held"] for m in of_policies(gateway)] == [0, 0]


def test_the_first_use_from_everywhere_at_once_makes_one_meter(gateway, mock):
    key = gateway.key()
    usage_policy(gateway, type="requests", credit_limit=1000)
    everywhere = connections_to_all_workers(gateway, 12)
    mock.script(wait="go", tokens=5)
    for user in ("a", "b", "c"):
        send_all(everywhere, key, user)
        mock.wait_stat("waiting", len(everywhere))  # a release reaches only those that wait
        mock.release("go")
        assert {c.read_answer("POST").status for c in everywhere} == {200}
    gateway.wait_idle()
    assert sorted(m["settled"] for m in of_policies(gateway)) == [len(everywhere)] * 3


def test_requests_are_counted_to_the_last_one(gateway, mock):
    key = gateway.key()
    usage_policy(gateway, type="requests", credit_limit=7, group_by=[{"key": "api_key"}])
    everywhere = connections_to_all_workers(gateway, 5)
    send_all(everywhere, key, "whoever")
    got = [c.read_answer("POST").status for c in everywhere]
    assert got.count(200) == 7 and got.count(412) == 13
    assert mock.stats()["requests"] == 7
    assert gateway.chat(gateway.key()).status == 200, "another key is another value"


def test_a_rate_binds_each_value_and_says_when_to_come_back(gateway, mock):
    key = gateway.key()
    policy = rate_policy(gateway, value=4)
    everywhere = connections_to_all_workers(gateway, 5)
    send_all(everywhere, key, "ann")
    answers = [c.read_answer("POST") for c in everywhere]
    assert [a.status for a in answers].count(200) == 4
    no = next(a for a in answers if a.status == 429)
    assert no.json["error"]["message"] == (f"Portkey Rate Limit Policy {policy} exceeded for value "
                                           "key metadata.user:ann")
    assert no.json["error"]["type"] == "rate_limits_policy_exhaust_error"
    assert no.headers["x-should-retry"] == "true" and 1 <= int(no.headers["retry-after"]) <= 64
    assert ask(gateway, key, "bob").status == 200
    assert mock.stats()["requests"] == 5


def test_so_many_at_a_time_for_each_value(gateway, mock):
    key = gateway.key()
    rate_policy(gateway, unit="concurrent", value=2)
    mock.script(wait="go", tokens=5)
    pending = [gateway.chat_async(key, headers=as_user("ann")) for _ in range(10)]
    gateway.wait_counter("req_denied_concurrency", 8)
    bob = gateway.chat_async(key, headers=as_user("bob"))
    mock.wait_stat("requests", 3)
    mock.release("go")
    mock.clear()
    assert sorted(p.answer().status for p in pending) == [200] * 2 + [429] * 8
    assert bob.answer().status == 200 and ask(gateway, key, "ann").status == 200


# -- which apply -----------------------------------------------------------------------------------

def test_only_what_meets_all_conditions_is_counted(gateway):
    key = gateway.key(metadata={"team": "red"})
    usage_policy(gateway, type="requests", credit_limit=1, conditions=[
        {"key": "metadata.team", "value": ["red", "blue"]},
        {"key": "metadata.user", "value": "*", "excludes": ["root"]},
        {"key": "provider", "value": "openai"}, {"key": "virtual_key", "value": "mock"},
        {"key": "model", "value": "@openai/gpt-4o-m*", "excludes": "@openai/gpt-4o"},
        {"key": "api_key", "value": key.id}])
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 412]
    assert [ask(gateway, key, "root").status for _ in range(2)] == [200] * 2, "excluded"
    assert [gateway.chat(key).status for _ in range(2)] == [200] * 2, "no user"
    assert [ask(gateway, gateway.key(), "ann").status for _ in range(2)] == [200] * 2, "other key"
    assert [ask(gateway, key, "ann", model="@mock/gpt-4.1-mini").status for _ in range(2)] == [200] * 2
    assert len(of_policies(gateway)) == 1


def test_a_client_cannot_pass_for_another_value(gateway):
    """The workspace's word stands; and two values that read alike are two."""
    key = gateway.key(metadata={"user": "ann"})
    policy = usage_policy(gateway, type="requests", credit_limit=1)
    assert [ask(gateway, key, u).status for u in ("bob", "cid")] == [200, 412]
    assert [e["value_key"] for e in entities(gateway, policy)] == ["metadata.user:ann"]
    usage_policy(gateway, type="requests", credit_limit=1,
                 conditions=[{"key": "metadata.a"}],
                 group_by=[{"key": "metadata.a"}, {"key": "metadata.b"}])
    other = gateway.key()
    for pair in ({"a": "x", "b": "y-metadata.b:z"}, {"a": "x-metadata.b:y", "b": "z"}):
        head = {"x-portkey-metadata": json.dumps(pair)}
        assert [gateway.chat(other, headers=head).status for _ in range(2)] == [200, 412]


def test_a_policy_binds_its_workspace_alone(gateway):
    usage_policy(gateway, type="requests", credit_limit=1, group_by=[])
    elsewhere = gateway.key(workspace=gateway.workspace())
    assert [gateway.chat(elsewhere).status for _ in range(3)] == [200] * 3
    key = gateway.key()
    assert [gateway.chat(key).status for _ in range(2)] == [200, 412]
    assert "value key default" in gateway.chat(key).message


def test_all_that_apply_are_taken_or_none(gateway, mock):
    key = gateway.key(budget_usd="1", rpm=50)
    many = usage_policy(gateway, type="requests", credit_limit=100, group_by=[{"key": "api_key"}])
    few = usage_policy(gateway, type="requests", credit_limit=2, group_by=[{"key": "metadata.user"}])
    rate_policy(gateway, value=100, group_by=[{"key": "provider"}])
    got = [ask(gateway, key, "ann") for _ in range(6)]
    assert [a.status for a in got] == [200] * 2 + [412] * 4
    assert few in got[-1].message
    gateway.wait_idle()
    stand = {(m["kind"], m["level"], m["limit"]): m["used"] for m in gateway.meters()}
    assert stand[("budget", "policy", 100)] == 2 and stand[("budget", "policy", 2)] == 2
    assert stand[("rate", "policy", 100)] == 2 and stand[("rate", "key", 50)] == 2
    assert usage_of_key(gateway, many, key) == 2


def usage_of_key(gateway, policy, key):
    return {e["value_key"]: e["current_usage"] for e in entities(gateway, policy)}[f"api_key:{key.id}"]


def test_more_limits_than_a_request_can_stand_on_are_refused_by_name(gateway, mock):
    key = gateway.key()
    ids = [usage_policy(gateway, type="requests", credit_limit=100) for _ in range(25)]
    answer = ask(gateway, key, "ann")
    assert answer.status == 503 and answer.json["error"]["type"] == "too_many_limits_error"
    assert ids[24] in answer.message and mock.stats()["requests"] == 0
    gateway.admin("DELETE", f"/policies/usage-limits/{ids[3]}")
    assert ask(gateway, key, "ann").status == 200


# -- first use, and the end ------------------------------------------------------------------------

def test_what_counts_nothing_goes_and_what_counts_stays(gateway):
    key = gateway.key()
    policy = usage_policy(gateway, credit_limit=5)
    rate_policy(gateway, unit="rps", value=100)
    for user in ("ann", "bob"):
        assert ask(gateway, key, user).status == 200
    spent = usage_of(gateway, policy, "ann")
    assert len(of_policies(gateway)) == 4
    wait(lambda: not of_policies(gateway, "rate"), "empty windows to go", 30)
    assert gateway.counter("policy_meters_evicted") == 2
    assert usage_of(gateway, policy, "ann") == spent > 0
    assert ask(gateway, key, "ann").status == 200, "and come again"
    gateway.wait_idle()
    assert usage_of(gateway, policy, "ann") > spent


def test_a_full_table_refuses_with_a_reason_and_leaves_the_others_alone(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"max_meters": "64"})
    key = gateway.key(rpm=10000)
    policy = rate_policy(gateway, value=5, unit="rps")
    got = [ask(gateway, key, f"user{i}") for i in range(40)]
    refused = [a for a in got if a.status != 200]
    assert 1 <= len(refused) <= 8
    assert {a.status for a in refused} == {503}
    assert policy in refused[0].message and "max_meters" in refused[0].message
    assert gateway.counter("policy_meters_full") == len(refused)
    assert gateway.chat(gateway.key(rpm=5, budget_usd="1")).status == 200, "others have room"
    wait(lambda: ask(gateway, key, "user39").status == 200, "room to come back", 30)


# -- restarts --------------------------------------------------------------------------------------

def spend(gateway, key, policy, n=2):
    for _ in range(n):
        assert ask(gateway, key, "ann").status == 200
    gateway.wait_flushed()
    return usage_of(gateway, policy, "ann")


def test_spend_survives_a_restart_on_the_same_segment(gateway):
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=3, periodic_reset="monthly")
    spend(gateway, key, policy)
    gateway.restart()
    assert usage_of(gateway, policy, "ann") == 2
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 412]


def test_spend_survives_the_loss_of_the_segment(gateway):
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=3, periodic_reset="weekly")
    forever = usage_policy(gateway, credit_limit=5)
    spend(gateway, key, policy)
    cost = usage_of(gateway, forever, "ann")
    gateway.kill_all()
    gateway.unlink_segment()
    gateway.start()
    assert usage_of(gateway, policy, "ann") == 2 and usage_of(gateway, forever, "ann") == cost
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 412]
    assert ask(gateway, key, "bob").status == 200
    assert gateway.counter("meters_corrected") == 0


def test_spend_survives_though_nobody_wrote_down_what_it_was_called(gateway):
    """Control stands still while a value is used for the first time, then all is lost but the
    database: the charge alone leads to the policy, and the name comes back with the next use."""
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=2)
    os.kill(gateway.pids("control")[0], signal.SIGSTOP)
    assert ask(gateway, key, "ann").status == 200
    gateway.wait_flushed()
    gateway.kill_all()
    gateway.unlink_segment()
    gateway.start()
    assert entities(gateway, policy) == []
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 412]
    gateway.wait_idle()
    assert usage_of(gateway, policy, "ann") == 2


def test_postgresql_is_not_needed_for_a_value_nobody_has_used(gateway, pg):
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=1)
    pg.stop()
    assert [ask(gateway, key, "new").status for _ in range(2)] == [200, 412]
    pg.start()
    wait(lambda: gateway.get("/readyz").status == 200 and
         gateway.admin_ask("GET", f"/policies/usage-limits/{policy}").status == 200, "PostgreSQL")
    assert usage_of(gateway, policy, "new") == 1


# -- the admin API ---------------------------------------------------------------------------------

def test_what_was_told_is_told_again(gateway):
    workspace = gateway.default_workspace()
    body = {"name": "caps", "description": "d", "type": "tokens", "credit_limit": 5000,
            "alert_threshold": 4000, "periodic_reset": "weekly",
            "conditions": [{"key": "metadata.user", "value": ["a", "b"], "excludes": "c"}],
            "group_by": [{"key": "metadata.user"}, {"key": "model"}]}
    policy = usage_policy(gateway, **body)
    seen = gateway.admin("GET", f"/policies/usage-limits/{policy}")
    assert {k: seen[k] for k in body} == body
    assert seen["object"] == "policy_usage_limits" and seen["status"] == "active"
    assert seen["workspace_id"] == workspace["id"] and seen["next_usage_reset_at"] > seen["last_reset_at"]
    assert not [k for k in seen if k.startswith("_")]
    rate = rate_policy(gateway, type="tokens", unit="rph", value=0, conditions=[
        {"key": "endpoint_type", "value": ["chatComplete", "embed"]}])
    seen = gateway.admin("GET", f"/policies/rate-limits/{rate}")
    assert (seen["type"], seen["unit"], seen["value"], seen["target"]) == ("tokens", "rph", 0, "llm")
    assert gateway.admin_ask("GET", f"/policies/usage-limits/{rate}").status == 404
    listed = gateway.admin("GET", "/policies/usage-limits?type=tokens")
    assert listed["total"] == 1 and listed["data"][0]["id"] == policy
    assert gateway.admin("GET", "/policies/usage-limits?type=cost")["total"] == 0
    assert gateway.admin("GET", "/policies/rate-limits?unit=rph")["total"] == 1
    assert gateway.admin("GET", "/policies/rate-limits?unit=rpm")["total"] == 0


def test_edits_bind_at_once_and_keep_what_was_used(gateway):
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=2)
    path = f"/policies/usage-limits/{policy}"
    assert [ask(gateway, key, "ann").status for _ in range(3)] == [200, 200, 412]
    for limit, status in ((3, 200), (3, 412), (2, 412), (5, 200)):
        gateway.admin("PUT", path, {"credit_limit": limit})
        assert ask(gateway, key, "ann").status == status, limit
    gateway.wait_idle()
    assert usage_of(gateway, policy, "ann") == 4
    gateway.admin("PUT", path, {"credit_limit": 1, "conditions": [{"key": "metadata.user",
                                                                 "excludes": ["ann"]}]})
    assert ask(gateway, key, "ann").status == 200
    assert [ask(gateway, key, "bob").status for _ in range(2)] == [200, 412]
    gateway.admin("DELETE", path)
    assert ask(gateway, key, "bob").status == 200
    assert gateway.admin("GET", path)["status"] == "archived"
    assert gateway.admin("GET", "/policies/usage-limits")["total"] == 0
    assert gateway.admin("GET", "/policies/usage-limits?status=archived")["total"] == 1
    assert gateway.admin_ask("PUT", path, {"status": "active"}).status == 409
    wait(lambda: not of_policies(gateway), "meters of the archived policy to go", 30)


def test_values_are_shown_and_reset_one_by_one(gateway):
    key = gateway.key()
    policy = usage_policy(gateway, type="requests", credit_limit=2)
    path = f"/policies/usage-limits/{policy}"
    for user in ("ann", "ann", "bob"):
        assert ask(gateway, key, user).status == 200
    gateway.wait_flushed()
    seen = gateway.admin("GET", path + "?include_usage=true")["value_key_usage_map"]
    assert {k: (v["current_usage"], v["status"]) for k, v in seen.items()} == {
        "metadata.user:ann": (2, "exhausted"), "metadata.user:bob": (1, "active")}
    assert [e["value_key"] for e in entities(gateway, policy, "?status=exhausted")] == ["metadata.user:ann"]
    assert [e["value_key"] for e in entities(gateway, policy, "?search=bob")] == ["metadata.user:bob"]
    assert len(entities(gateway, policy, "?page_size=1&current_page=1")) == 1
    ann = next(e for e in entities(gateway, policy) if e["value_key"] == "metadata.user:ann")
    assert ask(gateway, key, "ann").status == 412
    gateway.admin("PUT", f"{path}/entities/{ann['id']}/reset")
    assert usage_of(gateway, policy, "ann") == 0 and usage_of(gateway, policy, "bob") == 1
    assert [ask(gateway, key, "ann").status for _ in range(3)] == [200, 200, 412]
    gateway.admin("PUT", path, {"reset_usage_for_value": "metadata.user:ann"})
    assert ask(gateway, key, "ann").status == 200
    assert gateway.admin_ask("PUT", path, {"reset_usage_for_value": "metadata.user:x"}).status == 404
    assert gateway.admin_ask("PUT", f"{path}/entities/{NOBODY}/reset").status == 404
    gateway.wait_flushed()
    gateway.kill_all()
    gateway.unlink_segment()
    gateway.start()
    assert usage_of(gateway, policy, "ann") == 1, "what was reset stays reset"
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 412]
    assert gateway.counter("meters_corrected") == 0


def test_a_workspace_sees_its_own_policies_only(gateway):
    mine, other = gateway.workspace(), gateway.workspace()
    policy, theirs = usage_policy(gateway, mine), usage_policy(gateway, other)
    admin = gateway.key(workspace=mine, scopes=["policies.read", "policies.list", "policies.update"])
    listed = gateway.admin("GET", "/policies/usage-limits", key=admin)
    assert [p["id"] for p in listed["data"]] == [policy]
    assert gateway.admin_ask("GET", f"/policies/usage-limits/{theirs}", key=admin).status == 404
    assert gateway.admin_ask("PUT", f"/policies/usage-limits/{theirs}", {"name": "x"},
                             key=admin).status == 404
    gateway.admin("PUT", f"/policies/usage-limits/{policy}", {"name": "renamed"}, key=admin)
    assert gateway.admin("GET", f"/policies/usage-limits/{policy}")["name"] == "renamed"
    assert gateway.admin_ask("DELETE", f"/policies/usage-limits/{policy}", key=admin).status == 401


@pytest.mark.parametrize("change, part", [
    ({"conditions": []}, "conditions: must hold"),
    ({"conditions": None}, "conditions: is required"),
    ({"conditions": [{"key": "colour"}]}, "conditions[0].key"),
    ({"conditions": [{"key": "config", "value": "pc-x"}]}, "not implemented"),
    ({"conditions": [{"key": "endpoint_type", "value": "embed"}]}, "conditions[0].key"),
    ({"conditions": [{"key": "model", "value": "gpt-4o"}]}, "@provider/model"),
    ({"conditions": [{"key": "provider", "value": 5}]}, "conditions[0].value"),
    ({"conditions": [{"key": "provider", "value": []}]}, "conditions[0].value"),
    ({"group_by": [{"key": "metadata."}]}, "group_by[0].key"),
    ({"group_by": [{"key": "model"}, {"key": "model"}]}, "twice"),
    ({"type": "euros"}, "type"), ({"type": None}, "type: is required"),
    ({"credit_limit": 0}, "credit_limit"), ({"credit_limit": None}, "credit_limit"),
    ({"alert_threshold": 1}, "less than credit_limit"),
    ({"periodic_reset": "weekly", "periodic_reset_days": 3}, "excludes periodic_reset"),
    ({"workspace_id": None}, "workspace_id"), ({"name": 7}, "name"),
])
def test_what_cannot_be_is_refused_by_name(gateway, change, part):
    body = {"conditions": any_model(), "group_by": [{"key": "api_key"}], "type": "cost",
            "credit_limit": 1, "workspace_id": gateway.default_workspace()["slug"], **change}
    answer = gateway.admin_ask("POST", "/policies/usage-limits", body)
    assert answer.status == 400 and part in answer.message, answer


def test_what_a_meter_is_made_of_does_not_change(gateway):
    policy = f"/policies/usage-limits/{usage_policy(gateway)}"
    rate = f"/policies/rate-limits/{rate_policy(gateway)}"
    for path, change in ((policy, {"type": "tokens"}), (policy, {"group_by": [{"key": "model"}]}),
                         (rate, {"type": "tokens"}), (rate, {"unit": "concurrent"}),
                         (rate, {"target": "mcp_tools"})):
        answer = gateway.admin_ask("PUT", path, change)
        assert answer.status == 400, (change, answer)
    gateway.admin("PUT", rate, {"unit": "rph", "value": 1})
    key = gateway.key()
    assert [ask(gateway, key, "ann").status for _ in range(2)] == [200, 429]
