"""The admin API: shapes of answers, rules for what comes in, who may do what."""

import json
import socket
import threading

import pytest

from gateway import Gateway

ADMIN = "/v1/admin/workspaces"


@pytest.fixture(scope="module")
def shared_gateway(pg_cluster):
    """One for the tests that leave nothing behind."""
    one = Gateway(pg_cluster)
    yield one
    one.close()


def refused(answer, status, code, *words):
    """An error in the shape both kinds of client read, naming what it is about."""
    assert answer.status == status, answer
    body = answer.json
    assert body["success"] is False
    assert body["data"]["errorCode"] == code, body
    assert body["error"]["code"] == code and body["error"]["param"] is None
    assert body["error"]["message"] == body["data"]["message"]
    for word in words:
        assert word in body["data"]["message"], body["data"]["message"]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-portkey-trace-id"]
    return body


def make_key(gateway, workspace, kind="workspace/service", scopes=("completions.write",), **more):
    return gateway.admin("POST", f"/api-keys/{kind}", {
        "name": "k", "workspace_id": workspace["slug"], "scopes": list(scopes), **more})


# -- workspaces ------------------------------------------------------------------------------

def test_a_workspace_lives_from_create_to_delete(gateway):
    made = gateway.admin("POST", "/admin/workspaces", {
        "name": "Shared Team", "description": "of all", "defaults": {"metadata": {"team": "a"}}})
    assert made["slug"].startswith("ws-shared-") and made["object"] == "workspace"
    assert made["is_default"] == 0 and made["status"] == "active"
    assert made["defaults"]["metadata"] == {"team": "a"}
    assert made["usage_limits"] is None and made["rate_limits"] is None

    for name in (made["id"], made["slug"]):
        one = gateway.admin("GET", f"/admin/workspaces/{name}")
        assert one["name"] == "Shared Team" and one["users"] == [] and one["organisation_id"]

    after = gateway.admin("PUT", f"/admin/workspaces/{made['slug']}", {"name": "Renamed"})
    assert after["name"] == "Renamed" and after["description"] == "of all"

    refused(gateway.admin_ask("DELETE", f"/admin/workspaces/{made['slug']}", {"name": "Shared Team"}),
            400, "AB01", "name")
    assert gateway.admin("DELETE", f"/admin/workspaces/{made['slug']}", {"name": "Renamed"}) == {}
    refused(gateway.admin_ask("GET", f"/admin/workspaces/{made['slug']}"), 404, "AB08")
    again = gateway.admin("POST", "/admin/workspaces", {"name": "x", "slug": made["slug"]})
    assert again["slug"] == made["slug"], "the slug of a deleted workspace is free again"


def test_workspaces_are_listed_newest_first_filtered_and_by_page(gateway):
    for name in ("alpha one", "alpha two", "beta"):
        gateway.admin("POST", "/admin/workspaces", {"name": name})
    everything = gateway.admin("GET", "/admin/workspaces")
    assert everything["object"] == "list" and everything["total"] == 3
    assert [w["name"] for w in everything["data"]] == ["beta", "alpha two", "alpha one"]
    assert gateway.admin("GET", "/admin/workspaces?name=alpha")["total"] == 2
    assert gateway.admin("GET", "/admin/workspaces?exact_name=beta")["total"] == 1
    for query in ("page_size=2&current_page=1", "pageSize=2&currentPage=1"):
        page = gateway.admin("GET", "/admin/workspaces?" + query)
        assert page["total"] == 3 and [w["name"] for w in page["data"]] == ["alpha one"]
    refused(gateway.admin_ask("GET", "/admin/workspaces?page_size=x"), 400, "AB01", "page_size")
    refused(gateway.admin_ask("GET", "/admin/workspaces?status=gone"), 400, "AB01", "status")


def test_a_workspace_in_use_is_deleted_only_by_force(gateway):
    workspace = gateway.workspace("busy")
    key = gateway.key(workspace=workspace)
    assert gateway.chat(key).status == 200
    refused(gateway.admin_ask("DELETE", f"/admin/workspaces/{workspace['slug']}", {"name": "busy"}),
            409, "AB07", "1 API keys", "1 providers")
    gateway.admin("DELETE", f"/admin/workspaces/{workspace['slug']}",
                  {"name": "busy", "force_delete": True})
    assert gateway.chat(key).status == 401
    assert gateway.admin("GET", "/admin/workspaces?status=archived")["data"][0]["slug"] == \
        workspace["slug"]


