"""Unmodified Python SDKs: administration as a multi-tenant product does it, then chat."""

import json
import re

import pytest

from gateway import mock_url

EMAIL = "ada@example.com"


@pytest.fixture
def workspace(gateway):
    return gateway.workspace("Shop")


def test_a_key_per_workspace_with_budget_rate_and_metadata(gateway, workspace, run_python):
    out = run_python("workspace_keys.py", workspace["slug"], EMAIL, ADMIN_KEY=gateway.admin_key)
    assert f"Workspace: Shop {workspace['slug']} {workspace['id']}" in out
    assert "Object: api-key" in out
    key = re.search(r"^Key: (\S+)$", out, re.M).group(1)
    assert gateway.chat(key).status == 200


def test_a_customer_sees_the_models_of_the_workspace(gateway, workspace, run_python):
    models = run_python("list_models.py",
                        CUSTOMER_KEY=gateway.key(workspace=workspace)).split()
    assert "@mock/gpt-4o-mini" in models
    assert all(m.startswith("@mock/") for m in models)


def test_a_user_s_limits_are_found_by_metadata(gateway, workspace, run_python):
    run_python("workspace_keys.py", workspace["slug"], EMAIL, ADMIN_KEY=gateway.admin_key)
    gateway.key(workspace=workspace, metadata={"user_email": "other@example.com"}, rpm=1)
    out = run_python("user_limits.py", workspace["slug"], EMAIL, ADMIN_KEY=gateway.admin_key)
    assert out.splitlines() == ["Key: Service Key for Shop", "Rate Limit: 100 rpm",
                                "Usage Limit: $100 monthly", "Alert Threshold: 80"]


def test_a_provider_or_a_virtual_key_per_team(gateway, mock, workspace, run_python):
    out = run_python("virtual_keys.py", workspace["slug"], mock_url(mock),
                     ADMIN_KEY=gateway.admin_key, CUSTOMER_KEY=gateway.key(workspace=workspace))
    assert out.splitlines() == [
        "provider search answered", "listed search 5", "listed mock None",
        "seen of the search team | 60 active", "virtual key ads answered",
        "seen sk*****eam answered", "left ['mock']"]


@pytest.mark.parametrize("sdk", ["openai", "portkey"])
def test_chat_whole_and_streamed(gateway, mock, run_python, sdk):
    mock.script(tokens=7, text="seven small words of no great account")
    key = gateway.key(budget_usd="1")
    got = json.loads(run_python("chat.py", sdk, CUSTOMER_KEY=key))
    assert got["whole"] == got["streamed"] != ""
    assert got["tokens"] == got["streamed_tokens"]
    assert got["finish"] in ("stop", "length")
    gateway.wait_flushed()
    assert gateway.sql("SELECT count(*), count(DISTINCT api_key_id), bool_and(cost_nusd > 0)"
                       " FROM aigate.ledger") == [(2, 1, True)]


@pytest.mark.parametrize("sdk", ["openai", "portkey"])
def test_refusals_become_the_sdk_s_own_exceptions(gateway, run_python, sdk):
    assert run_python("refused.py", sdk, CUSTOMER_KEY="ag-nobody").split() == [
        "AuthenticationError", "401"]
    key = gateway.key(rpm=1)
    assert gateway.chat(key).status == 200
    assert run_python("refused.py", sdk, CUSTOMER_KEY=key).split() == ["RateLimitError", "429"]
    poor = gateway.key(budget_tokens=100)
    assert gateway.chat(poor, "x" * 4000).status == 412


def test_configs_guardrails_and_models_of_the_sdk(gateway, workspace, run_python):
    key = gateway.key(workspace=workspace)
    assert run_python("rules.py", workspace["slug"], ADMIN_KEY=gateway.admin_key,
                      CUSTOMER_KEY=key).strip() == "done"


def test_a_feature_in_three_tiers(gateway, mock, run_python):
    """The guide's whole setup in one script: each tier sees, is served and is refused what it should be,
    and knows its limits."""
    got = json.loads(run_python("tiers.py", ADMIN_KEY=gateway.admin_key, PROVIDER_URL=mock.url + "/v1"))
    assert [(status, "subscription_tier" in message) for status, message in got["refused"]] == [(400, True)] * 2
    tiers = {"enterprise": (["gpt-4o", "gpt-4o-mini", "o3-mini"], 500, 1000, 400),
             "professional": (["gpt-4.1-mini", "gpt-4o-mini"], 100, 100, 80),
             "starter": (["gpt-4o-mini"], 25, 10, 20)}
    for tier, (models, budget, rpm, alert) in tiers.items():
        seen = got["seen"][tier]
        assert seen["models"] == [f"@openai-prod/{m}" for m in models]
        assert seen["served"] == models and seen["refused"] == sorted(
            {"gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "o3-mini"} - set(models))
        found = {(m["scope"], m["kind"], m["limit"]): m for m in seen["limits"]["limits"]}
        assert {("api_key", "budget", 10), ("api_key", "rate", 60), ("workspace", "budget", 2 * budget),
                ("integration", "budget", budget), ("integration", "rate", rpm)} <= set(found), sorted(found)
        assert found["integration", "budget", budget]["alert_threshold"] == alert
        assert 0 < found["integration", "budget", budget]["used"] < 1
    assert mock.stats()["requests"] == 2 * sum(len(t[0]) for t in tiers.values())
    gateway.wait_flushed()
    assert dict(gateway.rows("SELECT metadata ->> 'subscription_tier', count(*) FROM aigate.ledger GROUP BY 1")
                ) == {tier: 2 * len(t[0]) for tier, t in tiers.items()}
    # The starter's tenth request of the minute is its last, whatever its key allows.
    answers = [gateway.chat(got["keys"]["starter"], model="@openai-prod/gpt-4o-mini").status for _ in range(9)]
    assert answers == [200] * 8 + [429]
