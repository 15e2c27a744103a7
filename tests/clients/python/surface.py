"""Every administrative method of the SDK, called and its parsed result looked at.

Prints the methods found by looking into the SDK, those that were served, and those that were refused with
what the refusal said, so that whoever runs this sees a method nobody thought about."""

import datetime
import inspect
import json
import os

import httpx
from portkey_ai import AsyncPortkey, Portkey
from portkey_ai._vendor import openai
from portkey_ai.api_resources.exceptions import APIStatusError

BASE, ADMIN_KEY = os.environ["GATEWAY_URL"], os.environ["ADMIN_KEY"]
AREAS = ("admin", "api_keys", "integrations", "providers", "virtual_keys", "configs", "guardrails", "models",
         "logs", "analytics", "feedback", "labels", "collections", "prompts",
         "mcp_integrations", "mcp_servers")
served, refused = set(), {}


def methods(client):
    """{dotted name: (its resource, its name)} of every public method under the areas."""
    found = {}

    def walk(resource, path):
        for name in dir(resource):
            if name.startswith("_") or name in ("openai_client", "post"):
                continue
            member = getattr(resource, name)
            if inspect.ismethod(member):
                found[".".join([*path, name])] = (resource, name)
            elif type(member).__module__.startswith("portkey_ai.api_resources.apis"):
                walk(member, [*path, name])
    for area in AREAS:
        walk(getattr(client, area), [area])
    return found


def watched(key):
    """A client that remembers which of its methods returned."""
    client = Portkey(api_key=key, base_url=BASE)
    for path, (resource, name) in methods(client).items():
        def call(*arguments, _method=getattr(resource, name), _path=path, **named):
            answer = _method(*arguments, **named)
            served.add(_path)
            return answer
        setattr(resource, name, call)
    return client


def each(listed, name):
    """A member of each item, parsed or plain."""
    return [one[name] if isinstance(one, dict) else getattr(one, name) for one in listed]


