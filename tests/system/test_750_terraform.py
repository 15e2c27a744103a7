"""The request sequences of the vendor's Terraform provider: what it sends to create, read, change, import and
destroy each kind of resource, and how strictly it reads the answers.

The provider decodes JSON into typed fields: a float where it expects an integer, or a time it cannot parse,
fails the whole run. A second plan is empty only when each attribute reads back as it was configured."""

import datetime
import json

import pytest

from people import user

INT, NUM, TEXT, BOOL, TIME, LIST, DICT = "int", "num", "text", "bool", "time", "list", "dict"
USAGE = {"type": TEXT, "credit_limit": INT, "alert_threshold": INT, "periodic_reset": TEXT}
RATE = {"type": TEXT, "unit": TEXT, "value": INT}
WORKSPACE = {"id": TEXT, "slug": TEXT, "name": TEXT, "description": TEXT, "defaults": {"metadata": DICT},
             "usage_limits": [USAGE], "rate_limits": [RATE], "created_at": TIME, "last_updated_at": TIME}
# 35 flags, each of them a bool: what is missing or null would be taken for false and sent back as such.
SWITCHES = {**{f"{who}{verb}": BOOL for who in ("members", "managers") for verb in (
    "ViewLogs", "ViewLogMetadata", "ViewAllData", "ViewApiKeys", "WriteApiKeys", "ViewConfigs", "WriteConfigs",
    "ViewPrompts", "WritePrompts", "ViewGuardrails", "WriteGuardrails", "ViewVirtualKeys", "WriteVirtualKeys",
    "ViewAnalytics")}, **{name: BOOL for name in (
        "managersUpdateWs", "managersWriteWsUsers", "managersWriteMcpServers", "managersWriteWsIntegrations",
        "managersWriteWsMcpIntegrations", "organisationAdminsViewLogs", "organisationAdminsViewLogMetadata")}}
MEMBER = {"id": TEXT, "role": TEXT, "email": TEXT, "created_at": TIME}
INVITE = {"id": TEXT, "email": TEXT, "role": TEXT, "status": TEXT, "workspaces": [{"id": TEXT, "role": TEXT}],
          "created_at": TIME, "expires_at": TIME}
INTEGRATION = {"id": TEXT, "slug": TEXT, "name": TEXT, "ai_provider_id": TEXT, "description": TEXT,
               "status": TEXT, "masked_key": TEXT, "configurations": DICT, "created_at": TIME,
               "last_updated_at": TIME, "type": TEXT, "workspace_id": TEXT, "secret_mappings": [DICT]}
GRANTS = {"total": INT, "workspaces": [{"id": TEXT, "enabled": BOOL, "usage_limits": [USAGE],
                                        "rate_limits": [RATE]}]}
MODELS = {"allow_all_models": BOOL, "models": [{
    "slug": TEXT, "enabled": BOOL, "is_custom": BOOL, "is_finetune": BOOL, "base_model_slug": TEXT,
    "pricing_config": {"type": TEXT, "pay_as_you_go": {"request_token": {"price": NUM},
                                                       "response_token": {"price": NUM}}}}]}
KEY = {"id": TEXT, "name": TEXT, "description": TEXT, "type": TEXT, "organisation_id": TEXT,
       "workspace_id": TEXT, "user_id": TEXT, "status": TEXT, "rate_limits": [RATE], "usage_limits": USAGE,
       "scopes": [TEXT], "defaults": {"metadata": DICT, "config_id": TEXT, "allow_config_override": BOOL},
       "alert_emails": [TEXT], "expires_at": TIME, "created_at": TIME, "last_updated_at": TIME}
PROVIDER = {"id": TEXT, "slug": TEXT, "name": TEXT, "ai_provider_name": TEXT, "integration_id": TEXT,
            "workspace_id": TEXT, "status": TEXT, "note": TEXT, "rate_limits": [RATE], "usage_limits": USAGE,
            "created_at": TIME, "expires_at": TIME}
