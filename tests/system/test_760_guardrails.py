"""Guardrails: checks on who asks, for which model, in which way; of organisation, workspace and config;
refused, told or let through."""

import itertools
import json

import pytest

from gateway import chat_body
from liar import Liar, answer
from plane import _provider, plane, provider  # noqa: F401

liars = itertools.count(1)

TIERS = {"defaults": ["gpt-4.1-nano"],
         "metadata": {"subscription_tier": {"enterprise": ["gpt-4o", "gpt-4o-mini", "o3-mini"],
                                            "professional": ["gpt-4o-mini", "gpt-4.1-mini"],
                                            "starter": ["gpt-4o-mini"]}}}
DENIED = ("The guardrail checks defined in the config failed. You can find more information in the "
          "`hook_results` object.")


@pytest.fixture
def workspace(plane, provider):
    return plane.workspace()


@pytest.fixture
def org_id(plane):
    return plane.admin("GET", "/admin/organisation/settings")["organisation_id"]


def rules(tiers=None, **parameters):
    return {"id": "default.modelRules", "parameters": {"rules": tiers or TIERS, **parameters}}


def whitelist(*models, **more):
    return {"id": "default.modelWhitelist", "parameters": {"models": list(models), **more}}


def guardrail(plane, workspace, *checks, org=None, deny=True, **actions):
    """Slug of a new guardrail."""
    owner = {"organisation_id": org} if org else {"workspace_id": workspace["slug"]}
    made = plane.admin("POST", "/guardrails", {
        "name": "Tier rules", "checks": list(checks), "actions": {"deny": deny, **actions}, **owner})
    assert made["slug"].startswith("pg-tierru-") and made["version_id"] and made["id"]
    return made["slug"]


def put_on(plane, workspace, *slugs):
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}",
                {"defaults": {"input_guardrails": list(slugs)}})


def guarded(plane, workspace, *checks, **actions):
    """A new guardrail in force in the workspace."""
    slug = guardrail(plane, workspace, *checks, **actions)
    put_on(plane, workspace, slug)
    return slug


def tier(name):
    return {"x-portkey-metadata": json.dumps({"subscription_tier": name})}


def ask(plane, key, model="gpt-4o-mini", headers=None, **fields):
    return plane.chat(key, model=f"@mock/{model}", headers=headers, **fields)


def models_of(plane, key, headers=None):
    listed = plane.get("/v1/models", key, headers).json
    assert listed["total"] == listed["total_count"] == len(listed["data"])
    return {m["id"].removeprefix("@mock/") for m in listed["data"]}


def verdicts(answer):
    return [(h["id"], h["verdict"]) for h in answer.json["hook_results"]["before_request_hooks"]]


# -- denying -----------------------------------------------------------------------------------------

def test_a_model_outside_the_tier_is_refused_with_446(plane, provider, workspace):
    slug = guarded(plane, workspace, rules())
    key = plane.key(workspace=workspace, metadata={"subscription_tier": "starter"}, budget_usd="1",
                    rpm=1)
    before = plane.counters()
    no = ask(plane, key, "gpt-4o")
    assert no.status == 446 and no.reason == "Guardrail denied"
    assert no.json["error"] == {"message": DENIED, "type": "hooks_failed", "param": None, "code": None}
    (hook,) = no.json["hook_results"]["before_request_hooks"]
    assert {k: hook[k] for k in ("id", "verdict", "deny", "async", "type", "transformed",
                                 "feedback")} == {
        "id": slug, "verdict": False, "deny": True, "async": False, "type": "guardrail",
        "transformed": False, "feedback": None}
    (check,) = hook["checks"]
    assert check["id"] == "default.modelRules" and check["verdict"] is False
    assert check["data"]["explanation"] == 'Model "gpt-4o" is not allowed by rules.'
    assert no.json["hook_results"]["after_request_hooks"] == []
    assert no.headers["x-portkey-trace-id"] and no.headers["x-should-retry"] == "false"
    assert provider.stats()["requests"] == 0, "the provider was not asked"
    after = plane.counters()
    assert after["req_denied_guardrail"] == before["req_denied_guardrail"] + 1
    assert after["guardrail_failed"] == before["guardrail_failed"] + 1
    yes = ask(plane, key)
    assert yes.status == 200, "the refused one took nothing of one request a minute"
    assert verdicts(yes) == [(slug, True)] and yes.content and yes.usage["total_tokens"] > 0
    assert ask(plane, key).status == 429


