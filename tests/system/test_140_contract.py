"""The refusals as clients know them, row by row: status, shape, message, type and code."""

import pytest

from gateway import chat_body
from plane import _provider, plane, provider  # noqa: F401

CONF = {"workers": "1"}
POOR = {"budget_tokens": 20}


def refused(plane, key, model="@mock/gpt-4o-mini", headers=None, **fields):
    return plane.post(key, chat_body("x" * 400, model=model, **fields), headers=headers)


def assert_a(answer, status, message, code):
    """{"status":"failure","message","error":{"message","code"}} with the code in the text."""
    text = f"Portkey Error: {message}. Error Code: {code}"
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json;charset=UTF-8")
    assert answer.json["status"] == "failure" and answer.json["message"] == text
    assert answer.json["error"]["message"] == text and answer.json["error"]["code"] == code
    assert set(answer.json) == {"status", "message", "error"}


def assert_b(answer, status, message):
    """{"status":"failure","message"}"""
    assert answer.status == status and answer.json["status"] == "failure" and answer.json["message"] == message


def assert_c(answer, status, message, kind, code):
    """{"error":{"message","type","param":null,"code"}}"""
    assert answer.status == status and set(answer.json) == {"error"}
    error = answer.json["error"]
    assert (error["message"], error["type"], error["param"], error["code"]) == (message, kind, None, code)


def test_authentication(plane):
    assert_a(refused(plane, "nobody"), 401, "Invalid API Key", "03")
    assert_a(refused(plane, None), 401, "Invalid API Key", "03")
    assert_a(refused(plane, plane.key(scopes=["logs.write"])), 403, "Forbidden!", "033")
    assert_a(refused(plane, plane.admin_key), 403, "Forbidden!", "033")


def test_budgets(plane):
    assert_a(refused(plane, plane.key(**POOR)), 412, "Portkey API Key Usage Limit Exceeded", "04")
    poor = plane.workspace("poor", usage_limits=[{"type": "tokens", "credit_limit": 20}])
    assert_a(refused(plane, plane.key(workspace=poor)), 412, "Portkey Workspace Usage Limit Exceeded", "04")
    third = plane.workspace("third")
    plane.grant("mock", third, usage_limits=[{"type": "tokens", "credit_limit": 20}])
    assert_c(refused(plane, plane.key(workspace=third)), 412, "Portkey Integration mock Usage Limit Exceeded",
             "integration_exhaust_error", "04")


def test_rates(plane, provider):
    key = plane.key(rpm=1)
    assert refused(plane, key).status == 200
    assert_a(refused(plane, key), 429, f"apikey {key.id} rate limit exceeded", "05")
    busy = plane.workspace("busy", rate_limits=[{"type": "requests", "unit": "rpm", "value": 1}])
    key = plane.key(workspace=busy)
    assert refused(plane, key).status == 200
    assert_a(refused(plane, key), 429, f"workspace {busy['slug']} rate limit exceeded", "05")
    third = plane.workspace("busy by the integration")
    plane.grant("mock", third, rate_limits=[{"type": "requests", "unit": "rpm", "value": 1}])
    key = plane.key(workspace=third)
    assert refused(plane, key).status == 200
    assert_c(refused(plane, key), 429, "Portkey Integration mock Rate Limit Exceeded", "integration_rate_limit_error",
             None)


def test_models_and_providers(plane, provider):
    key = plane.key()
    assert_b(refused(plane, key, "@nobody/gpt-4o"), 400, "Following keys are not valid: nobody")
    assert_b(refused(plane, key, "gpt-4o", {"x-portkey-provider": "@nobody"}), 400, "Following keys are not valid: nobody")
    assert_b(plane.ask("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}", "content-type": "text/plain"},
                       b"{}"), 400, "Invalid content type passed")
    plane.integration(slug="narrow")
    plane.admin("PUT", "/integrations/narrow/models", {
        "allow_all_models": False, "models": [{"slug": "gpt-4o", "enabled": True}]})
    narrow = plane.workspace("narrow")
    plane.grant("narrow", narrow)
    assert_c(refused(plane, plane.key(workspace=narrow), "@narrow/gpt-4o-mini"), 412,
             "Model gpt-4o-mini is not allowed for this integration", "model_not_allowed_error", None)


def test_the_upstream_s_silence(plane, provider):
    provider.script(delay_ms=20_000)
    got = refused(plane, plane.key(), headers={"x-portkey-request-timeout": "200"})
    assert_c(got, 408, "Request exceeded the timeout sent in the request: 200ms", "timeout_error", None)


def test_an_unknown_path(plane):
    assert plane.get("/v1/nothing").json == {"message": "Not Found", "ok": False}


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/healthz", 200), ("GET", "/v1/nothing", 404), ("PUT", "/v1/chat/completions", 405), ("OPTIONS", "/v1/models", 204),
    ("GET", "/v1/api-keys", 401), ("GET", "/v1/models", 401), ("POST", "/v1/embeddings", 401)])
def test_a_trace_id_is_given_back_whatever_the_answer(plane, method, path, status):
    answer = plane.ask(method, path, {"x-portkey-trace-id": "trace-8"})
    assert answer.status == status and answer.headers["x-portkey-trace-id"] == "trace-8"


def test_an_admin_body_too_long_is_refused_in_the_admin_s_words(plane):
    for size in (1 << 20, 20 << 20):
        answer = plane.ask("POST", "/v1/admin/workspaces", {"x-portkey-api-key": plane.admin_key},
                           b'{"name":"' + b"x" * size + b'"}')
        assert answer.status == 413 and answer.json["data"]["errorCode"] == "AB01", size
        assert answer.headers["content-type"] == "application/json" and answer.headers["x-portkey-trace-id"]


def test_the_headers_of_an_answer(plane, provider):
    answer = refused(plane, plane.key())
    assert {name: answer.headers[f"x-portkey-{name}"] for name in (
        "last-used-option-index", "retry-attempt-count", "cache-status", "provider")} == {
            "last-used-option-index": "config", "retry-attempt-count": "0", "cache-status": "DISABLED",
            "provider": "openai"}


def test_models_of_a_provider(plane):
    key = plane.key()
    everything = plane.get("/v1/models", key).json
    assert everything["total"] == len(everything["data"]) > 10
    for how in ("?provider=mock", "?provider=@mock", "?provider=%40mock", "?ai_service=openai"):
        assert plane.get("/v1/models" + how, key).json["total"] == everything["total"], how
    for how in ("?provider=%40mack", "?ai_service=anthropic"):
        assert plane.get("/v1/models" + how, key).json == {"object": "list", "total": 0, "total_count": 0, "data": []}
    assert plane.get("/v1/models", key, {"x-portkey-provider": "@other"}).json["total"] == 0
    assert plane.get("/v1/models", key, {"x-portkey-provider": "@other", "x-portkey-fetch-integrated-models": "true"}
                     ).json["total"] == everything["total"]
    pages = [m["id"] for at in range(0, 300, 100) for m in plane.get(f"/v1/models?limit=100&offset={at}", key).json["data"]]
    assert pages == [m["id"] for m in everything["data"]]