def test_the_same_slug_twice_is_a_conflict(gateway):
    gateway.admin("POST", "/admin/workspaces", {"name": "a", "slug": "same"})
    refused(gateway.admin_ask("POST", "/admin/workspaces", {"name": "b", "slug": "same"}),
            409, "AB07")


# -- what comes in -----------------------------------------------------------------------------

@pytest.mark.parametrize("body, word", [
    ({}, "name"),
    ({"name": 5}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"name": "x", "slug": "a b"}, "slug"),
    ({"name": "x", "defaults": []}, "defaults"),
    ({"name": "x", "defaults": {"metadata": {"a": {"b": 1}}}}, "defaults.metadata.a"),
    ({"name": "x", "defaults": {"metadata": {"a": "y" * 3000}}}, "defaults.metadata"),
    ({"name": "x", "defaults": {"input_guardrails": ["pg-1"]}}, "input_guardrails"),
    ({"name": "x", "users": ["u"]}, "users"),
    ({"name": "x", "usage_limits": [{"type": "cost"}]}, "usage_limits[0].credit_limit"),
    ({"name": "x", "usage_limits": [{"credit_limit": 0}]}, "usage_limits[0].credit_limit"),
    ({"name": "x", "usage_limits": [{"credit_limit": -3}]}, "usage_limits[0].credit_limit"),
    ({"name": "x", "usage_limits": [{"credit_limit": "5"}]}, "usage_limits[0].credit_limit"),
    ({"name": "x", "usage_limits": [{"credit_limit": 4000000001}]}, "4000000000"),
    ({"name": "x", "usage_limits": [{"credit_limit": 1e300}]}, "credit_limit"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "type": "dollars"}]}, "type"),
    ({"name": "x", "usage_limits": [{"credit_limit": 1.5, "type": "tokens"}]}, "one token"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "periodic_reset": "daily"}]},
     "periodic_reset"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "periodic_reset_days": 0}]},
     "periodic_reset_days"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "periodic_reset_days": 366}]},
     "periodic_reset_days"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "periodic_reset_days": 3,
                                     "periodic_reset": "weekly"}]}, "excludes"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5, "enforcement": "loose"}]}, "enforcement"),
    ({"name": "x", "usage_limits": [{"credit_limit": 5}, {"credit_limit": 6}]}, "twice"),
    ({"name": "x", "rate_limits": [{"unit": "rpm", "value": 5}]}, "rate_limits[0].type"),
    ({"name": "x", "rate_limits": [{"type": "requests", "value": 5}]}, "rate_limits[0].unit"),
    ({"name": "x", "rate_limits": [{"type": "requests", "unit": "rpy", "value": 5}]}, "unit"),
    ({"name": "x", "rate_limits": [{"type": "requests", "unit": "rpm", "value": -1}]},
     "rate_limits[0].value"),
    ({"name": "x", "rate_limits": [{"type": "requests", "unit": "rpm", "value": 1.5}]}, "value"),
    ({"name": "x", "rate_limits": [{"type": "requests", "unit": "rpm"}]}, "value"),
])
def test_bad_input_names_field_and_rule_and_changes_nothing(shared_gateway, body, word):
    gateway = shared_gateway
    count = "SELECT (SELECT count(*) FROM aigate.workspace) + (SELECT count(*) FROM aigate.meter)"
    before = gateway.sql(count)
    refused(gateway.admin_ask("POST", "/admin/workspaces", body), 400, "AB01", word)
    assert gateway.sql(count) == before


def test_what_is_no_json_object_is_refused(shared_gateway):
    for text in ("{", "[]", "7", '{"name": "x"} trailing', '{"name": "\\ud800"', "\xff",
                 "[" * 40 + "]" * 40):
        answer = shared_gateway.ask("POST", ADMIN, {"x-portkey-api-key": shared_gateway.admin_key,
                                                    "content-type": "application/json"},
                                    text.encode("latin-1"))
        refused(answer, 400, "AB01")
    big = {"name": "x", "description": "y" * (2 << 20)}
    refused(shared_gateway.admin_ask("POST", "/admin/workspaces", big), 413, "AB01")


