"""One API over all providers: a client of one protocol, a provider of another; and native both."""

import json

import pytest

import anthropic
import openai
from providers import FIXTURES, last_body, providers_of, serve

CLAUDE = "claude-sonnet-5"
GPT = "gpt-4o-mini"


@pytest.fixture(scope="module")
def pair(pg_cluster):
    """An OpenAI and an Anthropic provider."""
    with providers_of(pg_cluster, claude="anthropic") as providers:
        yield providers


@pytest.fixture
def two(pair):
    pair.begin()
    return pair


@pytest.fixture
def mock(two):
    return two.mock


def openai_client(gateway, key, **kwargs):
    return openai.OpenAI(api_key=str(key), base_url=gateway.url, max_retries=0, **kwargs)


def anthropic_client(gateway, key, **kwargs):
    return anthropic.Anthropic(api_key=str(key), base_url=gateway.url.removesuffix("/v1"), max_retries=0, **kwargs)


def last_head(mock):
    lines = mock.last()["head"].split("\r\n")
    return lines[0], {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}


# -- OpenAI's client, Anthropic's provider -------------------------------------------------------

def test_openai_client_talks_to_claude(two, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=1000, tokens=50, text="Kyiv.")
    key = two.key(budget_usd="1")
    answer = openai_client(two, key).chat.completions.create(
        model=f"@claude/{CLAUDE}", max_tokens=100,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}])
    assert answer.choices[0].message.content == "Kyiv." and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1000, 50)
    line, head = last_head(mock)
    assert line == "POST /v1/messages HTTP/1.1"
    assert head["x-api-key"] == "sk-upstream-secret" and head["anthropic-version"] == "2023-06-01"
    assert "authorization" not in head and not any(name.startswith("x-stainless") for name in head)
    assert last_body(mock) == {
        "model": CLAUDE, "max_tokens": 100, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Capital?"}]}]}
    # claude-sonnet-5: 2 and 10 dollars per million tokens
    assert two.records("cost_nusd, endpoint") == [(1000 * 2000 + 50 * 10000, "chatComplete")]


def test_openai_client_streams_from_claude_and_the_usage_is_found(two, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=20, tokens=7, text="one two three four")
    key = two.key(budget_usd="1")
    client = openai_client(two, key)
    chunks = list(client.chat.completions.create(
        model=f"@claude/{CLAUDE}", stream=True, messages=[{"role": "user", "content": "count"}]))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "one two three four"
    assert chunks[-1].choices[0].finish_reason == "stop" and all(c.usage is None for c in chunks)
    chunks = list(client.chat.completions.create(
        model=f"@claude/{CLAUDE}", stream=True, stream_options={"include_usage": True},
        messages=[{"role": "user", "content": "count"}]))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 7
    assert two.records("cost_nusd") == [(20 * 2000 + 7 * 10000,)] * 2


@pytest.mark.parametrize("name", ["anthropic.messages.stream.tools", "anthropic.messages.stream.usage",
                                  "anthropic.messages.stream.text"])
def test_transcripts_of_claude_reach_openai_clients(two, mock, name):
    expect = json.loads((FIXTURES / f"{name}.expect.json").read_text())
    serve(mock, f"{name}.sse", path="/v1/messages")
    mock.script(match={"path": "/v1/messages"}, split_writes=True)
    key = two.key(budget_usd="5")
    with two.stream(key, "x", model=f"@claude/{CLAUDE}", stream_options={"include_usage": True}) as stream:
        events = stream.read_all()
    assert stream.is_done
    want = [dict(c, logprobs=None) for c in expect["openai_chunks"]]
    assert [e["choices"][0] for e in events if e["choices"]] == want
    assert [e["usage"] for e in events if not e["choices"]] == [expect["openai_usage"]]


def test_a_tool_turn_goes_there_and_back(two, mock):
    serve(mock, "anthropic.messages.stream.tools.sse", path="/v1/messages")
    client = openai_client(two, two.key())
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    calls = {}
    for chunk in client.chat.completions.create(model=f"@claude/{CLAUDE}", stream=True, tools=tools,
                                                messages=[{"role": "user", "content": "weather?"}]):
        for call in chunk.choices[0].delta.tool_calls or []:
            one = calls.setdefault(call.index, {"id": call.id, "name": call.function.name, "args": ""})
            one["args"] += call.function.arguments or ""
    assert [json.loads(c["args"]) for c in calls.values()] == [{"city": "Oslo"}, {}]
    client.chat.completions.create(model=f"@claude/{CLAUDE}", tools=tools, messages=[
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["args"]}}
            for c in calls.values()]},
        *({"role": "tool", "tool_call_id": c["id"], "content": "fine"} for c in calls.values())])
    results = last_body(mock)["messages"][-1]
    assert results["role"] == "user" and [b["tool_use_id"] for b in results["content"]] == ["toolu_Fx1", "toolu_Fx2"]


