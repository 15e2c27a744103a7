"""Every endpoint x every scope x every kind of key: what is said here is allowed, and nothing else.

ENDPOINTS is the one table.  What the gateway serves and the table does not know fails the first test, so
no endpoint comes without its scopes being said here.  A call that may be made is recognised by any answer but
401: the bodies are such that nothing is changed."""

import itertools
import os
import re

import pytest

from gateway import TOP, Gateway
from people import user

KINDS = {"A": "organisation-service", "S": "workspace-service", "U": "workspace-user"}
ORG, SERVICE, USER = ("organisation_service_api_keys", "workspace_service_api_keys",
                      "workspace_user_api_keys")


def crud(base, group, one="{id}"):
    """The five endpoints of a noun whose scopes are called after it."""
    return [("POST", base, f"{group}.create"), ("GET", base, f"{group}.list"),
            ("GET", f"{base}/{one}", f"{group}.read"), ("PUT", f"{base}/{one}", f"{group}.update"),
            ("DELETE", f"{base}/{one}", f"{group}.delete")]


def key_verbs(target, group):
    """What is done to a key, by its kind."""
    return [("GET", f"/api-keys/{target}", f"{group}.read"),
            ("GET", f"/api-keys/{target}/limits", f"{group}.read"),
            ("PUT", f"/api-keys/{target}", f"{group}.update"),
            ("DELETE", f"/api-keys/{target}", f"{group}.delete"),
            ("POST", f"/api-keys/{target}/rotate", f"{group}.rotate"),
            ("DELETE", f"/api-keys/{target}/former-secret", f"{group}.rotate"),
            ("POST", f"/api-keys/{target}/new-secret", f"{group}.rotate")]


def integration_verbs(target, group):
    models = [(method, f"/integrations/{target}/{name}", f"{group}.{verb}")
              for name in ("models", "integration-models")
              for method, verb in (("GET", "read"), ("PUT", "update"), ("DELETE", "update"))]
    return models + [("GET", f"/integrations/{target}", f"{group}.read"),
                     ("PUT", f"/integrations/{target}", f"{group}.update"),
                     ("GET", f"/integrations/{target}/workspaces", f"{group}.read"),
                     ("PUT", f"/integrations/{target}/workspaces", f"{group}.update"),
                     ("DELETE", f"/integrations/{target}", f"{group}.delete")]


# (method, path, scopes any of which is enough).  {x}: see `things`.
ENDPOINTS = [
    *crud("/admin/workspaces", "workspaces", "{workspace}"),
    *crud("/admin/workspaces/{workspace}/users", "workspace_users"),
    *crud("/admin/users/invites", "organisation_users")[:3],
    ("DELETE", "/admin/users/invites/{id}", "organisation_users.delete"),
    ("POST", "/admin/users/invites/{id}/resend", "organisation_users.create"),
    *crud("/admin/users", "organisation_users")[1:],
    ("GET", "/admin/organisation/settings", "organisation_settings.read"),
    ("PUT", "/admin/organisation/settings", "organisation_settings.update"),
    ("GET", "/admin/organisation/properties", "organisation_settings.read"),
    ("PUT", "/admin/organisation/properties", "organisation_settings.update"),
    ("GET", "/admin/organisation/defaults", "organisation_settings.read"),
    ("PUT", "/admin/organisation/defaults", "organisation_settings.update"),
    *[(method, f"/workspace-exclusions/{way}-guardrails", f"organisation_exclusions.{verb}")
      for way in ("input", "output") for method, verb in (("GET", "list"), ("PUT", "update"))],
    ("POST", "/api-keys/organisation/service", f"{ORG}.create"),
    ("POST", "/api-keys/workspace/service", f"{SERVICE}.create"),
    ("POST", "/api-keys/workspace/user", f"{USER}.create"),
    ("GET", "/api-keys", f"{ORG}.list", f"{SERVICE}.list", f"{USER}.list"),
    *key_verbs("{org_key}", ORG), *key_verbs("{service_key}", SERVICE), *key_verbs("{user_key}", USER),
    *crud("/secret-references", "secret_references"),
    ("GET", "/usage", "completions.write", "logs.view"),
    ("POST", "/logs", "completions.write", "logs.write"),
    ("GET", "/logs/{id}", "completions.write", "logs.write", "logs.view"),
    ("GET", "/integrations", "organisation_integrations.list", "workspace_integrations.list"),
    *integration_verbs("{org_integration}", "organisation_integrations"),
    *integration_verbs("{own_integration}", "workspace_integrations"),
    *crud("/providers", "providers"),
    *crud("/virtual-keys", "virtual_keys"),
    *crud("/configs", "configs"),
    ("GET", "/configs/{id}/versions", "configs.read"),
    *crud("/policies/usage-limits", "policies"),
    *crud("/policies/rate-limits", "policies"),
    ("GET", "/policies/usage-limits/{id}/entities", "policies.read"),
    ("PUT", "/policies/usage-limits/{id}/entities/{id}/reset", "policies.update"),
]
# Served, and not to be had by a scope: an invite's token and a file's signature are the right, operators have
# a socket of their own.
# The description of the API is for all.
WITHOUT_SCOPE = [("POST", "/v1/invites/accept"), ("GET", "/v1/logs/exports/{}/file"), ("*", "/v1/operator/"),
                 ("GET", "/v1/openapi.json")]
