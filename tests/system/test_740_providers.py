"""Providers made by hand and virtual keys: the admin API's shapes, and that their limits bind."""

import pytest

from gateway import mock_url, wait

CONF = {"workers": "2"}


def refused(answer, status, *words):
    assert answer.status == status, answer
    for word in words:
        assert word in answer.json["data"]["message"], answer


def provider_meters(gateway, slug, retired=False):
    return gateway.rows(
        "SELECT m.kind, m.unit, m.limit_amount FROM aigate.meter m JOIN aigate.provider p"
        " ON p.id = m.scope_id AND m.level = 'provider' WHERE split_part(p.slug, '~', 1) = %s"
        f" AND m.retired_at IS {'NOT ' if retired else ''}NULL ORDER BY m.id", slug)


def ask(gateway, key, slug, **fields):
    return gateway.chat(key, model=f"@{slug}/gpt-4o-mini", **fields)


@pytest.fixture
def shop(gateway):
    workspace = gateway.workspace("Shop")
    return workspace, gateway.key(workspace=workspace)


def make(gateway, workspace, **fields):
    return gateway.admin("POST", "/providers", {
        "name": "By Hand", "integration_id": "mock", "workspace_id": workspace["slug"], **fields})


def test_a_provider_lives_from_create_to_delete(gateway, mock, shop):
    workspace, key = shop
    path = f"/providers/hand?workspace_id={workspace['slug']}"
    made = make(gateway, workspace, slug="hand", note="n", expires_at="2099-01-01T00:00:00Z",
                usage_limits={"credit_limit": 5, "alert_threshold": 4, "periodic_reset": "monthly"},
                rate_limits={"type": "requests", "unit": "rpm", "value": 60})
    assert set(made) == {"id", "slug"} and made["slug"] == "hand"
    assert ask(gateway, key, "hand").status == 200, "it works at once"
    gateway.wait_idle()
    one = gateway.admin("GET", path)
    assert one["id"] == made["id"] and one["object"] == "provider"
    assert (one["name"], one["note"], one["integration_id"]) == ("By Hand", "n", "mock")
    assert one["usage_limits"]["credit_limit"] == 5 and one["usage_limits"]["current_usage"] > 0
    assert one["rate_limits"] == [{"type": "requests", "unit": "rpm", "value": 60}]
    assert one["expires_at"] == "2099-01-01T00:00:00.000Z" and one["status"] == "active"
    scopes = {(m["scope"], m["name"]) for m in gateway.get("/v1/limits", key).json["limits"]}
    assert scopes == {("provider", "hand")}

    again = gateway.admin("PUT", path, {"name": "Other", "note": None, "expires_at": None,
                                        "rate_limits": None})
    assert again == made
    one = gateway.admin("GET", path)
    assert (one["name"], one["note"], one["expires_at"], one["rate_limits"]) == (
        "Other", "", None, None)
    assert one["usage_limits"]["current_usage"] > 0, "an edit keeps what was used"
    gateway.admin("PUT", path, {"reset_usage": True})
    assert gateway.admin("GET", path)["usage_limits"]["current_usage"] == 0
    assert provider_meters(gateway, "hand") == [("budget", "nusd", 5 * 10**9)]

    assert gateway.admin("DELETE", path) == {}
    refused(gateway.admin_ask("GET", path), 404, "hand")
    assert ask(gateway, key, "hand").status == 400, "it is gone at once"
    assert provider_meters(gateway, "hand") == []
    assert len(provider_meters(gateway, "hand", retired=True)) == 2
    assert make(gateway, workspace, slug="hand")["id"] != made["id"], "the slug is free again"
    trail = gateway.rows("SELECT action FROM aigate.audit_log WHERE object_kind = 'provider'"
                         " AND object_uuid = %s ORDER BY id", made["id"])
    assert [a for (a,) in trail] == ["create", "update", "update", "delete"]


