"""Configs: how requests are served that name one, or whose key or workspace does."""

import json
import urllib.parse

import pytest

from gateway import chat_body, wait
from plane import _provider, plane, provider  # noqa: F401

ANY = {"default.modelWhitelist": {"models": ["*"]}, "deny": True}


@pytest.fixture
def workspace(plane, provider):
    return plane.workspace()


@pytest.fixture
def key(plane, workspace):
    return plane.key(workspace=workspace)


def config(plane, workspace, body, **fields):
    """Slug of a new config."""
    made = plane.admin("POST", "/configs", {"name": "Fast one", "config": body,
                                            "workspace_id": workspace["slug"], **fields})
    assert made["object"] == "config" and made["data"] == {k: made[k] for k in ("id", "version_id", "slug")}
    assert made["slug"].startswith("pc-faston-")
    return made["slug"]


def named(slug_or_body):
    value = slug_or_body if isinstance(slug_or_body, str) else json.dumps(slug_or_body)
    return {"x-portkey-config": value}


def ask(plane, key, use=None, model="gpt-4o-mini", headers=None, **fields):
    return plane.chat(key, model=model, headers={**(named(use) if use is not None else {}),
                                                 **(headers or {})}, **fields)


def sent(provider):
    """The body the provider got last."""
    return json.loads(provider.last()["body"])


# -- serving -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    {"provider": "@mock"}, {"virtual_key": "mock"}, {"provider": "@mock/ignored"},
    {"strategy": {"mode": "single"}, "targets": [{"provider": "@mock", "name": "one", "weight": 1}]}])
def test_a_config_says_who_serves(plane, provider, workspace, body):
    plane.integration(slug="second", configurations={"custom_host": provider.url + "/v1"})
    plane.grant("second", workspace)
    key = plane.key(workspace=workspace)
    for use in (body, config(plane, workspace, body)):
        answer = ask(plane, key, use, model="@second/gpt-4o-mini", headers={"x-portkey-provider": "@second"})
        assert answer.status == 200, answer
        assert answer.headers["x-portkey-last-used-option-index"] == (
            "config.targets[0]" if "targets" in body else "config")
    plane.wait_flushed()
    assert set(plane.rows("SELECT provider_slug FROM aigate.ledger WHERE workspace_id ="
                          " (SELECT id FROM aigate.workspace WHERE uuid = %s)", workspace["id"])) == {("mock",)}


def test_parameters_are_laid_over_the_body(plane, provider, workspace, key):
    body = {"provider": "@mock", "override_params": {"model": "gpt-4o", "temperature": 0.5, "max_tokens": 50,
                                                     "metadata": {"a": [1, 2]}},
            "default_params": {"top_p": 0.25, "temperature": 1, "user": "nobody"}}
    for use in (body, config(plane, workspace, body)):
        assert ask(plane, key, use, max_tokens=900, user="ann", temperature=0).status == 200
        got = sent(provider)
        assert got["model"] == "gpt-4o" and got["temperature"] == 0.5 and got["max_tokens"] == 50
        assert got["metadata"] == {"a": [1, 2]} and got["top_p"] == 0.25 and got["user"] == "ann"
        assert got["messages"] == [{"role": "user", "content": "hi"}] and len(got) == 7
        raw = provider.last()["body"]
        assert raw.count('"max_tokens"') == raw.count('"model"') == raw.count('"temperature"') == 1


def test_a_parameter_written_with_escapes_is_replaced_too(plane, provider, key):
    text = '{"m\\u006fdel":"o3-mini","messages":[{"role":"user","content":"hi"}],"t\\u0065mperature":1}'
    answer = plane.post(key, text, headers=named({"provider": "@mock", "override_params": {
        "model": "gpt-4o", "temperature": 0}}))
    assert answer.status == 200, answer
    assert sent(provider) == {"model": "gpt-4o", "temperature": 0,
                              "messages": [{"role": "user", "content": "hi"}]}


def test_what_a_config_asks_for_is_admitted_like_any_request(plane, provider, workspace):
    """A dear model and a high limit in the config are held and refused as if the client had asked."""
    key = plane.key(workspace=workspace, budget_usd="0.001")
    assert ask(plane, key, max_tokens=10, model="@mock/gpt-4o-mini").status == 200
    dear = {"provider": "@mock", "override_params": {"model": "gpt-4", "max_tokens": 8000, "n": 4}}
    assert ask(plane, key, dear, max_tokens=10, n=1).status == 412
    both = {"provider": "@mock", "override_params": {"max_completion_tokens": 5}}
    assert ask(plane, key, both, max_tokens=10).status == 400, "one limit or the other"


