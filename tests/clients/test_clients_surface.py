"""The whole administrative surface of the unmodified SDKs: each method is served, or refused by its name.

The methods are found by looking into the SDK, so one that is new there fails here until somebody has thought
about it."""

import json

from gateway import mock_url

# Refused, and why the refusal says so.
REFUSED = {
    "prompts": "not implemented by this gateway: prompts",
    "labels": "not implemented by this gateway: prompt labels",
    "collections": "not implemented by this gateway: prompt collections",
    "mcp_integrations": "not implemented by this gateway: MCP integrations",
    "mcp_servers": "not implemented by this gateway: MCP servers",
    "mcpIntegrations": "not implemented by this gateway: MCP integrations",
    "mcpServers": "not implemented by this gateway: MCP servers",
}


def check(got):
    methods, served, refused = set(got["methods"]), set(got["served"]), got["refused"]
    assert served | set(refused) == methods and not served & set(refused), (
        methods - served - set(refused), (served | set(refused)) - methods, served & set(refused))
    # A model belongs to its provider; nobody deletes it through this gateway.
    assert refused.pop("models.delete")[0] == 405
    for name, (status, message) in refused.items():
        assert status == 501 and REFUSED[name.split(".")[0]] in message, (name, status, message)
    assert not {name.split(".")[0] for name in served} & set(REFUSED)


def test_python(gateway, mock, run_python):
    workspace = gateway.workspace("Shop")
    got = json.loads(run_python("surface.py", ADMIN_KEY=gateway.admin_key, WORKSPACE=workspace["slug"],
                                PROVIDER_URL=mock_url(mock)))
    assert len(got["methods"]) > 100
    # The asynchronous client is the same, but for one method that stands in the wrong place there.
    assert set(got["async"]) ^ set(got["methods"]) == {"admin.users.resend", "admin.users.invites.resend"}
    check(got)


def test_node(gateway, mock, run_node):
    workspace = gateway.workspace("Shop")
    got = json.loads(run_node("surface.mjs", ADMIN_KEY=gateway.admin_key, WORKSPACE=workspace["slug"],
                              PROVIDER_URL=mock_url(mock)))
    assert len(got["methods"]) > 100
    check(got)
