"""What a key may call and what it costs: lists, single models, list prices, models of one's own."""

from decimal import Decimal

import pytest

from plane import _provider, plane, provider  # noqa: F401


@pytest.fixture
def workspace(plane, provider):
    return plane.workspace()


def ids(plane, key, query="", **headers):
    return [m["id"] for m in plane.get("/v1/models" + query, key,
                                       {k.replace("_", "-"): v for k, v in headers.items()}).json["data"]]


# -- lists -------------------------------------------------------------------------------------------

def test_what_is_listed_is_served_and_what_is_not_is_refused(plane, provider):
    """Integrations, their models, guardrails: the list is the truth of all of them together."""
    workspace = plane.workspace()
    plane.integration(slug="narrow", configurations={"custom_host": provider.url + "/v1"})
    plane.admin("PUT", "/integrations/narrow/models", {"allow_all_models": False, "models": [
        {"slug": "gpt-4o", "enabled": True}, {"slug": "gpt-4o-mini", "enabled": True},
        {"slug": "o3-mini", "enabled": False}]})
    plane.admin("PUT", "/integrations/mock/workspaces", {"workspaces": [
        {"id": workspace["slug"], "enabled": False}]})
    plane.grant("narrow", workspace)
    key = plane.key(workspace=workspace)
    assert ids(plane, key) == ["@narrow/gpt-4o", "@narrow/gpt-4o-mini"]
    slug = plane.admin("POST", "/guardrails", {
        "name": "g", "workspace_id": workspace["slug"], "actions": {"deny": True},
        "checks": [{"id": "default.modelWhitelist", "parameters": {"models": ["gpt-4o", "o3-mini"]}}]})["slug"]
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"input_guardrails": [slug]}})
    assert ids(plane, key) == ["@narrow/gpt-4o"]
    for model, status in (("gpt-4o", 200), ("gpt-4o-mini", 446), ("o3-mini", 412)):
        assert plane.chat(key, model=f"@narrow/{model}").status == status
    plane.admin("PUT", "/integrations/mock/workspaces", {"workspaces": [
        {"id": workspace["slug"], "enabled": True}]})


def test_pages_and_totals_count_what_is_left(plane, provider, workspace):
    slug = plane.admin("POST", "/guardrails", {
        "name": "g", "workspace_id": workspace["slug"], "actions": {"deny": True}, "checks": [
            {"id": "default.modelWhitelist", "parameters": {"models": ["gpt-4o", "gpt-4o-mini", "o3-mini"]}}]})["slug"]
    plane.admin("PUT", f"/admin/workspaces/{workspace['slug']}", {"defaults": {"input_guardrails": [slug]}})
    key = plane.key(workspace=workspace)
    page = plane.get("/v1/models?limit=2&offset=1", key).json
    assert page["total"] == page["total_count"] == 3 and len(page["data"]) == 2
    assert len(ids(plane, key, "?ai_service=openai")) == 3 and ids(plane, key, "?ai_service=other") == []


def test_one_model_is_there_or_it_is_not(plane, provider, workspace):
    key = plane.key(workspace=workspace)
    for path in ("@mock/gpt-4o-mini", "%40mock/gpt-4o-mini", "%40mock%2Fgpt-4o-mini", "gpt-4o-mini"):
        one = plane.get(f"/v1/models/{path}", key).json
        assert one == {"id": "@mock/gpt-4o-mini", "slug": "gpt-4o-mini", "canonical_slug": "gpt-4o-mini",
                       "object": "model", "created": 0, "owned_by": "openai"}
    for path in ("@mock/none", "@other/gpt-4o-mini", "gpt", "@mock"):
        no = plane.get(f"/v1/models/{path}", key)
        assert no.status == 404 and no.json["error"]["code"] == "model_not_found", path
    assert plane.get("/v1/models/gpt-4o-mini").status == 401
    assert plane.ask("DELETE", "/v1/models/gpt-4o-mini", {"authorization": f"Bearer {key}"}).status == 405


# -- prices ------------------------------------------------------------------------------------------

def test_a_list_price_is_told_to_anybody_in_cents_a_token(plane, provider):
    for prefix in ("/v1", ""):
        got = plane.get(f"{prefix}/model-configs/pricing/openai/gpt-4o")
        assert got.status == 200 and got.headers["x-portkey-trace-id"]
        prices = got.json["pay_as_you_go"]
        assert prices["request_token"] == {"price": 0.00025}
        assert prices["response_token"] == {"price": 0.001}
        assert prices["cache_read_input_token"] == {"price": 0.000125}
        assert got.json["currency"] == "USD"
    for path in ("openai/no-such-model", "nobody/gpt-4o", "openai", "openai/", ""):
        assert plane.get(f"/v1/model-configs/pricing/{path}").status == 404, path