def test_unknown_members_are_tolerated(shared_gateway):
    made = shared_gateway.admin("POST", "/admin/workspaces", {"name": "x", "some_thing": {"a": 1}})
    shared_gateway.admin("DELETE", f"/admin/workspaces/{made['id']}", {"name": "x"})


def test_paths_that_are_not_ours_say_so(shared_gateway):
    refused(shared_gateway.admin_ask("GET", "/admin/nothing"), 404, "AB08", "/v1/admin/nothing")
    refused(shared_gateway.admin_ask("GET", "/collections"), 501, "AB04", "collections")
    refused(shared_gateway.admin_ask("GET", "/prompts"), 501, "AB04", "prompts")
    refused(shared_gateway.admin_ask("POST", "/labels", {}), 501, "AB04", "labels")
    answer = shared_gateway.admin_ask("POST", "/operator/bootstrap", {"organisation": "Evil"})
    assert answer.status == 404, "operators come by another door"


# -- who may ------------------------------------------------------------------------------------

def test_a_call_without_a_good_key_is_401(gateway):
    refused(gateway.ask("GET", ADMIN), 401, "AB05")
    refused(gateway.admin_ask("GET", "/admin/workspaces", key="ag-wrong"), 401, "AB05")
    for headers in ({"authorization": f"Bearer {gateway.admin_key}"},
                    {"x-api-key": gateway.admin_key},
                    {"x-portkey-api-key": gateway.admin_key, "authorization": "Bearer dummy"}):
        assert gateway.ask("GET", ADMIN, headers).status == 200


def test_a_key_reaches_its_own_workspace_only(gateway):
    mine, other = gateway.workspace("mine"), gateway.workspace("other")
    key = make_key(gateway, mine, scopes=[
        "workspaces.read", "workspaces.list", "workspaces.update", "providers.list",
        "completions.write", "workspace_service_api_keys.create", "workspace_service_api_keys.list",
        "workspace_service_api_keys.read", "workspace_service_api_keys.delete"])["key"]
    foreign = gateway.key(workspace=other)

    seen = gateway.admin("GET", "/admin/workspaces", key=key)
    assert [w["slug"] for w in seen["data"]] == [mine["slug"]]
    refused(gateway.admin_ask("GET", f"/admin/workspaces/{other['slug']}", key=key), 403, "AB03")
    refused(gateway.admin_ask("GET", f"/api-keys/{foreign.id}", key=key), 403, "AB03")
    refused(gateway.admin_ask("DELETE", f"/api-keys/{foreign.id}", key=key), 403, "AB03")
    listed = gateway.admin("GET", f"/api-keys?workspace_id={other['slug']}", key=key)
    assert {k["workspace_id"] for k in listed["data"]} == {mine["id"]}

    made = gateway.admin("POST", "/api-keys/workspace/service", {
        "name": "n", "scopes": ["completions.write"], "workspace_id": other["slug"]}, key=key)
    assert gateway.admin("GET", f"/api-keys/{made['id']}")["workspace_id"] == mine["id"]
    refused(gateway.admin_ask("POST", "/api-keys/organisation/service",
                              {"name": "n", "scopes": []}, key=key), 401, "AB05")
    refused(gateway.admin_ask("POST", "/admin/workspaces", {"name": "n"}, key=key), 401, "AB05",
            "workspaces.create")


def test_scopes_are_known_and_fit_the_kind_of_key(shared_gateway):
    gateway = shared_gateway
    workspace = gateway.workspace()
    for scope, word in (("completions.read", "completions.read"), (5, "scopes[0]"),
                        ("workspaces.create", "cannot hold")):
        refused(gateway.admin_ask("POST", "/api-keys/workspace/service", {
            "name": "k", "workspace_id": workspace["slug"], "scopes": [scope]}), 400, "AB01", word)
    refused(gateway.admin_ask("POST", "/api-keys/organisation/service",
                              {"name": "k", "scopes": ["completions.write"]}), 400, "AB01")
    refused(gateway.admin_ask("POST", "/api-keys/organisation/user", {"name": "k", "scopes": []}),
            400, "AB01")
    gateway.admin("DELETE", f"/admin/workspaces/{workspace['id']}",
                  {"name": workspace["name"], "force_delete": True})


# -- API keys -----------------------------------------------------------------------------------

