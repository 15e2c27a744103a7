"""What an organisation demands of its keys and workspaces, and what it presets."""

import time

import pytest

from gateway import Gateway
from people import refused, user

SETTINGS = "/admin/organisation/settings"
SCHEMA = {
    "type": "object",
    "required": ["user_email", "subscription_tier"],
    "properties": {
        "user_email": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"},
        "subscription_tier": {"type": "string", "enum": ["free", "gold"], "default": "free"},
        "team": {"type": "string", "minLength": 2, "maxLength": 4},
    },
}


@pytest.fixture(scope="module")
def shared_gateway(pg_cluster):
    """One for the tests that leave nothing behind."""
    one = Gateway(pg_cluster)
    yield one
    one.close()


def make_key(gateway, workspace, metadata=None, **more):
    body = {"name": "k", "workspace_id": workspace["slug"], "scopes": ["completions.write"], **more}
    if metadata is not None:
        body["defaults"] = {"metadata": metadata}
    return gateway.admin_ask("POST", "/api-keys/workspace/service", body)


def read_key(gateway, answer):
    assert answer.status == 200, answer
    return gateway.admin("GET", f"/api-keys/{answer.json['id']}")


# -- schemas ------------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    {"api_key_metadata_schema": SCHEMA},
    {"api_key_metadata_schema": {"api_key_metadata_schema": SCHEMA}},
    SCHEMA,
], ids=["named", "wrapped", "bare"])
def test_a_key_is_held_against_the_schema_and_gets_its_defaults(gateway, body):
    workspace = gateway.workspace("w")
    assert gateway.admin("PUT", SETTINGS, body) == {}
    assert gateway.admin("GET", SETTINGS)["api_key_metadata_schema"] == SCHEMA
    assert gateway.admin("GET", "/admin/organisation/properties")["api_key_metadata_schema"] == SCHEMA
    made = make_key(gateway, workspace, {"user_email": "ada@example.com", "other": "x"})
    assert read_key(gateway, made)["defaults"]["metadata"] == {
        "user_email": "ada@example.com", "other": "x", "subscription_tier": "free"}
    for metadata, words in (
            (None, ("defaults.metadata.user_email", "required")),
            ({}, ("defaults.metadata.user_email", "required")),
            ({"user_email": "nobody"}, ("defaults.metadata.user_email", "pattern")),
            ({"user_email": 5}, ("defaults.metadata.user_email", "type")),
            ({"user_email": "a@b", "subscription_tier": "lead"},
             ("defaults.metadata.subscription_tier", "enum", "gold")),
            ({"user_email": "a@b", "team": "x"}, ("defaults.metadata.team", "minLength")),
            ({"user_email": "a@b", "team": "xxxxx"}, ("defaults.metadata.team", "maxLength"))):
        refused(make_key(gateway, workspace, metadata), 400, "AB01", *words)
    assert make_key(gateway, workspace, {"user_email": "a@b", "team": "äöüß"}).status == 200
    assert gateway.chat(made.json["key"]).status == 200


def test_the_schema_binds_updates_and_leaves_what_stands_alone(gateway):
    workspace = gateway.workspace("w")
    old = make_key(gateway, workspace)
    gateway.admin("PUT", SETTINGS, {"api_key_metadata_schema": SCHEMA})
    assert gateway.chat(old.json["key"]).status == 200, "standing keys are not touched"
    url = f"/api-keys/{old.json['id']}"
    refused(gateway.admin_ask("PUT", url, {"name": "n"}), 400, "AB01", "user_email")
    gateway.admin("PUT", url, {"name": "n", "defaults": {"metadata": {"user_email": "a@b"}}})
    assert gateway.admin("GET", url)["defaults"]["metadata"] == {"user_email": "a@b",
                                                                 "subscription_tier": "free"}
    gateway.admin("PUT", url, {"name": "m"})
    refused(gateway.admin_ask("PUT", url, {"defaults": {"metadata": None}}), 400, "AB01", "user_email")
    gateway.admin("POST", "/api-keys/organisation/service", {"name": "admin", "scopes": []})
    gateway.admin("PUT", SETTINGS, {"api_key_metadata_schema": None})
    assert gateway.admin("GET", SETTINGS)["api_key_metadata_schema"] is None
    gateway.admin("PUT", url, {"defaults": {"metadata": None}})
    assert gateway.admin("GET", url)["defaults"]["metadata"] is None


def test_a_workspace_has_a_schema_of_its_own(gateway):
    gateway.admin("PUT", SETTINGS, {"workspace_metadata_schema": {
        "type": "object", "required": ["cost_centre"], "additionalProperties": False,
        "properties": {"cost_centre": {"type": "string", "pattern": "^[0-9]{4}$"},
                       "region": {"type": "string", "default": "eu"}}}})
    refused(gateway.admin_ask("POST", "/admin/workspaces", {"name": "w"}), 400, "AB01", "cost_centre")
    refused(gateway.admin_ask("POST", "/admin/workspaces", {
        "name": "w", "defaults": {"metadata": {"cost_centre": "1234", "x": "y"}}}), 400, "AB01",
        "defaults.metadata.x", "additionalProperties")
    made = gateway.admin("POST", "/admin/workspaces", {
        "name": "w", "defaults": {"metadata": {"cost_centre": "1234"}}})
    assert made["defaults"]["metadata"] == {"cost_centre": "1234", "region": "eu"}
    url = f"/admin/workspaces/{made['slug']}"
    refused(gateway.admin_ask("PUT", url, {"defaults": {"metadata": {"cost_centre": "12"}}}),
            400, "AB01", "pattern")
    after = gateway.admin("PUT", url, {"name": "v"})
    assert after["defaults"]["metadata"] == {"cost_centre": "1234", "region": "eu"}
    assert make_key(gateway, made).status == 200, "keys are not bound by it"


