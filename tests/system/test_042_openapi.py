"""The description of the API against the server it comes from."""

import re
import subprocess

import jsonschema
import pytest

import gateway as gw

# Read without anything behind them.
LISTS = ["/v1/admin/workspaces", "/v1/admin/users", "/v1/api-keys", "/v1/integrations", "/v1/configs",
         "/v1/guardrails", "/v1/policies/usage-limits", "/v1/policies/rate-limits", "/v1/secret-references",
         "/v1/admin/organisation/settings", "/v1/admin/organisation/defaults"]


@pytest.fixture
def description(gateway):
    answer = gateway.get("/v1/openapi.json")
    assert answer.status == 200
    return answer.json


def operations(description):
    return [(verb.upper(), path, operation) for path, verbs in description["paths"].items()
            for verb, operation in verbs.items()]


def routes(gateway):
    done = subprocess.run(["curl", "-sf", "--unix-socket", gateway._path("run", "operator.sock"),
                           "http://localhost/v1/operator/routes"], capture_output=True, text=True, check=True)
    return gw.json.loads(done.stdout)["data"]


def holds(description, name, value):
    """The value is what the named schema says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_it_needs_no_key_and_every_reference_leads_somewhere(description):
    assert description["openapi"] == "3.1.0" and description["info"]["title"] == "aigated"
    names = set(re.findall(r"#/components/schemas/(\w+)", gw.json.dumps(description)))
    assert names and names <= set(description["components"]["schemas"])
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for _, path, operation in operations(description):
        named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert re.findall(r"\{(\w+)\}", path) == named and len(set(named)) == len(named), path
        assert operation["summary"] and "200" in operation["responses"]


def test_every_route_of_the_server_is_in_it_with_words_of_its_own(gateway, description):
    described = {(verb, re.sub(r"\{\w+\}", "{}", path)) for verb, path, _ in operations(description)}
    served = {(r["method"], r["path"]) for r in routes(gateway) if not r["is_for_operators"]}
    assert served and served <= described
    assert [r["path"] for r in routes(gateway) if not r["is_described"] and not r["is_for_operators"]] == []


def test_everything_in_it_is_known_to_the_server(gateway, description):
    admin = {(r["method"], r["path"]) for r in routes(gateway)}
    for verb, path, operation in operations(description):
        if operation["summary"].startswith("Refused"):
            continue
        plain = re.sub(r"\{\w+\}", "00000000-0000-4000-8000-000000000000", path)
        # A body nobody takes: what is asked is whether the path leads anywhere.
        body = {} if verb in ("POST", "PUT") else None
        answer = gateway.admin_ask(verb, plain, body)
        text = answer.text if hasattr(answer, "text") else str(answer.body)
        assert answer.status not in (405, 501), (verb, path, text)
        if answer.status == 404:
            assert "there is no " + verb not in text, (verb, path, text)
        if (verb, re.sub(r"\{\w+\}", "{}", path)) in admin:
            assert answer.status < 500, (verb, path, text)


def test_the_workers_own_endpoints_are_in_it(description):
    with open(gw.os.path.join(gw.TOP, "src", "worker", "request.c")) as f:
        table = f.read().split("} routes[] = {")[1].split("};")[0]
    own = re.findall(r'\{ "(/v1/[^"]+)", (GET|POST), false, (\w+) \}', table)
    described = {(verb, path) for verb, path, _ in operations(description)}
    assert len(own) > 10
    assert {(verb, path) for path, verb, _ in own} <= described


def test_answers_are_what_it_says(gateway, description):
    gateway.key(budget_usd="5", rpm=10)
    gateway.admin("POST", "/configs", {"name": "c", "workspace_id": gateway.default_workspace()["slug"],
                                       "config": {"retry": None, "override_params": {"temperature": 0}}})
    for path in LISTS + ["/v1/integrations/mock", "/v1/integrations/mock/workspaces", "/v1/integrations/mock/models",
                         "/v1/admin/workspaces/" + gateway.default_workspace()["slug"]]:
        pattern = path.replace("/mock", "/{integrations_1}").replace(
            gateway.default_workspace()["slug"], "{workspaces_1}")
        schema = description["paths"][pattern]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        holds(description, schema["$ref"].rsplit("/", 1)[1], gateway.admin("GET", path))
    refused = gateway.admin_ask("POST", "/admin/workspaces", {})
    assert refused.status == 400
    holds(description, "Error", refused.json)
