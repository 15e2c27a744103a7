"""Switches of a workspace: what they close, to whom, and to nobody else.

ROWS is the gateway's own table of switches; CALLS says what each subject is about.  A call that is open is
recognised by any answer that names no switch: the bodies are such that nothing is changed."""

import datetime
import itertools
import os
import re

import pytest

from gateway import TOP, wait
from people import refused, user
from plane import _provider, plane, provider  # noqa: F401

CONF = {"admin_rate": "0"}
_DAY = datetime.timedelta(days=1)
_NOW = datetime.datetime.now(datetime.timezone.utc)
SINCE = (f"time_of_generation_min={_NOW - 30 * _DAY:%Y-%m-%d}T00:00:00Z"
         f"&time_of_generation_max={_NOW + 2 * _DAY:%Y-%m-%d}T00:00:00Z")
TEAM = {"x-portkey-metadata": '{"team": "a"}'}
NIL = "00000000-0000-4000-8000-000000000000"


def rows():
    """(who, subject, name, whether it is on at first)."""
    with open(os.path.join(TOP, "include/aigated/tbl/security_settings.h"), encoding="utf-8") as f:
        found = re.findall(r'^X\((\w+), (\w+), "(\w+)", (true|false)\)', f.read(), re.M)
    return [(who, subject, name, on == "true") for who, subject, name, on in found]


ROWS = rows()
AT_FIRST = {name: on for _, _, name, on in ROWS}
ALL_ON = dict.fromkeys(AT_FIRST, True)
CALLS = {
    "VIEW_LOGS": [("GET", "/logs/" + NIL), ("GET", "/logs/exports"), ("POST", "/logs/exports"),
                  ("GET", "/logs/exports/field-restrictions"), ("GET", f"/logs/exports/{NIL}"),
                  ("PUT", f"/logs/exports/{NIL}"), ("POST", f"/logs/exports/{NIL}/start"),
                  ("POST", f"/logs/exports/{NIL}/cancel"), ("GET", f"/logs/exports/{NIL}/download")],
    "VIEW_ANALYTICS": [("GET", f"/analytics/graphs/requests?{SINCE}"), ("GET", f"/analytics/summary/cache?{SINCE}"),
                       ("GET", f"/analytics/groups/users?{SINCE}"), ("GET", f"/analytics/groups/metadata/k?{SINCE}")],
    "VIEW_CONFIGS": [("GET", "/configs"), ("GET", "/configs/x"), ("GET", "/configs/x/versions")],
    "WRITE_CONFIGS": [("POST", "/configs"), ("PUT", "/configs/x"), ("DELETE", "/configs/x")],
    "VIEW_GUARDRAILS": [("GET", "/guardrails"), ("GET", "/guardrails/{guardrail}")],
    "WRITE_GUARDRAILS": [("POST", "/guardrails"), ("PUT", "/guardrails/{guardrail}")],
    "VIEW_VIRTUAL_KEYS": [("GET", "/virtual-keys"), ("GET", "/virtual-keys/x"), ("GET", "/providers"),
                          ("GET", "/providers/x")],
    "WRITE_VIRTUAL_KEYS": [(method, path) for base in ("/virtual-keys", "/providers") for method, path in
                           (("POST", base), ("PUT", base + "/x"), ("DELETE", base + "/x"))],
    "UPDATE_WS": [("PUT", "/admin/workspaces/{workspace}")],
    "WRITE_WS_USERS": [("POST", "/admin/workspaces/{workspace}/users"),
                       ("PUT", "/admin/workspaces/{workspace}/users/" + NIL),
                       ("DELETE", "/admin/workspaces/{workspace}/users/" + NIL)],
    "WRITE_WS_INTEGRATIONS": [("POST", "/integrations"), ("PUT", "/integrations/{integration}"),
                              ("PUT", "/integrations/{integration}/models")],
    # Never closed: what is used, and what no switch is about.
    None: [("GET", "/usage"), ("GET", "/admin/workspaces/{workspace}"), ("GET", "/admin/workspaces"),
           ("GET", "/admin/workspaces/{workspace}/users"), ("GET", "/policies/usage-limits"), ("GET", "/integrations"),
           ("POST", "/logs"), ("POST", "/feedback")],
}
# What no key of a person can have a scope for, and what is not served at all: there is nothing to close.
UNREACHED = {"VIEW_API_KEYS", "WRITE_API_KEYS", "VIEW_PROMPTS", "WRITE_PROMPTS", "WRITE_MCP_SERVERS",
             "WRITE_WS_MCP_INTEGRATIONS"}
