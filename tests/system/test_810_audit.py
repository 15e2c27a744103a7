"""The audit log: who changed what, before and after, from where; rows are only ever added."""

import datetime
import json
import urllib.parse

import pytest

from pg import PostgresError

SECRET = "sk-very-secret-0123456789"


def span(**query):
    now = datetime.datetime.now(datetime.timezone.utc)
    return urllib.parse.urlencode({
        "start_time": (now - datetime.timedelta(hours=1)).isoformat(),
        "end_time": (now + datetime.timedelta(hours=1)).isoformat(), **query})


def records(gateway, key=None, **query):
    return gateway.admin("GET", "/audit-logs?" + span(**query), key=key)["records"]


def test_every_write_tells_who_what_and_where_from(gateway):
    workspace = gateway.workspace("W")
    one = next(r for r in records(gateway, resource_type="workspace") if r["action"] == "create")
    admin = gateway.sql("SELECT uuid FROM aigate.api_key WHERE kind = 'organisation-service'")
    assert one["method"] == "POST" and one["uri"] == "/v1/admin/workspaces" and one["client_ip"] == "127.0.0.1"
    assert (one["user_type"], one["user_id"]) == ("api_key", admin)
    assert one["resource_id"] == workspace["id"] and one["response_status_code"] == 200
    assert json.loads(one["request_body"]) == {"name": "W"} and one["query_params"] == ""
    assert one["before"] is None and one["after"]["name"] == "W"
    assert one["organisation_id"] and one["workspace_id"] is None and one["request_id"]
    headers = {k.lower(): v for k, v in json.loads(one["request_headers"]).items()}
    assert headers["x-portkey-api-key"] == "*****"


# (method, path, body, kind, action); {w} and so on stand for what setup() made.
WRITES = [
    ("PUT", "/admin/workspaces/{w}", {"name": "V"}, "workspace", "update"),
    ("DELETE", "/admin/workspaces/{gone}", {"name": "gone"}, "workspace", "delete"),
    ("PUT", "/api-keys/{key}", {"name": "K"}, "api_key", "update"),
    ("DELETE", "/api-keys/{key}", None, "api_key", "delete"),
    ("PUT", "/integrations/mock", {"name": "I"}, "integration", "update"),
    ("PUT", "/integrations/mock/models", {"models": [{"slug": "m", "enabled": True}]}, "integration_model", "update"),
    ("PUT", "/integrations/mock/workspaces", {"workspaces": [{"id": "{w}", "enabled": False}]},
     "integration_workspace", "update"),
    ("DELETE", "/integrations/mock", None, "integration", "delete"),
    ("PUT", "/policies/usage-limits/{policy}", {"credit_limit": 9}, "policy", "update"),
    ("DELETE", "/policies/usage-limits/{policy}", None, "policy", "delete"),
    ("PUT", "/policies/rate-limits/{rate}", {"value": 7}, "policy", "update"),
    ("PUT", "/admin/organisation/settings", {"usage_limits": [{"credit_limit": 3}]},
     "organisation_settings", "update"),
]


def test_every_handler_fills_in_what_was_before_and_what_is_after(gateway):
    names = {"w": gateway.default_workspace()["slug"], "gone": gateway.admin(
        "POST", "/admin/workspaces", {"name": "gone"})["slug"], "key": gateway.key().id}
    names["policy"] = gateway.admin("POST", "/policies/usage-limits", {
        "workspace_id": names["w"], "credit_limit": 5, "type": "cost", "group_by": [{"key": "api_key"}],
        "conditions": [{"key": "metadata.team", "value": "a"}]})["id"]
    names["rate"] = gateway.admin("POST", "/policies/rate-limits", {
        "workspace_id": names["w"], "type": "requests", "unit": "rpm", "value": 5,
        "group_by": [{"key": "api_key"}], "conditions": [{"key": "metadata.team", "value": "a"}]})["id"]

    def fill(value):
        return json.loads(json.dumps(value).replace("{w}", names["w"]))
    for method, path, body, kind, action in WRITES:
        gateway.admin(method, path.format(**names), fill(body))
        one = records(gateway, page_size=1)[0]
        assert (one["resource_type"], one["action"], one["method"]) == (kind, action, method), path
        assert one["before"], path
        assert (one["after"] is None) == (action == "delete"), path
        assert one["before"] != one["after"]
        assert not [k for k in one["before"] if k.startswith("_")]
    created = [r for r in records(gateway, action="create")]
    assert {"workspace", "api_key", "integration", "policy", "organisation"} \
        <= {r["resource_type"] for r in created}
    assert all(r["before"] is None and r["after"] for r in created)
    policy = next(r for r in created if r["resource_id"] == names["policy"])
    assert policy["after"]["credit_limit"] == 5 and policy["after"]["status"] == "active"