# Creating an integration: whose it is decides, and that stands in the body; see the test of its own.
# The same of a guardrail, by its row; tests of guardrails look at that.
BY_BODY = [("POST", "/v1/integrations"), *[(m, "/v1/guardrails") for m in ("GET", "POST", "PUT", "DELETE")]]


def routes():
    """(method, path, scope or None) of what the gateway serves."""
    with open(os.path.join(TOP, "src/control/routes.c"), encoding="utf-8") as f:
        text = f.read()
    table, later = text.split("} later[] = {")
    served = re.findall(r'\{ "([A-Z]+)", "(/v1/[^"]*)", \w+,\s*(?:AG_SCOPE_)?(\w+),', table)
    gone = [re.compile(p.replace("{}", "[^/]+").replace("/*", "(/.*)?") + "$")
            for p in re.findall(r'\{ NULL, "(/v1/[^"]*)"', later)]
    assert len(served) > 40
    return [(m, p, s) for m, p, s in served if not any(g.match(p) for g in gone)]


def known_scopes():
    """name -> the kinds that may hold it."""
    with open(os.path.join(TOP, "include/aigated/tbl/scopes.h"), encoding="utf-8") as f:
        return dict(re.findall(r'^X\(\w+, "([^"]+)", AG_SCOPE_OF_(\w+)\)', f.read(), re.M))


def plain(path):
    return re.sub(r"\{[^}]*\}", "{}", "/v1" + path)


def served(method, path):
    """Whether the gateway has it: the table also knows what is documented and still to come."""
    pattern = re.sub(r"\{[^}]*\}", "x", "/v1" + path)
    return any(m == method and re.fullmatch(p.replace("{}", "[^/]+"), pattern) for m, p, _ in routes())


def test_the_table_knows_every_endpoint():
    known = {(row[0], plain(row[1])) for row in ENDPOINTS}
    unknown = []
    for method, path, scope in routes():
        if any(path.startswith(p) and m in ("*", method) for m, p in WITHOUT_SCOPE + BY_BODY):
            continue
        pattern = re.compile(path.replace("{}", "[^/]+") + "$")
        if scope == "NONE" and not any(m == method and pattern.match(p) for m, p in known):
            unknown.append(f"{method} {path}")
    assert not unknown, f"say in ENDPOINTS which scope they need: {unknown}"
    named = {s for row in ENDPOINTS for s in row[2:]}
    assert named <= set(known_scopes())


def table():
    """ENDPOINTS that are served, and those whose scope stands in the gateway's own table alone."""
    rows = [(r[0], r[1], set(r[2:])) for r in ENDPOINTS if served(r[0], r[1])]
    have = {(r[0], plain(r[1])) for r in rows}
    names = {n.upper().replace(".", "_"): n for n in known_scopes()}
    for method, path, scope in routes():
        if scope != "NONE" and not any(
                m == method and re.fullmatch(path.replace("{}", "[^/]+"), p.replace("{}", "x"))
                for m, p in have):
            rows.append((method, path[3:].replace("{}", "{id}"), {names[scope]}))
    return rows


