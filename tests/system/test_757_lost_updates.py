"""Of two writers none overwrites what the other wrote and he has not seen: every entity that can be changed.

THINGS is the one table: what the gateway takes PUT for and the table does not know fails the first test."""

import os
import re
import threading

import pytest

import gateway as gw
from people import call, refused, user
from plane import _provider, plane, provider  # noqa: F401

# Each: what it is, path of the routes with {} for names, and how it is made: its path, a member that is a text
# anybody may change, and the row behind it.
NAME, DESCRIPTION = "name", "description"


def a_key(g):
    key = g.key()
    return f"/api-keys/{key.id}", DESCRIPTION, f"aigate.api_key WHERE uuid = '{key.id}'"


def a_workspace(g):
    slug = g.workspace()["slug"]
    return f"/admin/workspaces/{slug}", DESCRIPTION, f"aigate.workspace WHERE slug = '{slug}'"


def an_integration(g):
    slug = g.integration(slug="versioned")
    return f"/integrations/{slug}", DESCRIPTION, f"aigate.integration WHERE slug = '{slug}'"


def a_provider(g):
    space = g.default_workspace()["slug"]
    g.integration(slug="below")
    g.grant("below", space, create_default_provider=True)
    return f"/providers/below?workspace_id={space}", "note", "aigate.provider WHERE slug = 'below'"


def a_virtual_key(g):
    space = g.default_workspace()["slug"]
    g.admin("POST", "/virtual-keys", {"name": "v", "slug": "v", "provider": "openai", "key": "k", "workspace_id": space})
    return f"/virtual-keys/v?workspace_id={space}", "note", "aigate.provider WHERE slug = 'v'"


def a_config(g):
    g.default_workspace()
    slug = g.admin("POST", "/configs", {"name": "c", "workspace_id": g.default_workspace()["slug"],
                                        "config": {"provider": "@mock"}})["slug"]
    return f"/configs/{slug}", NAME, f"aigate.config WHERE slug = '{slug}'"