def test_what_a_body_may_say(gateway, shop):
    workspace, _ = shop
    at = {"workspace_id": workspace["slug"]}
    for body, status, *words in (
            ({}, 400, "integration_id"),
            ({"integration_id": "nobody", "name": "n"}, 404, "nobody"),
            ({"integration_id": "mock"}, 400, "name"),
            ({"integration_id": "mock", "name": ""}, 400, "name"),
            ({"integration_id": "mock", "name": "n", "slug": "a b"}, 400, "slug"),
            ({"integration_id": "mock", "name": "n", "slug": "mock"}, 409),
            ({"integration_id": "mock", "name": "n", "usage_limits": [{"credit_limit": 1}]}, 400,
             "usage_limits"),
            ({"integration_id": "mock", "name": "n", "expires_at": "soon"}, 400, "expires_at")):
        refused(gateway.admin_ask("POST", "/providers", {**at, **body}), status, *words)
    refused(gateway.admin_ask("POST", "/providers", {"integration_id": "mock", "name": "n"}), 400,
            "workspace_id")
    path = f"/providers/mock?workspace_id={workspace['slug']}"
    refused(gateway.admin_ask("PUT", path, {"slug": "other"}), 400, "slug")
    refused(gateway.admin_ask("PUT", path, {"integration_id": "other"}), 400, "integration_id")
    gateway.admin("PUT", path, {"slug": "mock", "integration_id": "mock"})
    assert make(gateway, workspace)["slug"].startswith("by-hand-")
    elsewhere = gateway.workspace("Elsewhere")
    assert make(gateway, elsewhere, slug="twin") and make(gateway, workspace, slug="twin")
    gateway.admin("PUT", "/integrations/mock/workspaces", {"workspaces": [
        {"id": elsewhere["slug"], "enabled": False}]})
    refused(gateway.admin_ask("POST", "/providers", {
        "name": "n", "integration_id": "mock", "workspace_id": elsewhere["slug"]}), 403, "grant")


def test_a_workspace_s_own_key_makes_providers_there_alone(gateway, shop):
    workspace, _ = shop
    other = gateway.workspace("Other")
    key = gateway.key(workspace=workspace, scopes=["providers.create", "providers.delete"])
    body = {"name": "n", "integration_id": "mock", "slug": "own", "workspace_id": other["slug"]}
    gateway.admin("POST", "/providers", body, key=key)
    listed = gateway.admin("GET", f"/providers?workspace_id={workspace['slug']}")
    assert {p["slug"] for p in listed["data"]} == {"mock", "own"}
    refused(gateway.admin_ask("GET", "/providers/own", key=key), 401, "providers.read")
    gateway.admin("DELETE", "/providers/own", key=key)


def test_the_budget_of_a_provider_binds_it_and_no_other(gateway, mock, shop):
    workspace, key = shop
    mock.script(prompt_tokens=1000, tokens=500)  # 450 000 nano-dollars
    make(gateway, workspace, slug="poor", usage_limits={"credit_limit": 0.0005})
    statuses = [ask(gateway, key, "poor", max_tokens=500).status for _ in range(4)]
    assert statuses[0] == 200 and statuses[-1] == 412
    gateway.wait_idle()
    one = gateway.admin("GET", f"/providers/poor?workspace_id={workspace['slug']}")
    assert one["status"] == "exhausted" and 0 < one["usage_limits"]["current_usage"] <= 0.0005
    answer = ask(gateway, key, "poor")
    assert answer.status == 412 and "Virtual Key poor" in answer.json["error"]["message"]
    assert ask(gateway, key, "mock").status == 200
    gateway.admin("PUT", f"/providers/poor?workspace_id={workspace['slug']}",
                  {"usage_limits": {"credit_limit": 1}})
    assert ask(gateway, key, "poor").status == 200