@pytest.fixture(scope="module")
def plane(pg_cluster):
    """A gateway with one of each thing, and a key for each kind and scope."""
    gateway = Gateway(pg_cluster, conf={"admin_rate": "0", "max_keys": "2048"})
    made = gateway.admin("POST", "/admin/workspaces", {"name": "w", "slug": "ws-matrix"})
    person = user(gateway, "admin@example.com", role="admin")["id"]

    def key(kind, scopes):
        path = {"A": "organisation/service", "S": "workspace/service", "U": "workspace/user"}[kind]
        return gateway.admin("POST", f"/api-keys/{path}", {
            "name": "k", "workspace_id": made["slug"], "user_id": person, "scopes": scopes})
    gateway.things = {"workspace": made["slug"], "id": "00000000-0000-4000-8000-000000000000"}
    gateway.new_key = key
    gateway.keys = {(kind, scope): key(kind, [scope])["key"]
                    for scope, kinds in known_scopes().items() for kind in kinds}
    for kind in "ASU":
        gateway.keys[kind, None] = key(kind, [])["key"]
    yield gateway
    gateway.close()


OWNERS = {"org_key": "A", "service_key": "S", "user_key": "U"}
_numbers = itertools.count(1)


def make_target(plane, path):
    """A thing of its own for a call that names one: a call that is allowed may be its end."""
    name = (re.search(r"\{(\w+_(?:key|integration))\}", path) or [None, None])[1]
    if name in OWNERS:
        return {name: plane.new_key(OWNERS[name], [])["id"]}
    if not name:
        return {}
    slug = f"i{next(_numbers)}"
    plane.admin("POST", "/integrations", {
        "name": slug, "slug": slug, "ai_provider_id": "openai", "key": "sk-x",
        **({"workspace_id": "ws-matrix"} if name == "own_integration" else {})})
    return {name: slug}


def ask(connection, method, path, key):
    connection.request(method, "/v1" + path, {"x-portkey-api-key": key},
                       None if method == "GET" else {"role": "nonsense", "name": 5})
    return connection.read_answer(method)


@pytest.mark.parametrize("kind", sorted(KINDS), ids=lambda k: KINDS[k])
def test_a_scope_opens_its_endpoints_and_no_other(plane, kind):
    scopes = [s for s, kinds in known_scopes().items() if kind in kinds] + [None]
    connection, wrong, calls = plane.connect(), [], 0
    for method, path, enough in table():
        things = {**plane.things, **make_target(plane, path)}
        # Those that are enough last: what they are allowed may change what the others meet.
        for scope in sorted(scopes, key=lambda s: s in enough):
            answer = ask(connection, method, path.format(**things), plane.keys[kind, scope])
            calls += 1
            is_refused = answer.status == 401
            # An organisation's key is of no workspace: hidden from one, whatever the scope.
            is_foreign = kind != "A" and "{org_key}" in path and answer.status in (401, 403)
            if is_foreign or is_refused == (scope not in enough):
                if is_refused and not is_foreign:
                    assert answer.json["data"]["errorCode"] == "AB05"
                    assert "scope" in answer.json["data"]["message"]
                continue
            wrong.append(f"{method} {path} with {scope}: {answer.status} {answer.message}")
    assert not wrong, f"{len(wrong)} of {calls} calls:\n" + "\n".join(wrong[:40])


def test_whose_an_integration_is_decides_which_scope_makes_it(plane):
    body = {"name": "i", "ai_provider_id": "openai", "key": "sk-x", "workspace_id": "ws-matrix"}
    for owner, scope in (("ws-matrix", "workspace_integrations.create"),
                         (None, "organisation_integrations.create")):
        for other, key in ((s, k) for (kind, s), k in plane.keys.items() if kind == "A"):
            answer = plane.admin_ask("POST", "/integrations", {**body, "workspace_id": owner}, key=key)
            assert (answer.status != 401) == (other == scope), (owner, other, answer)
    mine = plane.keys["S", "workspace_integrations.create"]
    assert plane.admin_ask("POST", "/integrations", {**body, "name": "j"}, key=mine).status == 200
    none = plane.keys["S", None]
    assert plane.admin_ask("POST", "/integrations", {**body, "name": "k"}, key=none).status == 401