def a_guardrail(g):
    slug = g.admin("POST", "/guardrails", {
        "name": "g", "workspace_id": g.default_workspace()["slug"], "actions": {},
        "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["*"]}}]})["slug"]
    return f"/guardrails/{slug}", NAME, f"aigate.guardrail WHERE slug = '{slug}'"


def a_reference(g):
    g.admin("POST", "/secret-references", {"name": "r", "slug": "r", "manager_type": "environment",
                                           "secret_path": "AIGATE_SECRET_X"})
    return "/secret-references/r", DESCRIPTION, "aigate.secret_reference WHERE slug = 'r'"


def a_policy(kind, **more):
    def make(g):
        uuid = g.admin("POST", f"/policies/{kind}", {
            "name": "p", "workspace_id": g.default_workspace()["slug"], "type": "requests",
            "conditions": [{"key": "model", "value": "*"}], "group_by": [{"key": "api_key"}], **more})["id"]
        return f"/policies/{kind}/{uuid}", NAME, f"aigate.policy WHERE uuid = '{uuid}'"
    return make


THINGS = {
    "/v1/api-keys/{}": a_key, "/v1/admin/workspaces/{}": a_workspace, "/v1/integrations/{}": an_integration,
    "/v1/providers/{}": a_provider, "/v1/virtual-keys/{}": a_virtual_key, "/v1/configs/{}": a_config,
    "/v1/guardrails/{}": a_guardrail, "/v1/secret-references/{}": a_reference,
    "/v1/policies/usage-limits/{}": a_policy("usage-limits", credit_limit=9),
    "/v1/policies/rate-limits/{}": a_policy("rate-limits", unit="rpm", value=9)}
MADE = {}
# These have a version too; what can be said of them is not a text, see the tests of their own.
OTHERS = {"/v1/admin/organisation/settings", "/v1/admin/organisation/properties", "/v1/admin/users/{}",
          "/v1/admin/workspaces/{}/users/{}"}
# Lists and single acts have none: who asks for one is refused.
WITHOUT = {"/v1/integrations/{}/models", "/v1/integrations/{}/integration-models", "/v1/integrations/{}/workspaces",
           "/v1/policies/usage-limits/{}/entities/{}/reset", "/v1/admin/organisation/defaults",
           "/v2/admin/organisation/defaults",
           "/v1/workspace-exclusions/input-guardrails", "/v1/workspace-exclusions/output-guardrails",
           "/v1/logs/exports/{}", "/v1/feedback/{}"}


def test_the_tables_know_all_that_can_be_changed():
    with open(os.path.join(gw.TOP, "src/control/routes.c"), encoding="utf-8") as f:
        served = set(re.findall(r'\{ "PUT", "([^"]+)"', f.read()))
    assert served == set(THINGS) | OTHERS | WITHOUT


@pytest.fixture
def gateway(plane, provider):
    """One for all tests of this file."""
    del provider
    return plane


@pytest.fixture(params=sorted(THINGS), ids=lambda p: p.removeprefix("/v1/").replace("/{}", ""))
def thing(request, gateway):
    """Made once; no test ends it."""
    if request.param not in MADE:
        MADE[request.param] = THINGS[request.param](gateway)
    return MADE[request.param]


def etag(answer):
    assert answer.status == 200, answer
    return answer.headers["etag"]


def test_a_version_that_is_old_changes_nothing(gateway, thing):
    path, member, _ = thing
    first = etag(call(gateway, "GET", path))
    second = etag(call(gateway, "PUT", path, {member: "one"}, if_match=first))
    assert second == etag(call(gateway, "GET", path)) != first
    refused(call(gateway, "PUT", path, {member: "two"}, if_match=first), 412, "AB07", "If-Match")
    body = {"name": gateway.admin("GET", path)["name"], "force_delete": True}  # for workspaces
    refused(call(gateway, "DELETE", path, body, if_match=first), 412, "AB07", "If-Match")
    seen = call(gateway, "GET", path)
    assert seen.json[member] == "one" and etag(seen) == second
    assert call(gateway, "PUT", path, {member: "three"}, if_match=second).status == 200


def test_writers_that_read_first_lose_nothing(gateway, thing):
    """Each adds to what stands; all that was added is there."""
    path, member, _ = thing
    gateway.admin("PUT", path, {member: "0"})
    tries, wrong = [], []

    def add():
        try:
            for _ in range(6):
                while True:
                    seen = call(gateway, "GET", path)
                    done = call(gateway, "PUT", path, {member: str(int(seen.json[member]) + 1)}, if_match=etag(seen))
                    tries.append(done.status)
                    if done.status == 200:
                        break
                    assert done.status == 412, done
        except Exception as error:  # told by the test
            wrong.append(error)
    threads = [threading.Thread(target=add) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong, wrong
    assert gateway.admin("GET", path)[member] == "18" and tries.count(200) == 18


@pytest.mark.parametrize("versioned", [True, False])
def test_another_node_is_not_overwritten(gateway, thing, versioned):
    """What somebody else changes in the database while we change it, and commits first."""
    path, member, row = thing
    table, where = row.split(" WHERE ")
    column = {"note": "note"}.get(member, member)
    seen = etag(call(gateway, "GET", path))
    other = gateway.pg.session(gateway.database)
    try:
        other.run(f"BEGIN; UPDATE {table} SET {column} = 'of another node' WHERE {where};")
        asked = gw.wire.Pending(lambda: call(gateway, "PUT", path, {member: "ours"},
                                             **({"if_match": seen} if versioned else {})))
        gw.wait(lambda: gateway.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") or asked.is_finished,
                "it to wait for the row")
        other.run("COMMIT;")
        refused(asked.answer(), 412 if versioned else 409, "AB07", "somebody else")
    finally:
        other.close()
    assert gateway.admin("GET", path)[member] == "of another node"
    assert call(gateway, "PUT", path, {member: "ours"}).status == 200


def test_settings_members_and_users_have_versions(gateway):
    space = gateway.default_workspace()["slug"]
    person = user(gateway, "ada@example.com", workspaces=[{"id": space, "role": "member"}])["id"]
    for path, one, two in (("/admin/organisation/settings", {"saved_only": True}, {"saved_only": False}),
                           ("/admin/organisation/properties", {"saved_only": True}, {"saved_only": False}),
                           (f"/admin/workspaces/{space}/users/{person}", {"role": "admin"}, {"role": "manager"}),
                           (f"/admin/users/{person}", {"role": "admin"}, {"role": "member"})):
        first = etag(call(gateway, "GET", path))
        second = etag(call(gateway, "PUT", path, one, if_match=first))
        assert second == etag(call(gateway, "GET", path)) != first
        refused(call(gateway, "PUT", path, two, if_match=first), 412, "AB07", "If-Match")
        assert etag(call(gateway, "GET", path)) == second


def test_where_there_is_no_version_none_is_taken(gateway):
    space = gateway.default_workspace()["slug"]
    for path, body in (("/integrations/mock/models", {"allow_all_models": False}),
                       ("/integrations/mock/integration-models", {"allow_all_models": False}),
                       ("/integrations/mock/workspaces", {"workspaces": [{"id": space, "enabled": False}]}),
                       ("/admin/organisation/defaults", {"input_guardrails": []}),
                       ("/workspace-exclusions/input-guardrails", {"workspaces": []})):
        before = gateway.rows("SELECT count(*) FROM aigate.audit_log")
        answer = call(gateway, "PUT", path, body, if_match='"1"')
        assert answer.status in (400, 412), (path, answer)
        if answer.status == 412:
            refused(answer, 412, "AB01", "If-Match: not offered")
        assert gateway.rows("SELECT count(*) FROM aigate.audit_log") == before
    assert gateway.chat(gateway.key()).status == 200