def test_a_model_with_its_provider_in_the_parameters(plane, provider, key):
    body = {"strategy": {"mode": "single"}, "targets": [{"override_params": {"model": "@mock/gpt-4o"}}]}
    assert ask(plane, key, body, headers={"x-portkey-provider": "@nobody"}).status == 200
    assert sent(provider)["model"] == "gpt-4o"


def test_targets_inherit_parameters_timeout_and_guardrails(plane, provider, key):
    body = {"strategy": {"mode": "single"}, "request_timeout": 100, "input_guardrails": [ANY],
            "override_params": {"temperature": 0.1, "top_p": 0.2},
            "targets": [{"provider": "@mock", "override_params": {"top_p": 0.3}}]}
    assert ask(plane, key, body).json["hook_results"]["before_request_hooks"][0]["verdict"] is True
    assert (sent(provider)["temperature"], sent(provider)["top_p"]) == (0.1, 0.3)
    body["targets"][0]["input_guardrails"] = []
    assert "hook_results" not in ask(plane, key, body).json
    provider.script(wait="never")
    assert ask(plane, key, body).status == 408
    provider.release("never")


@pytest.mark.parametrize("header,config_ms,told", [(None, 80, 80), (90, 5000, 90)])
def test_a_timeout_of_the_config_and_the_header_above_it(plane, provider, key, header, config_ms, told):
    provider.script(wait="go")
    answer = ask(plane, key, {"provider": "@mock", "request_timeout": config_ms},
                 headers={"x-portkey-request-timeout": str(header)} if header else None)
    provider.release("go")
    assert answer.status == 408 and f"{told}ms" in answer.message


# -- which one ---------------------------------------------------------------------------------------

def temperature(value):
    return {"provider": "@mock", "override_params": {"temperature": value}}


def test_request_beats_key_beats_workspace(plane, provider, workspace, key):
    mine, ours, asked = (config(plane, workspace, temperature(t)) for t in (1, 2, 0))
    own = plane.key(workspace=workspace, defaults={"config_id": mine})
    assert plane.key_object(own)["defaults"]["config_id"] == mine

    def asks(k, use=None):
        assert ask(plane, k, use, model="@mock/gpt-4o-mini").status == 200
        return sent(provider).get("temperature")
    assert (asks(own), asks(key), asks(own, asked), asks(key, asked)) == (1, None, 0, 0)
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"config_id": ours}})
    assert (asks(own), asks(key), asks(own, asked)) == (1, 2, 0)
    assert plane.admin("GET", f"/admin/workspaces/{workspace['slug']}")["defaults"]["config_id"] == ours
    plane.admin("PUT", f"/configs/{asked}", {"isDefault": 1})
    assert asks(key) == 0, "there is one default"
    plane.admin("PUT", f"/api-keys/{own.id}", {"defaults": {"config_id": None}})
    assert asks(own) == 0
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"config_id": None}})
    assert asks(own) is None


def test_a_config_may_be_bound_to_its_key(plane, provider, workspace):
    slug, other = (config(plane, workspace, temperature(t)) for t in (1, 2))
    bound = plane.key(workspace=workspace, defaults={"config_id": slug, "allow_config_override": False})
    assert plane.key_object(bound)["allow_config_override"] == 0
    for use in (other, slug, {"provider": "@mock"}, "{"):
        no = ask(plane, bound, use)
        assert no.status == 400
        assert no.json["message"] == "Cannot override default config set for this API key."
    assert plane.ask("POST", "/v1/chat/completions", {"authorization": f"Bearer {bound}",
                                                      "x-aigate-config": other}, chat_body()).status == 400
    assert ask(plane, bound).status == 200 and sent(provider)["temperature"] == 1
    plane.admin("PUT", f"/api-keys/{bound.id}", {"defaults": {"allow_config_override": True}})
    assert ask(plane, bound, other).status == 200
    unbound = plane.key(workspace=workspace, defaults={"allow_config_override": False})
    assert ask(plane, unbound, other).status == 200, "there is nothing to override"