CONFIG = {"id": TEXT, "slug": TEXT, "name": TEXT, "workspace_id": TEXT, "organisation_id": TEXT,
          "is_default": INT, "status": TEXT, "version_id": TEXT, "created_at": TIME, "last_updated_at": TIME}
GUARDRAIL = {"id": TEXT, "slug": TEXT, "name": TEXT, "workspace_id": TEXT, "checks": [DICT], "actions": DICT,
             "status": TEXT, "version_id": TEXT, "created_at": TIME, "last_updated_at": TIME}
POLICY = {"id": TEXT, "name": TEXT, "conditions": [{"key": TEXT, "value": TEXT}], "group_by": [{"key": TEXT}],
          "type": TEXT, "credit_limit": NUM, "alert_threshold": NUM, "periodic_reset": TEXT,
          "periodic_reset_days": INT, "next_usage_reset_at": TEXT, "unit": TEXT, "value": NUM, "status": TEXT,
          "workspace_id": TEXT, "organisation_id": TEXT, "created_at": TIME, "last_updated_at": TIME}


def fits(value, kind, path="$"):
    """Whether a typed decoder takes the value; null and absent leave a field as it is."""
    if value is None:
        return
    if isinstance(kind, dict):
        assert isinstance(value, dict), (path, value)
        for name, inner in kind.items():
            fits(value.get(name), inner, f"{path}.{name}")
    elif isinstance(kind, list):
        assert isinstance(value, list), (path, value)
        for i, one in enumerate(value):
            fits(one, kind[0], f"{path}[{i}]")
    elif kind == TIME:
        assert isinstance(value, str) and value.endswith("Z"), (path, value)
        datetime.datetime.fromisoformat(value[:-1])
    else:
        types = {INT: int, NUM: (int, float), TEXT: str, BOOL: bool, LIST: list, DICT: dict}[kind]
        assert isinstance(value, types) and (kind == BOOL or not isinstance(value, bool)), (path, value)


@pytest.fixture
def tf(gateway):
    """tf(method, path, body): as the provider's client asks; the answer's object."""
    def ask(method, path, body=None, shape=None, status=200):
        answer = gateway.ask(method, path if path.startswith("/v2/") else "/v1" + path,
                             {"content-type": "application/json", "x-portkey-api-key": gateway.admin_key}, body)
        assert answer.status == status, (method, path, answer)
        if shape:
            fits(answer.json, shape)
        return answer.json
    return ask


def some(obj, *names):
    return {name: obj.get(name) for name in names}


def limits_of(obj):
    usage, rates = obj.get("usage_limits"), obj.get("rate_limits")
    return ([some(u, *USAGE) for u in usage or []], [some(r, *RATE) for r in rates or []])


BUDGET = {"type": "cost", "credit_limit": 100, "alert_threshold": 80, "periodic_reset": "monthly"}
RPM = {"type": "requests", "unit": "rpm", "value": 60}


def test_workspaces(tf):
    made = tf("POST", "/admin/workspaces", {
        "name": "Production", "description": "of Terraform", "icon": "🚀", "usage_limits": [BUDGET],
        "rate_limits": [RPM], "defaults": {"metadata": {"team": "a"}}}, WORKSPACE)
    path = f"/admin/workspaces/{made['id']}"
    for one in (made, tf("GET", path + "?name_format=plain", shape=WORKSPACE)):
        assert some(one, "id", "name", "description") == {
            "id": made["id"], "name": "Production", "description": "of Terraform"}
        assert limits_of(one) == ([BUDGET], [RPM]) and one["defaults"]["metadata"] == {"team": "a"}
    # Limits that left the configuration are sent as empty lists, or as null.
    tf("PUT", path, {"name": "Prod", "usage_limits": [], "rate_limits": None})
    one = tf("GET", path, shape=WORKSPACE)
    assert one["name"] == "Prod" and limits_of(one) == ([], [])
    assert made["id"] in [w["id"] for w in tf("GET", "/admin/workspaces", shape={"data": [WORKSPACE]})["data"]]
    tf("DELETE", path, {"name": "Production"}, status=400)
    tf("DELETE", path, {"name": "Prod"})