def test_the_create_call_of_the_seed_works_as_it_is_sent(gateway):
    workspace = gateway.workspace("W")
    made = gateway.admin("POST", "/api-keys/workspace/service", {
        "type": "workspace", "sub-type": "service", "name": "Service Key for W",
        "workspace_id": workspace["slug"],
        "rate_limits": [{"type": "requests", "unit": "rpm", "value": 100}],
        "usage_limits": {"credit_limit": 100.0, "type": "cost", "periodic_reset": "monthly",
                         "alert_threshold": 80},
        "scopes": ["completions.write"],
        "defaults": {"metadata": {"user_email": "a@b.c"}}})
    assert set(made) == {"id", "key", "object"} and made["object"] == "api-key"
    assert made["key"].startswith("ag-") and len(made["key"]) == 46

    raw = gateway.admin_ask("GET", f"/api-keys?current_page=0&workspace_id={workspace['slug']}")
    assert '"credit_limit":100,' in raw.body.decode(), "an integral amount has no fraction"
    key = raw.json["data"][0]
    assert key["id"] == made["id"] and key["type"] == "workspace-service"
    assert key["defaults"]["metadata"] == {"user_email": "a@b.c"}
    assert key["rate_limits"] == [{"type": "requests", "unit": "rpm", "value": 100}]
    limits = key["usage_limits"]
    assert limits["credit_limit"] == 100 and limits["alert_threshold"] == 80
    assert limits["periodic_reset"] == "monthly" and limits["current_usage"] == 0
    assert limits["next_usage_reset_at"].endswith("-01T00:00:00.000Z")
    assert key["key"] != made["key"] and key["key"].endswith(made["key"][-3:])
    assert made["key"] not in raw.body.decode()
    assert gateway.admin("GET", f"/api-keys?ids={made['id']}")["total"] == 1


def test_keys_without_limits_have_an_object_and_an_array(gateway):
    made = make_key(gateway, gateway.workspace("W"))
    key = gateway.admin("GET", f"/api-keys/{made['id']}")
    assert key["usage_limits"] is None and key["rate_limits"] == []
    assert key["defaults"] == {"metadata": None, "config_id": None, "allow_config_override": True}
    assert key["reset_usage"] is None and key["expiry_enforced"] == 0


def test_the_secret_of_a_key_is_nowhere(gateway):
    made = make_key(gateway, gateway.workspace("W"))
    dump = json.dumps([gateway.rows("SELECT * FROM aigate.api_key"),
                       gateway.rows("SELECT * FROM aigate.audit_log")], default=str)
    assert made["key"] not in dump
    assert made["key"] not in gateway.log and gateway.admin_key not in gateway.log


def test_an_update_changes_what_it_names_and_no_more(gateway):
    made = make_key(gateway, gateway.workspace("W"), description="d",
                    usage_limits={"credit_limit": 5}, alert_emails=["a@b.c"],
                    defaults={"metadata": {"a": "1"}})
    url = f"/api-keys/{made['id']}"
    assert gateway.admin("PUT", url, {"id": made["id"], "name": "new"}) == {}
    key = gateway.admin("GET", url)
    assert key["name"] == "new" and key["description"] == "d"
    assert key["usage_limits"]["credit_limit"] == 5 and key["alert_emails"] == ["a@b.c"]
    assert key["defaults"]["metadata"] == {"a": "1"}
    gateway.admin("PUT", url, {"usage_limits": None, "alert_emails": None,
                               "expires_at": "2099-01-01T00:00:00Z"})
    key = gateway.admin("GET", url)
    assert key["usage_limits"] is None and key["alert_emails"] is None
    assert key["expires_at"] == "2099-01-01T00:00:00.000Z"
    refused(gateway.admin_ask("PUT", url, {"expires_at": "tomorrow"}), 400, "AB01", "expires_at")
    refused(gateway.admin_ask("PUT", url, {"rotation_policy": {"rotation_period": "hourly"}}),
            400, "AB01", "rotation_policy")
    refused(gateway.admin_ask("PUT", url, {"defaults": {"config_id": "pc-1"}}), 400, "AB01",
            "config_id")