def test_list_prices_are_those_of_the_table(plane, provider):
    rows = plane.rows("SELECT model, in_pusd, out_pusd FROM aigate.price WHERE family = 'openai'"
                      " AND integration_id IS NULL AND in_pusd IS NOT NULL AND out_pusd IS NOT NULL LIMIT 40")
    assert len(rows) == 40
    for model, price_in, price_out in rows:
        text = plane.get(f"/v1/model-configs/pricing/openai/{model.replace('/', '%2F')}").text
        assert f'"request_token":{{"price":{Decimal(price_in) / 10**10:f}'.rstrip("0").rstrip(".") in text
        assert f'"response_token":{{"price":{Decimal(price_out) / 10**10:f}'.rstrip("0").rstrip(".") in text


def test_a_model_of_one_s_own_is_listed_priced_and_charged(plane, provider):
    workspace = plane.workspace()
    plane.integration(slug="tuned", configurations={"custom_host": provider.url + "/v1"})
    plane.admin("PUT", "/integrations/tuned/models", {"allow_all_models": False, "models": [
        {"slug": "house-model", "enabled": True, "is_custom": True, "pricing_config": {
            "type": "static", "pay_as_you_go": {
                "request_token": {"price": 0.0001}, "response_token": {"price": 0.0002},
                "request_audio_token": {"price": 0.01}, "reasoning_token": {"price": 0.0003}}}},
        {"slug": "ft:gpt-4o-mini:us", "enabled": True, "is_finetune": True, "is_custom": True,
         "base_model_slug": "gpt-4o-mini"}]})
    plane.grant("tuned", workspace)
    key = plane.key(workspace=workspace, budget_usd="1")
    assert [m for m in ids(plane, key) if m.startswith("@tuned/")] == [
        "@tuned/ft:gpt-4o-mini:us", "@tuned/house-model"]
    provider.script(prompt_tokens=1000, tokens=100)
    assert plane.chat(key, model="@tuned/house-model", max_tokens=200).status == 200
    assert plane.chat(key, model="@tuned/ft:gpt-4o-mini:us", max_tokens=200).status == 200
    plane.wait_flushed()
    # 1000 x 1e-6 + 100 x 2e-6 dollars; 1000 x 0.15e-6 + 100 x 0.6e-6
    assert plane.rows("SELECT requested_model, cost_nusd FROM aigate.ledger l JOIN aigate.workspace w"
                      " ON w.id = l.workspace_id WHERE w.uuid = %s ORDER BY received_at", workspace["id"]) == [
        ("@tuned/house-model", 1_200_000), ("@tuned/ft:gpt-4o-mini:us", 210_000)]
    assert plane.rows("SELECT audio_in_pusd, reasoning_pusd FROM aigate.price WHERE model = 'house-model'") == [
        (100_000_000, 3_000_000)]
    assert plane.get("/v1/model-configs/pricing/openai/house-model").status == 404, "nobody else's business"


@pytest.mark.parametrize("adjustments, word", [
    ({"multiplier": 2}, "multiplier"), ({"discount": 0.5}, "discount")])
def test_multiples_that_are_refused_by_name(plane, provider, adjustments, word):
    no = plane.admin_ask("PUT", "/integrations/mock", {"pricing_adjustments": adjustments})
    assert no.status == 400 and "pricing_adjustments" in no.message and word in no.message
    assert plane.admin("GET", "/integrations/mock")["pricing_adjustments"] is None


# -- operators ---------------------------------------------------------------------------------------

def test_an_operator_reads_the_catalogue(plane, provider, workspace):
    import json
    (one,) = json.loads(plane.ctl("-o", "json", "models", "--family", "openai", "--model", "gpt-4o").stdout)
    assert one["mode"] == "chat" and int(one["context"]) == 128000
    assert Decimal(str(one["in_usd_per_m"])) == Decimal("2.5") and Decimal(str(one["out_usd_per_m"])) == 10
    assert {"vision", "tools", "stream"} <= set(one["abilities"].split(","))
    listed = json.loads(plane.ctl("-o", "json", "models", "--workspace", workspace["slug"]).stdout)
    assert sorted(m["id"] for m in listed) == sorted(ids(plane, plane.key(workspace=workspace)))
    table = plane.ctl("models", "--model", "gpt-4o-m*").stdout
    assert "context" in table and "gpt-4o-mini" in table
    assert plane.ctl("models", "--workspace", "a", "--family", "b", check=False).returncode == 2