# -- Anthropic's client, OpenAI's provider -------------------------------------------------------

def test_anthropic_client_talks_to_gpt(two, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=1000, cached_tokens=200, tokens=500, text="Oslo.")
    key = two.key(budget_usd="1")
    answer = anthropic_client(two, key).messages.create(
        model=f"@mock/{GPT}", max_tokens=600, system="Be brief.", messages=[{"role": "user", "content": "Capital?"}])
    assert answer.content[0].text == "Oslo." and answer.stop_reason == "end_turn" and answer.model == GPT
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (800, 200, 500)
    line, head = last_head(mock)
    assert line == "POST /v1/chat/completions HTTP/1.1" and head["authorization"] == "Bearer sk-upstream-secret"
    assert not any(name.startswith("anthropic") or name == "x-api-key" for name in head)
    assert last_body(mock) == {"model": GPT, "max_completion_tokens": 600, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]}
    assert two.records("cost_nusd, endpoint") == [(800 * 150 + 200 * 75 + 500 * 600, "messages")]


def test_anthropic_client_streams_from_gpt(two, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=10, tokens=12)
    with anthropic_client(two, two.key()).messages.stream(
            model=f"@mock/{GPT}", max_tokens=600, messages=[{"role": "user", "content": "count"}]) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text and final.content[0].text == text and final.usage.output_tokens == 12
    assert final.stop_reason == "end_turn"
    assert last_body(mock)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", ["text", "tools", "usage"])