def test_a_bound_config_cannot_be_evaded(plane, provider, workspace):
    """Guardrails and model of the key's config hold whatever provider, model or metadata is sent."""
    slug = config(plane, workspace, {"provider": "@mock", "input_guardrails": [
        {"default.modelWhitelist": {"models": ["gpt-4o-mini"]}, "deny": True}]})
    bound = plane.key(workspace=workspace, defaults={"config_id": slug, "allow_config_override": False})
    for model, headers in (("gpt-4o", {}), ("@mock/gpt-4o", {}), ("gpt-4o", {"x-portkey-provider": "@mock"}),
                           ("gpt-4o", {"x-portkey-virtual-key": "mock"})):
        assert ask(plane, bound, model=model, headers=headers).status == 446
    assert {m["slug"] for m in plane.get("/v1/models", bound).json["data"]} == {"gpt-4o-mini"}


def test_the_list_of_models_follows_a_config(plane, provider, workspace):
    plane.integration(slug="second", configurations={"custom_host": provider.url + "/v1"})
    plane.grant("second", workspace)
    slug = config(plane, workspace, {"provider": "@second", "override_params": {"model": "gpt-4o"}})
    own = plane.key(workspace=workspace, defaults={"config_id": slug})
    assert [m["id"] for m in plane.get("/v1/models", own).json["data"]] == ["@second/gpt-4o"]
    everything = plane.get("/v1/models", plane.key(workspace=workspace)).json["total"]
    assert everything > 100
    one = plane.get("/v1/models", own, named({"provider": "@mock"})).json["data"]
    assert {m["id"].split("/")[0] for m in one} == {"@mock"}
    assert plane.get("/v1/models", own, named("pc-none")).status == 400


def test_user_keys_have_a_config_of_their_own(gateway, mock):
    workspace = gateway.default_workspace()
    slug = config(gateway, workspace, temperature(1))
    gateway.admin("PUT", f"/admin/workspaces/{workspace['slug']}",
                  {"defaults": {"user_api_key_config": slug}})
    gateway.sql("INSERT INTO aigate.app_user (organisation_id, email) SELECT id, 'a@b.c' FROM aigate.organisation")
    user = gateway.sql("SELECT uuid::text FROM aigate.app_user")
    user = user if isinstance(user, str) else user[0]
    gateway.admin("POST", f"/admin/workspaces/{workspace['slug']}/users",
                  {"users": [{"id": user, "role": "admin"}]})
    made = gateway.admin("POST", "/api-keys/workspace/user", {
        "name": "u", "scopes": ["completions.write"], "workspace_id": workspace["slug"],
        "user_id": user})
    assert gateway.chat(made["key"]).status == 200
    assert json.loads(mock.last()["body"])["temperature"] == 1
    assert gateway.chat(gateway.key()).status == 200
    assert "temperature" not in json.loads(mock.last()["body"])
    assert gateway.admin_ask("DELETE", f"/configs/{slug}").status == 409


def test_an_organisation_may_take_saved_configs_only(gateway, mock):
    workspace = gateway.default_workspace()
    slug, key = config(gateway, workspace, temperature(1)), gateway.key()
    assert ask(gateway, key, temperature(2)).status == 200
    gateway.sql("UPDATE aigate.organisation SET settings = settings || '{\"saved_only\": true}'")
    gateway.ctl("status")
    gateway.admin("PUT", f"/configs/{slug}", {"name": "published anew"})
    no = ask(gateway, key, temperature(2))
    assert no.status == 400 and no.json["status"] == "failure"
    assert no.json["error"]["code"] == "inline_config_blocked"
    assert no.json["error"]["field"] == "x-portkey-config" and no.json["message"] == no.json["error"]["message"]
    assert ask(gateway, key, slug).status == 200


# -- guardrails of a config --------------------------------------------------------------------------

