"""What policies count is told: to the key's holder, to operators, in alerts and in v_budget."""

import json
from urllib.parse import quote

import pytest

from gateway import wait
from test_320_policies import any_model, as_user, ask, of_policies, rate_policy, usage_policy
from test_340_alerts import alerting, hook, settle  # noqa: F401, pylint: disable=unused-import

COST = 450_000  # nano-dollars of a request of the mock below


@pytest.fixture
def plain(gateway, mock):
    mock.script(prompt_tokens=1000, tokens=500)
    return gateway


def told(gateway, key, path="/v1/limits", headers=None):
    answer = gateway.get(path, key, headers)
    assert answer.status == 200, answer
    return [one for one in answer.json["limits"] if one["scope"] == "policy"], answer.json["status"]


def test_a_policy_is_told_as_far_as_the_request_is_known(plain):
    gateway, key = plain, plain.key()
    policy = usage_policy(gateway, group_by=[{"key": "metadata.user"}, {"key": "model"}],
                          credit_limit=1, alert_threshold=0.5, periodic_reset="monthly")
    one, = told(gateway, key)[0]
    assert one == {"scope": "policy", "name": policy, "kind": "budget", "type": "cost",
                   "period": "monthly", "enforcement": "strict", "bound": 0, "depends_on": ["model", "metadata.user"], "limit": 1,
                   "used": None, "held": None, "remaining": None, "alert_threshold": 0.5,
                   "resets_at": None, "status": "active"}
    one, = told(gateway, key, headers=as_user("ada"))[0]
    assert one["depends_on"] == ["model"]

    model = "/v1/limits?model=" + quote("@mock/gpt-4o-mini")
    one, = told(gateway, key, model, as_user("ada"))[0]
    assert one["value_key"] == "metadata.user:ada-model:openai.gpt-4o-mini"
    assert (one["used"], one["remaining"], one["status"]) == (0, 1, "active"), "not used yet"
    assert one["resets_at"].endswith("-01T00:00:00.000Z")
    assert of_policies(gateway) == [], "asking makes no meter"
    assert ask(gateway, key, "ada").status == 200
    gateway.wait_idle()
    one, = told(gateway, key, model, as_user("ada"))[0]
    assert (one["used"], one["held"], one["remaining"]) == (0.00045, 0, 0.99955)
    one, = told(gateway, key, model, as_user("bob"))[0]
    assert one["used"] == 0
    assert told(gateway, key, "/v1/limits?model=nonesuch%2Fx")[0][0].get("value_key") is None


def test_a_model_that_cannot_be_asked_for_is_refused_as_a_request_would_be(plain):
    assert plain.get("/v1/limits?model=%40nobody/gpt-4o", plain.key()).status == 400


def test_metadata_of_key_and_workspace_tells_the_value(plain):
    gateway = plain
    key = gateway.key(metadata={"user": "ada"})
    policy = usage_policy(gateway, conditions=[{"key": "metadata.user", "value": ["ada", "bob"]}],
                          credit_limit=0.001)
    rate_policy(gateway, conditions=[{"key": "metadata.user", "value": "*"}], value=3)
    usage_policy(gateway, conditions=[{"key": "metadata.user", "value": "carl"}])
    while gateway.chat(key, max_tokens=500).status == 200:
        pass
    gateway.wait_idle()
    (budget, rate), status = told(gateway, key)
    assert budget["name"] == policy and budget["value_key"] == "metadata.user:ada"
    assert budget["used"] == 0.0009 and budget["status"] == status == "exhausted"
    assert (rate["unit"], rate["used"], rate["remaining"]) == ("rpm", 2, 1)
    assert told(gateway, key, headers=as_user("carl"))[0] == [budget, rate], "the key's metadata wins"

    by_operator = json.loads(gateway.ctl("-o", "json", "limits", key.id).stdout)
    assert [one for one in by_operator["limits"] if one["scope"] == "policy"] == [budget, rate]
    assert "metadata.user:ada" in gateway.ctl("limits", key.id).stdout
    gateway.admin("PUT", f"/policies/usage-limits/{policy}", {"credit_limit": 1})
    (budget, _), status = told(gateway, key)
    assert (budget["limit"], budget["status"], status) == (1, "active", "active")


def test_a_policy_in_shadow_is_told_but_exhausts_nobody(plain):
    gateway, key = plain, plain.key(metadata={"user": "ada"})
    usage_policy(gateway, conditions=[{"key": "metadata.user", "value": "*"}],
                 credit_limit=0.0000001, enforcement="shadow")
    (one,), status = told(gateway, key)
    assert (one["enforcement"], one["would_refuse"], one["bound"]) == ("shadow", 0, None)
    assert gateway.chat(key).status == 200
    gateway.wait_idle()
    (one,), status = told(gateway, key)
    assert (one["would_refuse"], one["status"], status) == (1, "exhausted", "active")