def test_transcripts_of_openai_reach_anthropic_clients(two, mock, name):
    serve(mock, f"openai.chat.stream.{name}.sse", path="/v1/chat/completions")
    with anthropic_client(two, two.key()).messages.stream(
            model=f"@mock/{GPT}", max_tokens=600, messages=[{"role": "user", "content": "x"}]) as stream:
        final = stream.get_final_message()
    want = json.loads((FIXTURES / f"openai.chat.stream.{name}.expect.json").read_text())
    message = want["openai_final"]["message"]
    assert "".join(b.text for b in final.content if b.type == "text") == (message["content"] or "")
    assert [(b.id, b.input) for b in final.content if b.type == "tool_use"] == [
        (c["id"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", [])]
    assert final.usage.output_tokens == want["usage"]["output_total"]
    assert final.usage.input_tokens == want["usage"]["input_fresh"]


# -- native: bytes pass --------------------------------------------------------------------------

def test_anthropic_to_anthropic_passes_bytes(two, mock):
    body = (b'{ "model" : "@claude/%s","max_tokens":64, "messages":[{"role":"user","content":"\\u00e9"}],'
            b'"unknown_member":{"a":[1,2.50]}}' % CLAUDE.encode())
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=300, tokens=20, any_body=True)
    key = two.key(budget_usd="1")
    answer = two.ask("POST", "/v1/messages", {"x-api-key": str(key), "content-type": "application/json",
                                              "anthropic-version": "2026-10-21", "anthropic-beta": "x-1"}, body)
    assert answer.status == 200 and answer.json["type"] == "message"
    assert mock.last()["body"].encode() == body.replace(b"@claude/", b"")
    _, head = last_head(mock)
    assert head["anthropic-version"] == "2026-10-21" and head["anthropic-beta"] == "x-1"
    assert two.records("cost_nusd") == [(300 * 2000 + 20 * 10000,)]


def test_anthropic_native_stream_passes_and_is_charged(two, mock):
    raw = (FIXTURES / "anthropic.messages.stream.usage.sse").read_bytes()
    serve(mock, "anthropic.messages.stream.usage.sse", path="/v1/messages")
    key = two.key(budget_usd="5")
    got = two.ask("POST", "/v1/messages", {"x-api-key": str(key), "content-type": "application/json"}, json.dumps(
        {"model": f"@claude/{CLAUDE}", "max_tokens": 900, "stream": True,
         "messages": [{"role": "user", "content": "x"}]}))
    assert got.body == raw and got.headers["content-type"].startswith("text/event-stream")
    assert two.records("output_total, web_searches") == [(530, 1)]


def test_counting_tokens_is_free(two, mock):
    mock.script(match={"path": "/v1/messages/count_tokens"}, prompt_tokens=77)
    key = two.key(budget_usd="0.01")
    counted = anthropic_client(two, key).messages.count_tokens(
        model=f"@claude/{CLAUDE}", messages=[{"role": "user", "content": "x" * 20000}])
    assert counted.input_tokens == 77
    assert two.records("endpoint, charged_nusd") == [("messagesCountTokens", 0)]


# -- limits --------------------------------------------------------------------------------------

def test_a_budget_fits_the_limit_of_what_is_sent(two, mock):
    mock.script(tokens=100000)
    key = two.key(budget_usd="0.05")
    answer = two.chat(key, "hi", model=f"@claude/{CLAUDE}", max_tokens=64000)
    assert answer.status == 200, answer
    sent = last_body(mock)["max_tokens"]
    # Half of what 0.05 dollars pay at 10 dollars a million.
    assert 2000 < sent <= 2500 and answer.usage["completion_tokens"] == sent
    assert answer.json["choices"][0]["finish_reason"] == "length"
    answer = two.ask("POST", "/v1/messages", {"x-api-key": str(key), "content-type": "application/json"}, json.dumps(
        {"model": f"@claude/{CLAUDE}", "max_tokens": 64000, "messages": [{"role": "user", "content": "hi"}]}))
    assert answer.status == 200 and last_body(mock)["max_tokens"] < sent
    assert two.key_object(key)["usage_limits"]


def test_a_used_up_budget_is_told_in_the_clients_words(two, mock):
    key = two.key(budget_usd="0.000001")
    with pytest.raises(anthropic.APIStatusError) as refused:
        anthropic_client(two, key).messages.create(model=f"@mock/{GPT}", max_tokens=5000,
                                                   messages=[{"role": "user", "content": "x" * 1000}])
    assert refused.value.status_code == 412
    assert refused.value.body["type"] == "error" and refused.value.body["error"]["type"] == "billing_error"
    assert mock.stats()["requests"] == 0


def test_a_key_that_is_none_is_refused_in_the_clients_words(two):
    with pytest.raises(anthropic.AuthenticationError) as refused:
        anthropic_client(two, "ag-nobody").messages.create(model="m", max_tokens=5,
                                                           messages=[{"role": "user", "content": "x"}])
    assert refused.value.body["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("fields, word", [
    ({"n": 2}, "n: "), ({"logprobs": True}, "logprobs"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "input_audio"),
    ({"tools": [{"type": "web_search"}]}, "tools[0]")])
def test_what_cannot_be_translated_is_refused_by_name_and_holds_nothing(two, mock, fields, word):
    key = two.key(budget_usd="1")
    body = {"model": f"@claude/{CLAUDE}", "messages": [{"role": "user", "content": "x"}], **fields}
    answer = two.post(key, body)
    assert answer.status == 400 and word in answer.message, answer
    assert mock.stats()["requests"] == 0
    assert not two.slots()


def test_strict_compliance_refuses_what_would_be_dropped(two, mock):
    body = {"model": f"@claude/{CLAUDE}", "seed": 4, "messages": [{"role": "user", "content": "x"}]}
    assert two.post(two.key(), body).status == 200 and "seed" not in last_body(mock)
    answer = two.post(two.key(), body, headers={"x-portkey-strict-open-ai-compliance": "true"})
    assert answer.status == 400 and "seed" in answer.message


def test_lax_compliance_shows_the_providers_own_word(two, mock):
    body = {"model": f"@claude/{CLAUDE}", "messages": [{"role": "user", "content": "x"}]}
    assert two.post(two.key(), body).json["choices"][0]["finish_reason"] == "stop"
    answer = two.post(two.key(), body, headers={"x-portkey-strict-open-ai-compliance": "false"})
    assert answer.json["choices"][0]["finish_reason"] == "end_turn"


# -- errors --------------------------------------------------------------------------------------

def test_a_providers_refusal_is_told_in_the_clients_words(two, mock):
    mock.script(match={"path": "/v1/messages"}, times=1, status=429, retry_after=7)
    with pytest.raises(openai.RateLimitError) as refused:
        openai_client(two, two.key()).chat.completions.create(
            model=f"@claude/{CLAUDE}", messages=[{"role": "user", "content": "x"}])
    assert refused.value.code == "rate_limit_exceeded" and refused.value.response.headers["retry-after"] == "7"
    assert refused.value.response.headers["anthropic-ratelimit-requests-remaining"] == "3999"
    mock.script(match={"path": "/v1/messages"}, times=1, status=529)
    with pytest.raises(openai.InternalServerError) as refused:
        openai_client(two, two.key()).chat.completions.create(
            model=f"@claude/{CLAUDE}", messages=[{"role": "user", "content": "x"}])
    assert refused.value.status_code == 503 and refused.value.code == "overloaded"
    mock.script(match={"path": "/v1/chat/completions"}, times=1, status=429, retry_after=3)
    with pytest.raises(anthropic.RateLimitError) as refused:
        anthropic_client(two, two.key()).messages.create(model=f"@mock/{GPT}", max_tokens=9,
                                                         messages=[{"role": "user", "content": "x"}])
    assert refused.value.response.headers["retry-after"] == "3"
    assert refused.value.body["error"]["type"] == "rate_limit_error"


def test_our_credential_does_not_come_back_in_an_error(two, mock):
    mock.script(match={"path": "/v1/messages"}, times=1, status=401, error_message="bad key sk-upstream-secret")
    answer = two.chat(two.key(), model=f"@claude/{CLAUDE}")
    assert answer.status == 502 and "sk-upstream" not in answer.text and "bad key ***" in answer.message


@pytest.mark.parametrize("do", [{"cut_after_chunks": 2}, {"no_done": True}, {"reset_after_chunks": 2}])
def test_a_broken_stream_of_claude_ends_in_an_error_without_done(two, mock, do):
    mock.script(match={"path": "/v1/messages"}, text="one two three four five six", chunk_delay_ms=20, **do)
    key = two.key(budget_usd="1")
    with two.stream(key, "x", model=f"@claude/{CLAUDE}") as stream:
        events = stream.read_all()
    assert not stream.is_done and events[-1]["error"]["code"] == "upstream_stream_truncated"
    assert two.records("charged_nusd > 0") == [(True,)]


def test_a_broken_stream_of_openai_ends_in_anthropics_error_event(two, mock):
    serve(mock, "openai.stream.truncated.sse", path="/v1/chat/completions")
    with pytest.raises(anthropic.APIError):
        with anthropic_client(two, two.key()).messages.stream(
                model=f"@mock/{GPT}", max_tokens=60, messages=[{"role": "user", "content": "x"}]) as stream:
            for _ in stream.text_stream:
                pass


def test_an_error_before_the_first_word_is_a_status(two, mock):
    mock.script(match={"path": "/v1/messages"}, times=1, content_type="text/event-stream",
                body='event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n')
    with pytest.raises(openai.InternalServerError) as refused:
        openai_client(two, two.key()).chat.completions.create(
            model=f"@claude/{CLAUDE}", stream=True, messages=[{"role": "user", "content": "x"}])
    assert refused.value.status_code == 503


def test_a_large_answer_is_poured_as_it_is_read(two, mock):
    text = "x" * (9 << 20)
    mock.script(match={"path": "/v1/messages"}, text=text, tokens=100)
    answer = two.chat(two.key(), model=f"@claude/{CLAUDE}")
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == text
    mock.clear()
    mock.script(match={"path": "/v1/messages"}, text="y" * 50000, tokens=100)
    with two.stream(two.key(), "x", model=f"@claude/{CLAUDE}") as stream:
        events = stream.read_all()
    assert sum(len(e["choices"][0]["delta"].get("content") or "") for e in events) == 50000


def test_who_leaves_a_translated_stream_pays_for_what_was_made(two, mock):
    mock.script(match={"path": "/v1/messages"}, text="one two three four", prompt_tokens=1000, stall_after_chunks=2)
    key = two.key(budget_usd="1")
    stream = two.stream(key, "x", model=f"@claude/{CLAUDE}")
    assert stream.next_event()
    stream.connection.close()
    two.wait_idle()
    assert two.records("outcome, charged_nusd >= 1000 * 2000") == [("client_left_during", True)]


# -- any other path ------------------------------------------------------------------------------

def test_any_path_of_a_provider_is_governed(two, mock):
    mock.script(match={"path": "/v1/files"}, body='{"object":"list","data":[]}')
    assert two.get("/v1/files", key=two.key()).status == 404
    two.grant(two.integration(slug="open", configurations={"shared_objects": True}), two.default_workspace())
    named = {"x-portkey-provider": "@open"}
    key = two.key(rpm=1)
    answer = two.get("/v1/files?limit=3", key=key, headers=named)
    assert answer.status == 200 and answer.json["object"] == "list"
    assert last_head(mock)[0] == "GET /v1/files?limit=3 HTTP/1.1"
    assert two.get("/v1/files", key=key, headers=named).status == 429
    assert two.get("/v1/files", headers=named).status == 401
    assert two.get("/v1/files", key=two.key(budget_usd="1"), headers=named).status == 200, "reading costs nothing"
    assert two.get("/v1/other", key=two.key(budget_usd="1"), headers=named).status == 412
    assert two.get("/v1/x/../../y", key=two.key(), headers=named).status == 400
    assert two.records("endpoint, status") == [("files", 200), ("files", 200)]


# -- azure: deployments ----------------------------------------------------------------------------

def test_azure_deployments_are_found_by_alias_and_priced_by_their_model(two, mock):
    workspace = two.default_workspace()
    deployments = [{"alias": "fast", "azure_deployment_name": "dep-mini", "azure_api_version": "2024-10-21",
                    "azure_model_slug": "gpt-4o-mini", "is_default": True},
                   {"alias": "good", "azure_deployment_name": "dep-4o", "azure_api_version": "2025-01-01-preview",
                    "azure_model_slug": "gpt-4o"}]
    refused = two.admin_ask("POST", "/integrations", {
        "name": "az", "slug": "az0", "ai_provider_id": "azure-openai", "key": "k", "configurations": {
            "azure_auth_mode": "default", "azure_deployment_config": deployments}})
    assert refused.status == 400 and "azure_resource_name" in refused.message
    refused = two.admin_ask("POST", "/integrations", {
        "name": "az", "slug": "az0", "ai_provider_id": "azure-openai", "key": "k", "configurations": {
            "azure_resource_name": "evil.example#", "azure_deployment_config": deployments}})
    assert refused.status == 400 and "azure_resource_name" in refused.message
    two.grant(two.integration(slug="az", family="azure-openai", configurations={
        "azure_resource_name": "acme", "azure_deployment_config": deployments}), workspace)
    for path in ("/v1/deployments/dep-mini/chat/completions", "/v1/deployments/dep-4o/chat/completions"):
        mock.script(match={"path": path}, body=json.dumps({
            "id": "x", "object": "chat.completion", "model": "m", "choices": [], "usage": {
                "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}}))
    key = two.key(budget_usd="1")
    assert two.chat(key, model="@az/good").status == 200
    line, head = last_head(mock)
    assert line == "POST /v1/deployments/dep-4o/chat/completions?api-version=2025-01-01-preview HTTP/1.1"
    assert head["api-key"] == "sk-upstream-secret" and "authorization" not in head
    assert two.chat(key, model="@az/whatever").status == 200
    assert last_head(mock)[0].startswith("POST /v1/deployments/dep-mini/")
    assert two.records("cost_nusd") == [(1000 * 2500 + 10 * 10000,), (1000 * 150 + 10 * 600,)]


def test_a_default_deployment_is_no_way_past_a_list(two, mock):
    """Any name leads to it, so that its own is what is allowed, and what guardrails are asked."""
    deployments = [{"alias": "fast", "azure_deployment_name": "dep-mini", "azure_api_version": "2024-10-21",
                    "azure_model_slug": "gpt-4o-mini"},
                   {"alias": "big", "azure_deployment_name": "dep-4o", "azure_api_version": "2024-10-21",
                    "azure_model_slug": "gpt-4o", "is_default": True}]
    two.grant(two.integration(slug="az-open", family="azure-openai", configurations={
        "azure_resource_name": "acme", "azure_deployment_config": deployments}), two.default_workspace())
    for path in ("/v1/deployments/dep-mini/chat/completions", "/v1/deployments/dep-4o/chat/completions"):
        mock.script(match={"path": path}, body='{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')
    ask = {name: lambda name=name: two.chat(two.key(), model=f"@az-open/{name}").status
           for name in ("whatever", "gpt-4o", "big", "dep-4o", "fast", "gpt-4o-mini")}
    assert {name: call() for name, call in ask.items()} == dict.fromkeys(ask, 200)
    assert set(two.records("requested_model, endpoint")) == {(f"@az-open/{n}", "chatComplete") for n in ask}
    two.admin("PUT", "/integrations/az-open/models", {
        "allow_all_models": True, "models": [{"slug": "gpt-4o", "enabled": False}]})
    assert {n: c() for n, c in ask.items()} == {
        "whatever": 412, "gpt-4o": 412, "big": 412, "dep-4o": 412, "fast": 200, "gpt-4o-mini": 200}
    two.admin("PUT", "/integrations/az-open/models", {
        "allow_all_models": False, "models": [{"slug": "gpt-4o", "enabled": True}]})
    assert {n: c() for n, c in ask.items()} == {
        "whatever": 200, "gpt-4o": 200, "big": 412, "dep-4o": 412, "fast": 412, "gpt-4o-mini": 412}


# -- responses, native -----------------------------------------------------------------------------

def test_responses_pass_and_are_charged(two, mock):
    mock.script(match={"path": "/v1/responses"}, body=json.dumps({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o-mini", "output": [],
        "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 30,
                  "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 130}}))
    key = two.key(budget_usd="1")
    answer = openai_client(two, key).responses.create(model=f"@mock/{GPT}", input="hi", max_output_tokens=50)
    assert answer.id == "resp_1"
    assert last_body(mock) == {"model": GPT, "input": "hi", "max_output_tokens": 50}
    assert two.records("endpoint, cost_nusd") == [("createModelResponse", 60 * 150 + 40 * 75 + 30 * 600)]
    for fields, word in (({"background": True}, "background"), ({"max_output_tokens": 0}, "max_output_tokens")):
        answer = two.post(key, {"model": f"@mock/{GPT}", "input": "x", **fields}, path="/v1/responses")
        assert answer.status == 400 and word in answer.message


def test_a_stream_of_responses_passes_and_is_charged(two, mock):
    raw = (FIXTURES / "openai.responses.stream.text.sse").read_bytes()
    want = json.loads((FIXTURES / "openai.responses.stream.text.expect.json").read_text())["usage"]
    serve(mock, "openai.responses.stream.text.sse", path="/v1/responses")
    got = two.post(two.key(budget_usd="5"), {"model": f"@mock/{GPT}", "input": "x", "stream": True}, path="/v1/responses")
    assert got.status == 200 and got.body == raw
    assert two.records("outcome, output_total, input_fresh") == [
        ("answered", want["output_total"], want["input_fresh"])]


def test_a_responses_limit_is_written_where_money_is_held(two, mock):
    mock.script(match={"path": "/v1/responses"}, body="{}")
    assert two.post(two.key(budget_usd="1"), {"model": f"@mock/{GPT}", "input": "x"}, path="/v1/responses").status == 200
    assert last_body(mock)["max_output_tokens"] > 0


# -- pictures, speech, transcripts -----------------------------------------------------------------

def test_pictures_are_paid_by_the_piece_or_by_tokens(two, mock):
    client = openai_client(two, two.key(budget_usd="20"))
    mock.script(match={"path": "/v1/images/generations", "model": "dall-e-3"},
                body='{"created":1,"data":[{"url":"u"}]}')
    client.images.generate(model="@mock/dall-e-3", prompt="a cat", quality="hd", size="1024x1792")
    assert last_body(mock)["model"] == "dall-e-3"
    mock.script(match={"path": "/v1/images/generations"}, body=json.dumps({
        "created": 1, "data": [{"b64_json": "QQ=="}], "usage": {
            "input_tokens": 50, "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
            "output_tokens": 1000, "total_tokens": 1050}}))
    client.images.generate(model="@mock/gpt-image-1", prompt="a cat")
    records = two.records("endpoint, cost_nusd, units")
    # 1024*1792 pixels at 0.00000006539 dollars; 50 tokens at 5 and 1000 at 40 dollars a million.
    assert records == [("imageGenerate", 119991174, 1024 * 1792), ("imageGenerate", 50 * 5000 + 1000 * 40000, 0)]
    poor = openai_client(two, two.key(budget_usd="0.1"))
    with pytest.raises(openai.APIStatusError) as refused:
        poor.images.generate(model="@mock/dall-e-3", prompt="a cat", quality="hd", size="1024x1792")
    assert refused.value.status_code == 412


def test_speech_is_paid_by_the_character_and_passes_as_bytes(two, mock):
    mock.script(match={"path": "/v1/audio/speech"}, body="\u0001sound", content_type="audio/mpeg")
    answer = openai_client(two, two.key(budget_usd="1")).audio.speech.create(
        model="@mock/tts-1", voice="alloy", input="K\u00f8benhavn")
    assert answer.content == b"\x01sound" and answer.response.headers["content-type"] == "audio/mpeg"
    assert two.records("endpoint, cost_nusd") == [("createSpeech", 9 * 15000)]


def test_a_transcript_comes_of_a_form(two, mock):
    mock.script(match={"path": "/v1/audio/transcriptions"},
                body='{"text":"hi","usage":{"type":"duration","seconds":9}}')
    answer = openai_client(two, two.key(budget_usd="1")).audio.transcriptions.create(
        model="@mock/whisper-1", file=("a.wav", b"RIFF" + bytes(20000)))
    assert answer.text == "hi"
    body = mock.last()["body"]
    assert "@mock" not in body and "whisper-1" in body
    assert last_head(mock)[1]["content-type"].startswith("multipart/form-data; boundary=")
    assert two.records("endpoint, cost_nusd") == [("createTranscription", 9 * 100000)]
    for form, word in ((b"--b\r\nno end", "form"), (
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n@mock/whisper-1\r\n'
            b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n', "duplicate")):
        answer = two.ask("POST", "/v1/audio/transcriptions", {
            "authorization": f"Bearer {two.key()}", "content-type": "multipart/form-data; boundary=b"}, form)
        assert answer.status == 400 and word in answer.message, answer


# -- fitting leaves thinking its budget ------------------------------------------------------------

THINKER = "claude-haiku-4-5"
NATIVE = {"max_tokens": 8000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
ASKED = {"max_tokens": 8000, "reasoning_effort": "high"}


@pytest.mark.parametrize("path, own, room, told", [
    ("/v1/messages", NATIVE, 6500, None),      # half of the room pays for it
    ("/v1/messages", NATIVE, 2700, 2256),      # the least that leaves the budget and room for an answer
    ("/v1/messages", NATIVE, 2200, 412),       # below the budget the provider would refuse it
    ("/v1/chat/completions", ASKED, 2700, 2304),
    ("/v1/chat/completions", ASKED, 2200, 412)])  # thinking has a minimum
def test_a_fitted_request_still_thinks(two, mock, path, own, room, told):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=5, tokens=5)
    body = {"model": f"@claude/{THINKER}", "messages": [{"role": "user", "content": "hi"}], **own}
    answer = two.post(two.key(budget_tokens=room), json.dumps(body), path=path)
    if told == 412:
        assert answer.status == 412 and mock.stats()["requests"] == 0
        return
    assert answer.status == 200
    sent = last_body(mock)
    assert sent["thinking"]["type"] == "enabled"
    assert 1024 <= sent["thinking"]["budget_tokens"] < sent["max_tokens"] < 8000
    if told:
        assert sent["max_tokens"] == told
    if own is NATIVE:
        assert sent["thinking"]["budget_tokens"] == 2000, "a client's own budget stays"


# -- nothing is accepted and ignored ---------------------------------------------------------------

SAID = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
INPUT = {"model": f"@claude/{CLAUDE}", "input": "hi"}
TALK = {"model": f"@claude/{CLAUDE}", "messages": [{"role": "user", "content": "hi"}]}
GOOGLE = f"/v1beta/models/@claude/{CLAUDE}:generateContent"
STRICT = {"x-portkey-strict-open-ai-compliance": "true"}


@pytest.mark.parametrize("path, body, field", [
    (GOOGLE, {**SAID, "safetySettings": [{"category": "X", "threshold": "BLOCK_LOW_AND_ABOVE"}]}, "safetySettings"),
    (GOOGLE, {**SAID, "generation_config": {"media_resolution": "MEDIA_RESOLUTION_LOW"}}, "mediaResolution"),
    ("/v1/responses", {**INPUT, "truncation": "auto"}, "truncation"),
    ("/v1/responses", {**INPUT, "max_tool_calls": 2}, "max_tool_calls"),
    ("/v1/responses", {**INPUT, "include": ["file_search_call.results"]}, "include[0]"),
    ("/v1/chat/completions", {**TALK, "guided_json": {"a": 1}}, "guided_json"),
    ("/v1/chat/completions", {**TALK, "modalities": ["text", "audio"]}, "modalities"),
    ("/v1/chat/completions", {**TALK, "messages": [{"role": "user", "content": "x", "weight": 1}]}, "messages[0].weight")])
def test_what_has_no_place_is_refused_by_its_name(two, mock, path, body, field):
    answer = two.post(two.key(), json.dumps(body), path=path)
    assert answer.status == 400 and field in answer.json["error"]["message"]
    assert mock.stats()["requests"] == 0


def test_a_hint_is_left_out_unless_strictness_is_asked_for(two, mock):
    mock.script(match={"path": "/v1/messages"}, tokens=1)
    body = json.dumps({**TALK, "seed": 4})
    assert two.post(two.key(), body).status == 200 and "seed" not in last_body(mock)
    answer = two.post(two.key(), body, headers=STRICT)
    assert answer.status == 400 and "seed" in answer.json["error"]["message"]


def test_google_s_other_spelling_binds(two, mock):
    mock.script(match={"path": "/v1/messages"}, tokens=1)
    body = {"contents": SAID["contents"], "system_instruction": {"parts": [{"text": "Be brief."}]},
            "generation_config": {"max_output_tokens": 77, "stop_sequences": ["x"]}, "labels": {"team": "blue"}}
    assert two.post(two.key(), json.dumps(body), path=GOOGLE).status == 200
    sent = last_body(mock)
    assert sent["max_tokens"] == 77 and sent["stop_sequences"] == ["x"]
    assert sent["system"] == [{"type": "text", "text": "Be brief."}]