# Not whether, but how much: tests of their own.
SHADES = {"VIEW_ALL_DATA", "VIEW_LOG_METADATA"}


def test_the_tables_know_each_other():
    assert len(ROWS) == len(AT_FIRST) == 35
    assert [name for name, on in AT_FIRST.items() if not on] == ["membersWriteConfigs", "membersWriteGuardrails"]
    assert {subject for _, subject, _, _ in ROWS} == (set(CALLS) - {None}) | UNREACHED | SHADES


def user_key(gateway, workspace, person, scopes):
    return gateway.admin("POST", "/api-keys/workspace/user", {
        "name": "k", "workspace_id": workspace["slug"], "user_id": person, "scopes": scopes})


class Shop:
    """A workspace with one of everybody, each with a key that has all it can."""

    def __init__(self, gateway, name):
        self.gateway = gateway
        self.workspace = gateway.workspace(name, security_settings=ALL_ON)
        self.path = f"/admin/workspaces/{self.workspace['slug']}"
        self.people, self.keys, self.ids = {}, {}, {}
        for who, org_role, role in (("MEMBER", "member", "member"), ("MANAGER", "member", "manager"),
                                    ("ADMIN", "member", "admin"), ("ORG_ADMIN", "admin", None),
                                    ("OWNER", "admin", None)):
            inside = [{"id": self.workspace["slug"], "role": role}] if role else []
            self.join(who, user(gateway, f"{who}@{name}.example".lower(), org_role, workspaces=inside)["id"], role)
        gateway.sql("update aigate.app_user set role = 'owner' where uuid = %s", self.people["OWNER"])
        self.keys["SERVICE"] = gateway.key(workspace=self.workspace, scopes=self.scopes)
        self.things = {
            "workspace": self.workspace["slug"],
            "guardrail": gateway.admin("POST", "/guardrails", {
                "name": "g", "workspace_id": self.workspace["slug"], "actions": {},
                "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["*"]}}]})["slug"],
            "integration": gateway.admin("POST", "/integrations", {
                "name": "own", "slug": f"own-{name}", "ai_provider_id": "openai", "key": "sk-x",
                "workspace_id": self.workspace["slug"]})["slug"]}

    def join(self, who, person, role):
        self.people[who] = person
        if role:
            self.scopes = self.gateway.admin("GET", f"{self.path}/users/{person}")["scopes"]
        made = user_key(self.gateway, self.workspace, person, self.scopes)
        self.keys[who], self.ids[who] = made["key"], made["id"]

    def set(self, **switches):
        """All are on but these."""
        self.gateway.admin("PUT", self.path, {"security_settings": {**ALL_ON, **switches}})

    def ask(self, who, method, path):
        body = None if method == "GET" else {"name": 5, "role": "nonsense", "workspace_id": self.workspace["slug"]}
        if (method, path) == ("POST", "/integrations"):
            # Its body is looked at before whose it is to be: all but the slug, which is taken.
            body = {**body, "name": "own", "slug": self.things["integration"], "ai_provider_id": "openai", "key": "sk"}
        return self.gateway.admin_ask(method, path.format(**self.things), body, key=self.keys[who])


@pytest.fixture(scope="module")
def shop(plane):  # noqa: F811
    return Shop(plane, "shop")


@pytest.mark.parametrize("bound, subject, name", [row[:3] for row in ROWS if row[1] not in SHADES])
def test_a_switch_closes_what_it_is_about_to_those_it_binds(shop, bound, subject, name):
    shop.set(**{name: False})
    for about, calls in CALLS.items():
        for who in shop.keys if about == subject else (bound, "ADMIN"):
            for method, path in calls:
                answer = shop.ask(who, method, path)
                if who == bound and about == subject:
                    refused(answer, 403, "AB03", f"security_settings.{name} is false")
                elif who == "MEMBER" and answer.status == 401:
                    # What the role never may, whatever the switches.
                    assert about in ("UPDATE_WS", "WRITE_WS_USERS", "WRITE_WS_INTEGRATIONS"), (method, path, answer)
                else:
                    assert answer.status != 401 and "security_settings." not in answer.body.decode(), (who, path, answer)


def test_all_of_them_off_leave_admins_owners_and_service_keys_alone(shop):
    shop.gateway.admin("PUT", shop.path, {"security_settings": dict.fromkeys(AT_FIRST, False)})
    for who, (method, path) in itertools.product(("ADMIN", "OWNER", "SERVICE"), itertools.chain(*CALLS.values())):
        answer = shop.ask(who, method, path)
        assert answer.status != 401 and "security_settings." not in answer.body.decode(), (who, path, answer)
    # And everybody may do what the data plane is for.
    for who in shop.keys:
        assert shop.gateway.chat(shop.keys[who], headers=TEAM).status == 200
    shop.set()


# -- written and read ----------------------------------------------------------------------------

def test_a_new_workspace_has_them_as_they_are_at_first(plane):  # noqa: F811
    made = plane.admin("POST", "/admin/workspaces", {"name": "New"})
    path = f"/admin/workspaces/{made['slug']}"
    listed = plane.admin("GET", "/admin/workspaces?exact_name=New")["data"][0]
    for one in (made, listed, plane.admin("GET", path)):
        assert one["security_settings"] == AT_FIRST
    # Some of them: the others stay.
    changed = {**AT_FIRST, "membersViewLogs": False, "membersWriteConfigs": True}
    answer = plane.admin("PUT", path, {"security_settings": {"membersViewLogs": False, "membersWriteConfigs": True}})
    assert answer["security_settings"] == changed
    plane.admin("PUT", path, {"description": "d"})
    plane.admin("PUT", path, {"security_settings": {}})
    assert plane.admin("GET", path)["security_settings"] == changed
    # All of them, as Terraform sends them; none any more.
    plane.admin("PUT", path, {"security_settings": ALL_ON})
    assert plane.admin("GET", path)["security_settings"] == ALL_ON
    plane.admin("PUT", path, {"security_settings": None})
    assert plane.admin("GET", path)["security_settings"] == AT_FIRST


@pytest.mark.parametrize("value, word", [
    ({"membersViewLogs": False, "membersViewNothing": True}, "security_settings.membersViewNothing"),
    ({"membersViewLogs": False, "managersViewLogs": 1}, "security_settings.managersViewLogs"),
    ({"membersViewLogs": False, "managersViewLogs": None}, "security_settings.managersViewLogs"),
    ({"membersViewLogs": False, "managersViewLogs": "false"}, "security_settings.managersViewLogs"),
    ([], "security_settings"), ("x", "security_settings"), (True, "security_settings"),
])
def test_what_is_no_switch_changes_nothing(shop, value, word):
    shop.set()
    refused(shop.gateway.admin_ask("PUT", shop.path, {"name": "other", "security_settings": value}), 400, "AB01", word)
    one = shop.gateway.admin("GET", shop.path)
    assert one["security_settings"] == ALL_ON and one["name"] == "shop"


def test_managers_do_not_widen_their_own_rights(shop):
    shop.set(managersViewLogs=False)
    for who in ("MANAGER",):
        refused(shop.gateway.admin_ask("PUT", shop.path, {"security_settings": {"managersViewLogs": True}},
                                       key=shop.keys[who]), 403, "AB03", "security_settings", "admins")
    assert shop.gateway.admin("GET", shop.path)["security_settings"]["managersViewLogs"] is False
    # What else they may change of the workspace they change.
    shop.gateway.admin("PUT", shop.path, {"description": "by a manager"}, key=shop.keys["MANAGER"])
    # Nor are they brought in by the other door.
    shop.set(managersWriteWsUsers=False)
    refused(shop.gateway.admin_ask("PUT", shop.path, {"users": [{"id": shop.people["ORG_ADMIN"], "role": "member"}]},
                                   key=shop.keys["MANAGER"]), 403, "AB03", "managersWriteWsUsers")
    for who in ("ADMIN", "ORG_ADMIN", "OWNER", "SERVICE"):
        shop.gateway.admin("PUT", shop.path, {"security_settings": ALL_ON}, key=shop.keys[who])
        shop.set(managersViewLogs=False)
    shop.set()


def test_the_audit_log_has_what_was_changed(shop):
    shop.set()
    shop.set(membersViewLogs=False)
    before, after = shop.gateway.rows(
        "select before -> 'security_settings' ->> 'membersViewLogs', after -> 'security_settings' ->> 'membersViewLogs'"
        " from aigate.audit_log where object_kind = 'workspace' order by id desc limit 1")[0]
    assert (before, after) == ("true", "false")
    shop.set()


# -- roles ---------------------------------------------------------------------------------------

def test_a_scope_that_is_closed_is_not_given_and_comes_back(shop):
    shop.set(membersViewLogs=False)
    member, gateway = shop.people["MEMBER"], shop.gateway
    body = {"name": "k", "workspace_id": shop.workspace["slug"], "user_id": member, "scopes": ["logs.view"]}
    refused(gateway.admin_ask("POST", "/api-keys/workspace/user", body), 400, "AB01", "scopes[0]", "logs.view",
            "membersViewLogs")
    assert "logs.view" not in gateway.admin("GET", f"{shop.path}/users/{member}")["scopes"]
    refused(gateway.admin_ask("POST", "/admin/users/invites", {
        "email": "x@y.example", "role": "member", "workspaces": [{"id": shop.workspace["slug"], "role": "member"}],
        "workspace_api_key_details": {"scopes": ["logs.view"]}}), 400, "AB01", "membersViewLogs")
    # A key that has it keeps it, and may be changed with it.
    key = f"/api-keys/{shop.ids['MEMBER']}"
    gateway.admin("PUT", key, {"scopes": gateway.admin("GET", key)["scopes"], "description": "d"})
    refused(shop.ask("MEMBER", "GET", "/logs/exports"), 403, "AB03", "membersViewLogs")
    shop.set()
    assert shop.ask("MEMBER", "GET", "/logs/exports").status == 200
    assert "logs.view" in gateway.admin("GET", f"{shop.path}/users/{member}")["scopes"]


def test_one_person_is_something_else_in_each_workspace(plane, shop):  # noqa: F811
    """The same person, a key in each: each workspace closes what it closes to the role the person has there."""
    other = plane.workspace("other", security_settings={"membersViewAnalytics": False})
    person = shop.people["MANAGER"]
    plane.admin("POST", f"/admin/workspaces/{other['slug']}/users", {"users": [{"id": person, "role": "member"}]})
    there = user_key(plane, other, person, ["logs.export", "configs.list"])["key"]
    shop.set(managersViewConfigs=False, membersViewLogs=False)
    assert plane.admin_ask("GET", "/logs/exports", key=there).status == 200
    assert plane.admin_ask("GET", "/configs", key=there).status == 200
    refused(shop.ask("MANAGER", "GET", "/configs"), 403, "AB03", "managersViewConfigs")
    assert shop.ask("MANAGER", "GET", f"/analytics/graphs/requests?{SINCE}").status == 200
    # Risen and fallen: the switches of the role that is now.
    url = f"{shop.path}/users/{person}"
    plane.admin("PUT", url, {"role": "member"})
    assert shop.ask("MANAGER", "GET", "/configs").status == 200
    refused(shop.ask("MANAGER", "GET", "/logs/exports"), 403, "AB03", "membersViewLogs")
    plane.admin("PUT", url, {"role": "admin"})
    assert shop.ask("MANAGER", "GET", "/logs/exports").status == shop.ask("MANAGER", "GET", "/configs").status == 200
    plane.admin("PUT", url, {"role": "manager"})
    shop.set()


def test_an_admin_of_the_organisation_who_is_the_workspaces_too(plane, shop):  # noqa: F811
    shop.set(organisationAdminsViewLogs=False)
    refused(shop.ask("ORG_ADMIN", "GET", "/logs/exports"), 403, "AB03", "organisationAdminsViewLogs")
    assert shop.ask("ORG_ADMIN", "GET", f"/analytics/graphs/requests?{SINCE}").status == 200, "reports are no logs"
    plane.admin("POST", f"{shop.path}/users", {"users": [{"id": shop.people["ORG_ADMIN"], "role": "admin"}]})
    assert shop.ask("ORG_ADMIN", "GET", "/logs/exports").status == 200
    plane.admin("DELETE", f"{shop.path}/users/{shop.people['ORG_ADMIN']}")
    made = user_key(plane, shop.workspace, shop.people["ORG_ADMIN"], shop.scopes)
    shop.keys["ORG_ADMIN"], shop.ids["ORG_ADMIN"] = made["key"], made["id"]
    shop.set()


# -- whose data, and which ------------------------------------------------------------------------

@pytest.fixture
def traffic(shop, provider):  # noqa: F811
    """Two requests of everybody; request ids by who made them."""
    shop.set()
    for who in shop.keys:
        for _ in range(2):
            assert shop.gateway.chat(shop.keys[who], headers=TEAM).status == 200
    shop.gateway.wait_flushed()
    made = {}
    for who, key in shop.ids.items():
        made[who] = [r[0] for r in shop.gateway.rows(
            "select l.request_id::text from aigate.ledger l join aigate.api_key k on k.id = l.api_key_id"
            " where k.uuid = %s order by l.received_at desc limit 2", key)]
    return made


def exported(shop, who, fields=("id",), **more):
    """Ids of what an export of this caller holds."""
    made = shop.gateway.admin("POST", "/logs/exports", {
        "workspace_id": shop.workspace["slug"], "filters": {}, "requested_data": list(fields), **more},
        key=shop.keys[who])
    path = f"/logs/exports/{made['id']}"
    shop.gateway.admin("POST", path + "/start", {}, key=shop.keys[who])
    wait(lambda: shop.gateway.admin("GET", path, key=shop.keys[who])["status"] == "success", "the export")
    url = shop.gateway.admin("GET", path + "/download", key=shop.keys[who])["signed_url"]
    text = shop.gateway.ask("GET", url[url.index("/v1/"):]).body.decode()
    found = set(re.findall(r'"id" ?: ?"([0-9a-f-]+)"', text))
    assert len(found) == made["total"]
    return made["id"], found


@pytest.mark.parametrize("who, name", [("MEMBER", "membersViewAllData"), ("MANAGER", "managersViewAllData")])
def test_data_of_others_is_not_seen(shop, traffic, who, name):
    others = next(w for w in ("MANAGER", "MEMBER") if w != who)
    gateway = shop.gateway

    def seen(path):
        return gateway.admin("GET", f"{path}?{SINCE}", key=shop.keys[who])
    everything = seen("/analytics/graphs/requests")["summary"]["total"]
    before, whole = exported(shop, who)
    assert whole >= set(traffic[who]) | set(traffic[others])
    shop.set(**{name: False})
    assert shop.ask(who, "GET", f"/logs/{traffic[who][0]}").status == 200
    refused(shop.ask(who, "GET", f"/logs/{traffic[others][0]}"), 404, "AB08")
    assert shop.ask(others, "GET", f"/logs/{traffic[who][0]}").status == 200, "the switch is of one role"
    # Reports: from the roll-up and from the ledger, as graphs and as groups.
    mine = gateway.sql("select count(*) from aigate.ledger l join aigate.api_key k on k.id = l.api_key_id"
                       " where k.uuid = %s", shop.ids[who])
    assert mine < everything and seen("/analytics/graphs/requests")["summary"]["total"] == mine
    assert seen("/analytics/groups/api_key")["data"] == [
        {"api_key": shop.ids[who], "requests": mine, "object": "analytics-group"}]
    assert sum(g["requests"] for g in seen("/analytics/groups/metadata/team")["data"]) == mine
    # Exports: of one's own logs; what was made of all is not there any more.
    made, found = exported(shop, who)
    assert found and found <= whole and set(traffic[who]) <= found and not found & set(traffic[others])
    refused(shop.ask(who, "GET", f"/logs/exports/{before}"), 404, "AB08")
    refused(shop.ask(who, "GET", f"/logs/exports/{before}/download"), 404, "AB08")
    assert [e["id"] for e in gateway.admin("GET", "/logs/exports", key=shop.keys[who])["data"]] == [made]
    # It stays what it is, whoever starts it again.
    gateway.admin("POST", f"/logs/exports/{made}/start", {})
    wait(lambda: gateway.admin("GET", f"/logs/exports/{made}")["status"] == "success", "the export")
    assert gateway.admin("GET", f"/logs/exports/{made}")["total_records"] == len(found)
    shop.set()


@pytest.mark.parametrize("who, name", [("MEMBER", "membersViewLogMetadata"), ("MANAGER", "managersViewLogMetadata"),
                                       ("ORG_ADMIN", "organisationAdminsViewLogMetadata")])
def test_metadata_of_logs_is_left_out(shop, traffic, who, name):
    gateway, one = shop.gateway, traffic["ADMIN"][0]

    def pairs(who):
        metrics = gateway.admin("GET", f"/logs/{one}", key=shop.keys[who])["metrics"]
        return metrics["metadata.key"], metrics["metadata.value"]
    assert pairs(who) == (["team"], ["a"])
    before, _ = exported(shop, who, ("id", "metadata"))
    shop.set(**{name: False})
    assert pairs(who) == ([], []) and pairs("ADMIN") == (["team"], ["a"])
    restrictions = "/logs/exports/field-restrictions"
    assert gateway.admin("GET", restrictions, key=shop.keys[who])["deniedFields"] == ["metadata"]
    assert gateway.admin("GET", restrictions, key=shop.keys["ADMIN"])["deniedFields"] == []
    for body in ({"filters": {}, "requested_data": ["id", "metadata"]},
                 {"filters": {"metadata": {"team": "a"}}, "requested_data": ["id"]}):
        refused(gateway.admin_ask("POST", "/logs/exports", body, key=shop.keys[who]), 403, "AB03", "metadata", name)
    # Nor by an export that stands, of whomever.
    refused(shop.ask(who, "GET", f"/logs/exports/{before}/download"), 403, "AB03", name)
    refused(shop.ask(who, "POST", f"/logs/exports/{before}/start"), 403, "AB03", name)
    refused(gateway.admin_ask("PUT", f"/logs/exports/{before}", {"format": "csv"}, key=shop.keys[who]), 403, "AB03", name)
    _, found = exported(shop, who)
    assert one in found
    shop.set()
