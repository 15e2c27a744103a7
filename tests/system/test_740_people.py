"""Users, invites, members of workspaces, and what their roles are worth."""

import json

import pytest

from gateway import Gateway
from people import accept, invite, refused, user


@pytest.fixture(scope="module")
def shared_gateway(pg_cluster):
    """One for the tests that leave nothing behind."""
    one = Gateway(pg_cluster)
    yield one
    one.close()


def members(gateway, workspace, key=None, query=""):
    return gateway.admin("GET", f"/admin/workspaces/{workspace['slug']}/users{query}", key=key)


def user_key(gateway, workspace, user_id, scopes, **more):
    return gateway.admin_ask("POST", "/api-keys/workspace/user", {
        "name": "k", "workspace_id": workspace["slug"], "user_id": user_id, "scopes": scopes, **more})


# -- invites ----------------------------------------------------------------------------------

def test_an_invite_becomes_a_user_with_workspaces_and_keys(gateway):
    one, two = gateway.workspace("one"), gateway.workspace("two")
    made = gateway.admin("POST", "/admin/users/invites", {
        "email": "ada@example.com", "role": "member",
        "workspaces": [{"id": one["slug"], "role": "admin"}, {"id": two["id"], "role": "member"}],
        "workspace_api_key_details": {"scopes": ["completions.write"]}})
    assert made["email"] == "ada@example.com" and made["status"] == "pending"
    token = made["invite_link"].partition("#")[2]
    pending = gateway.admin("GET", f"/admin/users/invites/{made['id']}")
    assert set(pending) == {"object", "id", "email", "role", "created_at", "expires_at",
                            "accepted_at", "status", "invited_by", "workspaces"}
    assert pending["object"] == "invite" and pending["status"] == "pending"
    assert pending["accepted_at"] is None and pending["invited_by"]
    assert pending["workspaces"] == [{"id": one["slug"], "workspace_id": one["id"], "role": "admin"},
                                     {"id": two["id"], "workspace_id": two["id"], "role": "member"}]

    answer = accept(gateway, token, first_name="Ada", last_name="Lovelace")
    assert answer.status == 200 and answer.json["email"] == "ada@example.com"
    keys = answer.json["api_keys"]
    assert [k["workspace_id"] for k in keys] == [one["id"], two["id"]]
    for key in keys:
        assert gateway.chat(key["key"]).status == 200
    refused(accept(gateway, token), 404, "AB08")
    assert gateway.admin("GET", f"/admin/users/invites/{made['id']}")["status"] == "accepted"

    seen = gateway.admin("GET", f"/admin/users/{answer.json['id']}")
    assert {k: seen[k] for k in ("object", "first_name", "last_name", "role", "email")} == {
        "object": "user", "first_name": "Ada", "last_name": "Lovelace", "role": "member",
        "email": "ada@example.com"}
    assert seen["workspace_ids"] == [one["id"], two["id"]]
    listed = gateway.admin("GET", "/admin/users?email=ADA@example.com&pageSize=10&currentPage=0")
    assert listed["object"] == "list" and listed["total"] == 1 and listed["data"] == [seen]
    assert gateway.admin("GET", "/admin/users?role=admin") == {"object": "list", "total": 0,
                                                               "data": []}
    inside = gateway.admin("GET", f"/admin/workspaces/{one['slug']}")["users"]
    assert [(u["email"], u["role"], u["org_role"]) for u in inside] == [
        ("ada@example.com", "admin", "member")]
    dump = json.dumps([gateway.rows("SELECT * FROM aigate.invite"),
                       gateway.rows("SELECT * FROM aigate.audit_log")], default=str)
    for secret in (token, *(k["key"] for k in keys)):
        assert secret not in dump and secret not in gateway.log


def test_an_acceptance_may_arrive_in_pieces(gateway):
    """Nobody waits for the body of a stranger; for that of an invite, which is short, they do."""
    body = json.dumps({"token": invite(gateway, "ada@example.com"), "first_name": "Ada"})
    head = ("POST /v1/invites/accept HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n"
            "expect: 100-continue\r\ncontent-length: {}\r\n\r\n")
    connection = gateway.connect()
    connection.send(head.format(len(body)))
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 "), "the body is waited for"
    connection.send(body)
    answer = connection.read_answer("POST")
    assert answer.status == 200 and answer.json["email"] == "ada@example.com"
    long = gateway.connect()
    long.send(head.format(5000))
    assert long.read_answer("POST").status == 400, "for a long one they do not"


