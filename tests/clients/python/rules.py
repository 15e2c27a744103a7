"""Configs and guardrails from the SDK: made, read, changed, used and deleted."""

import json
import os
import sys

from portkey_ai import Portkey
from portkey_ai._vendor import openai
from portkey_ai.api_resources.exceptions import ConflictError

BASE = os.environ["GATEWAY_URL"]
WORKSPACE = sys.argv[1]
admin = Portkey(api_key=os.environ["ADMIN_KEY"], base_url=BASE)


def customer(**options):
    return Portkey(api_key=os.environ["CUSTOMER_KEY"], base_url=BASE, **options)


def chat(client, model):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def status_of(call, *arguments):
    try:
        call(*arguments)
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def guardrails():
    made = admin.guardrails.create(
        name="Tiers", workspace_id=WORKSPACE, actions={"deny": True, "async": False},
        checks=[{"id": "default.modelRules", "parameters": {"rules": {
            "defaults": ["gpt-4o-mini"], "metadata": {"subscription_tier": {"enterprise": ["gpt-4o"]}}}}}])
    assert made.id and made.slug.startswith("pg-") and made.version_id
    listed = admin.guardrails.list(workspace_id=WORKSPACE)
    assert listed.total == 1 and listed.data[0].slug == made.slug and listed.data[0].status == "active"
    got = admin.guardrails.retrieve(guardrail_id=made.slug)
    assert got.checks[0]["id"] == "default.modelRules" and got.actions["deny"] is True
    changed = admin.guardrails.update(guardrail_id=made.slug, name="Tiers of ours")
    assert changed.slug == made.slug and changed.version_id != made.version_id
    assert admin.guardrails.retrieve(guardrail_id=made.id).name == "Tiers of ours"
    return made.slug


def configs(guardrail):
    made = admin.configs.create(name="Guarded", workspace_id=WORKSPACE, is_default=0,
                                config={"provider": "@mock", "input_guardrails": [guardrail]})
    assert made.id and made.slug.startswith("pc-") and made.version_id
    listed = admin.configs.list(workspace_id=WORKSPACE)
    assert listed.total == 1 and listed.data[0]["slug"] == made.slug
    got = admin.configs.retrieve(slug=made.slug)
    assert json.loads(got.config) == {"provider": "@mock", "input_guardrails": [guardrail]}
    assert got.is_default == 0 and got.version_id == made.version_id and got.name == "Guarded"
    changed = admin.configs.update(slug=made.slug, name="Guarded well", config={
        "provider": "@mock", "input_guardrails": [guardrail], "request_timeout": 20000})
    assert changed.version_id != made.version_id
    assert json.loads(admin.configs.retrieve(slug=made.slug).config)["request_timeout"] == 20000
    return made.slug


def use(slug):
    for config in (slug, json.loads(admin.configs.retrieve(slug=slug).config)):
        client = customer(config=config)
        answer = chat(client, "gpt-4o-mini")
        assert answer.choices[0].message.content
        assert answer.hook_results["before_request_hooks"][0]["verdict"] is True
        assert status_of(chat, client, "gpt-4o") == 446
        tiered = customer(config=config, metadata={"subscription_tier": "enterprise"})
        assert status_of(chat, tiered, "gpt-4o") == 200
        assert [m.id for m in client.models.list().data] == ["@mock/gpt-4o-mini"]
        assert [m.id for m in tiered.models.list().data] == ["@mock/gpt-4o"]
        assert tiered.models.retrieve("@mock/gpt-4o").id == "@mock/gpt-4o"
        assert status_of(client.models.retrieve, "@mock/gpt-4o") == 404
    assert status_of(chat, customer(config={"provider": "@mock", "retry": {"attempts": 2}}), "gpt-4o") == 400


def told(guardrail):
    """One that does not deny: the answer is a success that says what was found."""
    admin.guardrails.update(guardrail_id=guardrail, actions={"deny": False})
    client = customer(config={"provider": "@mock", "input_guardrails": [guardrail]})
    assert chat(client, "gpt-4o").hook_results["before_request_hooks"][0]["verdict"] is False
    chunks = list(client.chat.completions.create(model="gpt-4o", stream=True,
                                                 messages=[{"role": "user", "content": "hi"}]))
    assert any(c.choices and c.choices[0].delta.content for c in chunks)


def clean(guardrail, config):
    try:
        admin.guardrails.delete(guardrail_id=guardrail)
        raise AssertionError("a guardrail in use was deleted")
    except ConflictError:
        pass
    admin.configs.delete(slug=config)
    admin.guardrails.delete(guardrail_id=guardrail)
    assert admin.configs.list(workspace_id=WORKSPACE).data == []
    assert admin.guardrails.list(workspace_id=WORKSPACE).data == []


def main():
    guardrail = guardrails()
    config = configs(guardrail)
    use(config)
    told(guardrail)
    clean(guardrail, config)
    print("done")


main()
