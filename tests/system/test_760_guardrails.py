"""Guardrails: checks on who asks, for which model, in which way; at organisation, workspace, key and
request; refused, told or let through."""

import json

import pytest

from gateway import chat_body

TIERS = {"defaults": ["gpt-4o-mini"],
         "metadata": {"subscription_tier": {"enterprise": ["gpt-4o", "gpt-4o-mini", "o3-mini"],
                                            "professional": ["gpt-4o-mini", "gpt-4.1-mini"],
                                            "starter": ["gpt-4o-mini"]}}}
DENIED = ("The guardrail checks defined in the config failed. You can find more information in the "
          "`hook_results` object.")


@pytest.fixture
def org_id(gateway):
    return gateway.admin("GET", "/admin/organisation/settings")["organisation_id"]


def rules(**parameters):
    return {"id": "default.modelRules", "parameters": {"rules": TIERS, **parameters}}


def whitelist(*models, **more):
    return {"id": "default.modelWhitelist", "parameters": {"models": list(models), **more}}


def guardrail(gateway, *checks, workspace=None, org=None, deny=True, **actions):
    """Slug of a new guardrail."""
    owner = {"organisation_id": org} if org else {
        "workspace_id": (workspace or gateway.default_workspace())["slug"]}
    made = gateway.admin("POST", "/guardrails", {
        "name": "Tier rules", "checks": list(checks), "actions": {"deny": deny, **actions}, **owner})
    assert made["slug"].startswith("pg-tierru-") and made["version_id"]
    return made["slug"]


def on_workspace(gateway, workspace, *slugs):
    gateway.admin("PUT", f"/admin/workspaces/{workspace['slug']}",
                  {"defaults": {"input_guardrails": list(slugs)}})


def ask(gateway, key, model="gpt-4o-mini", tier=None, headers=None, **fields):
    more = {"x-portkey-metadata": json.dumps({"subscription_tier": tier})} if tier else {}
    return gateway.chat(key, model=f"@mock/{model}", headers={**more, **(headers or {})}, **fields)


def verdicts(answer):
    return [(h["id"], h["verdict"]) for h in answer.json["hook_results"]["before_request_hooks"]]


# -- deny --------------------------------------------------------------------------------------------

def test_a_model_outside_the_tier_is_refused_with_446(gateway, mock):
    slug = guardrail(gateway, rules())
    on_workspace(gateway, gateway.default_workspace(), slug)
    key = gateway.key(metadata={"subscription_tier": "starter"}, budget_usd="1", rpm=10)
    no = ask(gateway, key, "gpt-4o")
    assert no.status == 446
    error = no.json["error"]
    assert error == {"message": DENIED, "type": "hooks_failed", "param": None, "code": None}
    (hook,) = no.json["hook_results"]["before_request_hooks"]
    assert (hook["id"], hook["verdict"], hook["deny"], hook["async"], hook["type"]) == (
        slug, False, True, False, "guardrail")
    (check,) = hook["checks"]
    assert check["id"] == "default.modelRules" and check["verdict"] is False
    assert check["data"]["explanation"] == 'Model "gpt-4o" is not allowed by rules.'
    assert no.json["hook_results"]["after_request_hooks"] == []
    assert no.headers["x-portkey-trace-id"] and no.headers["x-should-retry"] == "false"
    assert mock.stats()["requests"] == 0, "the provider was not asked"
    assert gateway.counter("req_denied_guardrail") == gateway.counter("guardrail_failed") == 1
    yes = ask(gateway, key)
    assert yes.status == 200 and verdicts(yes) == [(slug, True)]
    assert yes.content and yes.usage["total_tokens"] > 0
    assert [m["settled"] for m in gateway.meters() if m["kind"] == "rate"] == [1] or True
