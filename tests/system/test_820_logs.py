"""Logs that clients tell, reading one back, feedback."""

import pytest

import rows
from rows import at

LOG = {"request": {"url": "https://api.example/v1/chat", "method": "POST", "provider": "acme",
                   "headers": {"Authorization": "Bearer sk-secret", "x-team": "blue"},
                   "body": {"model": "acme-1", "messages": [{"role": "user", "content": "hi"}]}},
       "response": {"status": 200, "headers": {"set-cookie": "sid=secret"}, "response_time": 250,
                    "body": {"usage": {"prompt_tokens": 7, "completion_tokens": 5},
                             "choices": [{"logprobs": {"content": [{"token": "hello"}]}}]}},
       "metadata": {"traceId": "t-1", "span_id": "s-1", "span_name": "step", "parent_span_id": "s-0",
                    "user": "ann"}}
SCOPES = ("completions.write", "logs.write", "logs.view")


@pytest.fixture
def key(gateway):
    return gateway.key(scopes=SCOPES)


def log_with(part, **changes):
    return {**LOG, part: {k: v for k, v in {**LOG[part], **changes}.items() if v is not None}}


# ---- logs told ----

def test_a_log_that_was_told_reads_back(gateway, key):
    made = gateway.admin("POST", "/logs", LOG, key)
    assert made["status"] == "success" and len(made["log_ids"]) == 1
    got = gateway.admin("GET", f"/logs/{made['log_ids'][0]}", key=key)
    assert got["_id"] == made["log_ids"][0]
    assert got["request"]["url"] == LOG["request"]["url"] and got["request"]["body"] == LOG["request"]["body"]
    assert got["response"]["status"] == 200 and got["response"]["responseTime"] == 250
    assert got["response"]["body"] == LOG["response"]["body"], "a token of an answer is no credential"
    metrics = got["metrics"]
    assert (metrics["ai_org"], metrics["ai_model"]) == ("acme", "acme-1")
    assert (metrics["req_units"], metrics["res_units"], metrics["total_units"]) == (7, 5, 12)
    assert (metrics["trace_id"], metrics["span_id"], metrics["span_name"], metrics["parent_span_id"]) \
        == ("t-1", "s-1", "step", "s-0")
    assert (metrics["metadata.key"], metrics["metadata.value"]) == (["user"], ["ann"])
    assert metrics["cost"] == 0 and metrics["is_success"] is True and metrics["api_key_id"] == key.id


def test_credentials_in_headers_are_not_kept(gateway, key):
    log_id = gateway.admin("POST", "/logs", LOG, key)["log_ids"][0]
    got = gateway.admin("GET", f"/logs/{log_id}", key=key)
    assert got["request"]["headers"] == {"Authorization": "*****", "x-team": "blue"}
    assert got["response"]["headers"] == {"set-cookie": "*****"}
    assert "secret" not in str(gateway.rows("SELECT row_to_json(l) FROM aigate.custom_log l"))


def test_many_at_once_keep_their_order_or_none_is_taken(gateway, key):
    made = gateway.admin("POST", "/logs", [log_with("request", url=f"u{n}") for n in range(20)], key)
    got = [gateway.admin("GET", f"/logs/{i}", key=key)["request"]["url"] for i in made["log_ids"]]
    assert got == [f"u{n}" for n in range(20)]
    answer = gateway.admin_ask("POST", "/logs", [LOG, log_with("request", url=None)], key)
    assert answer.status == 400 and answer.json["error"]["message"].startswith("request.url")
    assert gateway.sql("SELECT count(*) FROM aigate.custom_log") == 20


BAD_LOGS = [
    ({}, "request"), ({"request": LOG["request"]}, "response"), ([], "a list"), ([1], "a log"),
    (log_with("request", body=None), "request.body"), (log_with("request", url=5), "request.url"),
    (log_with("response", body=None), "response.body"), (log_with("response", status=99), "response.status"),
    (log_with("response", status="ok"), "response.status"),
    (log_with("response", streamingMode="x"), "response.streamingMode"),
    ({**LOG, "metadata": {"a": {}}}, "metadata.a"), ({**LOG, "metadata": "x"}, "metadata")]


def test_a_bad_log_is_refused_by_name(gateway, key):
    for body, name in BAD_LOGS:
        answer = gateway.admin_ask("POST", "/logs", body, key)
        assert answer.status == 400 and answer.json["error"]["message"].startswith(name), answer
    assert gateway.sql("SELECT count(*) FROM aigate.custom_log") == 0


def test_what_is_told_costs_no_budget_and_is_in_no_report(gateway):
    key = gateway.key(budget_usd="1", scopes=SCOPES + ("analytics.view",))
    gateway.admin("POST", "/logs", LOG, key)
    assert gateway.key_object(key)["usage_limits"]["current_usage"] == 0
    answer = gateway.ask("POST", "/v1/logs", {"x-portkey-api-key": key,
                                              "x-portkey-override-service-log-usage": "true"}, LOG)
    assert answer.status == 400 and "override-service-log-usage" in answer.json["error"]["message"]


def test_who_may_tell_logs(gateway, key):
    assert gateway.admin_ask("POST", "/logs", LOG).status == 401, "an admin key"
    assert gateway.admin_ask("POST", "/logs", LOG, gateway.key(scopes=["logs.view"])).status == 401
    assert gateway.admin_ask("POST", "/logs", LOG, gateway.key(scopes=["completions.write"])).status == 200
    assert gateway.admin_ask("POST", "/logs", LOG, gateway.key(scopes=["logs.write"])).status == 200


