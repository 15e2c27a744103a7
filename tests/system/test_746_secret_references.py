"""Credentials that are kept elsewhere: in HashiCorp Vault, a file, a variable."""

import json
import os

import pytest

import gateway as gw
from people import call, refused
from vault import Vault

TOKEN = "hvs.root-token-of-test"
REFS = "/secret-references"


@pytest.fixture
def vault():
    one = Vault()
    yield one
    one.close()


@pytest.fixture
def plane(gateway_factory, mock, tmp_path, monkeypatch):
    """A gateway that reads secrets anew each second."""
    monkeypatch.setenv("AIGATE_SECRET_OPENAI", "sk-from-a-variable")
    monkeypatch.setenv("OTHER_SECRET", "sk-not-ours")
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/") and os.stat(parent).st_uid == os.geteuid():
            os.chmod(parent, 0o755)
    return gateway_factory(mock=mock, conf={"credential_dir": str(tmp_path), "credential_refresh": "1s"})


def vault_ref(plane, vault, **more):
    body = {"name": "OpenAI", "slug": "openai-key", "manager_type": "hashicorp_vault",
            "auth_config": {"vault_addr": vault.url, "vault_token": TOKEN},
            "secret_path": "secret/data/openai", "secret_key": "api_key", **more}
    made = plane.admin("POST", REFS, body)
    assert set(made) == {"id", "slug", "object"} and made["object"] == "secret-reference"
    return made


def mapped(plane, mock, ref, **more):
    """An integration whose key is the reference's, and a key that may use it."""
    plane.admin("POST", "/integrations", {
        "name": "m", "slug": "mapped", "ai_provider_id": "openai",
        "configurations": {"custom_host": gw.mock_url(mock)},
        "secret_mappings": [{"target_field": "key", "secret_reference_id": ref, **more}]})
    workspace = plane.admin("POST", "/admin/workspaces", {"name": "w"})
    plane.grant("mapped", workspace)
    return plane.key(workspace=workspace)


def credential(plane, mock, key):
    """What the provider is sent."""
    assert plane.chat(key, model="@mapped/gpt-4o-mini").status == 200
    for line in mock.last()["head"].split("\r\n"):
        if line.lower().startswith("authorization: bearer "):
            return line.split()[-1]
    return None


def test_a_key_is_read_from_the_vault_and_follows_it(plane, mock, vault):
    vault.secrets["secret/data/openai"] = {"api_key": "sk-first-secret", "other": "x"}
    ref = vault_ref(plane, vault)
    key = mapped(plane, mock, ref["id"])
    assert credential(plane, mock, key) == "sk-first-secret"
    assert plane.admin("GET", "/integrations/mapped")["masked_key"] == "sk*****ret"
    vault.secrets["secret/data/openai"] = {"api_key": "sk-second-secret", "other": "x"}
    gw.wait(lambda: credential(plane, mock, key) == "sk-second-secret", "the new secret is read")
    vault.wrong = 503
    gw.wait(lambda: plane.admin("GET", f"{REFS}/{ref['id']}")["last_error"], "it is said why not")
    assert "503" in plane.admin("GET", f"{REFS}/openai-key")["last_error"]
    assert credential(plane, mock, key) == "sk-second-secret", "what was read last serves"
    vault.wrong = None
    gw.wait(lambda: plane.admin("GET", f"{REFS}/{ref['id']}")["last_error"] is None, "it is back")
    plane.stop()
    vault.wrong = 503
    plane.start()
    assert credential(plane, mock, key) == "sk-second-secret", "a start needs no vault"
    dump = json.dumps([plane.rows(f"SELECT * FROM aigate.{table}") for table in (
        "secret_reference", "integration", "integration_secret", "audit_log")], default=str)
    for secret in (TOKEN, "sk-first-secret", "sk-second-secret"):
        assert secret not in dump and secret not in plane.log
        assert secret.encode().hex() not in dump


def test_a_role_logs_in_and_a_namespace_is_named(plane, mock, vault):
    vault.roles["role-1", "secret-of-the-role"] = "hvs.short-lived"
    vault.tokens = {"hvs.short-lived"}
    vault.secrets["kv/data/team"] = {"only": "sk-by-role-secret"}
    vault_ref(plane, vault, secret_path="kv/data/team", secret_key=None, auth_config={
        "vault_addr": vault.url + "/", "role_id": "role-1", "secret_id": "secret-of-the-role",
        "vault_namespace": "admin/team"})
    key = mapped(plane, mock, "openai-key")
    assert credential(plane, mock, key) == "sk-by-role-secret"
    assert vault.asked[-1] == ("/v1/kv/data/team", "admin/team")