@pytest.mark.parametrize("name,allowed", [
    ("enterprise", {"gpt-4o", "gpt-4o-mini", "o3-mini"}),
    ("professional", {"gpt-4o-mini", "gpt-4.1-mini"}),
    ("starter", {"gpt-4o-mini"}), ("unheard of", {"gpt-4.1-nano"})])
def test_each_tier_is_served_its_models_and_sees_no_others(plane, provider, workspace, name, allowed):
    guarded(plane, workspace, rules())
    key = plane.key(workspace=workspace, metadata={"subscription_tier": name})
    assert models_of(plane, key) == allowed
    for model in ("gpt-4o", "gpt-4o-mini", "o3-mini", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-3.5-turbo"):
        assert ask(plane, key, model).status == (200 if model in allowed else 446), model


def test_the_tutorial_s_spelling_of_model_rules_means_the_same(plane, provider, workspace):
    guarded(plane, workspace, {"id": "default.modelRules", "parameters": {"model_rules": {
        "defaults": ["gpt-4.1-nano"],
        "metadata_routing": {"subscription_tier": {"enterprise": ["gpt-4o"]}}}}})
    key = plane.key(workspace=workspace)
    assert ask(plane, key, "gpt-4o", tier("enterprise")).status == 200
    assert ask(plane, key, "gpt-4o", tier("starter")).status == 446
    assert ask(plane, key, "gpt-4.1-nano", tier("starter")).status == 200


@pytest.mark.parametrize("path,body", [
    ("/v1/chat/completions", chat_body(model="@mock/gpt-4o")),
    ("/v1/chat/completions", chat_body(model="@mock/gpt-4o", stream=True)),
    ("/v1/completions", {"model": "@mock/gpt-3.5-turbo-instruct", "prompt": "hi"}),
    ("/v1/embeddings", {"model": "@mock/text-embedding-3-small", "input": "hi"})])
def test_every_route_is_guarded(plane, provider, workspace, path, body):
    guarded(plane, workspace, whitelist("gpt-4.1-nano"))
    no = plane.post(plane.key(workspace=workspace), body, path)
    assert no.status == 446 and no.headers["content-type"] == "application/json"
    assert provider.stats()["requests"] == 0


def test_a_bare_name_and_every_way_to_say_the_provider_are_guarded(plane, provider, workspace):
    guarded(plane, workspace, whitelist("gpt-4.1-nano"))
    key = plane.key(workspace=workspace)
    for model, headers in (("gpt-4o", {}), ("gpt-4o", {"x-portkey-provider": "@mock"}),
                           ("gpt-4o", {"x-portkey-virtual-key": "mock"}),
                           ("@other/gpt-4o", {"x-portkey-provider": "@mock"})):
        assert plane.chat(key, model=model, headers=headers).status == 446, (model, headers)


def test_lists_may_name_the_provider_and_a_star_is_any(plane, provider, workspace):
    key = plane.key(workspace=workspace)
    guarded(plane, workspace, whitelist("@mock/gpt-4o", "@elsewhere/o3-mini"))
    assert ask(plane, key, "gpt-4o").status == 200
    assert ask(plane, key, "o3-mini").status == 446
    guarded(plane, workspace, rules({"defaults": ["gpt-4o"], "metadata": {
        "subscription_tier": {"all": ["*"]}}}))
    assert ask(plane, key, "o3-mini", tier("all")).status == 200
    assert ask(plane, key, "o3-mini", tier("none")).status == 446


def test_not_turns_a_list_of_models_into_a_list_of_those_forbidden(plane, provider, workspace):
    guarded(plane, workspace, whitelist("gpt-4o", **{"not": True}))
    key = plane.key(workspace=workspace)
    assert ask(plane, key, "gpt-4o").status == 446 and ask(plane, key, "o3-mini").status == 200
    seen = models_of(plane, key)
    assert "gpt-4o" not in seen and "o3-mini" in seen


def test_a_model_the_integration_does_not_allow_is_refused_by_the_rule_first(plane, provider):
    workspace = plane.workspace()
    plane.integration(slug="narrow", configurations={"custom_host": provider.url + "/v1"})
    plane.admin("PUT", "/integrations/narrow/models",
                {"allow_all_models": False, "models": [{"slug": "gpt-4o-mini", "enabled": True}]})
    plane.grant("narrow", workspace)
    guarded(plane, workspace, whitelist("gpt-4o-mini"))
    key = plane.key(workspace=workspace)
    assert plane.chat(key, model="@narrow/gpt-4o").status == 446
    guarded(plane, workspace, whitelist("gpt-4o"))
    assert plane.chat(key, model="@narrow/gpt-4o").status == 412


# -- metadata ----------------------------------------------------------------------------------------

def test_workspace_beats_key_beats_request(plane, provider, workspace):
    guarded(plane, workspace, rules())
    key = plane.key(workspace=workspace)
    assert ask(plane, key, "gpt-4o", tier("enterprise")).status == 200, "nobody else says a tier"
    key = plane.key(workspace=workspace, metadata={"subscription_tier": "starter"})
    assert ask(plane, key, "gpt-4o", tier("enterprise")).status == 446, "the key beats the request"
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}",
                {"defaults": {"metadata": {"subscription_tier": "professional"}}})
    key = plane.key(workspace=workspace, metadata={"subscription_tier": "enterprise"})
    assert ask(plane, key, "gpt-4o", tier("enterprise")).status == 446, "the workspace beats both"
    assert ask(plane, key, "gpt-4.1-mini", tier("enterprise")).status == 200
    assert models_of(plane, key, tier("enterprise")) == {"gpt-4o-mini", "gpt-4.1-mini"}