def test_more_limits_than_a_key_may_have_are_refused(shared_gateway):
    gateway = shared_gateway
    workspace = gateway.workspace()
    rates = [{"type": kind, "unit": unit, "value": 9} for kind in ("requests", "tokens")
             for unit in ("rps", "rpm", "rph", "rpd", "rpw")]
    body = {"name": "k", "workspace_id": workspace["slug"], "scopes": ["completions.write"]}
    refused(gateway.admin_ask("POST", "/api-keys/workspace/service",
                              {**body, "rate_limits": rates}), 400, "AB01", "at most 8")
    refused(gateway.admin_ask("POST", "/api-keys/workspace/service", {
        **body, "rate_limits": rates[:8], "usage_limits": {"credit_limit": 1}}), 400, "AB01",
        "at most 8")
    gateway.admin("POST", "/api-keys/workspace/service",
                  {**body, "rate_limits": rates[:7], "usage_limits": {"credit_limit": 1}})
    gateway.admin("DELETE", f"/admin/workspaces/{workspace['id']}",
                  {"name": workspace["name"], "force_delete": True})


# -- integrations ---------------------------------------------------------------------------------

def test_an_integration_keeps_its_credential_to_itself(gateway):
    secret = "sk-very-secret-upstream-key"
    made = gateway.admin("POST", "/integrations", {
        "name": "Open AI", "ai_provider_id": "openai", "slug": "oa", "key": secret})
    assert made["slug"] == "oa"
    one = gateway.admin_ask("GET", "/integrations/oa")
    assert one.json["masked_key"] == "sk*****key" and one.json["allow_all_models"] is True
    assert secret not in one.body.decode()
    gateway.admin("PUT", "/integrations/oa", {"key": secret + "2", "name": "renamed"})
    listed = gateway.admin("GET", "/integrations")
    assert listed["total"] == 1 and listed["data"][0]["name"] == "renamed"
    everything = json.dumps([gateway.rows("SELECT * FROM aigate.integration"),
                             gateway.rows("SELECT * FROM aigate.audit_log")], default=str)
    assert secret not in everything and secret.encode().hex() not in everything
    assert secret not in gateway.log
    with open(f"/dev/shm{gateway.shm_name}", "rb") as segment:
        assert secret.encode() not in segment.read()
    assert gateway.admin("DELETE", "/integrations/oa") == {}
    refused(gateway.admin_ask("GET", "/integrations/oa"), 404, "AB08")
    gateway.admin("POST", "/integrations", {"name": "again", "ai_provider_id": "openai",
                                            "slug": "oa", "key": "k"})


@pytest.mark.parametrize("host", [
    "http://10.0.0.1/v1", "http://192.168.1.1", "http://172.16.0.1", "http://169.254.169.254/latest",
    "http://100.64.0.1", "http://0.0.0.0", "http://224.0.0.1", "http://127.1", "http://2130706433",
    "http://0x7f000001", "http://0177.0.0.1", "http://localhost:9", "http://metadata.google.internal",
    "http://x.local", "http://db.svc.cluster.local", "http://host", "ftp://a.example.com",
    "http://user:pw@a.example.com", "http://a.example.com#b", "http://a.example.com?x=1",
    "http://a.example.com.", "http://a..example.com", "http://a.example.com:0",
    "http://a.example.com:70000", "http://[::1]/", "http://ex%61mple.com", "a.example.com",
    "http://a\\b.example.com", "http:///v1", "http://1.2.3", "http://a.1.2.3.4",
])
def test_a_custom_host_that_leads_inside_is_refused(shared_gateway, host):
    refused(shared_gateway.admin_ask("POST", "/integrations", {
        "name": "x", "ai_provider_id": "openai", "key": "k",
        "configurations": {"custom_host": host}}), 400, "AB01", "custom_host")