def test_security_settings_of_a_workspace(tf):
    """The resource reads what stands, lays over it what is configured, and sends all 35; its end sends nothing."""
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    path = f"/admin/workspaces/{workspace['id']}"

    def read():
        found = tf("GET", path, shape={"security_settings": SWITCHES})["security_settings"]
        assert set(found) == set(SWITCHES) and None not in found.values()
        return found

    def apply(**configured):
        """As Create and Update do; the state is what was sent."""
        state = {**read(), **configured}
        tf("PUT", path, {"security_settings": state})
        return state
    first = read()
    state = apply(membersViewAllData=False, membersViewLogs=False)
    assert {name for name in first if first[name] != state[name]} == {"membersViewAllData", "membersViewLogs"}
    assert read() == state, "the second plan is empty"
    # Changed; then one of the two leaves the configuration, and stays as it is.
    state = apply(membersViewAllData=True, membersViewLogs=False)
    assert read() == state
    state = apply(membersViewAllData=False)
    assert read() == state and state["membersViewLogs"] is False
    # Imported by the id of the workspace: all there is to know is read.
    assert read() == state
    # The workspace's own resource knows nothing of them and leaves them alone.
    tf("PUT", path, {"name": "Shop 2", "description": "d", "usage_limits": None, "rate_limits": []})
    assert read() == state and tf("GET", path, shape=WORKSPACE)["name"] == "Shop 2"
    listed = tf("GET", "/admin/workspaces", shape={"data": [{**WORKSPACE, "security_settings": SWITCHES}]})["data"]
    assert next(w for w in listed if w["id"] == workspace["id"])["security_settings"] == state
    tf("DELETE", path, {"name": "Shop 2"})


def test_keys_of_a_workspace_that_demands_something(gateway, tf):
    """What the workspace gives a person's key along is no part of it: the second plan is empty."""
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop", "settings": {
        "user_key_metadata": {"team": "a"}, "user_key_metadata_override": 0, "user_api_key_ttl": 30}})
    ada = user(gateway, "ada@example.com", workspaces=[{"id": workspace["slug"], "role": "member"}])["id"]
    for metadata in (None, {"service": "b"}):
        made = tf("POST", "/api-keys/workspace/user", {
            "name": "hers", "workspace_id": workspace["id"], "user_id": ada, "scopes": ["completions.write", "logs.view"],
            **({"defaults": {"metadata": metadata}} if metadata else {})})
        path = f"/api-keys/{made['id']}"
        assert (tf("GET", path, shape=KEY)["defaults"]["metadata"] or None) == metadata
        # A scope that was closed in the meantime stays in the configuration, and is sent with every change.
        tf("PUT", f"/admin/workspaces/{workspace['id']}", {"security_settings": {"membersViewLogs": False}})
        tf("PUT", path, {"name": "hers still", "scopes": ["completions.write", "logs.view"]})
        one = tf("GET", path, shape=KEY)
        assert (one["name"], one["scopes"]) == ("hers still", ["completions.write", "logs.view"])
        assert (one["defaults"]["metadata"] or None) == metadata and one["expires_at"]
        tf("PUT", f"/admin/workspaces/{workspace['id']}", {"security_settings": {"membersViewLogs": True}})
        tf("DELETE", path)