@pytest.mark.parametrize("sent", [
    '{"subscription_\\u0074ier":"enterprise"}', '{"Subscription_tier":"enterprise"}',
    '{"subscription_tier":"enterprise","subscription_tier":"enterprise"}', '{"subscription_tier":["enterprise"]}',
    'enterprise', '{"subscription_tier":"enterprise"', '{"x":1,"subscription_tier":"enterprise"}'])
def test_no_spelling_of_the_request_s_metadata_passes_for_another_tier(plane, provider, workspace, sent):
    guarded(plane, workspace, rules())
    key = plane.key(workspace=workspace, metadata={"subscription_tier": "starter"})
    assert ask(plane, key, "gpt-4o", {"x-portkey-metadata": sent}).status == 446


@pytest.mark.parametrize("operator,none,one,both", [
    (None, 446, 446, 200), ("all", 446, 446, 200), ("any", 446, 200, 200), ("none", 200, 446, 446)])
def test_required_metadata_keys(plane, provider, workspace, operator, none, one, both):
    parameters = {"metadataKeys": ["team", "cost_centre"], **({"operator": operator} if operator else {})}
    guarded(plane, workspace, {"id": "default.requiredMetadataKeys", "parameters": parameters})
    key = plane.key(workspace=workspace)
    for sent, status in ((None, none), ({"team": "a"}, one), ({"team": "a", "cost_centre": ""}, both),
                         ({"team": None}, none)):
        headers = {"x-portkey-metadata": json.dumps(sent)} if sent else None
        assert ask(plane, key, headers=headers).status == status, sent


def test_required_metadata_pairs(plane, provider, workspace):
    guarded(plane, workspace, {"id": "default.requiredMetadataKeyPairs", "parameters": {
        "metadataPairs": {"env": "prod", "level": 3}, "operator": "all"}})
    key = plane.key(workspace=workspace)
    for sent, status in (({"env": "prod", "level": "3"}, 200), ({"env": "prod", "level": 3}, 200),
                         ({"env": "prod"}, 446), ({"env": "test", "level": 3}, 446), ({}, 446)):
        assert ask(plane, key, headers={"x-portkey-metadata": json.dumps(sent)}).status == status, sent


# -- request types -----------------------------------------------------------------------------------

@pytest.mark.parametrize("parameters,chat,stream,embed", [
    ({"allowedTypes": ["chatComplete"]}, 200, 200, 446),
    ({"allowedTypes": "embed, complete"}, 446, 446, 200),
    ({"allowedTypes": ["stream-chatComplete"]}, 446, 200, 446),
    ({"blockedTypes": ["stream-chatComplete"]}, 200, 446, 200),
    ({"blockedTypes": ["embed"], "allowedTypes": ["chatComplete"]}, 200, 200, 446),
    ({}, 200, 200, 200)])