def test_what_an_integration_cannot_be_is_refused_by_name(shared_gateway):
    gateway = shared_gateway
    for body, word in (
            ({"ai_provider_id": "openai", "key": "k"}, "name"),
            ({"name": "x", "key": "k"}, "ai_provider_id"),
            ({"name": "x", "ai_provider_id": "databricks", "key": "k"}, "databricks"),
            ({"name": "x", "ai_provider_id": "nonsense", "key": "k"}, "nonsense"),
            ({"name": "x", "ai_provider_id": "openai"}, "key"),
            ({"name": "x", "ai_provider_id": "ollama"}, "custom_host"),
            ({"name": "x", "ai_provider_id": "openai", "key": "a\nb"}, "key"),
            ({"name": "x", "ai_provider_id": "openai", "key": "k",
              "pricing_adjustments": {"multiplier": {"video_token": 2}}}, "video_token"),
            ({"name": "x", "ai_provider_id": "openai", "key": "k",
              "configurations": {"aws_region": "eu"}}, "aws_region"),
            ({"name": "x", "ai_provider_id": "openai", "key": "k",
              "configurations": {"custom_headers": {"Authorization": "x"}}}, "Authorization"),
            ({"name": "x", "ai_provider_id": "openai", "key": "k",
              "configurations": {"custom_headers": {"a": "x\r\ny"}}}, "control characters")):
        refused(gateway.admin_ask("POST", "/integrations", body), 400, "AB01", word)
    assert gateway.sql("SELECT count(*) FROM aigate.integration WHERE status = 'active'") <= 1


def test_models_are_upserted_and_only_custom_ones_deleted(gateway):
    gateway.integration(slug="oa")
    assert gateway.admin("PUT", "/integrations/oa/models", {
        "allow_all_models": False,
        "models": [{"slug": "gpt-4o-mini", "enabled": True},
                   {"slug": "mine", "enabled": True, "is_custom": True,
                    "pricing_config": {"type": "static", "pay_as_you_go": {
                        "request_token": {"price": 0.00025}, "response_token": {"price": 0.001}}}}],
    }) == {}
    listed = gateway.admin("GET", "/integrations/oa/models")
    assert listed["total"] == 2 and listed["allow_all_models"] is False
    mine = [m for m in listed["models"] if m["slug"] == "mine"][0]
    assert mine["is_custom"] is True and mine["enabled"] is True
    assert gateway.rows("SELECT in_pusd, out_pusd FROM aigate.price WHERE model = 'mine'"
                        " AND integration_id IS NOT NULL") == [(2500000, 10000000)]
    gateway.admin("PUT", "/integrations/oa/models", {"models": [{"slug": "gpt-4o-mini",
                                                                 "enabled": False}]})
    listed = gateway.admin("GET", "/integrations/oa/integration-models")
    assert {m["slug"]: m["enabled"] for m in listed["models"]} == {"gpt-4o-mini": False,
                                                                    "mine": True}
    refused(gateway.admin_ask("DELETE", "/integrations/oa/models?slugs=gpt-4o-mini"), 400, "AB01")
    assert gateway.admin("DELETE", "/integrations/oa/models?slugs=mine") == {}
    for price in (1e-11, -1, 1e9):
        refused(gateway.admin_ask("PUT", "/integrations/oa/models", {"models": [{
            "slug": "m", "enabled": True, "pricing_config": {"type": "static", "pay_as_you_go": {
                "request_token": {"price": price}}}}]}), 400, "AB01", "request_token.price")


def test_a_grant_makes_a_provider_of_the_integrations_name(gateway):
    gateway.integration(slug="oa")
    one, two = (gateway.admin("POST", "/admin/workspaces", {"name": n}) for n in ("one", "two"))
    gateway.admin("PUT", "/integrations/oa/workspaces", {"workspaces": [
        {"id": one["slug"], "enabled": True,
         "usage_limits": [{"credit_limit": 7}], "rate_limits": None},
        {"id": two["id"], "enabled": True, "default_provider_slug": "other"}]})
    for workspace, slug in ((one, "oa"), (two, "other")):
        listed = gateway.admin("GET", f"/providers?workspace_id={workspace['slug']}")
        assert [p["slug"] for p in listed["data"]] == [slug]
        provider = gateway.admin("GET", f"/providers/{slug}?workspace_id={workspace['slug']}")
        assert provider["integration_id"] == "oa" and provider["ai_provider_id"] == "openai"
        assert provider["note"] == "Created automatically on integration access grant"
    refused(gateway.admin_ask("GET", "/providers"), 400, "AB01", "workspace_id")
    listed = gateway.admin("GET", "/integrations/oa/workspaces")
    assert listed["total"] == 2
    by_id = {w["id"]: w for w in listed["workspaces"]}
    assert by_id[one["slug"]]["usage_limits"][0]["credit_limit"] == 7
    assert by_id[one["slug"]]["usage_limits"][0]["remaining"] == 7
    refused(gateway.admin_ask("PUT", "/integrations/oa/workspaces", {"workspaces": [
        {"id": one["slug"], "enabled": True,
         "usage_limits": [{"credit_limit": 7}, {"credit_limit": 8}]}]}), 400, "AB01", "at most one")
    refused(gateway.admin_ask("PUT", "/integrations/oa/workspaces", {"workspaces": [
        {"id": "ws-none", "enabled": True}]}), 404, "AB08")