def test_lists_that_data_sources_read(gateway, tf, integration):
    """Data sources decode whole lists: what else stands in them must fit as well."""
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    tf("PUT", f"/integrations/{integration}/workspaces", {
        "global_workspace_access": {"enabled": True, "usage_limits": [BUDGET], "rate_limits": [RPM]},
        "override_existing_workspace_access": True})
    grants = tf("GET", f"/integrations/{integration}/workspaces", shape=GRANTS)
    assert grants["total"] == len(grants["workspaces"]) > 0
    assert limits_of(next(g for g in grants["workspaces"] if g["id"] == workspace["slug"])) == ([BUDGET], [RPM])
    ada = user(gateway, "ada@example.com", workspaces=[{"id": workspace["slug"], "role": "member"}])["id"]
    where = f"workspace_id={workspace['id']}"
    tf("POST", "/configs", {"name": "c", "config": {"provider": "@openai"}, "workspace_id": workspace["id"]})
    tf("POST", "/guardrails", {"name": "g", "workspace_id": workspace["id"], "actions": {},
                               "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["m"]}}]})
    tf("POST", "/api-keys/organisation/service", {"name": "ours", "scopes": ["workspaces.list"]})
    tf("POST", "/api-keys/workspace/service", {"name": "theirs", "scopes": ["completions.write"], "usage_limits": {
        "credit_limit": 5, "alert_threshold": 4}, "workspace_id": workspace["id"], "expires_at": "2099-01-01T00:00:00Z"})
    tf("POST", "/secret-references", {"name": "e", "manager_type": "environment", "secret_path": "AIGATE_SECRET_X",
                                      "allow_all_workspaces": False, "allowed_workspaces": [workspace["slug"]]})
    for path, shape, least in (
            ("/integrations", INTEGRATION, 1), (f"/providers?{where}", PROVIDER, 1), (f"/configs?{where}", CONFIG, 1),
            (f"/guardrails?{where}", GUARDRAIL, 1), ("/api-keys", KEY, 2), (f"/api-keys?{where}", KEY, 1),
            (f"/admin/workspaces/{workspace['id']}/users", MEMBER, 1), ("/admin/users/invites", INVITE, 1),
            ("/secret-references", {"id": TEXT, "slug": TEXT, "allowed_workspaces": [TEXT], "tags": DICT,
                                    "created_at": TIME}, 1)):
        listed = tf("GET", path, shape={"data": [shape]})["data"]
        assert len(listed) >= least, path
    person = tf("GET", f"/admin/users/{ada}", shape={"id": TEXT, "email": TEXT, "role": TEXT, "created_at": TIME})
    assert person["id"] == ada
    # A policy is laid to rest by its status, not deleted.
    for kind, fields in (("usage-limits", {"type": "cost", "credit_limit": 5}),
                         ("rate-limits", {"type": "requests", "unit": "rpm", "value": 5})):
        made = tf("POST", f"/policies/{kind}", {"name": "p", "workspace_id": workspace["id"], "group_by": [
            {"key": "api_key"}], "conditions": [{"key": "api_key", "value": "*"}], **fields})
        tf("PUT", f"/policies/{kind}/{made['id']}", {"name": "p", "status": "archived"})
        assert tf("GET", f"/policies/{kind}/{made['id']}", shape=POLICY)["status"] == "archived"


def test_members_and_invites(gateway, tf):
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    ada = user(gateway, "ada@example.com")["id"]
    people = f"/admin/workspaces/{workspace['id']}/users"
    tf("POST", people, {"users": [{"id": ada, "role": "member"}]})
    assert some(tf("GET", f"{people}/{ada}", shape=MEMBER), "id", "role") == {"id": ada, "role": "member"}
    tf("PUT", f"{people}/{ada}", {"role": "manager"})
    assert tf("GET", f"{people}/{ada}", shape=MEMBER)["role"] == "manager"
    tf("DELETE", f"{people}/{ada}")
    tf("GET", f"{people}/{ada}", status=404)
    fits(tf("GET", "/admin/users"), {"data": [{"id": TEXT, "email": TEXT, "role": TEXT, "created_at": TIME}]})

    for named in (workspace["slug"], workspace["id"]):
        made = tf("POST", "/admin/users/invites", {
            "email": "bob@example.com", "role": "member", "workspaces": [{"id": named, "role": "member"}],
            "workspace_api_key_details": {"scopes": ["completions.write"]}}, INVITE)
        path = f"/admin/users/invites/{made['id']}"
        for one in (made, tf("GET", path, shape=INVITE)):
            # A workspace is called what it was called, or the next plan wants another invite.
            assert [some(w, "id", "role") for w in one["workspaces"]] == [{"id": named, "role": "member"}]
            assert some(one, "email", "role", "status") == {
                "email": "bob@example.com", "role": "member", "status": "pending"}
            assert one["created_at"] < one["expires_at"]
        tf("DELETE", path)


@pytest.fixture
def integration(tf):
    """An integration of the organisation, all of whose models must be named."""
    made = tf("POST", "/integrations", {
        "name": "OpenAI", "slug": "tf-openai", "ai_provider_id": "openai", "key": "sk-secret",
        "description": "of Terraform", "configurations": {"openai_project": "proj-1"}})
    tf("PUT", "/integrations/tf-openai/models", {"allow_all_models": False, "models": []})
    return made["slug"]


def test_integrations_and_their_models(tf, integration):
    one = tf("GET", f"/integrations/{integration}", shape=INTEGRATION)
    assert some(one, "slug", "name", "ai_provider_id", "description", "type", "status") == {
        "slug": integration, "name": "OpenAI", "ai_provider_id": "openai", "description": "of Terraform",
        "type": "organisation", "status": "active"}
    assert one["configurations"] == {"openai_project": "proj-1"} and one["secret_mappings"] == []
    tf("PUT", f"/integrations/{integration}", {"name": "OpenAI 2", "key": "sk-other",
                                               "configurations": {"openai_project": "proj-2"}})
    one = tf("GET", f"/integrations/{integration}", shape=INTEGRATION)
    assert (one["name"], one["configurations"]) == ("OpenAI 2", {"openai_project": "proj-2"})

    models = f"/integrations/{integration}/models"
    prices = {"type": "static", "pay_as_you_go": {"request_token": {"price": 0.00025},
                                                  "response_token": {"price": 0.001}}}
    wanted = {"gpt-4o-mini": {"enabled": True},
              "ours": {"enabled": True, "is_custom": True, "base_model_slug": "gpt-4o", "pricing_config": prices}}
    for slug, fields in wanted.items():
        tf("PUT", models, {"models": [{"slug": slug, **fields}]})

    def seen():
        listed = tf("GET", models, shape=MODELS)
        assert listed["allow_all_models"] is False
        return {m["slug"]: m for m in listed["models"]}
    for slug, fields in wanted.items():
        assert {**seen()[slug], **fields} == seen()[slug]
    tf("PUT", models, {"models": [{"slug": "ours", "enabled": False, "is_custom": True}]})
    assert seen()["ours"]["enabled"] is False and seen()["ours"]["pricing_config"] == prices
    # One of its own is deleted, by a body; a built-in one is disabled.
    tf("DELETE", models, {"models": ["ours"]})
    tf("PUT", models, {"models": [{"slug": "gpt-4o-mini", "enabled": False}]})
    assert "ours" not in seen() and seen()["gpt-4o-mini"]["enabled"] is False
    tf("DELETE", models, {"models": ["gpt-4o-mini"]}, status=400)
    tf("DELETE", models, {"models": "ours"}, status=400)
    tf("DELETE", models, {}, status=400)
    tf("DELETE", f"/integrations/{integration}")
    tf("GET", f"/integrations/{integration}", status=404)


@pytest.mark.parametrize("by", ["slug", "id"])
def test_access_providers_and_their_end(tf, integration, by):
    """What was granted is taken back before workspace and integration go, in either order."""
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    grants = f"/integrations/{integration}/workspaces"
    tf("PUT", grants, {"workspaces": [{"id": workspace[by], "enabled": True, "usage_limits": [BUDGET],
                                       "rate_limits": [RPM]}]})

    def grant():
        listed = tf("GET", grants, shape=GRANTS)["workspaces"]
        return next(w for w in listed if w["id"] in (workspace["slug"], workspace["id"]))
    assert grant()["enabled"] is True and limits_of(grant()) == ([BUDGET], [RPM])
    assert grant()["id"] == workspace["slug"]
    tf("PUT", grants, {"workspaces": [{"id": workspace[by], "enabled": True, "usage_limits": [],
                                       "rate_limits": [{**RPM, "value": 6}]}]})
    assert limits_of(grant()) == ([], [{**RPM, "value": 6}])

    made = tf("POST", "/providers", {"name": "Search", "workspace_id": workspace[by],
                                     "integration_id": integration, "note": "of Terraform"})
    where = f"/providers/{made['id']}"
    one = tf("GET", f"{where}?workspace_id={workspace[by]}", shape=PROVIDER)
    assert some(one, "id", "slug", "name", "note", "integration_id", "status", "ai_provider_name") == {
        "id": made["id"], "slug": made["slug"], "name": "Search", "note": "of Terraform",
        "integration_id": integration, "status": "active", "ai_provider_name": "openai"}
    tf("PUT", where, {"name": "Search 2", "workspace_id": workspace[by]})
    assert tf("GET", f"{where}?workspace_id={workspace[by]}")["name"] == "Search 2"
    tf("DELETE", f"{where}?workspace_id={workspace[by]}")
    tf("GET", f"{where}?workspace_id={workspace[by]}", status=404)

    tf("PUT", grants, {"workspaces": [{"id": workspace[by], "enabled": False}]})
    last = [("DELETE", f"/admin/workspaces/{workspace['id']}", {"name": "Shop"}),
            ("DELETE", f"/integrations/{integration}", None)]
    for step in last if by == "slug" else reversed(last):
        tf(*step)


def test_keys(gateway, tf):
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    config = tf("POST", "/configs", {"name": "c", "workspace_id": workspace["slug"],
                                     "config": {"request_timeout": 1000}})["slug"]
    made = tf("POST", "/api-keys/workspace/service", {
        "name": "backend", "description": "d", "workspace_id": workspace["id"], "scopes": ["completions.write"],
        "rate_limits": [RPM], "usage_limits": {"credit_limit": 100, "alert_threshold": 80,
                                               "periodic_reset": "monthly"},
        "defaults": {"metadata": {"service": "b"}, "config_id": config, "allow_config_override": False},
        "alert_emails": ["ada@example.com"]}, {"id": TEXT, "key": TEXT, "object": TEXT})
    path = f"/api-keys/{made['id']}"
    one = tf("GET", path, shape=KEY)
    assert one["type"] == "workspace-service" and one["scopes"] == ["completions.write"]
    assert one["defaults"] == {"metadata": {"service": "b"}, "config_id": config, "allow_config_override": False}
    assert some(one["usage_limits"], *USAGE) == BUDGET and one["rate_limits"] == [RPM]
    assert one["alert_emails"] == ["ada@example.com"] and one["description"] == "d"
    # What left the configuration is cleared by null; what was never bound is not mentioned.
    tf("PUT", path, {"name": "backend 2", "scopes": ["completions.write", "logs.view"], "usage_limits": None,
                     "rate_limits": None, "defaults": {"metadata": {"service": "c"}}})
    one = tf("GET", path, shape=KEY)
    assert (one["name"], one["usage_limits"], one["rate_limits"]) == ("backend 2", None, [])
    assert one["scopes"] == ["completions.write", "logs.view"] and one["defaults"]["config_id"] == config
    assert one["defaults"]["metadata"] == {"service": "c"}
    # A user's key, and the organisation's own.
    ada = user(gateway, "ada@example.com", workspaces=[{"id": workspace["slug"], "role": "member"}])["id"]
    hers = tf("POST", "/api-keys/workspace/user", {"name": "hers", "workspace_id": workspace["slug"],
                                                   "user_id": ada, "scopes": ["completions.write"]})
    assert some(tf("GET", f"/api-keys/{hers['id']}", shape=KEY), "user_id", "type") == {
        "user_id": ada, "type": "workspace-user"}
    ours = tf("POST", "/api-keys/organisation/service", {"name": "ours", "scopes": ["workspaces.list"]})
    assert tf("GET", f"/api-keys/{ours['id']}", shape=KEY)["workspace_id"] is None
    listed = tf("GET", f"/api-keys?workspace_id={workspace['id']}", shape={"data": [KEY]})["data"]
    assert {k["id"] for k in listed} == {made["id"], hers["id"]}
    for key in (made, hers, ours):
        tf("DELETE", f"/api-keys/{key['id']}")
        tf("GET", f"/api-keys/{key['id']}", status=404)


def test_configs_and_guardrails(tf):
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    body = {"provider": "@openai", "override_params": {"temperature": 0}}
    made = tf("POST", "/configs", {"name": "c", "config": body, "workspace_id": workspace["id"], "isDefault": 0})
    path = f"/configs/{made['slug']}"
    one = tf("GET", path, shape=CONFIG)
    assert json.loads(one["config"]) == body and one["version_id"] == made["version_id"]
    changed = tf("PUT", path, {"name": "c2", "config": {"provider": "@other"}})
    one = tf("GET", path, shape=CONFIG)
    assert json.loads(one["config"]) == {"provider": "@other"} and one["version_id"] == changed["version_id"]

    checks = [{"id": "default.modelWhitelist", "is_enabled": True, "parameters": {"models": ["gpt-4o"]}}]
    for actions in ({"onFail": "block", "message": "no"}, {"deny": False, "async": False},
                    {"onFail": "log", "message": "guardrail triggered"}):
        g = tf("POST", "/guardrails", {"name": "g", "workspace_id": workspace["id"], "checks": checks,
                                       "actions": actions})
        one = tf("GET", f"/guardrails/{g['slug']}", shape=GUARDRAIL)
        assert (one["checks"], one["actions"]) == (checks, actions), "nothing of ours in between"
        tf("PUT", f"/guardrails/{g['slug']}", {"name": "g2", "actions": {"deny": True}})
        one = tf("GET", f"/guardrails/{g['id']}", shape=GUARDRAIL)
        assert (one["name"], one["actions"], one["checks"]) == ("g2", {"deny": True}, checks)
    # In force in the workspace, and not any more.
    where = f"/admin/workspaces/{workspace['id']}"
    tf("PUT", where, {"defaults": {"input_guardrails": [g["slug"]]}})
    assert tf("GET", where)["defaults"]["input_guardrails"] == [g["slug"]]
    tf("PUT", where, {"defaults": {"input_guardrails": [], "output_guardrails": []}})
    assert not (tf("GET", where)["defaults"] or {}).get("input_guardrails")
    tf("DELETE", f"/guardrails/{g['slug']}")
    tf("DELETE", path)
    tf("GET", path, status=404)


def test_defaults_of_the_organisation(tf):
    """Without a workspace a guardrail is the organisation's; its defaults are asked for at /v2."""
    g = tf("POST", "/guardrails", {"name": "g", "actions": {"deny": True},
                                   "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["m"]}}]})
    assert tf("GET", f"/guardrails/{g['slug']}", shape=GUARDRAIL)["workspace_id"] is None
    path = "/v2/admin/organisation/defaults"
    tf("PUT", path, {"input_guardrails": [g["slug"]]})
    now = tf("GET", path)
    assert now == tf("GET", "/admin/organisation/defaults")
    assert [r["slug"] for r in now["input_guardrails"]] == [g["slug"]] and now["output_guardrails"] == []
    tf("PUT", path, {"input_guardrails": [], "output_guardrails": []})
    assert tf("GET", path)["input_guardrails"] == []
    tf("DELETE", f"/guardrails/{g['slug']}")
    tf("GET", "/v2/admin/workspaces", status=404)


def test_policies(tf):
    workspace = tf("POST", "/admin/workspaces", {"name": "Shop"})
    conditions = [{"key": "metadata.team", "value": "a"}, {"key": "model", "value": "@openai/gpt-4o"}]
    made = tf("POST", "/policies/usage-limits", {
        "name": "p", "workspace_id": workspace["id"], "conditions": conditions, "group_by": [{"key": "api_key"}],
        "type": "cost", "credit_limit": 50.5, "alert_threshold": 40, "periodic_reset": "monthly"})
    path = f"/policies/usage-limits/{made['id']}"
    one = tf("GET", path, shape=POLICY)
    assert one["conditions"] == conditions and one["group_by"] == [{"key": "api_key"}]
    assert (one["credit_limit"], one["alert_threshold"], one["periodic_reset"]) == (50.5, 40, "monthly")
    tf("PUT", path, {"name": "p", "credit_limit": 60, "alert_threshold": None, "conditions": conditions[:1],
                     "periodic_reset": None, "periodic_reset_days": 7})
    one = tf("GET", path, shape=POLICY)
    assert (one["credit_limit"], one["alert_threshold"], one["conditions"]) == (60, None, conditions[:1])
    assert (one["periodic_reset"], one["periodic_reset_days"]) == (None, 7) and one["next_usage_reset_at"]

    rate = tf("POST", "/policies/rate-limits", {
        "name": "r", "workspace_id": workspace["slug"], "conditions": conditions[:1],
        "group_by": [{"key": "metadata.team"}], "type": "requests", "unit": "rpm", "value": 100})
    where = f"/policies/rate-limits/{rate['id']}"
    assert some(tf("GET", where, shape=POLICY), "unit", "value", "type") == {
        "unit": "rpm", "value": 100, "type": "requests"}
    tf("PUT", where, {"name": "r", "unit": "rph", "value": 10, "conditions": conditions[:1]})
    assert some(tf("GET", where, shape=POLICY), "unit", "value") == {"unit": "rph", "value": 10}
    for kind, one in (("usage-limits", made), ("rate-limits", rate)):
        listed = tf("GET", f"/policies/{kind}?workspace_id={workspace['id']}", shape={"data": [POLICY]})["data"]
        assert [p["id"] for p in listed] == [one["id"]]
        tf("DELETE", f"/policies/{kind}/{one['id']}")
    tf("DELETE", f"/admin/workspaces/{workspace['id']}", {"name": "Shop"})


def test_references_to_secrets(tf):
    made = tf("POST", "/secret-references", {
        "name": "Vault", "manager_type": "hashicorp_vault", "secret_path": "secret/data/openai",
        "auth_config": {"vault_auth_type": "token", "vault_addr": "https://vault.example.com",
                        "vault_token": "hvs.secret"}, "tags": {"env": "prod"}, "allow_all_workspaces": True})
    shape = {"id": TEXT, "slug": TEXT, "name": TEXT, "manager_type": TEXT, "secret_path": TEXT,
             "secret_key": TEXT, "allow_all_workspaces": BOOL, "allowed_workspaces": [TEXT], "tags": DICT,
             "status": TEXT, "created_at": TIME, "last_updated_at": TIME, "auth_config": DICT}
    path = f"/secret-references/{made['id']}"
    one = tf("GET", path, shape=shape)
    assert one["tags"] == {"env": "prod"} and one["allow_all_workspaces"] is True
    tf("PUT", path, {"name": "Vault 2", "secret_key": None})
    assert tf("GET", path, shape=shape)["name"] == "Vault 2"
    tf("DELETE", path)
    tf("GET", path, status=404)


def test_what_is_not_served_is_refused_by_name(tf):
    for path, word in (("/prompts", "prompts"), ("/collections", "collections"), ("/mcp-integrations", "MCP"),
                       ("/mcp-servers", "MCP"), ("/scim/workspaces", "SCIM"), ("/prompts/partials/x", "prompts")):
        assert word in tf("GET", path, status=501)["data"]["message"]
        assert word in tf("POST", path, {"name": "x"}, status=501)["data"]["message"]