def test_only_the_latest_link_of_a_pending_invite_works(gateway):
    first = invite(gateway, "bob@example.com")
    one = gateway.admin("GET", "/admin/users/invites?email=bob@example.com")["data"][0]
    again = gateway.admin("POST", f"/admin/users/invites/{one['id']}/resend")
    second = again["inviteLink"].partition("#")[2]
    assert second and second != first
    refused(accept(gateway, first), 404, "AB08")
    refused(gateway.admin_ask("POST", "/admin/users/invites",
                              {"email": "BOB@example.com", "role": "member"}), 409, "AB07")
    assert gateway.admin("DELETE", f"/admin/users/invites/{one['id']}") == {}
    refused(accept(gateway, second), 404, "AB08")
    refused(gateway.admin_ask("POST", f"/admin/users/invites/{one['id']}/resend"), 409, "AB07")
    assert gateway.admin("GET", "/admin/users/invites?status=cancelled")["total"] == 1
    third = invite(gateway, "bob@example.com")
    gateway.sql("UPDATE aigate.invite SET expires_at = now() - interval '1 s' WHERE status = 'pending'")
    refused(accept(gateway, third), 404, "AB08")
    assert gateway.admin("GET", "/admin/users/invites?status=expired")["total"] == 1
    assert accept(gateway, invite(gateway, "bob@example.com")).status == 200
    refused(gateway.admin_ask("POST", "/admin/users/invites",
                              {"email": "bob@example.com", "role": "member"}), 409, "AB07", "user")


@pytest.mark.parametrize("body, word", [
    ({}, "email"),
    ({"email": "nobody", "role": "member"}, "email"),
    ({"email": "a@b.c", "role": "owner"}, "role"),
    ({"email": "a@b.c", "role": 5}, "role"),
    ({"email": "a@b.c", "role": "member", "workspaces": ["x"]}, "workspaces[0]"),
    ({"email": "a@b.c", "role": "member", "workspaces": [{"role": "member"}]}, "workspaces[0].id"),
    ({"email": "a@b.c", "role": "member", "workspace_api_key_details": {}}, "scopes"),
    ({"email": "a@b.c", "role": "member", "workspace_api_key_details": {
        "scopes": ["audit_logs.list"]}}, "audit_logs.list"),
])
def test_a_bad_invite_is_refused_naming_field_and_rule(shared_gateway, body, word):
    refused(shared_gateway.admin_ask("POST", "/admin/users/invites", body), 400, "AB01", word)
    assert shared_gateway.sql("SELECT count(*) FROM aigate.invite") == 0


def test_an_acceptance_needs_a_token_and_nothing_else(shared_gateway):
    for body in ({}, {"token": None}):
        answer = shared_gateway.ask("POST", "/v1/invites/accept",
                                    {"content-type": "application/json"}, body)
        refused(answer, 400, "AB01", "token")
    refused(accept(shared_gateway, "ag-guessed"), 404, "AB08")
    refused(shared_gateway.ask("GET", "/v1/invites/accept"), 401, "AB05")


# -- users ------------------------------------------------------------------------------------

def test_a_user_is_changed_and_removed_with_all_keys(gateway):
    workspace = gateway.workspace("w")
    made = user(gateway, "eve@example.com", workspaces=[{"id": workspace["slug"], "role": "member"}],
                workspace_api_key_details={"scopes": ["completions.write"]})
    key = made["api_keys"][0]["key"]
    url = f"/admin/users/{made['id']}"
    assert gateway.admin("PUT", url, {"role": "admin"}) == {}
    assert gateway.admin("GET", url)["role"] == "admin"
    for body, word in (({}, "role"), ({"role": "owner"}, "role"), ({"role": True}, "role"),
                       ({"role": "admin", "email": "x@y.z"}, "email")):
        refused(gateway.admin_ask("PUT", url, body), 400, "AB01", word)
    assert gateway.chat(key).status == 200
    assert gateway.admin("DELETE", url) == {}
    assert gateway.chat(key).status == 401, "the key ends with its user"
    refused(gateway.admin_ask("GET", url), 404, "AB08")
    refused(gateway.admin_ask("DELETE", url), 404, "AB08")
    assert members(gateway, workspace)["total"] == 0
    assert gateway.sql("SELECT count(*) FROM aigate.meter WHERE level = 'key' AND retired_at IS NULL") == 0
    user(gateway, "eve@example.com")  # the address is free again


