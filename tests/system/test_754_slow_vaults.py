"""A vault that does not answer keeps nobody waiting but who asked for it."""

import os
import signal

import pytest

import gateway as gw
import wire
from people import call, refused
from vault import Vault

TOKEN = "hvs.root-token-of-test"


@pytest.fixture
def vault():
    one = Vault()
    one.secrets["secret/data/x"] = {"api_key": "sk-of-the-vault"}
    yield one
    one.close()


@pytest.fixture
def plane(gateway_factory, mock, vault):
    one = gateway_factory(mock=mock)
    reference(one, vault, "slow")
    return one


def reference(plane, vault, slug):
    plane.admin("POST", "/secret-references", {
        "name": slug, "slug": slug, "manager_type": "hashicorp_vault", "secret_path": "secret/data/x",
        "secret_key": "api_key", "auth_config": {"vault_addr": vault.url, "vault_token": TOKEN}})


def mapped(plane, mock, slug="m", ref="slow"):
    """An integration being made in the background, of a key the vault has."""
    return wire.Pending(lambda: call(plane, "POST", "/integrations", {
        "name": slug, "slug": slug, "ai_provider_id": "openai", "configurations": {
            "custom_host": gw.mock_url(mock)},
        "secret_mappings": [{"target_field": "key", "secret_reference_id": ref}]}))


def test_others_are_served_while_a_vault_is_waited_for(plane, mock, vault):
    vault.gate.clear()
    made = mapped(plane, mock)
    gw.wait(lambda: vault.waiting == 1, "the vault is asked")
    for n in range(20):
        workspace = plane.admin("POST", "/admin/workspaces", {"name": f"w{n}"})
        assert plane.admin("GET", f"/admin/workspaces/{workspace['id']}")["name"] == f"w{n}"
        assert not made.is_finished, "whoever asked still waits: the others did not wait for it"
    vault.gate.set()
    assert made.answer().status == 200
    workspace = plane.admin("POST", "/admin/workspaces", {"name": "w"})
    plane.grant("m", workspace)
    assert plane.chat(plane.key(workspace=workspace), model="@m/gpt-4o-mini").status == 200
    assert "sk-of-the-vault" in mock.last()["head"]
    assert plane.sql("SELECT count(*) FROM aigate.audit_log WHERE action = 'create' AND object_kind = 'integration'"
                     ) == 1


def test_a_vault_that_never_answers_is_told_to_who_asked(plane, mock, vault):
    vault.gate.clear()
    refused(mapped(plane, mock).answer(), 400, "AB01", "secret_mappings[0]", "could not reach the vault")
    assert plane.admin("GET", "/integrations")["total"] == 0


def test_what_was_changed_meanwhile_is_looked_at_again(plane, mock, vault):
    """The answer is of the reference as it was, the rights are those of now."""
    workspace = plane.admin("POST", "/admin/workspaces", {"name": "w"})
    for slug, change, status in (
            ("a", lambda: plane.admin("PUT", "/secret-references/slow", {"description": "another"}), 409),
            ("b", lambda: plane.admin("PUT", "/secret-references/slow", {"allowed_hosts": ["a.example.com"]}), 403),
            ("c", lambda: plane.admin("DELETE", "/secret-references/slow"), 400)):
        vault.gate.clear()
        made = mapped(plane, mock, slug)
        gw.wait(lambda: vault.waiting == 1, "the vault is asked")
        change()
        vault.gate.set()
        assert made.answer().status == status, (slug, made.answer())
        if status != 400:
            plane.admin("PUT", "/secret-references/slow", {"allowed_hosts": None})
        gw.wait(lambda: vault.waiting == 0, "the vault has answered")
    assert plane.admin("GET", "/integrations")["total"] == 0 and workspace


def test_one_organisation_does_not_take_all_the_room(plane, mock, vault):
    plane.ctl("bootstrap", "--organisation", "Other")
    vault.gate.clear()
    waiting = [mapped(plane, mock, f"m{n}") for n in range(8)]
    gw.wait(lambda: vault.waiting == 8, "eight are waited for")
    refused(mapped(plane, mock, "one-more").answer(), 503, "AB04", "too many secrets")
    vault.gate.set()
    assert [w.answer().status for w in waiting] == [200] * 8


def test_who_waits_is_told_when_we_leave(plane, mock, vault):
    vault.gate.clear()
    made = mapped(plane, mock)
    gw.wait(lambda: vault.waiting == 1, "the vault is asked")
    plane.expect_error("control exited: .* status=0")
    old = plane.pids("control")[0]
    os.kill(old, signal.SIGTERM)
    refused(made.answer(), 503, "AB04", "restarting")
    vault.gate.set()
    plane.wait_new("control", 0, old)
    gw.wait(lambda: plane.admin_ask("GET", "/integrations").status == 200, "the next one serves")
    assert plane.admin("GET", "/integrations")["total"] == 0


def test_a_client_that_leaves_is_no_harm(plane, mock, vault):
    vault.gate.clear()
    connection = plane.connect()
    connection.request("POST", "/v1/integrations", {"x-portkey-api-key": plane.admin_key}, {
        "name": "m", "slug": "m", "ai_provider_id": "openai",
        "secret_mappings": [{"target_field": "key", "secret_reference_id": "slow"}]})
    gw.wait(lambda: vault.waiting == 1, "the vault is asked")
    connection.reset()
    plane.admin("GET", "/integrations")
    vault.gate.set()
    gw.wait(lambda: plane.admin("GET", "/integrations")["total"] == 1, "it is made all the same")


def test_a_refresh_waits_for_nobody(gateway_factory, mock, vault):
    """One vault is shut; another one's secret is read anew, and calls are answered, meanwhile."""
    plane = gateway_factory(mock=mock, conf={"credential_refresh": "1s"})
    other = Vault()
    try:
        other.secrets["secret/data/x"] = {"api_key": "sk-first-secret"}
        for slug, one in (("slow", vault), ("quick", other)):
            reference(plane, one, slug)
            assert mapped(plane, mock, slug, slug).answer().status == 200
        vault.gate.clear()
        gw.wait(lambda: vault.waiting == 1, "the slow one is asked")
        other.secrets["secret/data/x"] = {"api_key": "sk-second-one"}
        gw.wait(lambda: plane.admin("GET", "/integrations/quick")["masked_key"].endswith("one"), "it is read anew")
        gw.wait(lambda: plane.admin("GET", "/secret-references/slow")["last_error"], "it is said why not")
        vault.secrets["secret/data/x"] = {"api_key": "sk-back-again"}
        vault.gate.set()
        gw.wait(lambda: plane.admin("GET", "/integrations/slow")["masked_key"].endswith("ain"), "it is back")
        # Asked for while it is still mapped, answered when it is not: nothing is stored.
        vault.gate.clear()
        gw.wait(lambda: vault.waiting >= 1, "the slow one is asked")
        plane.admin("PUT", "/integrations/slow", {"secret_mappings": [], "key": "sk-by-hand-now"})
        vault.gate.set()
        gw.wait(lambda: vault.waiting == 0, "the vault has answered")
        plane.admin("GET", "/integrations")
        assert plane.admin("GET", "/integrations/slow")["masked_key"].endswith("now")
    finally:
        other.close()