def test_guardrails_of_a_config_come_before_those_of_the_workspace(plane, provider, workspace, key):
    made = plane.admin("POST", "/guardrails", {
        "name": "g", "workspace_id": workspace["slug"], "actions": {"deny": True},
        "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["gpt-4o-mini"]}}]})
    slug = made["slug"]
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"input_guardrails": [slug]}})
    body = {"provider": "@mock", "input_guardrails": [made["id"], {**ANY, "id": "mine"}],
            "before_request_hooks": [{"id": "long", "type": "guardrail", "deny": False, "checks": [
                {"id": "default.requiredMetadataKeys", "parameters": {"metadataKeys": ["team"]}}]}]}
    for use in (body, config(plane, workspace, body)):
        told = ask(plane, key, use)
        assert told.status == 246
        assert [(h["id"], h["verdict"]) for h in told.json["hook_results"]["before_request_hooks"]] == [
            (slug, True), ("mine", True), ("long", False), (slug, True)]
    assert ask(plane, key, {"provider": "@mock"}, model="gpt-4o").status == 446, "nothing takes it away"
    no = ask(plane, key, {"provider": "@mock", "input_guardrails": ["pg-none"]})
    assert no.status == 400 and no.json["message"] == "Following guardrails are not valid: pg-none"
    assert plane.admin_ask("DELETE", f"/guardrails/{slug}").status == 409