def test_an_owner_is_out_of_reach(gateway):
    made = user(gateway, "own@example.com")
    gateway.sql("UPDATE aigate.app_user SET role = 'owner'")
    refused(gateway.admin_ask("PUT", f"/admin/users/{made['id']}", {"role": "member"}), 403, "AB03")
    refused(gateway.admin_ask("DELETE", f"/admin/users/{made['id']}"), 403, "AB03")
    assert gateway.admin("GET", "/admin/users?role=owner")["total"] == 1


# -- members ------------------------------------------------------------------------------------

def test_members_come_change_and_go(gateway):
    workspace = gateway.workspace("w")
    made = user(gateway, "ada@example.com")
    url = f"/admin/workspaces/{workspace['slug']}/users"
    assert members(gateway, workspace) == {"object": "list", "total": 0, "data": []}
    assert gateway.admin("POST", url, {"users": [{"id": made["id"], "role": "manager"}],
                                       "workspace_id": workspace["slug"]}) == {}
    one = gateway.admin("GET", f"{url}/{made['id']}")
    assert set(one) == {"object", "id", "first_name", "last_name", "org_role", "role", "created_at",
                        "last_updated_at", "status", "workspace_id", "email", "scopes", "settings"}
    assert (one["object"], one["role"], one["org_role"], one["status"]) == (
        "workspace-user", "manager", "member", "active")
    assert one["workspace_id"] == workspace["id"] and "configs.create" in one["scopes"]
    assert members(gateway, workspace, query="?role=manager&page_size=1")["data"] == [one]
    assert members(gateway, workspace, query="?role=member")["total"] == 0
    assert members(gateway, workspace, query="?email=ada@example.com")["total"] == 1
    refused(gateway.admin_ask("POST", url, {"users": [{"id": made["id"]}]}), 409, "AB07")
    assert gateway.admin("PUT", f"{url}/{made['id']}", {"role": "member", "user_id": "x"}) == {}
    assert "configs.create" not in gateway.admin("GET", f"{url}/{made['id']}")["scopes"]
    assert gateway.admin("DELETE", f"{url}/{made['id']}") == {}
    refused(gateway.admin_ask("GET", f"{url}/{made['id']}"), 404, "AB08")
    refused(gateway.admin_ask("PUT", f"{url}/{made['id']}", {"role": "admin"}), 404, "AB08")
    for body, word in (({}, "users"), ({"users": []}, "users"), ({"users": [5]}, "users[0]"),
                       ({"users": [{"role": "admin"}]}, "users[0].id"),
                       ({"users": [{"id": "nobody"}]}, "users[0].id"),
                       ({"users": [{"id": made["id"], "role": "owner"}]}, "users[0].role")):
        refused(gateway.admin_ask("POST", url, body), 400, "AB01", word)
    assert members(gateway, workspace)["total"] == 0, "nothing of a refused call stays"


def test_a_workspace_is_born_with_members(gateway):
    made = [user(gateway, f"u{i}@example.com")["id"] for i in range(2)]
    one = gateway.admin("POST", "/admin/workspaces", {"name": "strings", "users": [made[0]]})
    two = gateway.admin("POST", "/admin/workspaces", {
        "name": "objects", "users": [{"id": made[0], "role": "admin"}, {"id": made[1], "role": "member"}]})
    assert [m["role"] for m in members(gateway, one)["data"]] == ["member"]
    assert sorted(m["role"] for m in members(gateway, two)["data"]) == ["admin", "member"]
    refused(gateway.admin_ask("POST", "/admin/workspaces", {"name": "x", "users": ["nobody"]}),
            400, "AB01", "users[0]")
    assert gateway.admin("GET", "/admin/workspaces?exact_name=x")["total"] == 0


def test_more_members_by_way_of_an_update_need_the_scope_for_members(gateway):
    workspace, made = gateway.workspace("w"), user(gateway, "ada@example.com")
    url, more = f"/admin/workspaces/{workspace['slug']}", {"name": "v", "users": [made["id"]]}
    key = gateway.key(workspace=workspace, scopes=["workspaces.update"])
    refused(gateway.admin_ask("PUT", url, more, key=key), 401, "AB05", "workspace_users.create")
    assert members(gateway, workspace)["total"] == 0 and gateway.admin("GET", url)["name"] == "w"
    gateway.admin("PUT", url, {"name": "v"}, key=key)
    key = gateway.key(workspace=workspace, scopes=["workspaces.update", "workspace_users.create"])
    gateway.admin("PUT", url, more, key=key)
    assert members(gateway, workspace)["total"] == 1


# -- roles ----------------------------------------------------------------------------------------