def test_no_secret_gets_into_it(gateway):
    made = gateway.admin("POST", "/integrations", {
        "name": "x", "slug": "x", "ai_provider_id": "openai", "key": SECRET, "configurations": {
            "custom_host": "http://127.0.0.1:1", "custom_headers": {"x-upstream-token": SECRET + "-3", "x-team": "blue"}}})
    key = gateway.key()
    gateway.admin("PUT", "/integrations/x", {"key": SECRET + "-2"})
    text = json.dumps(records(gateway)) + str(gateway.rows("SELECT row_to_json(a) FROM aigate.audit_log a"))
    for secret in (SECRET, str(key), gateway.admin_key):
        assert secret not in text
    one = next(r for r in records(gateway, action="create") if r["resource_id"] == made["id"])
    body = json.loads(one["request_body"])
    assert body["key"] == "*****" and body["slug"] == "x"
    assert "blue" in one["request_body"], "what is no secret stays"
    assert one["after"]["masked_key"].startswith("sk*****")


def test_no_credential_of_a_header_is_kept_however_it_is_spelled(gateway):
    """Clients send what they send with every request with admin calls as well."""
    names = ["x-portkey-aws-secret-access-key", "x-portkey-aws-session-token", "X-Portkey-Vertex-Service-Account-Json",
             "x-portkey-azure-entra-client-secret", "openai-api-key", "x-portkey-azure-ad-token", "x-vault-token"]
    config = json.dumps({"provider": "openai", "api_key": SECRET})
    answer = gateway.ask("POST", "/v1/admin/workspaces", {
        "x-portkey-api-key": gateway.admin_key, "x-portkey-config": config, "x-portkey-virtual-key": "slug",
        **{name: SECRET for name in names}}, {"name": "W"})
    assert answer.status == 200
    one = next(r for r in records(gateway, resource_type="workspace") if r["action"] == "create")
    assert SECRET not in json.dumps(one)
    headers = {k.lower(): v for k, v in json.loads(one["request_headers"]).items()}
    assert all(headers[name.lower()] == "*****" for name in [*names, "x-portkey-config"])
    assert headers["x-portkey-virtual-key"] == "slug"


def test_refused_calls_leave_nothing(gateway):
    before = len(records(gateway))
    assert gateway.admin_ask("POST", "/admin/workspaces", {"name": ""}).status == 400
    assert gateway.admin_ask("DELETE", "/api-keys/00000000-0000-0000-0000-000000000000").status == 404
    assert len(records(gateway)) == before


def test_filters(gateway):
    workspace = gateway.workspace("W")
    admin = gateway.sql("SELECT uuid FROM aigate.api_key WHERE kind = 'organisation-service'")
    scoped = gateway.key(workspace=workspace, scopes=["workspaces.update", "completions.write"])
    gateway.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"name": "X"}, key=scoped)
    last = records(gateway)[0]
    assert last["user_id"] == scoped.id and last["workspace_id"] == workspace["id"]
    for query in ({"method": "put"}, {"uri": "/admin/workspaces/" + workspace["slug"]},
                  {"request_id": last["request_id"]}, {"user_id": scoped.id},
                  {"workspace_id": workspace["slug"]}, {"workspace_id": workspace["id"]},
                  {"resource_type": "workspace", "action": "update"}, {"user_id": scoped.id, "user_type": "api_key"}):
        assert last in records(gateway, **query), query
    assert len(records(gateway, user_id=scoped.id)) == 1
    for query in ({"method": "DELETE"}, {"uri": "/nowhere"}, {"client_ip": "10.0.0.1"}, {"country": "DE"},
                  {"response_status_code": 201}, {"user_id": "nobody"}, {"workspace_id": "nowhere"}):
        assert records(gateway, **query) == [], query
    assert all(r["user_id"] == admin for r in records(gateway, user_id=admin))
    assert len(records(gateway, response_status_code=200)) >= 3
    operators = records(gateway, user_type="operator")
    assert {r["resource_type"] for r in operators} == {"organisation", "api_key"}, "aigatectl bootstrap"