def test_request_types(plane, provider, workspace, parameters, chat, stream, embed):
    guarded(plane, workspace, {"id": "default.allowedRequestTypes", "parameters": parameters})
    key = plane.key(workspace=workspace)
    assert ask(plane, key).status == chat
    assert plane.stream(key).status == stream
    assert plane.post(key, {"model": "@mock/text-embedding-3-small", "input": "x"},
                      "/v1/embeddings").status == embed
    assert "gpt-4o" in models_of(plane, key)


def test_request_types_may_come_from_the_metadata_of_key_or_workspace(plane, provider, workspace):
    guarded(plane, workspace, {"id": "default.allowedRequestTypes", "parameters": {}})
    key = plane.key(workspace=workspace, metadata={"supported_endpoints": "embed"})
    assert ask(plane, key).status == 446
    key = plane.key(workspace=workspace, metadata={"blocked_endpoints": "embed , complete"})
    assert ask(plane, key).status == 200


# -- telling -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [{}, {"chunked": True}, {"until_eof": True}])
def test_one_that_does_not_deny_is_told_with_246(plane, provider, workspace, shape):
    provider.script(tokens=9, text="as it was", **shape)
    slug = guarded(plane, workspace, whitelist("gpt-4o"), deny=False)
    key = plane.key(workspace=workspace)
    told = ask(plane, key)
    assert told.status == 246 and told.reason == "Hooks failed"
    assert verdicts(told) == [(slug, False)] and told.json["hook_results"]["after_request_hooks"] == []
    assert told.content == "as it was" and told.usage["completion_tokens"] == 9
    assert ask(plane, key, "gpt-4o").status == 200


def test_only_a_200_of_the_provider_becomes_246(plane, provider, workspace):
    provider.script(status=429)
    guarded(plane, workspace, whitelist("gpt-4o"), deny=False)
    no = ask(plane, plane.key(workspace=workspace))
    assert no.status == 429 and "hook_results" not in no.json


def test_a_stream_begins_with_what_was_found_unless_only_openai_s_is_wanted(plane, provider, workspace):
    slug = guarded(plane, workspace, whitelist("gpt-4o"), deny=False)
    key = plane.key(workspace=workspace)
    stream = plane.stream(key, headers={"x-portkey-strict-open-ai-compliance": "false"})
    assert stream.status == 246
    events = stream.read_all()
    assert [h["id"] for h in events[0]["hook_results"]["before_request_hooks"]] == [slug]
    assert "choices" not in events[0] and stream.is_done
    assert all("choices" in e for e in events[1:]) and len(events) > 2
    for headers in ({}, {"x-portkey-strict-open-ai-compliance": "true"}):
        stream = plane.stream(key, headers=headers)
        assert stream.status == 246 and all("choices" in e for e in stream.read_all())


def test_an_asynchronous_one_never_stands_in_the_way_and_is_counted(plane, provider, workspace):
    guarded(plane, workspace, whitelist("gpt-4o"), **{"async": True})
    key = plane.key(workspace=workspace)
    before = plane.counter("guardrail_failed")
    answer = ask(plane, key)
    assert answer.status == 200 and "hook_results" not in answer.json
    assert plane.counter("guardrail_failed") == before + 1
    assert "o3-mini" in models_of(plane, key)


def test_several_run_in_order_and_one_denial_is_enough(plane, provider, workspace):
    told = guardrail(plane, workspace, whitelist("o3-mini"), deny=False)
    first = guardrail(plane, workspace, whitelist("gpt-4o-mini", "gpt-4o"))
    second = guardrail(plane, workspace, whitelist("gpt-4o-mini"), rules({"defaults": ["gpt-4o-mini"]}))
    put_on(plane, workspace, told, first, second)
    key = plane.key(workspace=workspace)
    answer = ask(plane, key, "gpt-4o")
    assert answer.status == 446 and verdicts(answer) == [(told, False), (first, True), (second, False)]
    assert ask(plane, key).status == 246
    put_on(plane, workspace)
    assert ask(plane, key, "o3-mini").status == 200