def test_a_role_bounds_the_keys_of_the_person_at_once(gateway):
    workspace = gateway.workspace("w")
    made = user(gateway, "ada@example.com", workspaces=[{"id": workspace["slug"], "role": "manager"}])
    scopes = ["completions.write", "policies.create", "policies.list", "workspace_users.update"]
    key = user_key(gateway, workspace, made["id"], scopes).json["key"]
    policies = "/policies/rate-limits"
    url = f"/admin/workspaces/{workspace['slug']}/users/{made['id']}"
    refused(gateway.admin_ask("POST", policies, {}, key=key), 400, "AB01")
    gateway.admin("PUT", url, {"role": "member"})
    refused(gateway.admin_ask("POST", policies, {}, key=key), 401, "AB05", "policies.create")
    refused(gateway.admin_ask("PUT", url, {"role": "manager"}, key=key), 401, "AB05")
    assert gateway.admin("GET", policies, key=key)["total"] == 0
    assert gateway.chat(key).status == 200
    gateway.admin("PUT", url, {"role": "manager"})
    refused(gateway.admin_ask("POST", policies, {}, key=key), 400, "AB01")
    gateway.admin("DELETE", url)
    assert gateway.chat(key).status == 401, "who leaves the workspace leaves the key behind"


def test_a_user_key_needs_a_member_and_fits_the_role(gateway):
    workspace = gateway.workspace("w")
    made = user(gateway, "ada@example.com")
    refused(user_key(gateway, workspace, made["id"], ["completions.write"]), 400, "AB01", "no member")
    refused(user_key(gateway, workspace, None, ["completions.write"]), 400, "AB01", "user_id")
    refused(user_key(gateway, workspace, "nobody", ["completions.write"]), 400, "AB01", "user_id")
    gateway.admin("POST", f"/admin/workspaces/{workspace['slug']}/users", {"users": [made["id"]]})
    refused(user_key(gateway, workspace, made["id"], ["completions.write", "configs.delete"]),
            400, "AB01", "scopes[1]", "role")
    key = user_key(gateway, workspace, made["id"], ["completions.write"])
    assert key.status == 200
    seen = gateway.admin("GET", f"/api-keys/{key.json['id']}")
    assert seen["type"] == "workspace-user" and seen["user_id"] == made["id"]
    refused(gateway.admin_ask("PUT", f"/api-keys/{key.json['id']}", {"scopes": ["configs.delete"]}),
            400, "AB01", "role")
    gateway.admin("PUT", f"/admin/users/{made['id']}", {"role": "admin"})
    gateway.admin("PUT", f"/api-keys/{key.json['id']}", {"scopes": ["configs.delete"]})


def test_a_manager_stays_below_admins(gateway):
    workspace = gateway.workspace("w")
    url = f"/admin/workspaces/{workspace['slug']}/users"
    boss, manager, new = (user(gateway, f"{n}@example.com")["id"] for n in ("boss", "manager", "new"))
    gateway.admin("POST", url, {"users": [{"id": boss, "role": "admin"},
                                          {"id": manager, "role": "manager"}]})
    scopes = [f"workspace_users.{verb}" for verb in ("create", "update", "delete", "list")]
    key = user_key(gateway, workspace, manager, scopes).json["key"]
    refused(gateway.admin_ask("PUT", f"{url}/{boss}", {"role": "member"}, key=key), 403, "AB03")
    refused(gateway.admin_ask("DELETE", f"{url}/{boss}", key=key), 403, "AB03")
    refused(gateway.admin_ask("POST", url, {"users": [{"id": new, "role": "admin"}]}, key=key),
            403, "AB03")
    refused(gateway.admin_ask("PUT", f"{url}/{manager}", {"role": "admin"}, key=key), 403, "AB03")
    gateway.admin("POST", url, {"users": [{"id": new, "role": "manager"}]}, key=key)
    gateway.admin("DELETE", f"{url}/{new}", key=key)


def test_members_of_another_workspace_are_out_of_reach(gateway):
    mine, other = gateway.workspace("mine"), gateway.workspace("other")
    made = user(gateway, "ada@example.com", workspaces=[{"id": other["slug"], "role": "member"}])
    key = gateway.key(workspace=mine, scopes=["workspace_users.list", "workspace_users.read",
                                              "workspace_users.create", "workspace_users.delete"])
    url = f"/admin/workspaces/{other['slug']}/users"
    for method, path, body in (("GET", url, None), ("GET", f"{url}/{made['id']}", None),
                               ("POST", url, {"users": [made["id"]]}),
                               ("DELETE", f"{url}/{made['id']}", None)):
        refused(gateway.admin_ask(method, path, body, key=key), 403, "AB03")
    assert members(gateway, mine, key=key)["total"] == 0