@pytest.mark.parametrize("manager", ["file", "environment"])
def test_files_and_variables_are_managers_too(plane, mock, tmp_path, manager):
    path = "AIGATE_SECRET_OPENAI"
    (tmp_path / path).write_text("sk-from-a-file\n")
    os.chmod(tmp_path / path, 0o644)
    plane.admin("POST", REFS, {"name": "n", "slug": "s", "manager_type": manager, "secret_path": path})
    key = mapped(plane, mock, "s")
    assert credential(plane, mock, key) == {"file": "sk-from-a-file",
                                            "environment": "sk-from-a-variable"}[manager]
    if manager == "file":
        (tmp_path / path).write_text(json.dumps({"a": "sk-in-json", "b": "c"}))
        plane.admin("PUT", "/integrations/mapped", {"secret_mappings": [
            {"target_field": "key", "secret_reference_id": "s", "secret_key": "a",
             "value_format": "json"}]})
        assert credential(plane, mock, key) == "sk-in-json"
        seen = plane.admin("GET", "/integrations/mapped")["secret_mappings"]
        assert [(m["target_field"], m["secret_key"]) for m in seen] == [("key", "a")]
        plane.admin("PUT", "/integrations/mapped", {"secret_mappings": [], "key": "sk-by-hand-again"})
        assert credential(plane, mock, key) == "sk-by-hand-again"


def test_the_machines_secrets_are_their_organisations_own(plane, mock, tmp_path):
    """Among several organisations nobody names what is meant for another one."""
    for name in ("acme.key", "other.key", "key"):
        (tmp_path / name).write_text("sk-of-" + name)
        os.chmod(tmp_path / name, 0o644)
    plane.admin("POST", REFS, {"name": "n", "slug": "before", "manager_type": "file", "secret_path": "other.key"})
    plane.ctl("bootstrap", "--organisation", "Other")
    for manager, path, status in (
            ("file", "key", 403), ("file", "other.key", 403), ("file", "acme", 403), ("file", "acme.key", 200),
            ("environment", "AIGATE_SECRET_OPENAI", 403), ("environment", "AIGATE_SECRET_OTHER__X", 403),
            ("environment", "AIGATE_SECRET_ACME_X", 403), ("environment", "AIGATE_SECRET_ACME__X", 200)):
        answer = call(plane, "POST", REFS, {"name": "n", "slug": path.lower().replace(".", "-"),
                                            "manager_type": manager, "secret_path": path})
        assert answer.status == status, (path, answer)
    refused(call(plane, "PUT", f"{REFS}/acme-key", {"secret_path": "other.key"}), 403, "AB03")
    no = plane.admin_ask("POST", "/integrations", {
        "name": "m", "slug": "stolen", "ai_provider_id": "openai", "configurations": {
            "custom_host": gw.mock_url(mock)}, "secret_mappings": [
                {"target_field": "key", "secret_reference_id": "before"}]})
    assert no.status == 400 and "acme." in no.message
    assert credential(plane, mock, mapped(plane, mock, "acme-key")) == "sk-of-acme.key"


def test_a_token_is_not_sent_to_another_address(plane, mock, vault):
    vault.secrets["secret/data/openai"] = {"api_key": "sk-first-secret"}
    vault_ref(plane, vault)
    refused(call(plane, "PUT", f"{REFS}/openai-key", {"auth_config": {"vault_addr": gw.mock_url(mock)}}), 400, "AB01")
    assert call(plane, "PUT", f"{REFS}/openai-key", {"auth_config": {"vault_addr": vault.url}}).status == 200
    assert call(plane, "PUT", f"{REFS}/openai-key", {"auth_config": {
        "vault_addr": gw.mock_url(mock), "vault_token": TOKEN}}).status == 200


def test_a_secret_that_became_two_lines_is_not_taken(plane, mock, vault):
    vault.secrets["secret/data/openai"] = {"api_key": "sk-first-secret"}
    vault_ref(plane, vault)
    key = mapped(plane, mock, "openai-key")
    vault.secrets["secret/data/openai"] = {"api_key": "sk-second\r\nx-other: y"}
    gw.wait(lambda: plane.admin("GET", f"{REFS}/openai-key")["last_error"], "it is said why not")
    assert credential(plane, mock, key) == "sk-first-secret"


def test_references_are_listed_shown_changed_and_deleted(plane, mock, vault):
    vault.secrets["secret/data/openai"] = {"api_key": "sk-first-secret"}
    made = vault_ref(plane, vault, tags={"team": "a"}, description="d")
    seen = plane.admin("GET", f"{REFS}/{made['id']}")
    assert seen["auth_config"] == {"vault_addr": vault.url, "vault_token": "hv*****est"}
    assert (seen["status"], seen["manager_type"], seen["object"]) == (
        "ACTIVE", "hashicorp_vault", "secret-reference")
    assert seen["allow_all_workspaces"] is True and seen["tags"] == {"team": "a"}
    for query, total in (("", 1), ("?manager_type=file", 0), ("?search=OPEN", 1), ("?search=x", 0),
                         ('?tags={"team":"a"}', 1), ('?tags={"team":"b"}', 0)):
        query = query.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
        assert plane.admin("GET", REFS + query)["total"] == total, query
    version = call(plane, "GET", f"{REFS}/openai-key").headers["etag"]
    vault.tokens = {"hvs.another-token-x"}
    assert call(plane, "PUT", f"{REFS}/openai-key", {"auth_config": {"vault_token": "hvs.another-token-x"}},
                if_match=version).status == 200
    refused(call(plane, "PUT", f"{REFS}/openai-key", {"name": "n"}, if_match=version), 412, "AB07")
    seen = plane.admin("GET", f"{REFS}/openai-key")
    assert seen["auth_config"] == {"vault_addr": vault.url, "vault_token": "hv*****n-x"}
    key = mapped(plane, mock, "openai-key")
    assert credential(plane, mock, key) == "sk-first-secret", "the rest of auth_config stayed"
    refused(plane.admin_ask("DELETE", f"{REFS}/openai-key"), 400, "AB01", "mapped")
    plane.admin("DELETE", "/integrations/mapped")
    assert plane.admin("DELETE", f"{REFS}/openai-key") == {}
    refused(plane.admin_ask("GET", f"{REFS}/openai-key"), 404, "AB08")
    vault_ref(plane, vault)  # the slug is free again


