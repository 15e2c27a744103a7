"""Nobody gives what he lacks: scopes of keys, made, changed, rotated, and those that invites promise."""

import pytest

from people import accept, call, invite, refused, user

ORG, WORKSPACE, USER = "/api-keys/organisation/service", "/api-keys/workspace/service", "/api-keys/workspace/user"
MAKERS = ["organisation_service_api_keys.create", "organisation_service_api_keys.update",
          "organisation_service_api_keys.rotate", "workspace_service_api_keys.create",
          "workspace_service_api_keys.update", "workspace_service_api_keys.rotate",
          "workspace_user_api_keys.create", "workspace_user_api_keys.update", "workspace_user_api_keys.rotate",
          "organisation_users.create", "organisation_users.read"]


def made(gateway, path, scopes, key=None, **more):
    return gateway.admin("POST", path, {"name": "k", "scopes": scopes, **more}, key=key)


@pytest.fixture
def maker(gateway):
    """An admin key that may make keys, and nothing else."""
    return made(gateway, ORG, MAKERS)["key"]


@pytest.mark.parametrize("path, scope", [
    (ORG, "audit_logs.list"), (ORG, "organisation_service_api_keys.delete"), (WORKSPACE, "policies.create"),
    (USER, "configs.read")])
def test_a_key_is_made_with_no_scope_its_maker_lacks(gateway, maker, path, scope):
    workspace = gateway.default_workspace()["slug"]
    person = user(gateway, "ada@example.com", role="admin")["id"]
    body = {"name": "k", "scopes": ["completions.write"] if path != ORG else [], "workspace_id": workspace,
            "user_id": person}
    assert call(gateway, "POST", path, body, key=maker).status == 200
    before = gateway.sql("SELECT count(*) FROM aigate.api_key")
    refused(call(gateway, "POST", path, {**body, "scopes": body["scopes"] + [scope]}, key=maker),
            403, "AB03", "scopes", scope)
    assert gateway.sql("SELECT count(*) FROM aigate.api_key") == before


def test_the_data_planes_scopes_are_an_admin_keys_to_give(gateway, maker):
    """No admin key can hold them: giving them is what the scope to make such keys is for."""
    workspace = gateway.default_workspace()["slug"]
    data = ["completions.write", "prompts.render", "logs.write", "guardrails.invoke", "mcp.invoke",
            "agents.invoke"]
    key = made(gateway, WORKSPACE, data, key=maker, workspace_id=workspace)
    assert gateway.chat(key["key"]).status == 200


def test_a_workspaces_key_gives_its_own_and_no_more(gateway):
    workspace = gateway.default_workspace()["slug"]
    own = ["workspace_service_api_keys.create", "workspace_service_api_keys.update", "logs.view"]
    key = made(gateway, WORKSPACE, own, workspace_id=workspace)["key"]
    refused(call(gateway, "POST", WORKSPACE, {"name": "k", "scopes": ["logs.view", "completions.write"]}, key=key),
            403, "AB03", "completions.write")
    made(gateway, WORKSPACE, own, key=key)


def test_an_update_adds_no_scope_its_caller_lacks(gateway, maker):
    rich = made(gateway, ORG, ["audit_logs.list", "workspaces.list"])
    path = f"/api-keys/{rich['id']}"
    scopes = lambda: gateway.admin("GET", path)["scopes"]
    refused(call(gateway, "PUT", path, {"scopes": ["audit_logs.list", "configs.delete"]}, key=maker),
            403, "AB03", "configs.delete")
    assert scopes() == ["audit_logs.list", "workspaces.list"]
    # What it has it keeps, may lose, and does not get back from who lacks it.
    for given, status in ((["workspaces.list", "audit_logs.list"], 200), (["audit_logs.list"], 200),
                          (["audit_logs.list", MAKERS[0]], 200), (["workspaces.list"], 403)):
        answer = call(gateway, "PUT", path, {"scopes": given}, key=maker)
        assert answer.status == status, (given, answer)
    assert scopes() == ["audit_logs.list", MAKERS[0]]
    assert call(gateway, "PUT", path, {"name": "another"}, key=maker).status == 200


def test_a_secret_is_not_told_to_who_may_less_than_its_key(gateway, maker):
    rich = made(gateway, ORG, ["audit_logs.list"])
    poor = made(gateway, ORG, MAKERS[:1])
    refused(call(gateway, "POST", f"/api-keys/{rich['id']}/rotate", key=maker), 403, "AB03", "audit_logs.list")
    assert call(gateway, "GET", "/audit-logs", key=rich["key"]).status != 401, "its secret is as it was"
    assert gateway.sql("SELECT count(*) FROM aigate.api_key WHERE former_hash IS NOT NULL") == 0
    assert call(gateway, "POST", f"/api-keys/{poor['id']}/rotate", key=maker).status == 200
    customer = gateway.key()
    assert call(gateway, "POST", f"/api-keys/{customer.id}/rotate", key=maker).status == 200
    workspace = gateway.default_workspace()["slug"]
    service = made(gateway, WORKSPACE, ["configs.create", "completions.write"], workspace_id=workspace)
    rotator = made(gateway, WORKSPACE, ["workspace_service_api_keys.rotate"], workspace_id=workspace)["key"]
    refused(call(gateway, "POST", f"/api-keys/{service['id']}/rotate", key=rotator), 403, "AB03", "configs.create")


def test_an_invite_promises_no_scope_the_inviter_lacks(gateway, maker):
    workspace = gateway.default_workspace()["slug"]
    body = {"email": "eve@example.com", "role": "member", "workspaces": [{"id": workspace, "role": "admin"}]}
    rich = {"workspace_api_key_details": {"scopes": ["completions.write", "policies.delete"]}}
    refused(call(gateway, "POST", "/admin/users/invites", {**body, **rich}, key=maker), 403, "AB03",
            "workspace_api_key_details.scopes", "policies.delete")
    poor = {"workspace_api_key_details": {"scopes": ["completions.write"]}}
    mine = call(gateway, "POST", "/admin/users/invites", {**body, **poor}, key=maker)
    assert mine.status == 200, mine
    # Nor does he take somebody else's by sending it again.
    token = invite(gateway, "carl@example.com", workspaces=body["workspaces"], **rich)
    other = gateway.admin("GET", "/admin/users/invites?email=carl@example.com")["data"][0]["id"]
    refused(call(gateway, "POST", f"/admin/users/invites/{other}/resend", key=maker), 403, "AB03",
            "policies.delete")
    answer = accept(gateway, token)
    assert answer.status == 200, "the link that was sent is good"
    key = answer.json["api_keys"][0]
    assert set(gateway.admin("GET", f"/api-keys/{key['id']}")["scopes"]) == {"completions.write",
                                                                             "policies.delete"}
    assert call(gateway, "POST", f"/admin/users/invites/{mine.json['id']}/resend", key=maker).status == 200
