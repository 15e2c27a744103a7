"""A credential goes where who knows it said: no admin leads a stored one to a host of his own."""

import pytest

import gateway as gw
from people import call, refused

AZURE = {"azure_resource_name": "acme", "azure_deployment_config": [
    {"azure_deployment_name": "d", "azure_api_version": "2024-10-21", "is_default": True}]}
VERTEX = {"vertex_region": "europe-west4", "vertex_auth_type": "basic", "vertex_project_id": "p-1"}


def make(gateway, family, configurations, **more):
    gateway.admin("POST", "/integrations", {
        "name": "i", "slug": "i", "ai_provider_id": family, "configurations": configurations,
        **({} if more else {"key": "sk-stored-secret"}), **more})


def change(gateway, body):
    return call(gateway, "PUT", "/integrations/i", body)


@pytest.mark.parametrize("family, before, after, setting", [
    ("openai", {}, {"custom_host": "https://evil.example.com/v1"}, "custom_host"),
    ("openai", {"custom_host": "https://good.example.com/v1"}, {"custom_host": "https://evil.example.com/v1"},
     "custom_host"),
    ("openai", {"custom_host": "https://good.example.com/a"}, {"custom_host": "https://good.example.com/b"},
     "custom_host"),
    ("openai", {"custom_host": "https://good.example.com"}, {"custom_host": "http://good.example.com"},
     "custom_host"),
    ("openai", {"custom_host": "https://good.example.com/v1"}, {}, "custom_host"),
    ("openai", {"custom_host": "https://good.example.com/v1"}, {"custom_host": None}, "custom_host"),
    ("azure-openai", AZURE, {**AZURE, "azure_resource_name": "evil"}, "azure_resource_name"),
    ("azure-openai", AZURE, {**AZURE, "azure_auth_mode": "entra", "azure_entra_tenant_id": "t",
                             "azure_entra_client_id": "c"}, "azure_auth_mode"),
    ("azure-openai", AZURE, {**AZURE, "azure_entra_authority_host": "https://evil.example.com"},
     "azure_entra_authority_host"),
    ("vertex-ai", VERTEX, {**VERTEX, "vertex_region": "us-east4"}, "vertex_region"),
    ("bedrock", {"aws_region": "us-east-1"}, {"aws_region": "eu-west-1"}, "aws_region"),
    ("workers-ai", {"workers_ai_account_id": "a"}, {"workers_ai_account_id": "b"}, "workers_ai_account_id"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_another_destination_takes_the_credential_again(gateway, family, before, after, setting):
    make(gateway, family, before)
    stored = gateway.admin("GET", "/integrations/i")
    row = gateway.rows("SELECT sealed_key, custom_host, configurations FROM aigate.integration")
    for body in ({"configurations": after}, {"configurations": after, "key": ""},
                 {"configurations": after, "secret_mappings": []}):
        refused(change(gateway, body), 400, "AB01", f"configurations.{setting}", "key again")
    assert gateway.rows("SELECT sealed_key, custom_host, configurations FROM aigate.integration") == row
    assert gateway.admin("GET", "/integrations/i") == stored
    answer = change(gateway, {"configurations": after, "key": "sk-given-again"})
    assert answer.status == 200, answer
    seen = gateway.admin("GET", "/integrations/i")
    assert seen["configurations"] == after and seen["masked_key"] == "sk*****ain"


def test_what_leads_nowhere_else_takes_no_credential(gateway):
    host = {"custom_host": "https://good.example.com/v1"}
    make(gateway, "openai", host)
    for more in ({"custom_headers": {"x-team": "a"}}, {"openai_organization": "o", "openai_project": "p"},
                 {"price_multiplier": "2"}, {}):
        assert change(gateway, {"configurations": {**host, **more}}).status == 200, more
    assert change(gateway, {"name": "renamed", "description": "d"}).status == 200
    gateway.admin("DELETE", "/integrations/i")
    make(gateway, "openai", host, description="no credential is stored")
    assert change(gateway, {"configurations": {}}).status == 200


def test_no_request_reaches_the_new_host_with_the_old_credential(gateway, mock_factory, mock):
    evil = mock_factory()
    key = gateway.key()
    refused(call(gateway, "PUT", "/integrations/mock", {"configurations": {"custom_host": gw.mock_url(evil)}}),
            400, "AB01", "custom_host")
    assert gateway.chat(key).status == 200
    assert evil.last()["head"] == "" and "sk-upstream-secret" in mock.last()["head"]


def test_operators_have_the_credentials_anyway(gateway):
    gateway.integration()
    gateway.ctl("integration", "update", "mock", "--set",
                "configurations.custom_host=https://other.example.com/v1")
    assert gateway.admin("GET", "/integrations/mock")["configurations"]["custom_host"] == (
        "https://other.example.com/v1")


# -- credentials that are kept elsewhere ---------------------------------------------------------------

EVIL = {"custom_host": "https://evil.example.com/v1"}
GOOD = {"custom_host": "https://llm.example.com:8443/v1"}


@pytest.fixture
def plane(gateway_factory, mock, monkeypatch):
    """A reference open to all workspaces, and a key that administers the integrations of one."""
    monkeypatch.setenv("AIGATE_SECRET_SHARED", "sk-shared-secret")
    one = gateway_factory(mock=mock)
    one.admin("POST", "/secret-references", {"name": "s", "slug": "shared", "manager_type": "environment",
                                             "secret_path": "AIGATE_SECRET_SHARED"})
    scopes = [f"workspace_integrations.{v}" for v in ("create", "read", "update", "delete", "list")]
    one.tenant = one.key(scopes=scopes)
    return one


def mapping(ref="shared"):
    return [{"target_field": "key", "secret_reference_id": ref}]


def map_it(plane, slug, configurations=None, key=None, family="openai", **more):
    return call(plane, "POST", "/integrations", {
        "name": slug, "slug": slug, "ai_provider_id": family, "secret_mappings": mapping(),
        **({"configurations": configurations} if configurations else {}), **more}, key=key)


def test_a_shared_secret_goes_to_no_host_a_workspace_names(plane):
    refused(map_it(plane, "a", EVIL, key=plane.tenant), 403, "AB03", "secret_reference_id", "evil.example.com",
            "allowed_hosts")
    assert plane.sql("SELECT count(*) FROM aigate.integration WHERE slug = 'a'") == 0
    # To the provider itself it goes, and from there nowhere, by no way.
    assert map_it(plane, "a", key=plane.tenant).status == 200
    for body in ({"configurations": EVIL}, {"configurations": EVIL, "key": "x"},
                 {"configurations": EVIL, "secret_mappings": []}):
        refused(call(plane, "PUT", "/integrations/a", body, key=plane.tenant), 400, "AB01", "custom_host")
    refused(call(plane, "PUT", "/integrations/a", {"configurations": EVIL, "secret_mappings": mapping()},
                 key=plane.tenant), 403, "AB03", "evil.example.com")
    # Nor is it fetched for an integration that leads to the tenant's host already.
    made = call(plane, "POST", "/integrations", {"name": "b", "slug": "b", "ai_provider_id": "openai", "key": "k",
                                                 "configurations": EVIL}, key=plane.tenant)
    assert made.status == 200, made
    refused(call(plane, "PUT", "/integrations/b", {"secret_mappings": mapping()}, key=plane.tenant),
            403, "AB03", "evil.example.com")
    entra = {**AZURE, "azure_auth_mode": "entra", "azure_entra_tenant_id": "t", "azure_entra_client_id": "c",
             "azure_entra_authority_host": "https://evil.example.com"}
    refused(map_it(plane, "c", entra, key=plane.tenant, family="azure-openai"), 403, "AB03", "evil.example.com")
    # Right: whoever may say where a secret goes names a host by that.  Not so another admin key.
    few = plane.admin("POST", "/api-keys/organisation/service", {
        "name": "n", "scopes": ["organisation_integrations.create"]})["key"]
    refused(map_it(plane, "d", EVIL, key=few), 403, "AB03", "evil.example.com")
    assert map_it(plane, "d", GOOD).status == 200


@pytest.mark.parametrize("hosts, configurations, family, fits", [
    (["llm.example.com:8443"], GOOD, "openai", True),
    (["LLM.example.com:8443", "x.example.com"], GOOD, "openai", True),
    (["*.example.com:8443"], GOOD, "openai", True),
    (["llm.example.com"], GOOD, "openai", False),
    (["*.llm.example.com:8443"], GOOD, "openai", False),
    (["*.example.com"], {"custom_host": "https://evil-example.com"}, "openai", False),
    (["llm.example.com"], {"custom_host": "http://llm.example.com"}, "openai", False),
    (["llm.example.com"], {"custom_host": "https://llm.example.com.evil.example.net"}, "openai", False),
    (["api.openai.com"], None, "openai", True),
    (["api.openai.com"], None, "groq", False),
    (["acme.openai.azure.com"], AZURE, "azure-openai", True),
    (["acme.openai.azure.com"], {**AZURE, "azure_resource_name": "evil"}, "azure-openai", False),
    ([], None, "openai", False),
])
def test_a_reference_names_the_hosts_its_secret_may_go_to(plane, hosts, configurations, family, fits):
    plane.admin("PUT", "/secret-references/shared", {"allowed_hosts": hosts})
    assert plane.admin("GET", "/secret-references/shared")["allowed_hosts"] == hosts
    for slug, who in (("a", plane.tenant), ("b", plane.admin_key)):
        answer = map_it(plane, slug, configurations, key=who, family=family)
        if fits:
            assert answer.status == 200, answer
        else:
            refused(answer, 403, "AB03", "allowed_hosts")


def test_what_is_taken_back_from_a_reference_is_used_by_nobody(plane):
    assert map_it(plane, "a", key=plane.tenant).status == 200
    refused(call(plane, "PUT", "/secret-references/shared", {"allowed_hosts": ["llm.example.com"]}), 409, "AB07",
            "allowed_hosts", '"a"', "api.openai.com")
    other = plane.admin("POST", "/admin/workspaces", {"name": "other"})["slug"]
    refused(call(plane, "PUT", "/secret-references/shared", {"allowed_workspaces": [other]}), 409, "AB07",
            "allowed_workspaces", '"a"')
    seen = plane.admin("GET", "/secret-references/shared")
    assert seen["allowed_hosts"] is None and seen["allow_all_workspaces"] is True
    assert call(plane, "PUT", "/secret-references/shared", {"allowed_hosts": ["api.openai.com"]}).status == 200
    plane.admin("DELETE", "/integrations/a")
    assert call(plane, "PUT", "/secret-references/shared", {
        "allowed_hosts": ["llm.example.com"], "allowed_workspaces": [other]}).status == 200
    assert call(plane, "PUT", "/secret-references/shared", {"allowed_hosts": None}).status == 200


@pytest.mark.parametrize("hosts", ["x", [5], [""], ["*."], ["a b"], ["https://a.example.com"], ["a:0"], ["a:70000"],
                                   ["a:x"], ["*"], ["a\0b"], ["user@a"]], ids=repr)
def test_what_is_no_host_is_refused_by_name(plane, hosts):
    refused(call(plane, "PUT", "/secret-references/shared", {"allowed_hosts": hosts}), 400, "AB01", "allowed_hosts")
