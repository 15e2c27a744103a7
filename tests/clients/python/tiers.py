"""A feature sold in three tiers: workspaces, budgets, models and keys set up once, then three customers.

What a customer may do follows from its key and its workspace alone; nothing it sends changes it."""

import json
import os

import httpx
from portkey_ai import Portkey
from portkey_ai._vendor import openai
from portkey_ai.api_resources.exceptions import APIStatusError

BASE, ADMIN_KEY = os.environ["GATEWAY_URL"], os.environ["ADMIN_KEY"]
TIERS = {
    "enterprise": {"budget": 500, "rpm": 1000, "alert": 400, "models": ["gpt-4o", "gpt-4o-mini", "o3-mini"]},
    "professional": {"budget": 100, "rpm": 100, "alert": 80, "models": ["gpt-4o-mini", "gpt-4.1-mini"]},
    "starter": {"budget": 25, "rpm": 10, "alert": 20, "models": ["gpt-4o-mini"]},
}
EVERY_MODEL = sorted({m for t in TIERS.values() for m in t["models"]})
portkey = Portkey(api_key=ADMIN_KEY, base_url=BASE)


def admin(method, path, body=None):
    answer = httpx.request(method, BASE + path, json=body, headers={"x-portkey-api-key": ADMIN_KEY})
    answer.raise_for_status()
    return answer.json()


def set_schema():
    """Each key says which tier it is of."""
    admin("PUT", "/admin/organisation/settings", {"api_key_metadata_schema": {
        "type": "object", "additionalProperties": True, "required": ["subscription_tier"],
        "properties": {"subscription_tier": {"type": "string", "enum": list(TIERS)},
                       "user_email": {"type": "string"}}}})


def make_workspaces():
    """One a tier, with a budget over all it uses, whatever integrations it gets later."""
    made = {tier: portkey.admin.workspaces.create(
        name=f"{tier.title()} Customers", description=f"Customers of the {tier} tier",
        defaults={"metadata": {"subscription_tier": tier}}) for tier in TIERS}
    for tier, workspace in made.items():
        admin("PUT", f"/admin/workspaces/{workspace.id}", {"usage_limits": [
            {"type": "cost", "credit_limit": 2 * TIERS[tier]["budget"], "periodic_reset": "monthly"}]})
    return made


def provision(workspaces):
    """One account at the provider; each tier its budget, its rate, its alert."""
    portkey.integrations.create(name="OpenAI Production", slug="openai-prod", ai_provider_id="openai",
                                key="sk-upstream", configurations={"custom_host": os.environ["PROVIDER_URL"]})
    admin("PUT", "/integrations/openai-prod/workspaces", {"workspaces": [{
        "id": workspaces[tier].slug, "enabled": True,
        "usage_limits": [{"type": "cost", "credit_limit": limits["budget"], "periodic_reset": "monthly",
                          "alert_threshold": limits["alert"]}],
        "rate_limits": [{"type": "requests", "unit": "rpm", "value": limits["rpm"]}],
    } for tier, limits in TIERS.items()]})
    portkey.integrations.models.update(slug="openai-prod", allow_all_models=False,
                                       models=[{"slug": m, "enabled": True} for m in EVERY_MODEL])


def set_model_rules():
    """The rules as the guide prints them, for the whole organisation."""
    rules = portkey.guardrails.create(
        name="Models by tier", organisation_id=admin("GET", "/admin/organisation/settings")["organisation_id"],
        actions={"deny": True, "async": False},
        checks=[{"id": "default.modelRules", "parameters": {"model_rules": {
            "defaults": ["gpt-4o-mini"],
            "metadata_routing": {"subscription_tier": {t: TIERS[t]["models"] for t in TIERS}}}}}])
    admin("PUT", "/admin/organisation/defaults", {"input_guardrails": [rules.slug]})


def refused_key(workspace, **metadata):
    try:
        portkey.api_keys.create(name="refused", type="workspace", sub_type="service", workspace_id=workspace.slug,
                                scopes=["completions.write"], defaults={"metadata": metadata})
    except APIStatusError as error:
        return [error.status_code, str(error)]
    return None


def make_key(tier, workspace):
    return portkey.api_keys.create(
        name=f"{tier} customer", type="workspace", sub_type="service", workspace_id=workspace.slug,
        scopes=["completions.write"],
        usage_limits={"credit_limit": 10.0, "type": "cost", "periodic_reset": "monthly", "alert_threshold": 8},
        defaults={"metadata": {"user_email": f"{tier}@example.com", "subscription_tier": tier}},
        rate_limits=[{"type": "requests", "unit": "rpm", "value": 60}]).key


def status_of(client, model):
    try:
        answer = client.chat.completions.create(
            model=f"@openai-prod/{model}", messages=[{"role": "user", "content": "Hello"}], max_tokens=20)
    except openai.APIStatusError as error:
        assert error.status_code != 446 or error.body["type"] == "hooks_failed", error.body
        return error.status_code
    assert answer.choices[0].message.content
    return 200


def limits_of(key):
    answer = httpx.get(BASE + "/limits", headers={"authorization": f"Bearer {key}"})
    answer.raise_for_status()
    return answer.json()


def use(tier, key):
    """The customer, who would like to be one of a dearer tier."""
    client = Portkey(api_key=key, base_url=BASE, metadata={"subscription_tier": "enterprise"})
    return {"models": sorted(m.id for m in client.models.list().data),
            "served": [m for m in EVERY_MODEL if status_of(client, m) == 200],
            "refused": [m for m in EVERY_MODEL if status_of(client, m) == 446],
            "limits": limits_of(key)}


def main():
    set_schema()
    workspaces = make_workspaces()
    provision(workspaces)
    set_model_rules()
    keys = {tier: make_key(tier, workspaces[tier]) for tier in TIERS}
    refused = [refused_key(workspaces["starter"], user_email="eve@example.com"),
               refused_key(workspaces["starter"], subscription_tier="platinum")]
    print(json.dumps({"refused": refused, "keys": keys, "seen": {tier: use(tier, keys[tier]) for tier in TIERS}}))


main()