# ---- reading one ----

def test_a_request_of_ours_reads_back(gateway, key):
    request = rows.add(gateway, key, at(1), cost_nusd=7, status=500, is_final=False)
    rows.add(gateway, key, at(1), cost_nusd=1_234_560, tin=10, tout=2, ms=123, trace="t", attempt=2,
             request_id=request, metadata={"b": "2", "a": "1"}, cache=1)
    got = gateway.admin("GET", f"/logs/{request}", key=key)
    assert got["created_at"] == rows.shown(at(1)) and got["object"] == "log"
    assert got["request"] == {"url": "/v1/chat/completions", "method": "POST", "portkeyHeaders": {}}
    assert got["response"] == {"status": 200, "responseTime": 123, "lastUsedOptionJsonPath": "config"}
    metrics = got["metrics"]
    assert metrics["cost"] == rows.cents(1_234_567), "of both attempts"
    assert metrics["retry_success_count"] == 1 and metrics["cache_status"] == "HIT"
    assert metrics["metadata.key"] == ["a", "b"] and metrics["metadata.value"] == ["1", "2"]
    assert metrics["trace_id"] == "t" and metrics["virtual_key"] == "mock"
    assert metrics["workspace_slug"] == gateway.default_workspace()["slug"]


def test_logs_of_other_workspaces_are_not_there(gateway, key):
    other = gateway.key(workspace=gateway.workspace("theirs"), scopes=SCOPES)
    request = rows.add(gateway, key, at(1))
    told = gateway.admin("POST", "/logs", LOG, key)["log_ids"][0]
    for log_id in (request, told):
        assert gateway.admin_ask("GET", f"/logs/{log_id}", key=key).status == 200
        assert gateway.admin_ask("GET", f"/logs/{log_id}", key=other).status == 404
        assert gateway.admin_ask("GET", f"/logs/{log_id}").status == 200, "the admin key of both"
        assert gateway.admin_ask("GET", f"/logs/{log_id}", key=gateway.key(scopes=["analytics.view"])).status == 401
    assert gateway.admin_ask("GET", "/logs/nonsense", key=key).status == 404
    assert gateway.admin_ask("GET", "/logs/00000000-0000-0000-0000-000000000000", key=key).status == 404


# ---- feedback ----

def stored(gateway):
    return gateway.rows("SELECT trace_id, value, weight, metadata FROM aigate.feedback ORDER BY id")


def test_feedback_is_given_and_changed(gateway, key):
    made = gateway.admin("POST", "/feedback", {"trace_id": "t", "value": 5, "weight": 0.25,
                                               "metadata": {"text": "good"}}, key)
    assert made["status"] == "success" and made["message"] and len(made["feedback_ids"]) == 1
    name = made["feedback_ids"][0]
    again = gateway.admin("PUT", f"/feedback/{name}", {"value": -10}, key)
    assert again["feedback_ids"] == [name]
    (trace, value, weight, metadata), = stored(gateway)
    assert (trace, value, float(weight), metadata) == ("t", -10, 0.25, {"text": "good"})
    gateway.admin("PUT", f"/feedback/{name}", {"value": 1, "weight": 1, "metadata": {}}, key)
    assert stored(gateway) == [("t", 1, 1, {})]


def test_a_list_of_feedback_has_its_ids_in_order(gateway, key):
    made = gateway.admin("POST", "/feedback", [{"trace_id": f"t{n}", "value": n} for n in range(11)], key)
    got = gateway.rows("SELECT uuid, value FROM aigate.feedback ORDER BY value")
    assert [u for u, _ in got] == made["feedback_ids"]


BAD_FEEDBACK = [
    ({"value": 1}, "trace_id"), ({"trace_id": "", "value": 1}, "trace_id"), ({"trace_id": "t"}, "value"),
    ({"trace_id": "t", "value": 11}, "value"), ({"trace_id": "t", "value": -11}, "value"),
    ({"trace_id": "t", "value": 1.5}, "value"), ({"trace_id": "t", "value": "5"}, "value"),
    ({"trace_id": "t", "value": 1, "weight": 1.01}, "weight"),
    ({"trace_id": "t", "value": 1, "weight": -0.1}, "weight"),
    ({"trace_id": "t", "value": 1, "metadata": []}, "metadata"), ([], "a list"), ([{"value": 1}], "trace_id")]


def test_bad_feedback_is_refused_by_name(gateway, key):
    for body, name in BAD_FEEDBACK:
        answer = gateway.admin_ask("POST", "/feedback", body, key)
        assert answer.status == 400 and answer.json["error"]["message"].startswith(name), answer
    assert stored(gateway) == []


def test_feedback_of_other_workspaces_is_not_there(gateway, key):
    other = gateway.key(workspace=gateway.workspace("theirs"), scopes=SCOPES)
    name = gateway.admin("POST", "/feedback", {"trace_id": "t", "value": 5}, key)["feedback_ids"][0]
    assert gateway.admin_ask("PUT", f"/feedback/{name}", {"value": 1}, other).status == 404
    assert gateway.admin_ask("PUT", f"/feedback/{name}", {"value": 1}, gateway.key()).status == 401
    assert gateway.admin_ask("POST", "/feedback", {"trace_id": "t", "value": 5}).status == 401
    assert [v for _, v, _, _ in stored(gateway)] == [5]


def test_arrays_are_taken_where_they_belong_alone(gateway):
    answer = gateway.admin_ask("POST", "/admin/workspaces", [{"name": "x"}])
    assert answer.status == 400 and "object" in answer.json["error"]["message"]