def test_the_rate_of_a_provider_binds(gateway, shop):
    workspace, key = shop
    make(gateway, workspace, slug="slow", rate_limits=[
        {"type": "requests", "unit": "rph", "value": 3}])
    assert [ask(gateway, key, "slow").status for _ in range(5)] == [200] * 3 + [429] * 2
    assert ask(gateway, key, "mock").status == 200


def test_an_expired_provider_is_refused_until_it_is_prolonged(gateway, shop):
    workspace, key = shop
    make(gateway, workspace, slug="old", expires_at="2020-01-01T00:00:00Z")
    path = f"/providers/old?workspace_id={workspace['slug']}"
    assert ask(gateway, key, "old").status >= 400
    assert gateway.admin("GET", path)["status"] == "expired"
    gateway.admin("PUT", path, {"expires_at": "2099-01-01T00:00:00Z"})
    assert ask(gateway, key, "old").status == 200


def test_limits_of_the_grant_are_told_when_its_first_provider_has_expired(gateway, shop):
    workspace, key = shop
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 9}])
    make(gateway, workspace, slug="second")
    gateway.admin("PUT", f"/providers/mock?workspace_id={workspace['slug']}",
                  {"expires_at": "2020-01-01T00:00:00Z"})
    seen = gateway.get("/v1/limits", key).json["limits"]
    assert [(m["scope"], m["limit"]) for m in seen] == [("integration", 9)]


def test_a_deleted_provider_stays_deleted_when_the_grant_changes(gateway, shop):
    workspace, _ = shop
    at = f"workspace_id={workspace['slug']}"

    def slugs():
        return {p["slug"] for p in gateway.admin("GET", f"/providers?{at}")["data"]}
    gateway.admin("DELETE", f"/providers/mock?{at}")
    gateway.grant("mock", workspace, usage_limits=[{"credit_limit": 9}])
    assert slugs() == set()
    gateway.grant("mock", workspace, create_default_provider=True)
    assert slugs() == {"mock"}
    gateway.admin("DELETE", f"/providers/mock?{at}")
    gateway.admin("PUT", "/integrations/mock/workspaces", {"workspaces": [
        {"id": workspace["slug"], "enabled": False}]})
    gateway.grant("mock", workspace)
    assert slugs() == {"mock"}, "access that is new makes one"


def test_providers_survive_a_rebuilt_segment_with_what_they_spent(gateway, shop):
    workspace, key = shop
    make(gateway, workspace, slug="kept", usage_limits={"credit_limit": 5})
    assert ask(gateway, key, "kept").status == 200
    gateway.wait_flushed()
    path = f"/providers/kept?workspace_id={workspace['slug']}"
    before = gateway.admin("GET", path)["usage_limits"]["current_usage"]
    gateway.stop()
    gateway.unlink_segment()
    gateway.start()
    assert gateway.admin("GET", path)["usage_limits"]["current_usage"] == before > 0


# -- virtual keys ----------------------------------------------------------------------------

def make_virtual(gateway, mock, workspace, **fields):
    return gateway.admin("POST", "/virtual-keys", {
        "name": "Mine", "provider": "openai", "key": "sk-0123456789abc",
        "custom_host": mock_url(mock), "workspace_id": workspace["slug"], **fields})