def error_of(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except (APIStatusError, openai.APIStatusError) as error:
        return error
    raise AssertionError(f"{call} was not refused")


admin = watched(ADMIN_KEY)
WORKSPACE = os.environ["WORKSPACE"]


def workspaces():
    made = admin.admin.workspaces.create(name="Surface", description="all of it",
                                         defaults={"metadata": {"team": "a"}})
    assert made.id and made.slug.startswith("ws-") and made.name == "Surface"
    listed = admin.admin.workspaces.list(name="Surf", page_size=10, current_page=0)
    assert listed.total == 1 and each(listed.data, "id") == [made.id]
    assert admin.admin.workspaces.list(exact_name="Surf").data == []
    changed = admin.admin.workspaces.update(workspace_id=made.slug, name="Surface 2", description="less")
    assert changed.name == "Surface 2"
    got = admin.admin.workspaces.retrieve(workspace_id=made.id)
    assert got.description == "less" and got.is_default == 0 and got.users == []
    assert got.defaults["metadata"] == {"team": "a"}
    assert error_of(admin.admin.workspaces.delete, workspace_id=made.id, name="Surface").status_code == 400
    admin.admin.workspaces.delete(workspace_id=made.id, name="Surface 2")
    assert error_of(admin.admin.workspaces.retrieve, workspace_id=made.id).status_code in (403, 404)


def people():
    invites, users, members = admin.admin.users.invites, admin.admin.users, admin.admin.workspaces.users
    made = invites.create(email="ada@example.com", role="member",
                          workspaces=[{"id": WORKSPACE, "role": "member"}],
                          workspace_api_key_details={"scopes": ["completions.write"]})
    assert invites.retrieve(invite_id=made.id).status == "pending"
    assert each(invites.list(status="pending", email="ada@example.com").data, "id") == [made.id]
    link = invites.resend(invite_id=made.id).model_dump()["inviteLink"]
    assert "#" in link, link
    gone = invites.create(email="bob@example.com", role="admin")
    invites.delete(invite_id=gone.id)
    assert invites.retrieve(invite_id=gone.id).status == "cancelled"
    answer = httpx.post(BASE + "/invites/accept", json={"token": link.partition("#")[2], "first_name": "Ada"})
    assert answer.status_code == 200, answer.text
    ada = answer.json()["id"]

    assert each(users.list(email="ada@example.com", role="member").data, "id") == [ada]
    users.update(user_id=ada, role="admin")
    assert users.retrieve(user_id=ada).role == "admin"
    users.update(user_id=ada, role="member")
    members.update(workspace_id=WORKSPACE, user_id=ada, role="manager")
    assert members.retrieve(workspace_id=WORKSPACE, user_id=ada).role == "manager"
    assert each(members.list(workspace_id=WORKSPACE, role="manager").data, "id") == [ada]
    members.delete(workspace_id=WORKSPACE, user_id=ada)
    members.create(workspace_id=WORKSPACE, users=[{"id": ada, "role": "member"}])
    assert error_of(members.create, workspace_id=WORKSPACE, users=[{"id": ada}]).status_code == 409
    users.delete(user_id=ada)
    assert error_of(users.retrieve, user_id=ada).status_code == 404


def keys():
    made = admin.api_keys.create(
        type="workspace", sub_type="service", name="k", description="d", workspace_id=WORKSPACE,
        scopes=["completions.write"], rate_limits=[{"type": "requests", "unit": "rpm", "value": 10}],
        usage_limits={"credit_limit": 5.5, "type": "cost"}, expires_at="2999-01-01T00:00:00Z",
        defaults={"metadata": {"a": "b"}})
    assert made.key and made.object == "api-key"
    got = admin.api_keys.retrieve(id=made.id)
    assert got.name == "k" and got.usage_limits["credit_limit"] == 5.5 and got.rate_limits[0]["value"] == 10
    assert got.defaults["metadata"] == {"a": "b"} and made.key not in str(got)
    admin.api_keys.update(id=made.id, name="k2", scopes=["completions.write", "logs.view"],
                          usage_limits={"credit_limit": 6, "type": "cost"})
    listed = admin.api_keys.list(workspace_id=WORKSPACE, page_size=100)
    assert [k["name"] for k in listed["data"] if k["id"] == made.id] == ["k2"]
    refusal = error_of(admin.api_keys.update, id=made.id, scopes=["no.such"])
    assert refusal.status_code == 400 and "no.such" in str(refusal)
    admin.api_keys.delete(id=made.id)
    assert error_of(admin.api_keys.retrieve, id=made.id).status_code == 404


def integrations():
    every = admin.integrations
    made = every.create(name="Surface", slug="surface", ai_provider_id="openai", key="sk-upstream",
                        description="d", configurations={"custom_host": os.environ["PROVIDER_URL"]})
    assert made.slug == "surface"
    assert "surface" in each(every.list(type="organisation", page_size=50).data, "slug")
    every.update(slug="surface", name="Surface 2", key="sk-other")
    got = every.retrieve(slug="surface")
    assert got.name == "Surface 2" and got.masked_key and "sk-other" not in str(got)
    every.models.update(slug="surface", allow_all_models=False, models=[
        {"slug": "gpt-4o-mini", "enabled": True}, {"slug": "ours", "enabled": True, "is_custom": True}])
    listed = every.models.list(slug="surface")
    assert listed.allow_all_models is False and {"gpt-4o-mini", "ours"} <= set(each(listed.models, "slug"))
    every.models.delete(slug="surface", slugs="ours")
    assert "ours" not in each(every.models.list(slug="surface").models, "slug")
    assert error_of(every.models.delete, slug="surface", slugs="gpt-4o-mini").status_code == 400
    every.workspaces.update(slug="surface", workspaces=[{
        "id": WORKSPACE, "enabled": True, "usage_limits": [{"type": "cost", "credit_limit": 7}],
        "rate_limits": [{"type": "requests", "unit": "rpm", "value": 70}]}])
    granted = every.workspaces.list(slug="surface").workspaces
    assert each(granted, "id") == [WORKSPACE] and each(granted, "enabled") == [True]
    assert each(each(granted, "usage_limits"), "credit_limit") == [7]


def providers():
    made = admin.providers.create(name="P", slug="p", integration_id="surface", workspace_id=WORKSPACE, note="n",
                                  usage_limits={"credit_limit": 3, "type": "cost"})
    assert made.slug == "p"
    assert "p" in each(admin.providers.list(workspace_id=WORKSPACE).data, "slug")
    admin.providers.update(slug="p", workspace_id=WORKSPACE, name="P2", reset_usage=True)
    got = admin.providers.retrieve(slug="p", workspace_id=WORKSPACE)
    assert (got.name, got.note, got.integration_id) == ("P2", "n", "surface")
    admin.providers.delete(slug="p", workspace_id=WORKSPACE)
    assert error_of(admin.providers.retrieve, slug="p", workspace_id=WORKSPACE).status_code == 404

    made = admin.virtual_keys.create(name="V", slug="v", provider="openai", key="sk-upstream", note="n",
                                     workspace_id=WORKSPACE)
    assert made.slug == "v"
    admin.virtual_keys.update(slug="v", name="V2", note="m", usage_limits={"credit_limit": 4, "type": "cost"})
    got = admin.virtual_keys.retrieve(slug="v").model_dump()
    assert (got["name"], got["note"], got["usage_limits"]["credit_limit"]) == ("V2", "m", 4)
    assert "v" in each(admin.virtual_keys.list(workspace_id=WORKSPACE).data, "slug")
    admin.virtual_keys.delete(slug="v")
    assert error_of(admin.virtual_keys.retrieve, slug="v").status_code == 404


def rules():
    made = admin.guardrails.create(name="G", workspace_id=WORKSPACE, actions={"deny": True}, checks=[
        {"id": "default.modelWhitelist", "parameters": {"models": ["gpt-4o-mini"]}}])
    assert each(admin.guardrails.list(workspace_id=WORKSPACE).data, "slug") == [made.slug]
    admin.guardrails.update(guardrail_id=made.id, name="G2", actions={"deny": False})
    got = admin.guardrails.retrieve(guardrail_id=made.slug)
    assert got.name == "G2" and got.actions == {"deny": False}
    unknown = error_of(admin.guardrails.create, name="x", workspace_id=WORKSPACE, actions={},
                       checks=[{"id": "no.such", "parameters": {}}])
    assert unknown.status_code == 400 and "no.such" in str(unknown)

    config = {"provider": "@surface", "input_guardrails": [made.slug]}
    kept = admin.configs.create(name="C", config=config, workspace_id=WORKSPACE, is_default=0)
    assert each(admin.configs.list(workspace_id=WORKSPACE).data, "slug") == [kept.slug]
    changed = admin.configs.update(slug=kept.slug, name="C2", config={**config, "request_timeout": 1000})
    got = admin.configs.retrieve(slug=kept.slug)
    assert got.name == "C2" and json.loads(got.config)["request_timeout"] == 1000
    assert got.version_id == changed.version_id != kept.version_id
    assert error_of(admin.guardrails.delete, guardrail_id=made.slug).status_code == 409
    admin.configs.delete(slug=kept.slug)
    admin.guardrails.delete(guardrail_id=made.slug)
    assert error_of(admin.configs.retrieve, slug=kept.slug).status_code == 404


def traffic():
    """What a workspace's own key asks: models, logs, feedback, reports."""
    key = admin.api_keys.create(type="workspace", sub_type="service", name="t", workspace_id=WORKSPACE, scopes=[
        "completions.write", "logs.write", "logs.view", "logs.export", "logs.list", "analytics.view"]).key
    client = watched(key)
    models = [m.id for m in client.models.list().data]
    assert "@surface/gpt-4o-mini" in models
    assert client.models.retrieve("@surface/gpt-4o-mini").id == "@surface/gpt-4o-mini"
    refused["models.delete"] = told(error_of(client.models.delete, "@surface/gpt-4o-mini"))
    answer = client.with_options(trace_id="t-1").chat.completions.create(
        model="@surface/gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content

    client.logs.create(request={"url": "https://model.example.com", "body": {"q": 1}},
                       response={"status": 200, "body": {"a": 1}}, metadata={"trace_id": "told"})
    made = client.feedback.create(trace_id="t-1", value=5, weight=0.5, metadata={"a": "b"})
    assert made.status == "success" and len(made.feedback_ids) == 1
    assert client.feedback.update(feedback_id=made.feedback_ids[0], value=-1).status == "success"
    assert len(client.feedback.bulk_create(feedbacks=[{"trace_id": "t-1", "value": 1}] * 2).feedback_ids) == 2

    now = datetime.datetime.now(datetime.timezone.utc)
    span = {"time_of_generation_min": (now - datetime.timedelta(hours=1)).isoformat(),
            "time_of_generation_max": (now + datetime.timedelta(hours=1)).isoformat()}
    export = client.logs.exports.create(filters=span, description="all", requested_data=["id", "cost"],
                                        workspace_id=WORKSPACE)
    assert export.id
    client.logs.exports.update(export_id=export.id, filters=span, requested_data=["id"], workspace_id=WORKSPACE)
    assert each(client.logs.exports.list(workspace_id=WORKSPACE).data, "id") == [export.id]
    client.logs.exports.start(export_id=export.id)
    for _ in range(2000):
        if client.logs.exports.retrieve(export_id=export.id).status == "success":
            break
    assert client.logs.exports.download(export_id=export.id).signed_url.startswith("http")
    other = client.logs.exports.create(filters=span, requested_data=["id"], workspace_id=WORKSPACE)
    assert client.logs.exports.cancel(export_id=other.id).message
    assert client.logs.exports.retrieve(export_id=other.id).status == "stopped"

    graphs = client.analytics.graphs
    for name in [n for n in dir(graphs) if "analytics.graphs." + n in methods(Portkey(api_key="x"))]:
        graph = getattr(graphs, name)(**span)
        assert graph.object == "analytics-graph" and graph.summary is not None, name
    groups = client.analytics.groups
    for got in (groups.users(**span), groups.ai_models(**span), groups.workspaces(**span),
                groups.metadata(metadata_key="team", **span), groups.group_by(group_by="model", **span)):
        assert got.object == "list" and got.total >= 0
    assert client.analytics.summary.cache(**span).summary is not None
    error = error_of(client.analytics.graphs.cost, time_of_generation_min="yesterday",
                     time_of_generation_max="now")
    assert error.status_code == 400 and "time_of_generation_min" in str(error)


def end():
    admin.integrations.delete(slug="surface")
    assert error_of(admin.integrations.retrieve, slug="surface").status_code == 404


def told(error):
    return [error.status_code, str(error)]


def not_served():
    """Areas that are refused by name: each method with whatever arguments it demands."""
    for path, (resource, name) in methods(Portkey(api_key=ADMIN_KEY, base_url=BASE)).items():
        if path.split(".")[0] not in ("labels", "collections", "prompts", "mcp_integrations", "mcp_servers"):
            continue
        call = getattr(resource, name)
        wanted = {n: {"value": "x"} if "Dict" in str(p.annotation) or "Mapping" in str(p.annotation)
                  else [{}] if "List" in str(p.annotation) else 1 if "int" == str(p.annotation) else "x"
                  for n, p in inspect.signature(call).parameters.items()
                  if p.default is inspect.Parameter.empty
                  and p.kind is not inspect.Parameter.VAR_KEYWORD}
        refused[path] = told(error_of(call, **wanted))


def main():
    workspaces()
    people()
    keys()
    integrations()
    providers()
    rules()
    traffic()
    end()
    not_served()
    names = methods(Portkey(api_key="x", base_url=BASE))
    print(json.dumps({"methods": sorted(names), "served": sorted(served), "refused": refused,
                      "async": sorted(methods(AsyncPortkey(api_key="x", base_url=BASE)))}))


main()