def test_global_access_reaches_workspaces_that_come_later(gateway):
    gateway.integration(slug="oa")
    early = gateway.admin("POST", "/admin/workspaces", {"name": "early"})
    gateway.admin("PUT", "/integrations/oa/workspaces", {"global_workspace_access": {
        "enabled": True, "usage_limits": [{"credit_limit": 3}]}})
    late = gateway.admin("POST", "/admin/workspaces", {"name": "late"})
    for workspace in (early, late):
        key = make_key(gateway, workspace)["key"]
        answer = gateway.chat(key, model="@oa/gpt-4o-mini")
        assert answer.status == 200, answer
    listed = gateway.admin("GET", "/integrations/oa/workspaces")
    assert all(0 < w["usage_limits"][0]["current_usage"] < 3 for w in listed["workspaces"])


# -- traces ------------------------------------------------------------------------------------------

def test_every_change_leaves_an_audit_row(gateway):
    made = make_key(gateway, gateway.workspace("W"))
    gateway.admin("PUT", f"/api-keys/{made['id']}", {"name": "after"})
    gateway.admin("DELETE", f"/api-keys/{made['id']}")
    rows = gateway.rows("SELECT action, actor_kind, method, before ->> 'name', after ->> 'name'"
                        " FROM aigate.audit_log WHERE object_uuid = %s ORDER BY id", made["id"])
    assert rows == [("create", "api_key", "POST", None, "k"), ("update", "api_key", "PUT", "k", "after"),
                    ("delete", "api_key", "DELETE", "after", None)]
    assert gateway.sql("SELECT count(*) FROM aigate.audit_log WHERE client_ip = '127.0.0.1'") > 0


def test_the_trace_a_client_sends_comes_back(gateway):
    answer = gateway.ask("GET", ADMIN, {"x-portkey-api-key": gateway.admin_key,
                                        "x-portkey-trace-id": "my-trace-7"})
    assert answer.headers["x-portkey-trace-id"] == "my-trace-7"


# -- operators ------------------------------------------------------------------------------------

def operator(gateway, method, path, body=None, headers=""):
    """One call on the operators' socket."""
    text = json.dumps(body).encode() if body is not None else b""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(f"{gateway.dir}/run/operator.sock")
        s.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}"
                  f"content-length: {len(text)}\r\n\r\n".encode() + text)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest)


def test_an_operator_makes_an_organisation_and_its_first_key(gateway):
    status, made = operator(gateway, "POST", "/v1/operator/bootstrap", {"organisation": "Beta AG"})
    assert status == 200 and made["key"].startswith("ag-")
    assert gateway.admin("GET", "/admin/workspaces", key=made["key"])["total"] == 0
    gateway.admin("POST", "/admin/workspaces", {"name": "theirs"}, key=made["key"])
    assert gateway.admin("GET", "/admin/workspaces")["total"] == 0, "not in the other organisation"
    status, body = operator(gateway, "GET", "/v1/admin/workspaces")
    assert status == 400 and "x-aigate-organisation" in body["data"]["message"]
    status, body = operator(gateway, "GET", "/v1/admin/workspaces",
                            headers="x-aigate-organisation: beta-ag\r\n")
    assert status == 200 and body["total"] == 1
    status, body = operator(gateway, "POST", "/v1/operator/bootstrap", {"organisation": "Beta AG"})
    assert status == 409
    status, body = operator(gateway, "GET", "/v1/operator/status")
    assert status == 200 and body["segment"] == "ready" and body["keys"] == 2


def test_many_clients_at_once_are_all_served(gateway):
    workspace = gateway.workspace("W")
    made, lock = [], threading.Lock()

    def work():
        for _ in range(10):
            key = make_key(gateway, workspace, usage_limits={"credit_limit": 1})
            with lock:
                made.append(key["id"])
    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(made)) == 60
    assert gateway.admin("GET", f"/api-keys?workspace_id={workspace['slug']}&page_size=100")["total"] == 60