def test_a_virtual_key_lives_from_create_to_delete(gateway, mock, shop):
    workspace, key = shop
    made = make_virtual(gateway, mock, workspace, slug="mine", note="n",
                        usage_limits={"credit_limit": 3})
    assert made["success"] is True and made["data"] == {"slug": "mine"}
    assert made["slug"] == "mine" and made["object"] == "virtual-key"
    assert ask(gateway, key, "mine").status == 200
    assert "Bearer sk-0123456789abc" in mock.last()["head"]
    listed = gateway.admin("GET", f"/virtual-keys?workspace_id={workspace['slug']}")
    assert listed["total"] == 2
    assert {v["slug"]: v["object"] for v in listed["data"]} == {
        "mine": "virtual-key", "mock": "virtual-key"}
    one = gateway.admin("GET", f"/virtual-keys/mine?workspace_id={workspace['slug']}")
    assert one["key"] == "" and one["masked_api_key"] == "sk*****abc"
    assert one["provider"] == "openai" and one["workspace_name"] == "Shop"
    assert one["usage_limits"]["credit_limit"] == 3

    gateway.admin("PUT", "/virtual-keys/mine", {"key": "sk-another-one", "name": "Renamed"})
    assert ask(gateway, key, "mine").status == 200
    assert "Bearer sk-another-one" in mock.last()["head"]
    assert gateway.admin("GET", "/virtual-keys/mine")["name"] == "Renamed"
    refused(gateway.admin_ask("PUT", "/virtual-keys/mock", {"key": "sk-x"}), 400, "integration")
    refused(gateway.admin_ask("PUT", "/virtual-keys/mock", {"custom_host": "http://elsewhere.example"}), 400,
            "custom_host", "integration")
    refused(gateway.admin_ask("PUT", "/virtual-keys/mine", {"provider": "anthropic"}), 400, "provider")

    gateway.admin("DELETE", "/virtual-keys/mine")
    assert ask(gateway, key, "mine").status == 400
    assert gateway.sql("SELECT count(*) FROM aigate.integration WHERE status = 'active'") == 1
    assert gateway.sql("SELECT count(*) FROM aigate.integration WHERE sealed_key IS NOT NULL"
                       " AND status = 'archived'") == 0, "the credential goes too"
    assert gateway.sql("SELECT count(*) FROM aigate.meter WHERE retired_at IS NULL") == 0


CLOUDS = {
    "azure-openai": (
        {"key": "k", "resourceName": "acme", "deploymentName": "dep", "apiVersion": "2024-10-21"},
        {"azure_auth_mode": "default", "azure_resource_name": "acme", "azure_deployment_config": [
            {"azure_deployment_name": "dep", "azure_api_version": "2024-10-21", "is_default": True}]}),
    "bedrock": (
        {"awsAccessKeyId": "AKIDEXAMPLE", "awsSecretAccessKey": "a-secret-of-aws", "awsRegion": "eu-west-1"},
        {"aws_auth_type": "accessKey", "aws_region": "eu-west-1"}),
    "vertex-ai": (
        {"key": "token", "vertexProjectId": "acme", "vertexRegion": "europe-west4"},
        {"vertex_auth_type": "basic", "vertex_project_id": "acme", "vertex_region": "europe-west4"}),
}


@pytest.mark.parametrize("provider", CLOUDS)
def test_a_virtual_key_of_a_cloud_is_an_integration_with_its_settings(gateway, mock, shop, provider):
    workspace, key = shop
    said, settings = CLOUDS[provider]
    made = gateway.admin("POST", "/virtual-keys", {"name": "n", "slug": "cloud", "provider": provider,
                                                   "workspace_id": workspace["slug"], **said})
    assert made["slug"] == "cloud"
    slug = gateway.admin("GET", "/virtual-keys/cloud")["integration_id"]
    seen = gateway.admin("GET", f"/integrations/{slug}")
    assert (seen["ai_provider_id"], seen["configurations"]) == (provider, settings) and seen["masked_key"]
    told = gateway.sql("SELECT string_agg(t::text, '') FROM aigate.audit_log t")
    assert "a-secret-of-aws" not in told and "a-secret-of-aws" not in str(seen)