def test_feedback_is_told_with_the_verdict(plane, provider, workspace):
    guarded(plane, workspace, whitelist("gpt-4o-mini"), on_success={"feedback": {"value": 5, "weight": 1,
                                                                                "metadata": ""}},
            on_fail={"feedback": {"value": -5, "weight": 0.5}})
    key = plane.key(workspace=workspace)
    good, bad = (a.json["hook_results"]["before_request_hooks"][0]["feedback"]
                 for a in (ask(plane, key), ask(plane, key, "gpt-4o")))
    assert good == {"value": 5, "weight": 1, "metadata": {
        "successfulChecks": "default.modelWhitelist", "failedChecks": "", "erroredChecks": ""}}
    assert (bad["value"], bad["weight"]) == (-5, 0.5)
    assert bad["metadata"]["failedChecks"] == "default.modelWhitelist"


PLAIN = '{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'


@pytest.mark.parametrize("body,left", [
    (PLAIN, json.loads(PLAIN)), ("{}", {}), (" \n{ \r\n } ", {}), ("[1,2]", [1, 2]), ('"text"', "text"), ("  7", 7)])
@pytest.mark.parametrize("how", ["at once", "byte by byte", "chunked"])
def test_results_stand_in_an_object_and_leave_all_else_as_it_is(plane, provider, workspace, body, left, how):
    def say(connection):
        head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        head += "transfer-encoding: chunked\r\n\r\n" if how == "chunked" else f"content-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        pieces = [body] if how == "at once" else body
        for piece in pieces:
            connection.sendall((f"1\r\n{piece}\r\n" if how == "chunked" else piece).encode())
        if how == "chunked":
            connection.sendall(b"0\r\n\r\n")
    liar = Liar(lambda head, asked: say)
    slug = f"liar-{next(liars)}"
    plane.admin("POST", "/integrations", {"name": slug, "slug": slug, "ai_provider_id": "openai", "key": "sk-liar",
                                          "configurations": {"custom_host": liar.url}})
    plane.grant(slug, workspace)
    guarded(plane, workspace, whitelist("*"))
    got = plane.post(plane.key(workspace=workspace), chat_body(model=f"@{slug}/gpt-4o-mini"))
    liar.close()
    assert got.status == 200
    found = got.json
    if isinstance(left, dict):
        assert found.pop("hook_results")["before_request_hooks"][0]["verdict"] is True
    assert found == left


@pytest.mark.parametrize("said", [
    answer(200, b"\x1f\x8b{...", "content-encoding: gzip"), answer(200, b""), answer(500, b'{"error":{"message":"x"}}')])
def test_nothing_is_put_where_it_does_not_belong(plane, provider, workspace, said):
    liar = Liar(lambda head, asked: said)
    slug = f"liar-{next(liars)}"
    plane.admin("POST", "/integrations", {"name": slug, "slug": slug, "ai_provider_id": "openai", "key": "sk-liar",
                                          "configurations": {"custom_host": liar.url}})
    plane.grant(slug, workspace)
    guarded(plane, workspace, whitelist("*"))
    got = plane.post(plane.key(workspace=workspace), chat_body(model=f"@{slug}/gpt-4o-mini"))
    liar.close()
    assert got.body == said.split(b"\r\n\r\n", 1)[1]


# -- errors ------------------------------------------------------------------------------------------

NO_DEFAULTS = {"metadata": {"subscription_tier": {"enterprise": ["gpt-4o"]}}}


def test_rules_that_name_no_model_refuse(plane, provider, workspace):
    guarded(plane, workspace, rules(NO_DEFAULTS))
    key = plane.key(workspace=workspace)
    no = ask(plane, key, headers=tier("starter"))
    assert no.status == 446
    (check,) = no.json["hook_results"]["before_request_hooks"][0]["checks"]
    assert check["error"]["message"] == "No allowed models resolved from rules" and check["fail_on_error"]
    assert models_of(plane, key) == set()
    guarded(plane, workspace, rules(NO_DEFAULTS, failOnError=False))
    assert ask(plane, key, headers=tier("starter")).status == 200, "the rule itself says otherwise"


def test_an_operator_may_let_errors_pass(gateway_factory, mock):
    gateway = gateway_factory(conf={"guardrail_fail_open": "on"})
    workspace = gateway.workspace()
    guarded(gateway, workspace, rules(NO_DEFAULTS))
    key = gateway.key(workspace=workspace)
    yes = ask(gateway, key)
    assert yes.status == 200
    hook = yes.json["hook_results"]["before_request_hooks"][0]
    assert hook["verdict"] is True and hook["checks"][0]["verdict"] is False
    guarded(gateway, workspace, rules(NO_DEFAULTS, failOnError=True))
    assert ask(gateway, key).status == 446