@pytest.mark.parametrize("schema, word", [
    (5, "must be"), ([], "must be"), ({"type": "array"}, "type"), ({"properties": {}}, "type"),
    ({"type": "object", "patternProperties": {}}, "patternProperties"),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "additionalProperties"),
    ({"type": "object", "required": "x"}, "required"),
    ({"type": "object", "properties": {"a": {"type": "integer"}}}, "properties.a.type"),
    ({"type": "object", "properties": {"a": {"format": "email"}}}, "properties.a.format"),
    ({"type": "object", "properties": {"a": {"enum": [1]}}}, "properties.a.enum"),
    ({"type": "object", "properties": {"a": {"enum": ["x"], "default": "y"}}}, "properties.a.default"),
    ({"type": "object", "properties": {"a": {"pattern": "("}}}, "properties.a.pattern"),
    ({"type": "object", "properties": {"a": {"pattern": "(?=x)"}}}, "looking around"),
    ({"type": "object", "properties": {"a": {"minLength": -1}}}, "properties.a.minLength"),
    ({"type": "object", "properties": {f"p{i}": {} for i in range(65)}}, "at most"),
])
def test_what_a_schema_uses_beyond_the_subset_is_refused_by_name(shared_gateway, schema, word):
    refused(shared_gateway.admin_ask("PUT", SETTINGS, {"workspace_metadata_schema": schema}),
            400, "AB01", "workspace_metadata_schema", word)
    assert shared_gateway.admin("GET", SETTINGS)["workspace_metadata_schema"] is None


def test_no_pattern_hangs_the_admin_api(gateway):
    gateway.admin("PUT", SETTINGS, {"workspace_metadata_schema": {
        "type": "object", "properties": {"a": {"pattern": "^(a+)+(a|aa)*$"}}}})
    refused(gateway.admin_ask("POST", "/admin/workspaces", {
        "name": "w", "defaults": {"metadata": {"a": "a" * 1900 + "b"}}}), 400, "AB01", "pattern")


# -- lifetimes ------------------------------------------------------------------------------------

def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_keys_live_no_longer_than_the_ceiling(gateway):
    day = 86400
    workspace = gateway.workspace("w")
    old = make_key(gateway, workspace)
    gateway.admin("PUT", SETTINGS, {"api_key_max_lifetime_days": 30,
                                    "user_api_key_max_lifetime_days": 7})
    assert gateway.chat(old.json["key"]).status == 200
    made = read_key(gateway, make_key(gateway, workspace))
    assert iso(29 * day) < made["expires_at"] < iso(31 * day), "what is not said is the ceiling"
    assert make_key(gateway, workspace, expires_at=iso(day)).status == 200
    for expires_at in (iso(31 * day), None):
        refused(make_key(gateway, workspace, expires_at=expires_at), 400, "AB01", "expires_at",
                "api_key_max_lifetime_days")
        refused(gateway.admin_ask("PUT", f"/api-keys/{made['id']}", {"expires_at": expires_at}),
                400, "AB01", "expires_at")
    gateway.admin("PUT", f"/api-keys/{made['id']}", {"expires_at": iso(day)})
    gateway.admin("PUT", f"/api-keys/{old.json['id']}", {"name": "n"})
    assert gateway.admin("GET", f"/api-keys/{old.json['id']}")["expires_at"] is None
    one = user(gateway, "ada@example.com", workspaces=[{"id": workspace["slug"], "role": "member"}],
               workspace_api_key_details={"scopes": ["completions.write"]})
    mine = gateway.admin("GET", f"/api-keys/{one['api_keys'][0]['id']}")
    assert iso(6 * day) < mine["expires_at"] < iso(8 * day)
    for name in ("api_key_max_lifetime_days", "user_api_key_max_lifetime_days"):
        for value in (0, -1, "7", 1.5, 36501):
            refused(gateway.admin_ask("PUT", SETTINGS, {name: value}), 400, "AB01", name)
    gateway.admin("PUT", SETTINGS, {"api_key_max_lifetime_days": None})
    assert read_key(gateway, make_key(gateway, workspace))["expires_at"] is None


# -- the rest -------------------------------------------------------------------------------------

def test_settings_stand_together_and_are_the_organisations(gateway):
    gateway.admin("PUT", SETTINGS, {"saved_only": True, "api_key_max_lifetime_days": 90})
    gateway.admin("PUT", SETTINGS, {"rate_limits": [{"type": "requests", "unit": "rpm", "value": 5}]})
    seen = gateway.admin("GET", SETTINGS)
    assert seen["saved_only"] is True and seen["api_key_max_lifetime_days"] == 90
    assert seen["rate_limits"][0]["value"] == 5 and seen["user_api_key_max_lifetime_days"] is None
    gateway.admin("PUT", SETTINGS, {"saved_only": False})
    assert gateway.admin("GET", SETTINGS)["saved_only"] is False
    refused(gateway.admin_ask("PUT", SETTINGS, {"saved_only": "yes"}), 400, "AB01",
            "saved_only")
    refused(gateway.admin_ask("PUT", SETTINGS, {"jwks_url": "https://x/y"}), 400, "AB01", "jwks_url")