# What a change says, and what becomes of the settings; what leads elsewhere brings the credential again.
MOVED = {
    "azure-openai": (
        {"resourceName": "elsewhere"}, {"key": "k2"}, {"azure_resource_name": "elsewhere"},
        {"deploymentName": "other"}, {"azure_deployment_config": [
            {"azure_deployment_name": "other", "azure_api_version": "2024-10-21", "is_default": True}]}),
    "bedrock": (
        {"awsRegion": "us-east-1"}, {"awsAccessKeyId": "AKIDEXAMPLE", "awsSecretAccessKey": "another-secret"},
        {"aws_region": "us-east-1"},
        {"awsAccessKeyId": "AKIDOTHER", "awsSecretAccessKey": "a-third-secret"}, {}),
    "vertex-ai": (
        {"vertexRegion": "us-east1"}, {"key": "token2"}, {"vertex_region": "us-east1"}, {"key": "token3"}, {}),
}


@pytest.mark.parametrize("provider", MOVED)
def test_a_change_of_a_cloud_key_leads_no_credential_elsewhere(gateway, mock, shop, provider):
    workspace, _ = shop
    said, settings = CLOUDS[provider]
    moved, credential, moves, other, others = MOVED[provider]
    gateway.admin("POST", "/virtual-keys", {"name": "n", "slug": "cloud", "provider": provider,
                                            "workspace_id": workspace["slug"], **said})
    slug = gateway.admin("GET", "/virtual-keys/cloud")["integration_id"]

    def stands():
        one = gateway.admin("GET", f"/integrations/{slug}")
        return one["configurations"], one["masked_key"], gateway.sql(
            "SELECT sealed_key FROM aigate.integration WHERE slug = %s", slug)
    before = stands()
    refused(gateway.admin_ask("PUT", "/virtual-keys/cloud", moved), 400, "elsewhere", "key again")
    assert stands() == before
    refused(gateway.admin_ask("PUT", "/virtual-keys/cloud", {"custom_host": mock_url(mock)}), 400,
            "custom_host", "key again")
    refused(gateway.admin_ask("PUT", "/virtual-keys/cloud", {"awsRegion" if provider != "bedrock" else "resourceName":
                                                             "x"}), 400, "is a setting of")
    assert stands() == before
    gateway.admin("PUT", "/virtual-keys/cloud", {**moved, **credential})
    after = stands()
    assert after[0] == {**settings, **moves} and after[2] != before[2]
    gateway.admin("PUT", "/virtual-keys/cloud", other)
    assert stands()[0] == {**settings, **moves, **others}
    told = gateway.sql("SELECT string_agg(t::text, '') FROM aigate.audit_log t")
    assert not any(secret in told for secret in ("another-secret", "a-third-secret", "token2"))


def test_a_virtual_key_moves_with_its_credential(gateway, mock_factory, mock, shop):
    workspace, key = shop
    make_virtual(gateway, mock, workspace, slug="mine")
    second = mock_factory()
    gateway.admin("PUT", "/virtual-keys/mine", {"custom_host": mock_url(second), "key": "sk-for-the-second"})
    assert ask(gateway, key, "mine").status == 200
    assert second.stats()["requests"] == 1 and "Bearer sk-for-the-second" in second.last()["head"]
    gateway.admin("PUT", "/virtual-keys/mine", {"note": "where it was"})
    assert ask(gateway, key, "mine").status == 200 and second.stats()["requests"] == 2


def test_of_several_deployments_a_change_gives_the_list(gateway, shop):
    workspace, _ = shop
    rows = [{"deploymentName": n, "apiVersion": "1", "alias": n, "is_default": n == "a"} for n in "ab"]
    gateway.admin("POST", "/virtual-keys", {"name": "n", "slug": "cloud", "provider": "azure-openai", "key": "k",
                                            "workspace_id": workspace["slug"], "resourceName": "acme",
                                            "deploymentConfig": rows})
    refused(gateway.admin_ask("PUT", "/virtual-keys/cloud", {"apiVersion": "2"}), 400, "azure_deployment_name")
    gateway.admin("PUT", "/virtual-keys/cloud", {"deploymentConfig": rows[1:]})
    slug = gateway.admin("GET", "/virtual-keys/cloud")["integration_id"]
    (one,) = gateway.admin("GET", f"/integrations/{slug}")["configurations"]["azure_deployment_config"]
    assert one["azure_deployment_name"] == "b"