# -- organisation ------------------------------------------------------------------------------------

def test_an_organisation_s_guardrail_reaches_every_workspace_but_the_excluded(gateway, mock):
    org = gateway.admin("GET", "/admin/organisation/settings")["organisation_id"]
    slug = guardrail(gateway, None, whitelist("gpt-4o-mini"), org=org)
    ours = [gateway.workspace(f"w{i}") for i in range(2)]
    keys = [gateway.key(workspace=w) for w in ours]
    assert gateway.admin("GET", "/admin/organisation/defaults") == {
        "input_guardrails": [], "output_guardrails": []}
    gateway.admin("PUT", "/admin/organisation/defaults", {"input_guardrails": [slug]})
    assert [g["slug"] for g in gateway.admin("GET", "/admin/organisation/defaults")["input_guardrails"]
            ] == [slug]
    assert [ask(gateway, k, "gpt-4o").status for k in keys] == [446, 446]
    gateway.admin("PUT", "/workspace-exclusions/input-guardrails", {
        "organisation_id": org, "override_existing": True,
        "workspaces": [{"workspace_id": ours[0]["slug"], "excluded": True}]})
    assert [ask(gateway, k, "gpt-4o").status for k in keys] == [200, 446]
    put_on(gateway, ours[0], guardrail(gateway, ours[0], whitelist("gpt-4o")))
    assert ask(gateway, keys[0], "gpt-4o-mini").status == 446, "its own stay in force"
    excluded = {w["slug"]: w["excluded"]
                for w in gateway.admin("GET", "/workspace-exclusions/input-guardrails")["data"]}
    assert excluded == {ours[0]["slug"]: True, ours[1]["slug"]: False}
    assert gateway.admin_ask("DELETE", f"/guardrails/{slug}").status == 409
    gateway.admin("PUT", "/admin/organisation/defaults", {"input_guardrails": []})
    assert ask(gateway, keys[1], "gpt-4o").status == 200
    gateway.admin("DELETE", f"/guardrails/{slug}")
    gateway.restart()
    assert ask(gateway, keys[0], "gpt-4o-mini").status == 446, "and after a restart"


def test_a_guardrail_does_not_reach_out_of_its_workspace(plane, provider, workspace):
    slug = guardrail(plane, workspace, whitelist("gpt-4o"))
    other = plane.workspace()
    no = plane.admin_ask("PUT", f"/admin/workspaces/{other['slug']}",
                         {"defaults": {"input_guardrails": [slug]}})
    assert no.status == 400 and slug in no.message
    key = plane.key(workspace=other, scopes=["completions.write", "guardrails.read", "guardrails.update",
                                             "guardrails.delete", "guardrails.list"])
    for method in ("GET", "PUT", "DELETE"):
        assert plane.admin_ask(method, f"/guardrails/{slug}", {}, key).status == 403
    assert plane.admin("GET", "/guardrails", key=key)["data"] == []


# -- administration ----------------------------------------------------------------------------------

def test_a_guardrail_lives_from_create_to_delete(plane, provider, workspace):
    slug = guardrail(plane, workspace, rules(), onFail="block", message="not yours")
    url = f"/guardrails/{slug}"
    got = plane.admin("GET", url)
    assert (got["slug"], got["name"], got["status"]) == (slug, "Tier rules", "active")
    assert got["workspace_id"] == workspace["id"] and got["organisation_id"]
    assert got["checks"] == [rules()]
    assert got["actions"] == {"deny": True, "onFail": "block", "message": "not yours"}, "as it was written"
    assert plane.admin("GET", f"/guardrails/{got['id']}")["slug"] == slug
    changed = plane.admin("PUT", url, {"name": "other", "actions": {"deny": False}})
    assert changed["slug"] == slug and changed["version_id"] != got["version_id"]
    assert plane.admin("GET", url)["actions"]["deny"] is False
    listed = plane.admin("GET", f"/guardrails?workspace_id={workspace['slug']}")
    assert [(g["slug"], g["name"]) for g in listed["data"]] == [(slug, "other")] and listed["total"] == 1
    assert "checks" not in listed["data"][0]
    assert plane.admin("GET", f"/guardrails?ids={got['id']}")["total"] == 1
    put_on(plane, workspace, slug)
    assert plane.admin_ask("DELETE", url).status == 409
    assert plane.admin("GET", f"/admin/workspaces/{workspace['slug']}")["defaults"]["input_guardrails"] == [slug]
    put_on(plane, workspace)
    assert plane.admin("DELETE", url) == {}
    assert plane.admin_ask("GET", url).status == 403
    kinds = plane.sql("SELECT action FROM aigate.audit_log WHERE object_kind = 'guardrail'"
                      " AND object_uuid = %s ORDER BY id", got["id"])
    assert kinds == ["create", "update", "delete"] or kinds == [("create",), ("update",), ("delete",)]