def test_a_reference_serves_the_workspaces_it_names(plane, vault):
    vault.secrets["secret/data/openai"] = {"api_key": "sk-first-secret"}
    one, two = (plane.admin("POST", "/admin/workspaces", {"name": n}) for n in ("one", "two"))
    vault_ref(plane, vault, allowed_workspaces=[one["slug"]])
    seen = plane.admin("GET", f"{REFS}/openai-key")
    assert seen["allow_all_workspaces"] is False and seen["allowed_workspaces"] == [one["slug"]]

    def make(slug, workspace):
        return plane.admin_ask("POST", "/integrations", {
            "name": slug, "slug": slug, "ai_provider_id": "openai", "workspace_id": workspace["slug"],
            "secret_mappings": [{"target_field": "key", "secret_reference_id": "openai-key"}]})
    assert make("a", one).status == 200
    refused(make("b", two), 403, "AB03", "workspace")
    plane.admin("PUT", f"{REFS}/openai-key", {"allow_all_workspaces": True})
    assert make("b", two).status == 200


@pytest.mark.parametrize("body, word", [
    ({}, "name"),
    ({"name": "n", "manager_type": "aws_sm", "secret_path": "p"}, "aws_sm is not implemented"),
    ({"name": "n", "manager_type": "azure_kv", "secret_path": "p"}, "azure_kv is not implemented"),
    ({"name": "n", "manager_type": "keychain", "secret_path": "p"}, "manager_type"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "p"}, "vault_addr"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "p",
      "auth_config": {"vault_addr": "http://10.0.0.1:8200", "vault_token": "t"}}, "vault_addr"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "p",
      "auth_config": {"vault_addr": "http://127.0.0.1:1", "vault_role": "r"}}, "Kubernetes"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "p",
      "auth_config": {"vault_addr": "http://127.0.0.1:1"}}, "vault_token"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "../sys/seal",
      "auth_config": {"vault_addr": "http://127.0.0.1:1", "vault_token": "t"}}, "secret_path"),
    ({"name": "n", "manager_type": "hashicorp_vault", "secret_path": "p",
      "auth_config": {"vault_addr": "http://127.0.0.1:1", "vault_token": 5}}, "vault_token"),
    ({"name": "n", "manager_type": "file", "secret_path": "../master.key"}, "secret_path"),
    ({"name": "n", "manager_type": "file", "secret_path": ".hidden"}, "secret_path"),
    ({"name": "n", "manager_type": "environment", "secret_path": "PATH"}, "AIGATE_SECRET_"),
    ({"name": "n", "manager_type": "environment", "secret_path": "AIGATE_SECRET_X",
      "allowed_workspaces": []}, "allowed_workspaces"),
])
def test_what_a_reference_cannot_be_is_refused_by_name(plane, body, word):
    refused(plane.admin_ask("POST", REFS, body), 400, "AB01", word)
    assert plane.sql("SELECT count(*) FROM aigate.secret_reference") == 0


def test_a_secret_that_cannot_be_read_makes_no_integration(plane, mock, vault, tmp_path):
    os.symlink(plane.conf["master_key_file"], tmp_path / "link")
    plane.admin("POST", REFS, {"name": "l", "slug": "link", "manager_type": "file", "secret_path": "link"})
    plane.admin("POST", REFS, {"name": "u", "slug": "unset", "manager_type": "environment",
                               "secret_path": "AIGATE_SECRET_NOT_SET"})
    vault_ref(plane, vault)

    def make(**mapping):
        return plane.admin_ask("POST", "/integrations", {
            "name": "m", "slug": "mapped", "ai_provider_id": "openai",
            "secret_mappings": [{"target_field": "key", **mapping}]})
    for ref, word in (("none", "none"), ("link", "could not open"), ("unset", "not set"),
                      ("openai-key", "404")):
        refused(make(secret_reference_id=ref), 400, "AB01", word)
    vault.secrets["secret/data/openai"] = {"a": "b", "c": "d"}
    refused(make(secret_reference_id="openai-key"), 400, "AB01", "api_key")
    refused(make(secret_reference_id="openai-key", target_field="configurations.x"), 400, "AB01",
            "target_field")
    refused(make(secret_reference_id="openai-key", value_format="xml"), 400, "AB01", "value_format")
    assert plane.admin("GET", "/integrations")["total"] == 0
