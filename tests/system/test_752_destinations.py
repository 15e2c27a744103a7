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