def test_settings_of_a_cloud_that_are_refused(gateway, shop):
    workspace, _ = shop
    at = {"workspace_id": workspace["slug"], "name": "n", "key": "k"}
    for body, *words in (
            ({"provider": "openai", "awsRegion": "eu-west-1"}, "awsRegion", "bedrock"),
            ({"provider": "bedrock", "resourceName": "acme"}, "resourceName", "azure-openai"),
            ({"provider": "azure-openai", "resourceName": "a/b", "deploymentName": "d", "apiVersion": "1"},
             "azure_resource_name"),
            ({"provider": "azure-openai", "resourceName": "acme", "deploymentName": "d"}, "azure_api_version"),
            ({"provider": "azure-openai", "resourceName": "acme", "deploymentName": "d", "apiVersion": "1",
              "deploymentConfig": []}, "not both"),
            ({"provider": "azure-openai", "resourceName": "acme", "deploymentConfig": [{"alias": "x"}]},
             "azure_deployment_name"),
            ({"provider": "openai", "secret_mappings": [{"target_field": "key"}]}, "secret_mappings")):
        refused(gateway.admin_ask("POST", "/virtual-keys", {**at, **body}), 400, *words)
    assert gateway.sql("SELECT count(*) FROM aigate.integration WHERE status = 'active'") == 1


def test_what_a_virtual_key_may_not_be(gateway, mock, shop):
    workspace, _ = shop
    at = {"workspace_id": workspace["slug"], "name": "n"}
    for body, word in (({"provider": "nobody"}, "provider"), ({}, "provider"),
                       ({"provider": "openai"}, "key"),
                       ({"provider": "openai", "key": "k", "apiVersion": "1"}, "apiVersion"),
                       ({"provider": "openai", "key": "k", "custom_host": "http://10.0.0.1"},
                        "custom_host")):
        refused(gateway.admin_ask("POST", "/virtual-keys", {**at, **body}), 400, word)
    make_virtual(gateway, mock, workspace, slug="one")
    two = gateway.workspace("Two")
    make_virtual(gateway, mock, two, slug="one")
    refused(gateway.admin_ask("GET", "/virtual-keys/one"), 400, "workspace_id")
    integration = gateway.admin("GET", f"/virtual-keys/one?workspace_id={two['slug']}")
    make_other = {"name": "n", "workspace_id": two["slug"],
                  "integration_id": integration["integration_id"], "slug": "beside"}
    gateway.admin("POST", "/providers", make_other)
    path = f"/virtual-keys/one?workspace_id={two['slug']}"
    refused(gateway.admin_ask("DELETE", path), 409, "other providers")
    gateway.admin("DELETE", f"/providers/beside?workspace_id={two['slug']}")
    gateway.admin("DELETE", path)


def test_a_workspace_goes_with_all_of_them(gateway, mock, shop):
    workspace, key = shop
    make(gateway, workspace, slug="hand", usage_limits={"credit_limit": 5})
    make_virtual(gateway, mock, workspace, slug="mine", usage_limits={"credit_limit": 5})
    path, body = f"/admin/workspaces/{workspace['slug']}", {"name": "Shop"}
    refused(gateway.admin_ask("DELETE", path, body), 409, "3 providers")
    gateway.admin("DELETE", path, {**body, "force_delete": True})
    assert ask(gateway, key, "mine").status == 401
    assert gateway.sql("SELECT count(*) FROM aigate.provider WHERE status = 'active'") == 0
    assert gateway.rows("SELECT slug FROM aigate.integration WHERE status = 'active'") == [("mock",)]
    assert gateway.sql("SELECT count(*) FROM aigate.meter WHERE retired_at IS NULL") == 0
    wait(lambda: gateway.meters() == [], "the meters to go")