def test_a_change_binds_the_next_request(plane, provider, workspace):
    slug = guarded(plane, workspace, whitelist("gpt-4o"))
    key = plane.key(workspace=workspace)
    for models, status in ((["gpt-4o-mini"], 200), (["gpt-4o"], 446), (["gpt-4o", "gpt-4o-mini"], 200)):
        plane.admin("PUT", f"/guardrails/{slug}", {"checks": [whitelist(*models)]})
        assert {ask(plane, key).status for _ in range(4)} == {status}


@pytest.mark.parametrize("change,word", [
    ({"checks": [{"id": "default.nonsense"}]}, '"default.nonsense" is not a check'),
    ({"checks": [{"id": "default.wordCount", "parameters": {}}]}, "default.wordCount is not implemented"),
    ({"checks": [{"id": "portkey.moderateContent"}]}, "portkey.moderateContent is not implemented"),
    ({"checks": [{"id": "default.webhook", "is_enabled": False}]}, "default.webhook is not implemented"),
    ({"checks": []}, "checks: must hold at least one"),
    ({"checks": [{"parameters": {}}]}, "checks[0].id: is required"),
    ({"checks": [{"id": "default.modelRules"}]}, "checks[0].parameters: needs rules"),
    ({"checks": [{"id": "default.modelRules", "parameters": {"rules": {"defaults": "gpt-4o"}}}]},
     "checks[0].parameters.rules.defaults: must be an array"),
    ({"checks": [{"id": "default.modelRules", "parameters": {"rules": {"fallback": []}}}]},
     "checks[0].parameters.rules.fallback"),
    ({"checks": [{"id": "default.modelWhitelist", "parameters": {"models": [1]}}]}, "models[0]: must be a string"),
    ({"checks": [{"id": "default.modelWhitelist", "parameters": {"model": ["x"]}}]}, "parameters.model"),
    ({"checks": [{"id": "default.requiredMetadataKeys", "parameters": {"metadataKeys": ["a"],
                                                                       "operator": "some"}}]}, "operator"),
    ({"checks": [{"id": "default.requiredMetadataKeyPairs", "parameters": {
        "metadataPairs": {"a": "b"}, "matchType": "regex"}}]}, "regex is not implemented"),
    ({"checks": [{"id": "default.allowedRequestTypes", "parameters": {"allowedTypes": ["talk"]}}]}, '"talk"'),
    ({"checks": [{"id": "default.allowedRequestTypes", "parameters": {
        "allowedTypes": ["embed"], "blockedTypes": ["embed"]}}]}, "both allowed and blocked"),
    ({"actions": {"soft_deny_200": True}}, "soft_deny_200: is not implemented"),
    ({"actions": {"explode": True}}, "actions.explode"),
    ({"actions": {"deny": "yes"}}, "actions.deny"),
    ({"name": None}, "name: is required")])
def test_what_is_not_done_is_refused_by_name(plane, provider, workspace, change, word):
    body = {"name": "g", "checks": [rules()], "actions": {"deny": True}, "workspace_id": workspace["slug"],
            **change}
    no = plane.admin_ask("POST", "/guardrails", body)
    assert no.status == 400 and no.json["data"]["errorCode"] == "AB01"
    assert word in no.message, no.message


def test_checks_on_answers_are_refused_by_name(plane, provider, workspace):
    slug = guardrail(plane, workspace, rules())
    for method, path, body in (
            ("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"output_guardrails": [slug]}}),
            ("PUT", "/admin/organisation/defaults", {"output_guardrails": [slug]})):
        no = plane.admin_ask(method, path, body)
        assert no.status == 400 and "output_guardrails" in no.message
    assert plane.admin_ask("PUT", "/workspace-exclusions/output-guardrails", {}).status == 501