def test_a_guardrail_that_a_saved_config_names_stays(plane, provider, workspace):
    slug = plane.admin("POST", "/guardrails", {
        "name": "g", "workspace_id": workspace["slug"], "actions": {"deny": True},
        "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["x"]}}]})["slug"]
    used_by = config(plane, workspace, {"provider": "@mock", "input_guardrails": [slug]})
    no = plane.admin_ask("DELETE", f"/guardrails/{slug}")
    assert no.status == 409 and used_by in no.message
    plane.admin("DELETE", f"/configs/{used_by}")
    plane.admin("DELETE", f"/guardrails/{slug}")
    no = plane.admin_ask("POST", "/configs", {"name": "x", "workspace_id": workspace["slug"],
                                              "config": {"input_guardrails": [slug]}})
    assert no.status == 400 and slug in no.message


# -- refusing ----------------------------------------------------------------------------------------

UNDONE = [
    ({"strategy": {"mode": "fallback"}, "targets": [{"provider": "@a"}, {"provider": "@b"}]}, "strategy.mode",
     "fallback"),
    ({"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "@a"}]}, "strategy.mode", "loadbalance"),
    ({"strategy": {"mode": "conditional"}, "targets": [{"provider": "@a"}]}, "strategy.mode", "conditional"),
    ({"strategy": {"mode": "single", "on_status_codes": [429]}, "targets": [{"provider": "@a"}]},
     "strategy.on_status_codes", ""),
    ({"strategy": {"mode": "single"}, "targets": [{"provider": "@a"}, {"provider": "@b"}]}, "targets[1]",
     "more than one target"),
    ({"strategy": {"mode": "single"}}, "targets", ""), ({"targets": [{"provider": "@a"}]}, "strategy", ""),
    ({"strategy": {"mode": "single"}, "targets": [{"retry": {"attempts": 2}}]}, "targets[0].retry", ""),
    ({"strategy": {"mode": "single"}, "targets": [{"weight": 1}]}, "targets[0]", "must name a provider"),
    ({"strategy": {"mode": "single"}, "targets": [{"strategy": {"mode": "single"}, "targets": [{}]}]},
     "targets[0].targets", "nested"),
    ({"provider": "@a", "retry": {"attempts": 3}}, "retry", "not implemented"),
    ({"provider": "@a", "cache": {"mode": "simple"}}, "cache", "not implemented"),
    ({"provider": "openai", "api_key": "sk-x"}, "provider", "@slug"),
    ({"provider": "@a", "api_key": "sk-x"}, "api_key", "not implemented"),
    ({"provider": "@a", "custom_host": "http://x"}, "custom_host", "not implemented"),
    ({"provider": "@a", "forward_headers": ["x"]}, "forward_headers", "not implemented"),
    ({"provider": "@a", "aws_region": "eu"}, "aws_region", "not implemented"),
    ({"provider": "@a", "output_guardrails": ["pg-x"]}, "output_guardrails", "not implemented"),
    ({"provider": "@a", "input_guardrails": [{"default.wordCount": {}}]},
     "input_guardrails[0].default.wordCount", "not implemented"),
    ({"provider": "@a", "before_request_hooks": [{"type": "mutator", "checks": []}]},
     "before_request_hooks[0].type", "mutator"),
    ({"provider": "@a", "request_timeout": 0}, "request_timeout", "whole number"),
    ({"provider": "@a", "override_params": {"model": 4}}, "override_params.model", "string"),
    ({"provider": "@a", "overide_params": {}}, "overide_params", "not a field"),
    ({"provider": 4}, "provider", "string"), ({}, "", "at least one"),
]


@pytest.mark.parametrize("body,path,word", UNDONE)
def test_what_is_not_done_is_refused_when_it_is_saved_and_when_it_is_sent(plane, provider, workspace, key,
                                                                          body, path, word):
    no = plane.admin_ask("POST", "/configs", {"name": "x", "config": body, "workspace_id": workspace["slug"]})
    assert no.status == 400 and no.json["data"]["errorCode"] == "AB01"
    assert no.message.startswith("config." + path if path else "config:") and word in no.message, no.message
    no = ask(plane, key, body)
    assert no.status == 400 and no.json["message"].startswith("Invalid config passed")
    (error,) = no.json["errors"]
    assert error.startswith(f"path: {path}, message: ") and word in error
    assert provider.stats()["requests"] == 0


@pytest.mark.parametrize("value,word", [
    ("{", "Invalid config passed"), ("{\"provider\":\"@mock\"} x", "Invalid config passed"),
    ("pc-nobody", "Invalid config id passed"), ("[]", "Invalid config id passed"),
    ("{'provider': '@mock'}", "Invalid config passed")])
def test_a_header_that_is_no_config_is_refused(plane, provider, key, value, word):
    no = plane.chat(key, headers={"x-portkey-config": value})
    assert no.status == 400 and no.json["message"].startswith(word)


def test_a_config_of_another_workspace_is_unknown(plane, provider, workspace):
    slug = config(plane, workspace, temperature(1))
    other = plane.workspace()
    stranger = plane.key(workspace=other, scopes=["completions.write", "configs.read", "configs.list",
                                                  "configs.update", "configs.delete"])
    assert ask(plane, stranger, slug).status == 400
    assert [plane.admin_ask(m, f"/configs/{slug}", {}, stranger).status
            for m in ("GET", "PUT", "DELETE")] == [403] * 3
    assert plane.admin("GET", "/configs", key=stranger)["data"] == []
    no = plane.admin_ask("POST", "/api-keys/workspace/service", {
        "name": "k", "scopes": [], "workspace_id": other["slug"], "defaults": {"config_id": slug}})
    assert no.status == 400 and "defaults.config_id" in no.message
    assert plane.admin_ask("POST", "/api-keys/organisation/service", {
        "name": "k", "scopes": ["configs.read"], "defaults": {"config_id": slug}}).status == 400


# -- administration ----------------------------------------------------------------------------------

def test_a_config_lives_from_create_to_delete(plane, provider, workspace, key):
    body = {"provider": "@mock", "override_params": {"temperature": 1}}
    slug = config(plane, workspace, json.dumps(body))
    url = f"/configs/{slug}"
    got = plane.admin("GET", url)
    assert json.loads(got["config"]) == body and got["format"] == "json" and got["type"] == "ORG_CONFIG"
    assert (got["slug"], got["name"], got["is_default"], got["status"]) == (slug, "Fast one", 0, "active")
    assert got["workspace_id"] == workspace["id"] and got["owner_id"] and got["object"] == "config"
    changed = plane.admin("PUT", url, {"config": {**body, "request_timeout": 5000}})
    assert changed["version_id"] == changed["data"]["version_id"] != got["version_id"]
    assert plane.admin("PUT", url, {"name": "slow"})["version_id"] == changed["version_id"], "same config"
    versions = plane.admin("GET", url + "/versions")
    assert [v["version_id"] for v in versions["data"]] == [changed["version_id"], got["version_id"]]
    assert [json.loads(v["config"]).get("request_timeout") for v in versions["data"]] == [5000, None]
    listed = plane.admin("GET", f"/configs?workspace_id={workspace['slug']}")
    assert [(c["slug"], c["name"]) for c in listed["data"]] == [(slug, "slow")] and listed["total"] == 1
    assert "config" not in listed["data"][0]
    plane.admin("PUT", url, {"status": "archived"})
    assert ask(plane, key, slug).status == 400
    plane.admin("PUT", url, {"status": "active"})
    assert ask(plane, key, slug).status == 200
    user = plane.key(workspace=workspace, defaults={"config_id": slug})
    for method, change in (("DELETE", None), ("PUT", {"status": "archived"})):
        no = plane.admin_ask(method, url, change)
        assert no.status == 409 and "1 API keys" in no.message
    plane.admin("DELETE", f"/api-keys/{user.id}")
    assert plane.admin("DELETE", url) == {}
    assert plane.admin_ask("GET", url).status == 404 and ask(plane, key, slug).status == 400


def test_a_change_binds_the_next_request_and_survives_a_restart(gateway, mock):
    slug = config(gateway, gateway.default_workspace(), temperature(0))
    key = gateway.key(defaults={"config_id": slug, "allow_config_override": False})
    for value in (1, 2):
        gateway.admin("PUT", f"/configs/{slug}", {"config": temperature(value)})
        for _ in range(4):
            assert gateway.chat(key).status == 200
            assert json.loads(mock.last()["body"])["temperature"] == value
    gateway.restart()
    assert gateway.chat(key).status == 200 and json.loads(mock.last()["body"])["temperature"] == 2
    assert ask(gateway, key, {"provider": "@mock"}).status == 400
    gateway.expect_error("control died of signal 9")
    old = gateway.pids("control")[0]
    gateway.kill9("control")
    gateway.wait_new("control", 0, old)
    wait(lambda: gateway.admin_ask("GET", "/configs").status == 200, "control to serve again")
    assert gateway.chat(key).status == 200 and json.loads(mock.last()["body"])["temperature"] == 2


# -- in the ledger and in reports -----------------------------------------------------------------------

def test_the_ledger_knows_the_config_of_a_request(plane, provider, workspace):
    """Named, of the key, of the workspace: each is asked for by slug and by id; one of its own has none."""
    first = config(plane, workspace, {"provider": "@mock"})
    second = config(plane, workspace, {"override_params": {"temperature": 0}})
    reader = plane.key(workspace=workspace, scopes=("completions.write", "analytics.view", "logs.view", "logs.export"))
    bound = plane.key(workspace=workspace, defaults={"config_id": second})
    assert ask(plane, reader, first).status == ask(plane, reader, first).status == 200
    assert ask(plane, bound).status == 200
    assert ask(plane, reader, {"provider": "@mock"}).status == ask(plane, reader).status == 200
    plane.wait_flushed()
    rows = plane.rows("""select request_id::text, g.slug from aigate.v_attempt v left join aigate.config g
        on g.id = v.config_id where v.workspace_id = (select id from aigate.workspace where uuid = %s)
        order by received_at""", workspace["id"])
    assert [slug for _, slug in rows] == [first, first, second, None, None]

    def report(path, **query):
        span = dict(query)
        now = plane.sql("select to_char(now() at time zone 'UTC' + interval '1 minute', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        day = plane.sql("select to_char(now() at time zone 'UTC' - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        span.update(time_of_generation_min=day, time_of_generation_max=now)
        return plane.admin("GET", f"/analytics/{path}?{urllib.parse.urlencode(span)}", key=reader)
    ids = dict(plane.rows("select slug, uuid::text from aigate.config"))
    for configs, n in ((first, 2), (ids[second], 1), (f"{first},{ids[second]}", 3), ("pc-nothing", 0)):
        assert report("graphs/requests", configs=configs)["summary"]["total"] == n, configs
    groups = report("groups/config", columns="cost")["data"]
    assert {g["config"]: g["requests"] for g in groups} == {first: 2, second: 1}
    assert all(g["cost"] > 0 for g in groups)
    metrics = plane.admin("GET", f"/logs/{rows[0][0]}", key=reader)["metrics"]
    assert metrics["config"] == first and metrics["config_id"] == ids[first]
    assert plane.admin("GET", f"/logs/{rows[4][0]}", key=reader)["metrics"]["config"] is None
    made = plane.admin("POST", "/logs/exports", {"filters": {"configs": [second]}, "requested_data": ["id", "config"]},
                       reader)
    assert made["total"] == 1
    plane.admin("POST", f"/logs/exports/{made['id']}/start", key=reader)
    wait(lambda: plane.admin("GET", f"/logs/exports/{made['id']}", key=reader)["status"] == "success", "its end")
    with open(f"{plane.conf['export_dir']}/{made['id']}.jsonl", encoding="utf-8") as f:
        assert json.loads(f.read()) == {"id": rows[2][0], "config": second}