def test_other_keys_policies_are_not_told(plain):
    gateway = plain
    one, two = gateway.key(), gateway.key()
    usage_policy(gateway, conditions=[{"key": "api_key", "value": one.id}],
                 group_by=[{"key": "api_key"}])
    assert len(told(gateway, one)[0]) == 1 and told(gateway, two)[0] == []


def test_the_view_of_budgets_holds_every_value(plain):
    gateway, key = plain, plain.key()
    usage_policy(gateway, name="per user", credit_limit=2)
    for user in ("ada", "bob", "bob"):
        assert ask(gateway, key, user).status == 200
    gateway.wait_flushed()

    def seen():
        return gateway.rows("SELECT owner, used, \"limit\", requests FROM aigate.v_budget"
                            " WHERE level = 'policy' ORDER BY owner")
    wait(lambda: seen() == [("per user metadata.user:ada", COST, 2 * 10**9, 1),
                            ("per user metadata.user:bob", 2 * COST, 2 * 10**9, 2)],
         "names in PostgreSQL")


# -- alerts ----------------------------------------------------------------------------------

def alerts(gateway):
    return gateway.rows("SELECT kind, value_key, arming FROM aigate.alert WHERE level = 'policy'"
                        " ORDER BY value_key, id")


def sent(gateway, policy, user):
    usage = gateway.admin("GET", f"/policies/usage-limits/{policy}?include_usage=true")
    one = usage["value_key_usage_map"][f"metadata.user:{user}"]
    return one["is_threshold_alerts_sent"], one["is_exhausted_alerts_sent"]


def test_each_value_of_a_policy_has_alerts_of_its_own(alerting, hook):
    gateway = alerting(workers="2")
    key = gateway.key()
    policy = usage_policy(gateway, name="per user", credit_limit=0.02, alert_threshold=0.01)
    for user, n in (("ada", 1), ("bob", 2)):
        for _ in range(n):
            assert ask(gateway, key, user, max_tokens=500).status == 200
    one = hook.wait(1)[0]
    assert (one["scope"], one["scope_id"], one["name"]) == ("policy", policy, "per user")
    assert one["value_key"] == "metadata.user:bob" and one["kind"] == "threshold"
    assert (one["current_usage"], one["credit_limit"]) == (0.012, 0.02)
    settle(gateway)
    assert alerts(gateway) == [("threshold", "metadata.user:bob", 0)]
    assert sent(gateway, policy, "bob") == (True, False)
    assert sent(gateway, policy, "ada") == (False, False)
    while ask(gateway, key, "bob", max_tokens=500).status == 200:
        pass
    hook.wait(2)
    assert sent(gateway, policy, "bob") == (True, True)


def test_an_edit_of_the_policy_arms_its_alerts_and_hides_none(alerting, hook):
    gateway = alerting(workers="2")
    key = gateway.key()
    policy = usage_policy(gateway, credit_limit=10)
    assert ask(gateway, key, "ada").status == 200
    gateway.wait_idle()
    path = f"/policies/usage-limits/{policy}"
    gateway.admin("PUT", path, {"alert_threshold": 0.001})
    hook.wait(1), settle(gateway)
    assert alerts(gateway) == [("threshold", "metadata.user:ada", 0)], "without another request"
    gateway.admin("PUT", path, {"alert_threshold": 0.002})
    hook.wait(2), settle(gateway)
    assert alerts(gateway)[1:] == [("threshold", "metadata.user:ada", 1)], "armed anew, still so"
    assert sent(gateway, policy, "ada") == (True, False)
    gateway.admin("PUT", path, {"alert_threshold": None})
    assert sent(gateway, policy, "ada") == (False, False)
    gateway.admin("PUT", path, {"credit_limit": 0.005})
    told_last = hook.wait(3)[2]
    assert (told_last["kind"], told_last["reason"]) == ("exhausted", "reached")
    gateway.admin("DELETE", path)
    pid = gateway.kill9("control")
    gateway.expect_error(r"died of signal 9|last words")
    gateway.wait_new("control", 0, pid)
    settle(gateway)
    assert len(alerts(gateway)) == len(hook.taken) == 3
    assert {a["id"] for a in hook.taken} == {
        str(u) for (u,) in gateway.rows("SELECT uuid FROM aigate.alert")}


def test_a_policy_s_alerts_survive_a_rebuilt_segment(alerting, hook):
    gateway = alerting(workers="2")
    key = gateway.key()
    usage_policy(gateway, credit_limit=10, alert_threshold=0.0001, conditions=any_model())
    assert ask(gateway, key, "ada").status == 200
    hook.wait(1)
    gateway.wait_flushed()
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    settle(gateway)
    assert len(hook.taken) == 1 and len(alerts(gateway)) == 1