def test_pages_newest_first(gateway):
    for n in range(5):
        gateway.admin("POST", "/admin/workspaces", {"name": f"w{n}"})
    seen = []
    for page in range(3):
        answer = gateway.admin("GET", "/audit-logs?" + span(page_size=2, current_page=page,
                                                            resource_type="workspace"))
        assert answer["total"] == 5 and answer["object"] == "analytics-graph"
        seen += [r["after"]["name"] for r in answer["records"]]
    assert seen == ["w4", "w3", "w2", "w1", "w0"]


BAD = [
    ({"start_time": "x"}, "start_time"), ({"end_time": "2020-01-01"}, "start_time"),
    ({"method": "GET"}, "method"), ({"user_type": "god"}, "user_type"), ({"page_size": "101"}, "page_size"),
    ({"response_status_code": "ok"}, "response_status_code"), ({"organisation_id": "nobody"}, None)]


def test_bad_filters_are_named(gateway):
    for query, name in BAD:
        answer = gateway.admin_ask("GET", "/audit-logs?" + span(**query))
        assert answer.status == (400 if name else 403), query
        assert not name or answer.json["error"]["message"].startswith(name), query


def test_only_who_may_reads_it_and_only_of_his_organisation(gateway):
    gateway.workspace("W")
    assert gateway.admin_ask("GET", "/audit-logs?" + span(), key=gateway.key()).status == 401
    assert gateway.admin_ask("GET", "/audit-logs").status == 400
    gateway.sql("INSERT INTO aigate.audit_log (organisation_id, actor_kind, action, object_kind)"
                " VALUES (99, 'system', 'create', 'foreign'), (NULL, 'system', 'create', 'nobodys')")
    assert not [r for r in records(gateway) if r["resource_type"] in ("foreign", "nobodys")]
    uuid = gateway.sql("SELECT uuid FROM aigate.organisation")
    assert records(gateway, organisation_id=uuid) and records(gateway, organisation_id="acme")


@pytest.mark.parametrize("role", ["aigate_control", "aigate_flusher", "aigate_ops", None])
def test_rows_cannot_be_changed_or_deleted(gateway, role):
    """By nobody: the roles lack the privilege, and a trigger stops even the owner."""
    gateway.workspace("W")
    before = gateway.rows("SELECT * FROM aigate.audit_log ORDER BY id")
    for statement in ("UPDATE aigate.audit_log SET action = 'nothing'", "DELETE FROM aigate.audit_log",
                      "TRUNCATE aigate.audit_log"):
        with pytest.raises(PostgresError) as refused:
            gateway.sql((f"SET ROLE {role}; " if role else "SET work_mem TO '4MB'; ") + statement)
        assert ("permission denied" if role else "never changed") in str(refused.value)
    assert gateway.rows("SELECT * FROM aigate.audit_log ORDER BY id") == before and before


def test_control_may_do_what_it_does_with_its_own_role(gateway_factory, mock):
    """Everything written and read here works with the grants of aigate_control alone."""
    gateway = gateway_factory(mock=mock, start=False)
    gateway.pg.run("DO $$ BEGIN CREATE ROLE gate LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
                   "GRANT aigate_control, aigate_flusher TO gate")
    gateway.start()
    gateway.stop()
    gateway.configure(database=gateway.pg.conninfo(gateway.database, user="gate"))
    gateway.start()
    key = gateway.key(scopes=["completions.write", "logs.write", "analytics.view", "logs.export"])
    assert gateway.chat(key, headers={"x-portkey-trace-id": "t"}).status == 200
    gateway.wait_flushed()
    made = gateway.admin("POST", "/feedback", {"trace_id": "t", "value": 1}, key)
    gateway.admin("PUT", f"/feedback/{made['feedback_ids'][0]}", {"value": 2}, key)
    gateway.admin("POST", "/logs", {"request": {"url": "u", "body": {}}, "response": {"body": {}}}, key)
    now = datetime.datetime.now(datetime.timezone.utc)
    query = urllib.parse.urlencode({
        "time_of_generation_min": (now - datetime.timedelta(hours=1)).isoformat(),
        "time_of_generation_max": (now + datetime.timedelta(hours=1)).isoformat()})
    assert gateway.admin("GET", f"/analytics/graphs/feedbacks?{query}", key=key)["summary"]["total"] == 1
    assert gateway.admin("GET", f"/analytics/graphs/requests?{query}", key=key)["summary"]["total"] == 1
    assert gateway.admin("POST", "/logs/exports", {"requested_data": ["id"]}, key)["total"] == 2
    assert records(gateway)
