"""Guardrails and configs where requests come in other protocols, pass untouched, or wait."""

import json
from decimal import Decimal

import pytest

from gateway import Gateway, chat_body, wait
from mock import Mock
from plane import mini_cost

CLAUDE, GPT = "claude-sonnet-5", "gpt-4o-mini"


@pytest.fixture(scope="module")
def pair(pg_cluster):
    """Two providers of different protocols, answered by one simulator."""
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider)
        workspace = gateway.default_workspace()
        gateway.grant(gateway.integration(slug="claude", family="anthropic"), workspace)
        yield gateway
        gateway.close()


@pytest.fixture
def mock(pair):
    pair.mock.clear()
    pair.mock.reset()
    return pair.mock


@pytest.fixture
def under(pair, mock):
    """under({check: parameters}, deny=...): the workspace's only guardrail."""
    workspace = pair.default_workspace()["slug"]

    def put(checks, **actions):
        slugs = []
        if checks:
            slugs = [pair.admin("POST", "/guardrails", {
                "name": "g", "workspace_id": workspace, "actions": {"deny": True, **actions},
                "checks": [{"id": f"default.{k}", "parameters": v} for k, v in checks.items()]})["slug"]]
        pair.admin("PUT", f"/admin/workspaces/{workspace}", {"defaults": {"input_guardrails": slugs}})
    yield put
    put(None)


LAX = {"x-portkey-strict-open-ai-compliance": "false"}


def messages(model, **fields):
    return {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}], **fields}


