"""The unmodified Python SDK against the admin API; skipped where it is not installed."""

import pytest

portkey_ai = pytest.importorskip("portkey_ai")


@pytest.fixture
def client(gateway):
    return portkey_ai.Portkey(api_key=gateway.admin_key, base_url=gateway.url)


def test_workspaces(client):
    made = client.admin.workspaces.create(name="W", description="d",
                                          defaults={"metadata": {"team": "a"}})
    assert made.slug.startswith("ws-w-")
    listed = client.admin.workspaces.list()
    assert [(w.id, w.slug, w.name) for w in listed.data] == [(made.id, made.slug, "W")]
    assert listed.data[0].is_default == 0
    one = client.admin.workspaces.retrieve(workspace_id=made.slug)
    assert one.id == made.id and one.defaults["metadata"] == {"team": "a"}
    client.admin.workspaces.update(workspace_id=made.slug, name="V")
    assert client.admin.workspaces.retrieve(workspace_id=made.id).name == "V"
    client.admin.workspaces.delete(workspace_id=made.slug, name="V")
    assert client.admin.workspaces.list().data == []


def test_api_keys(client, gateway):
    workspace = gateway.workspace("W")
    made = client.api_keys.create(
        name="Service Key for W", workspace_id=workspace["slug"], type="workspace",
        sub_type="service", scopes=["completions.write"],
        usage_limits={"credit_limit": 100.0, "type": "cost", "periodic_reset": "monthly",
                      "alert_threshold": 80},
        defaults={"metadata": {"user_email": "a@b.c"}},
        rate_limits=[{"type": "requests", "unit": "rpm", "value": 100}])
    assert made.key.startswith("ag-") and made.object == "api-key"
    listed = client.api_keys.list(workspace_id=workspace["slug"])
    for key in listed.get("data", []):
        metadata = key.get("defaults", {}).get("metadata") or key.get("metadata")
        assert metadata.get("user_email") == "a@b.c"
        assert [(r["value"], r["unit"]) for r in key.get("rate_limits", [])] == [(100, "rpm")]
        limits = key.get("usage_limits") or {}
        assert f"${limits['credit_limit']} {limits['periodic_reset']}" == "$100 monthly"
        assert limits["alert_threshold"] == 80
    assert len(listed["data"]) == 1
    one = client.api_keys.retrieve(id=made.id)
    assert one.usage_limits["credit_limit"] == 100 and one.status == "active"
    client.api_keys.update(id=made.id, name="renamed", usage_limits={"credit_limit": 5})
    assert client.api_keys.retrieve(id=made.id).name == "renamed"
    customer = portkey_ai.Portkey(api_key=made.key, base_url=gateway.url)
    answer = customer.chat.completions.create(model="@mock/gpt-4o-mini",
                                              messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content
    client.api_keys.delete(id=made.id)
    assert client.api_keys.list(workspace_id=workspace["slug"])["data"] == []


def test_integrations(client, gateway):
    workspace = gateway.admin("POST", "/admin/workspaces", {"name": "W"})
    made = client.integrations.create(name="Open AI", ai_provider_id="openai", slug="oa",
                                      key="sk-0123456789abc", description="d")
    assert made.slug == "oa"
    assert [i.slug for i in client.integrations.list().data] == ["oa"]
    one = client.integrations.retrieve(slug="oa")
    assert one.masked_key == "sk*****abc" and one.type == "organisation"
    client.integrations.models.update(slug="oa", allow_all_models=False, models=[
        {"slug": "gpt-4o-mini", "enabled": True},
        {"slug": "mine", "enabled": True, "is_custom": True}])
    models = client.integrations.models.list(slug="oa")
    assert {m.slug: m.is_custom for m in models.models} == {"gpt-4o-mini": False, "mine": True}
    client.integrations.models.delete(slug="oa", slugs="mine")
    client.integrations.workspaces.update(slug="oa", workspaces=[
        {"id": workspace["slug"], "enabled": True, "usage_limits": [{"credit_limit": 5}],
         "rate_limits": [{"type": "requests", "unit": "rpm", "value": 9}]}])
    granted = client.integrations.workspaces.list(slug="oa").workspaces
    assert [w.id for w in granted] == [workspace["slug"]]
    assert granted[0].usage_limits["credit_limit"] == 5 and granted[0].rate_limits["value"] == 9
    providers = client.providers.list(workspace_id=workspace["slug"])
    assert [p.slug for p in providers.data] == ["oa"]
    assert client.providers.retrieve(slug="oa", workspace_id=workspace["slug"]).integration_id == "oa"
    client.integrations.update(slug="oa", name="renamed")
    assert client.integrations.retrieve(slug="oa").name == "renamed"
    client.integrations.delete(slug="oa")
    assert client.integrations.list().data == []


def test_errors_come_as_the_clients_classes(client, gateway):
    for call, kind in (
            (lambda: client.api_keys.retrieve(id="00000000-0000-0000-0000-000000000000"),
             "NotFoundError"),
            (lambda: client.admin.workspaces.create(name=""), "BadRequestError"),
            (lambda: portkey_ai.Portkey(api_key="ag-wrong", base_url=gateway.url)
             .admin.workspaces.list(), "AuthenticationError")):
        with pytest.raises(Exception) as caught:
            call()
        assert type(caught.value).__name__ == kind, caught.value


def test_providers(client, gateway):
    at = {"workspace_id": gateway.workspace("W")["slug"]}
    made = client.providers.create(
        name="By hand", integration_id="mock", slug="hand", note="n",
        usage_limits={"credit_limit": 5}, expires_at="2099-01-01T00:00:00Z",
        rate_limits={"type": "requests", "unit": "rpm", "value": 9}, **at)
    assert made.slug == "hand" and made.id
    assert {p.slug for p in client.providers.list(**at).data} == {"mock", "hand"}
    one = client.providers.retrieve(slug="hand", **at)
    assert one.usage_limits["credit_limit"] == 5 and one.rate_limits[0]["value"] == 9
    assert client.providers.update(slug="hand", name="renamed", reset_usage=True, **at).id == made.id
    assert client.providers.retrieve(slug="hand", **at).name == "renamed"
    client.providers.delete(slug="hand", **at)
    assert [p.slug for p in client.providers.list(**at).data] == ["mock"]


def test_virtual_keys(client, gateway):
    at = {"workspace_id": gateway.workspace("W")["slug"]}
    made = client.virtual_keys.create(name="Mine", provider="openai", key="sk-0123456789abc",
                                      note="n", usage_limits={"credit_limit": 5}, **at)
    assert made.slug.startswith("mine-") and made.object == "virtual-key"
    assert {v["slug"] for v in client.virtual_keys.list(**at).data} == {made.slug, "mock"}
    assert client.virtual_keys.retrieve(slug=made.slug).masked_api_key == "sk*****abc"
    client.virtual_keys.update(slug=made.slug, name="renamed", key="sk-9876543210xyz",
                               rate_limits=[{"type": "requests", "unit": "rpm", "value": 9}])
    one = client.virtual_keys.retrieve(slug=made.slug)
    assert one.name == "renamed" and one.masked_api_key == "sk*****xyz"
    client.virtual_keys.delete(slug=made.slug)
    assert [v["slug"] for v in client.virtual_keys.list(**at).data] == ["mock"]
