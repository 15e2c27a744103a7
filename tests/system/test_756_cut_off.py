"""Control dies between its COMMIT and the publication, with every kind of change: the next one repairs it.

PostgreSQL is told to wait for a standby that does not exist, so that a COMMIT is durable and stands still: the
very place at which control is killed.  Then the wait is lifted.  What was committed so late must be in force
when the admin API is back, though the successor began before."""

import pytest

import gateway as gw
from people import user

MINI = "@mock/gpt-4o-mini"


@pytest.fixture
def plane(gateway_factory, mock):
    one = gateway_factory(mock=mock)
    one.expect_error("control died of signal 9")
    yield one
    hold_commits(one, False)


def hold_commits(plane, is_held):
    plane.pg.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'" if is_held
                 else "ALTER SYSTEM RESET synchronous_standby_names")
    plane.pg.run("SELECT pg_reload_conf()")
    if is_held:
        gw.wait(lambda: is_held_up(plane), "commits to be held")


def is_held_up(plane):
    """Whether a commit of ours stands still; it goes on with the others."""
    probe = gw.wire.Pending(lambda: plane.pg.run("SELECT pg_logical_emit_message(true, 'probe', '')",
                                                 database=plane.database))
    gw.wait(lambda: probe.is_finished or backends(plane, "SyncRep", "psql"), "the probe")
    return not probe.is_finished


def backends(plane, event, name=""):
    """How many wait for it: of control and flusher, which have no name, or of psql."""
    return plane.pg.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = %s"
                        " AND (application_name = 'psql') = (%s = 'psql')", plane.database, event, name)


def cut_off(plane, method, path, body=None):
    """A change that commits and is not published."""
    plane.wait_flushed()  # nothing but control has a reason to commit
    hold_commits(plane, True)
    asked = gw.wire.Pending(lambda: plane.admin_ask(method, path, body))
    gw.wait(lambda: backends(plane, "SyncRep") > 0, f"{method} {path} to commit")
    loads = plane.log.count(" keys, removed ")
    old = plane.kill9("control")
    plane.wait_new("control", 0, old)
    # The successor has begun: it waits for what may still commit, or it has missed it.
    gw.wait(lambda: backends(plane, "advisory") > 0 or plane.log.count(" keys, removed ") > loads,
            "the next one to look")
    hold_commits(plane, False)
    assert asked.answer().status >= 500, "nobody was told that it was done"
    gw.wait(lambda: plane.admin_ask("GET", "/admin/workspaces").status == 200, "the admin API to be back", 60)


def status(plane, key, model=MINI):
    return plane.chat(key, model=model).status


def of_a_key(plane, mock):
    """Each is (what, call, what holds before, what holds behind)."""
    doomed, limited, scoped, exhausted = plane.key(), plane.key(), plane.key(), plane.key(
        usage_limits={"type": "requests", "credit_limit": 1})
    assert status(plane, exhausted) == 200
    yield ("delete a key", "DELETE", f"/api-keys/{doomed.id}", None, lambda: status(plane, doomed), 200, 401)
    yield ("limit a key", "PUT", f"/api-keys/{limited.id}",
           {"rate_limits": [{"type": "requests", "unit": "rpd", "value": 0}]}, lambda: status(plane, limited), 200, 429)
    yield ("take its scope", "PUT", f"/api-keys/{scoped.id}", {"scopes": ["logs.view"]},
           lambda: status(plane, scoped), 200, 403)
    yield ("reset a key", "PUT", f"/api-keys/{exhausted.id}", {"reset_usage": True},
           lambda: status(plane, exhausted), 412, 200)
    old = plane.key()
    new = plane.admin("POST", f"/api-keys/{old.id}/rotate")["key"]
    yield ("forget a secret", "DELETE", f"/api-keys/{old.id}/former-secret", None,
           lambda: (status(plane, old), status(plane, new)), (200, 200), (401, 200))


def of_a_person(plane, mock):
    workspace = plane.default_workspace()["slug"]
    person = user(plane, "ada@example.com", workspaces=[{"id": workspace, "role": "admin"}], workspace_api_key_details={
        "scopes": ["completions.write", "policies.create"]})
    key = person["api_keys"][0]["key"]
    make = lambda: plane.admin_ask("POST", "/policies/rate-limits", {
        "type": "requests", "unit": "rpm", "value": 1000, "conditions": [{"key": "api_key", "value": "*"}],
        "group_by": [{"key": "api_key"}]}, key=key).status
    yield ("lower a role", "PUT", f"/admin/workspaces/{workspace}/users/{person['id']}", {"role": "member"},
           make, 200, 401)
    yield ("remove a person", "DELETE", f"/admin/users/{person['id']}", None, lambda: status(plane, key), 200, 401)


def of_an_integration(plane, mock):
    key = plane.key()
    space = plane.default_workspace()["slug"]
    yield ("forbid a model", "PUT", "/integrations/mock/models", {"models": [{"slug": "gpt-4o", "enabled": False}]},
           lambda: (status(plane, key), status(plane, key, "@mock/gpt-4o")), (200, 200), (200, 412))

    def credential():
        assert status(plane, key) == 200
        return "sk-another-one" in mock.last()["head"]
    yield ("change a credential", "PUT", "/integrations/mock", {"key": "sk-another-one"}, credential, False, True)
    plane.integration(slug="second")
    yield ("grant", "PUT", "/integrations/second/workspaces", {"workspaces": [{"id": space, "enabled": True}]},
           lambda: status(plane, key, "@second/gpt-4o"), 400, 200)
    yield ("limit a grant", "PUT", "/integrations/second/workspaces", {"workspaces": [{
        "id": space, "enabled": True, "rate_limits": [{"type": "requests", "unit": "rpm", "value": 0}]}]},
        lambda: status(plane, key, "@second/gpt-4o"), 200, 429)
    yield ("delete an integration", "DELETE", "/integrations/second", None,
           lambda: status(plane, key, "@second/gpt-4o"), 429, 400)


