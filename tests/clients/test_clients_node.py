"""Unmodified Node SDKs."""

import json

import pytest


@pytest.mark.parametrize("sdk", ["openai", "portkey"])
def test_chat_whole_and_streamed(gateway, mock, run_node, sdk):
    mock.script(tokens=7, text="seven small words of no great account")
    key = gateway.key(budget_usd="1")
    got = json.loads(run_node("chat.mjs", sdk, CUSTOMER_KEY=key))
    assert got["whole"] == got["streamed"] != ""
    assert got["tokens"] == got["streamed_tokens"]
    assert got["finish"] in ("stop", "length")


@pytest.mark.parametrize("sdk", ["openai", "portkey"])
def test_models_of_a_key(gateway, run_node, sdk):
    models = run_node("models.mjs", sdk, CUSTOMER_KEY=gateway.key()).split()
    assert "@mock/gpt-4o-mini" in models


def test_keys_are_made_and_listed(gateway, run_node):
    workspace = gateway.workspace("Shop")
    got = json.loads(run_node("admin.mjs", workspace["slug"], ADMIN_KEY=gateway.admin_key))
    assert workspace["slug"] in got["slugs"]
    assert gateway.chat(got["key"]).status == 200
    assert got["limits"]["credit_limit"] == 100 and got["limits"]["periodic_reset"] == "monthly"