REQUESTS = [
    ("/v1/messages", messages(f"@claude/{CLAUDE}")), ("/v1/messages", messages(f"@mock/{GPT}")),
    ("/v1/messages", messages(f"@mock/{GPT}", stream=True)),
    ("/v1/messages/count_tokens", messages(f"@claude/{CLAUDE}")),
    ("/v1/chat/completions", chat_body(model=f"@claude/{CLAUDE}", max_tokens=20)),
    ("/v1/chat/completions", chat_body(model=f"@claude/{CLAUDE}", max_tokens=20, stream=True)),
    ("/v1/responses", {"model": f"@mock/{GPT}", "input": "hi"}),
    (f"/v1beta/models/@mock/{GPT}:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    ("/v1/moderations", {"model": f"@mock/{GPT}", "input": "hi"}),
]


@pytest.mark.parametrize("path,body", REQUESTS)
def test_every_protocol_is_guarded(pair, mock, under, path, body):
    under({"modelWhitelist": {"models": ["o3-mini"]}})
    no = pair.post(pair.key(), body, path)
    assert no.status == 446
    (hook,) = no.json["hook_results"]["before_request_hooks"]
    assert hook["verdict"] is False and "guardrail" in json.dumps(no.json["error"])
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("path,model", [("/v1/messages", f"@claude/{CLAUDE}"), ("/v1/messages", f"@mock/{GPT}"),
                                        ("/v1/chat/completions", f"@claude/{CLAUDE}")])
def test_what_was_found_is_told_in_answers_that_are_translated(pair, mock, under, path, model):
    under({"modelWhitelist": {"models": ["o3-mini"]}}, deny=False)
    key = pair.key(budget_usd="1")
    whole = pair.post(key, messages(model), path)
    assert whole.status == 246
    assert whole.json["hook_results"]["before_request_hooks"][0]["verdict"] is False
    assert whole.json["usage"] and (whole.json.get("content") or whole.json["choices"])
    for headers, told in ((LAX, True), ({}, False)):
        stream = pair.ask("POST", path, {"authorization": f"Bearer {key}", **headers}, messages(model, stream=True))
        assert stream.status == 246
        first = stream.text.split("\n\n")[0]
        assert ('{"hook_results":' in first) == told == ("hook_results" in stream.text)
        assert not told or first.startswith("event: hook_results\n" if path == "/v1/messages" else "data: ")
    under({"modelWhitelist": {"models": ["*"]}})
    assert pair.post(key, messages(model), path).status == 200


def test_kinds_of_requests_go_by_the_names_of_endpoints(pair, mock, under):
    under({"allowedRequestTypes": {"allowedTypes": ["messages", "files"]}})
    key = pair.key()
    mock.script(match={"path": "/v1/files"}, body='{"object":"list","data":[]}')
    assert pair.post(key, messages(f"@mock/{GPT}"), "/v1/messages").status == 200
    pair.grant(pair.integration(slug="open", configurations={"shared_objects": True}), pair.default_workspace())
    assert pair.get("/v1/files", key=key, headers={"x-portkey-provider": "@open"}).status == 200
    assert pair.get("/v1/other", key=key, headers={"x-portkey-provider": "@mock"}).status == 446
    assert pair.chat(key).status == 446
    under({"allowedRequestTypes": {"blockedTypes": ["stream-messages"]}})
    assert pair.post(key, messages(f"@mock/{GPT}"), "/v1/messages").status == 200
    assert pair.post(key, messages(f"@mock/{GPT}", stream=True), "/v1/messages").status == 446
    no = pair.admin_ask("POST", "/guardrails", {
        "name": "g", "workspace_id": pair.default_workspace()["slug"], "actions": {},
        "checks": [{"id": "default.allowedRequestTypes", "parameters": {"blockedTypes": ["uploadFile"]}}]})
    assert no.status == 400 and "uploadFile is not told apart" in no.message


def test_a_path_without_a_model_cannot_be_decided_by_models(pair, mock, under):
    mock.script(match={"path": "/v1/files"}, body='{"object":"list","data":[]}')
    pair.grant(pair.integration(slug="open", configurations={"shared_objects": True}), pair.default_workspace())
    key, named = pair.key(), {"x-portkey-provider": "@open"}
    for parameters, status in (({"models": [GPT]}, 446), ({"models": [GPT], "failOnError": False}, 200),
                               ({"models": [GPT], "not": True}, 446), ({"models": ["*"]}, 200)):
        under({"modelWhitelist": parameters})
        got = pair.get("/v1/files", key=key, headers=named)
        assert got.status == status, parameters
        if status == 446:
            (check,) = got.json["hook_results"]["before_request_hooks"][0]["checks"]
            assert check["error"]["message"] == "Missing model in request"


def config(body):
    return {"x-portkey-config": json.dumps(body)}


def test_parameters_reach_bodies_of_other_protocols(pair, mock):
    key = pair.key(budget_usd="1")
    use = config({"override_params": {"model": f"@claude/{CLAUDE}", "max_tokens": 7}})
    assert pair.post(key, messages(f"@mock/{GPT}"), "/v1/messages", headers=use).status == 200
    sent = json.loads(mock.last()["body"])
    assert sent["model"] == CLAUDE and sent["max_tokens"] == 7
    assert pair.chat(key, headers=use).status == 200, "and over a translation"
    sent = json.loads(mock.last()["body"])
    assert sent["model"] == CLAUDE and sent["max_tokens"] == 7


def test_what_parameters_cannot_be_laid_over_does_not_pass_without_them(pair, mock):
    key = pair.key()
    pair.grant(pair.integration(slug="open", configurations={"shared_objects": True}), pair.default_workspace())
    use = config({"provider": "@open", "override_params": {"model": "gpt-4o"}})
    named = {"x-portkey-provider": "@open", **use}
    no = pair.ask("POST", "/v1/files", {"authorization": f"Bearer {key}", **named,
                                        "content-type": "multipart/form-data; boundary=x"}, "--x--")
    assert no.status == 400 and "application/json alone" in no.message
    no = pair.post(key, {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
                   f"/v1beta/models/@mock/{GPT}:generateContent", headers=use)
    assert no.status == 400 and "model in the path" in no.message
    assert mock.stats()["requests"] == 0
    mock.script(match={"path": "/v1/files"}, body='{"object":"list","data":[]}')
    assert pair.get("/v1/files", key=key, headers=named).status == 200, "nothing to lay them over"


def test_a_request_that_waited_is_served_by_its_config(gateway_factory, mock_factory):
    """Admitted twice: its parameters stand once, over the body as it came."""
    provider = mock_factory()
    plane = gateway_factory(mock=provider, conf={"hold_wait": "2m", "fit_min_tokens": "1000"})
    workspace = plane.default_workspace()
    slug = plane.admin("POST", "/configs", {"name": "c", "workspace_id": workspace["slug"], "config": {
        "provider": "@mock", "default_params": {"top_p": 0.5}, "override_params": {"temperature": 0.25},
        "input_guardrails": [{"default.modelWhitelist": {"models": [GPT]}, "deny": True}]}})["slug"]
    body = chat_body(max_tokens=1000)
    room = mini_cost(len(json.dumps(body)) + 200, 1000) + mini_cost(500, 200)
    key = plane.key(budget_usd=format(Decimal(room) / 10**9, "f"), defaults={"config_id": slug})
    provider.script(times=1, wait="go", prompt_tokens=5, tokens=2)
    first = plane.post_async(key, body)
    provider.wait_stat("requests", 1)
    second = plane.post_async(key, body)
    wait(lambda: plane.counter("req_waiting") == 1, "the second to wait")
    plane.admin("PUT", f"/configs/{slug}", {"config": {
        "provider": "@mock", "override_params": {"temperature": 0.75},
        "input_guardrails": [{"default.modelWhitelist": {"models": [GPT]}, "deny": True}]}})
    provider.release("go")
    assert first.answer().status == 200
    answer = second.answer()
    assert answer.status == 200
    assert answer.json["hook_results"]["before_request_hooks"][0]["verdict"] is True
    assert json.loads(provider.last()["body"]) == {**body, "model": GPT, "temperature": 0.75}