def of_what_leads_to_it(plane, mock):
    key = plane.key()
    space = plane.default_workspace()["slug"]
    plane.grant(plane.integration(slug="second"), space, rate_limits=[{"type": "requests", "unit": "rpm", "value": 0}])
    config = plane.admin("POST", "/configs", {"name": "c", "workspace_id": space, "config": {"provider": "@mock"}})
    bound = plane.key(defaults={"config_id": config["slug"]})
    yield ("change a config", "PUT", f"/configs/{config['slug']}", {"config": {"provider": "@second"}},
           lambda: status(plane, bound, "gpt-4o-mini"), 200, 429)
    third = plane.admin("POST", "/virtual-keys", {"name": "v", "slug": "third", "provider": "openai", "key": "k",
                                                  "custom_host": gw.mock_url(mock), "workspace_id": space})
    yield ("delete a virtual key", "DELETE", f"/virtual-keys/{third['slug']}?workspace_id={space}", None,
           lambda: status(plane, key, "@third/gpt-4o"), 200, 400)


def of_rules(plane, mock):
    key = plane.key()
    space = plane.default_workspace()["slug"]
    yield ("make a policy", "POST", "/policies/rate-limits", {
        "name": "p", "workspace_id": space, "type": "requests", "unit": "rpd", "value": 0,
        "group_by": [{"key": "api_key"}], "conditions": [{"key": "virtual_key", "value": "mock"}]},
        lambda: status(plane, key), 200, 429)
    policy = plane.admin("GET", f"/policies/rate-limits?workspace_id={space}")["data"][0]["id"]
    yield ("delete a policy", "DELETE", f"/policies/rate-limits/{policy}", None, lambda: status(plane, key), 429, 200)
    org = plane.key_object(key)["organisation_id"]
    guard = plane.admin("POST", "/guardrails", {
        "name": "g", "organisation_id": org, "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["nothing"]}}],
        "actions": {"deny": True}})["slug"]
    yield ("guard all", "PUT", "/admin/organisation/defaults", {"input_guardrails": [guard]},
           lambda: status(plane, key), 200, 446)
    yield ("guard none", "PUT", "/admin/organisation/defaults", {"input_guardrails": []},
           lambda: status(plane, key), 446, 200)


def of_workspace_and_organisation(plane, mock):
    space = plane.workspace()
    key = plane.key(workspace=space)
    shut = [{"type": "requests", "unit": "rpm", "value": 0}]
    yield ("limit a workspace", "PUT", f"/admin/workspaces/{space['slug']}", {"rate_limits": shut},
           lambda: status(plane, key), 200, 429)
    yield ("free a workspace", "PUT", f"/admin/workspaces/{space['slug']}", {"rate_limits": None},
           lambda: status(plane, key), 429, 200)
    yield ("limit all", "PUT", "/admin/organisation/settings", {"rate_limits": shut},
           lambda: status(plane, key), 200, 429)
    yield ("free all", "PUT", "/admin/organisation/settings", {"rate_limits": None},
           lambda: status(plane, key), 429, 200)
    yield ("delete a workspace", "DELETE", f"/admin/workspaces/{space['slug']}",
           {"name": space["name"], "force_delete": True}, lambda: status(plane, key), 200, 401)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [of_a_key, of_a_person, of_an_integration, of_what_leads_to_it, of_rules,
                                  of_workspace_and_organisation], ids=lambda k: k.__name__)
def test_what_was_committed_and_not_published_is_in_force_later(plane, mock, kind):
    for what, method, path, body, look, before, behind in kind(plane, mock):
        assert look() == before, what
        cut_off(plane, method, path, body)
        assert look() == behind, what


def test_a_key_that_nobody_was_told_is_there_and_counts(plane):
    """A create that was cut off: the row stands, its secret is lost, and it can be deleted."""
    space = plane.default_workspace()["slug"]
    cut_off(plane, "POST", "/api-keys/workspace/service", {
        "name": "lost", "scopes": ["completions.write"], "workspace_id": space, "usage_limits": {"credit_limit": 5}})
    lost = [k for k in plane.admin("GET", f"/api-keys?workspace_id={space}")["data"] if k["name"] == "lost"]
    assert len(lost) == 1
    assert plane.admin("DELETE", f"/api-keys/{lost[0]['id']}") == {}


def test_a_commit_that_is_given_up_may_still_come(gateway_factory, mock):
    """No death: PostgreSQL is too slow, and what it commits after all is in force."""
    plane = gateway_factory(mock=mock, conf={"admin_timeout": "1s"})
    key = plane.key()
    assert status(plane, key) == 200
    plane.wait_flushed()
    hold_commits(plane, True)
    try:
        answer = plane.admin_ask("DELETE", f"/api-keys/{key.id}")
        assert answer.status == 503 and "unknown" in answer.message, answer
        gw.wait(lambda: backends(plane, "advisory") > 0, "the load to wait for it")
        assert status(plane, key) == 200, "not yet committed"
    finally:
        hold_commits(plane, False)
    gw.wait(lambda: plane.admin_ask("GET", "/admin/workspaces").status == 200, "the admin API to be back", 60)
    assert status(plane, key) == 401
