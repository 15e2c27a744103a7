"""Gemini's protocol at both ends, through the whole gateway and by unmodified SDKs."""

import json
import pathlib

import pytest

import anthropic
import openai
from gateway import Gateway
from google import genai
from google.genai import errors, types
from mock import Mock

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "fixtures"
FLASH = "gemini-2.5-flash"
GPT = "gpt-4o-mini"
CLAUDE = "claude-sonnet-5"
GENERATE = f"/v1beta/models/{FLASH}:generateContent"
STREAM = f"/v1beta/models/{FLASH}:streamGenerateContent"
# gemini-2.5-flash: 0.3, 0.03 (cached) and 2.5 dollars per million tokens
COST_WHOLE = 10 * 300 + 53 * 2500
COST_STREAM = 10 * 300 + 8 * 2500
TEXT = "Kyiv lies on the Dnipro."
ASK = [{"role": "user", "content": "Where is Kyiv?"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.fixture(scope="module")
def _three(pg_cluster):
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider)
        workspace = gateway.default_workspace()
        gateway.grant(gateway.integration(slug="claude", family="anthropic"), workspace)
        gateway.grant(gateway.integration(slug="gemini", family="google", configurations={
            "custom_host": provider.url + "/v1beta"}), workspace)
        yield gateway
        gateway.close()


@pytest.fixture
def three(_three):
    _three.mock.clear()
    _three.wait_idle()
    _three.wait_flushed()
    _three.mock.reset()
    _three.sql("DELETE FROM aigate.ledger")
    return _three


@pytest.fixture
def mock(three):
    return three.mock


def records(gateway, columns):
    gateway.wait_flushed()
    return gateway.rows(f"SELECT {columns} FROM aigate.ledger ORDER BY received_at")


def serve(mock, name, path, **do):
    kind = "text/event-stream" if name.endswith(".sse") else "application/json"
    mock.script(match={"path": path}, body_file=str(FIXTURES / name), content_type=kind, **do)


def last_body(mock):
    return json.loads(mock.last()["body"])


def last_head(mock):
    lines = mock.last()["head"].split("\r\n")
    return lines[0], {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}


def openai_client(gateway, **limits):
    return openai.OpenAI(api_key=str(gateway.key(**limits)), base_url=gateway.url, max_retries=0)


def anthropic_client(gateway, **limits):
    return anthropic.Anthropic(api_key=str(gateway.key(**limits)), base_url=gateway.url.removesuffix("/v1"),
                               max_retries=0)


_kept = []


def gemini_client(gateway, **limits):
    """Kept: one that nobody names any more closes its connections, also under a call."""
    _kept.append(genai.Client(api_key=str(gateway.key(**limits)), vertexai=False, http_options=types.HttpOptions(
        base_url=gateway.url.removesuffix("/v1"), api_version="v1beta")))
    return _kept[-1]


# -- OpenAI's client, Google's provider ----------------------------------------------------------

def test_openai_client_talks_to_gemini(three, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    answer = openai_client(three, budget_usd="1").chat.completions.create(
        model=f"@gemini/{FLASH}", max_tokens=100, temperature=0.5,
        messages=[{"role": "system", "content": "Be brief."}, *ASK])
    assert answer.choices[0].message.content == TEXT and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 53)
    assert answer.usage.completion_tokens_details.reasoning_tokens == 45
    line, head = last_head(mock)
    assert line == f"POST {GENERATE} HTTP/1.1" and head["x-goog-api-key"] == "sk-upstream-secret"
    assert "authorization" not in head and not any(name.startswith("x-stainless") for name in head)
    body = last_body(mock)
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Where is Kyiv?"}]}]
    assert body["generationConfig"]["maxOutputTokens"] == 100 and body["generationConfig"]["temperature"] == 0.5
    assert "model" not in body
    assert records(three, "cost_nusd, endpoint, input_fresh, output_total, reasoning, finish_reason") == [
        (COST_WHOLE, "chatComplete", 10, 53, 45, "STOP")]


def test_openai_client_streams_from_gemini(three, mock):
    serve(mock, "gemini.generate.stream.text.sse", STREAM + "*")
    chunks = list(openai_client(three, budget_usd="1").chat.completions.create(
        model=f"@gemini/{FLASH}", stream=True, stream_options={"include_usage": True}, messages=ASK))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-1].usage.completion_tokens == 8 and chunks[-1].choices == []
    assert last_head(mock)[0] == f"POST {STREAM}?alt=sse HTTP/1.1"
    assert records(three, "cost_nusd, is_stream") == [(COST_STREAM, True)]


@pytest.mark.parametrize("name", ["text", "tools", "usage"])
def test_transcripts_of_gemini_reach_openai_clients(three, mock, name):
    expect = json.loads((FIXTURES / f"gemini.generate.stream.{name}.expect.json").read_text())
    serve(mock, f"gemini.generate.stream.{name}.sse", STREAM + "*", split_writes=True)
    with three.stream(three.key(budget_usd="5"), "x", model=f"@gemini/{FLASH}",
                      stream_options={"include_usage": True}) as stream:
        events = stream.read_all()
    assert stream.is_done
    final = expect["openai_final"]
    assert "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"]) == (
        final["message"]["content"] or "")
    calls = [c for e in events if e["choices"] for c in e["choices"][0]["delta"].get("tool_calls", [])]
    assert [c["function"]["name"] for c in calls if c["function"].get("name")] == [
        c["function"]["name"] for c in final["message"].get("tool_calls", [])]
    assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == final["finish_reason"]
    ((cost, output),) = records(three, "cost_nusd, output_total")
    assert output == expect["usage"]["output_total"] and cost > 0


def test_a_tool_turn_goes_there_and_back(three, mock):
    serve(mock, "gemini.generate.stream.tools.sse", STREAM + "*")
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    client, calls = openai_client(three), {}
    for chunk in client.chat.completions.create(model=f"@gemini/{FLASH}", stream=True, tools=TOOLS, messages=ASK):
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            one = calls.setdefault(call.index, {"id": call.id, "type": "function", "function": {
                "name": call.function.name, "arguments": ""}})
            one.update(call.model_extra or {})
            one["function"]["arguments"] += call.function.arguments or ""
    assert [json.loads(c["function"]["arguments"]) for c in calls.values()] == [{"city": "Oslo", "days": 2}, {}]
    answer = client.chat.completions.create(model=f"@gemini/{FLASH}", tools=TOOLS, messages=[
        *ASK, {"role": "assistant", "content": None, "tool_calls": list(calls.values())},
        *({"role": "tool", "tool_call_id": c["id"], "content": "fine"} for c in calls.values())])
    assert answer.choices[0].message.content == TEXT
    user, model, results = last_body(mock)["contents"]
    assert [p["functionCall"]["name"] for p in model["parts"]] == ["get_weather", "get_time"]
    assert model["parts"][0]["thoughtSignature"] == "c2lnLWZ4MzI="
    assert [p["functionResponse"]["name"] for p in results["parts"]] == ["get_weather", "get_time"]
    assert results["role"] == "user"


def test_structured_output_has_its_schema(three, mock):
    mock.script(match={"path": GENERATE}, content_type="application/json", body=json.dumps({
        "candidates": [{"content": {"parts": [{"text": '{"city":"Kyiv"}'}], "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 4, "totalTokenCount": 9},
        "modelVersion": FLASH}))
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
              "additionalProperties": False}
    answer = openai_client(three).chat.completions.create(
        model=f"@gemini/{FLASH}", messages=ASK, response_format={"type": "json_schema", "json_schema": {
            "name": "place", "strict": True, "schema": schema}})
    assert json.loads(answer.choices[0].message.content) == {"city": "Kyiv"}
    config = last_body(mock)["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert "responseJsonSchema" in config or "responseSchema" in config


@pytest.mark.parametrize("name, status, kind", [("gemini.error.429.json", 429, openai.RateLimitError),
                                                ("gemini.error.400.json", 400, openai.APIStatusError)])
def test_errors_of_gemini_are_told_in_openais_words(three, mock, name, status, kind):
    serve(mock, name, GENERATE, status=status)
    with pytest.raises(kind) as failed:
        openai_client(three).chat.completions.create(model=f"@gemini/{FLASH}", messages=ASK)
    assert failed.value.body["message"] and failed.value.body["type"]
    if status == 429:
        assert failed.value.response.headers["retry-after"] == "18"


def test_a_stream_of_gemini_that_breaks_is_told(three, mock):
    serve(mock, "gemini.stream.error.sse", STREAM + "*")
    with pytest.raises(openai.APIError):
        list(openai_client(three, budget_usd="1").chat.completions.create(
            model=f"@gemini/{FLASH}", stream=True, messages=ASK))
    assert not three.slots()


# -- Anthropic's client, Google's provider -------------------------------------------------------

def test_anthropic_client_talks_to_gemini(three, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    answer = anthropic_client(three, budget_usd="1").messages.create(
        model=f"@gemini/{FLASH}", max_tokens=200, system="Be brief.", messages=ASK)
    assert [b.text for b in answer.content if b.type == "text"] == [TEXT] and answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 53)
    assert not any(name.startswith("anthropic") or name == "x-api-key" for name in last_head(mock)[1])
    assert records(three, "cost_nusd, endpoint") == [(COST_WHOLE, "messages")]


def test_anthropic_client_streams_tools_from_gemini(three, mock):
    serve(mock, "gemini.generate.stream.tools.sse", STREAM + "*")
    with anthropic_client(three).messages.stream(
            model=f"@gemini/{FLASH}", max_tokens=200, messages=ASK,
            tools=[{"name": "get_weather", "input_schema": {"type": "object"}}]) as stream:
        final = stream.get_final_message()
    assert [(b.name, b.input) for b in final.content if b.type == "tool_use"] == [
        ("get_weather", {"city": "Oslo", "days": 2}), ("get_time", {})]
    assert final.stop_reason == "tool_use" and final.usage.output_tokens == 50


# -- Google's client, Google's provider: bytes pass ----------------------------------------------

def test_gemini_native_by_the_sdk(three, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    answer = gemini_client(three, budget_usd="1").models.generate_content(
        model=f"models/@gemini/{FLASH}", contents="Where is Kyiv?",
        config=types.GenerateContentConfig(max_output_tokens=77))
    assert answer.text == TEXT and answer.usage_metadata.thoughts_token_count == 45
    line, head = last_head(mock)
    assert line == f"POST {GENERATE} HTTP/1.1" and head["x-goog-api-key"] == "sk-upstream-secret"
    assert last_body(mock)["generationConfig"]["maxOutputTokens"] == 77
    assert records(three, "cost_nusd, endpoint, requested_model, served_model") == [
        (COST_WHOLE, "generateContent", f"@gemini/{FLASH}", FLASH)]


def test_gemini_native_streams_by_the_sdk(three, mock):
    serve(mock, "gemini.generate.stream.text.sse", STREAM + "*")
    chunks = list(gemini_client(three, budget_usd="1").models.generate_content_stream(
        model=f"models/@gemini/{FLASH}", contents="Where is Kyiv?"))
    assert "".join(c.text or "" for c in chunks) == TEXT
    assert last_head(mock)[0] == f"POST {STREAM}?alt=sse HTTP/1.1"
    assert records(three, "cost_nusd, is_stream") == [(COST_STREAM, True)]


def native(gateway, path, key, body=None, how="header"):
    headers = {"content-type": "application/json"}
    if how == "header":
        headers["x-goog-api-key"] = str(key)
    elif how == "bearer":
        headers["authorization"] = f"Bearer {key}"
    else:
        path += ("&" if "?" in path else "?") + f"key={key}"
    return gateway.ask("POST", path, headers, json.dumps(body or {"contents": [{"parts": [{"text": "x"}]}]}))


@pytest.mark.parametrize("how", ["header", "bearer", "query"])
def test_keys_are_read_where_googles_clients_put_them(three, mock, how):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    key = three.key()
    answer = native(three, f"/v1beta/models/@gemini/{FLASH}:generateContent", key, how=how)
    assert answer.status == 200, answer
    line, head = last_head(mock)
    assert str(key) not in mock.last()["head"] and line == f"POST {GENERATE} HTTP/1.1"
    assert str(key) not in three.log
    assert native(three, f"/v1beta/models/@gemini/{FLASH}:generateContent", "ag-none", how=how).status == 401


def test_a_native_stream_without_alt_is_an_array_that_passes(three, mock):
    events = [line[6:] for line in (FIXTURES / "gemini.generate.stream.text.sse").read_text().splitlines() if line]
    raw = "[" + ",\r\n".join(events) + "]"
    mock.script(match={"path": STREAM}, body=raw, content_type="application/json")
    answer = native(three, f"/v1beta/models/@gemini/{FLASH}:streamGenerateContent", three.key(budget_usd="1"))
    assert answer.status == 200 and answer.body.decode() == raw
    assert last_head(mock)[0] == f"POST {STREAM} HTTP/1.1"
    assert records(three, "cost_nusd, output_total") == [(COST_STREAM, 8)]


def test_a_native_error_passes(three, mock):
    serve(mock, "gemini.error.429.json", GENERATE, status=429)
    with pytest.raises(errors.ClientError) as failed:
        gemini_client(three).models.generate_content(model=f"models/@gemini/{FLASH}", contents="x")
    assert failed.value.code == 429 and failed.value.status == "RESOURCE_EXHAUSTED"


def test_a_budget_fits_what_a_native_client_may_have(three, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    key = three.key(budget_usd="0.01")
    answer = native(three, f"/v1beta/models/@gemini/{FLASH}:generateContent", key)
    assert answer.status == 200
    assert 0 < last_body(mock)["generationConfig"]["maxOutputTokens"] <= 4000


def test_a_used_up_budget_is_told_in_googles_words(three, mock):
    with pytest.raises(errors.ClientError) as refused:
        gemini_client(three, budget_usd="0.000001").models.generate_content(
            model=f"models/@gemini/{FLASH}", contents="x" * 1000)
    assert refused.value.code == 412 and refused.value.status == "RESOURCE_EXHAUSTED"
    assert mock.stats()["requests"] == 0


def test_counting_tokens_is_free(three, mock):
    mock.script(match={"path": f"/v1beta/models/{FLASH}:countTokens"}, body='{"totalTokens":31}',
                content_type="application/json")
    counted = gemini_client(three, budget_usd="0.01").models.count_tokens(
        model=f"models/@gemini/{FLASH}", contents="x" * 5000)
    assert counted.total_tokens == 31
    assert records(three, "charged_nusd") == [(0,)]


# -- Google's client, other providers ------------------------------------------------------------

def test_names_in_snake_case_are_read_as_google_reads_them(three, mock):
    """Google's SDK mixes both: a schema that a caller gives as JSON goes out under a name in snake_case."""
    schema = {"type": "object", "properties": {"max_days": {"type": "integer"}}}
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="f", parameters_json_schema=schema)])
    answer = gemini_client(three).models.generate_content(
        model=f"models/@mock/{GPT}", contents="x", config=types.GenerateContentConfig(
            tools=[tool], tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)))
    assert "parameters_json_schema" not in mock.last()["body"]
    assert last_body(mock)["tools"][0]["function"]["parameters"] == schema
    assert answer.function_calls[0].args == {"max_days": 7}


@pytest.mark.parametrize("body, told", [
    ({"tools": ["f"]}, "tools: must be an array of objects"),
    ({"tools": [{"functionDeclarations": "f"}]}, "tools[0].functionDeclarations: must be an array of objects"),
    ({"contents": [{"parts": [None]}]}, "contents[0].parts: must be an array of objects"),
    ({"contents": [7]}, "contents: must be an array of objects"),
    ({"systemInstruction": "Be brief."}, "systemInstruction: must be an object"),
    ({"generationConfig": {"thinkingConfig": []}}, "generationConfig.thinkingConfig: must be an object"),
])
def test_what_is_of_another_kind_is_refused_and_harms_nobody(three, mock, body, told):
    workers = three.pids("worker")
    whole = {"contents": [{"parts": [{"text": "x"}]}], **body}
    answer = three.post(three.key(), json.dumps(whole), path=f"/v1beta/models/@mock/{GPT}:generateContent")
    assert answer.status == 400 and answer.json["error"]["status"] == "INVALID_ARGUMENT"
    assert told in answer.json["error"]["message"]
    assert mock.stats()["requests"] == 0
    assert three.pids("worker") == workers, "no worker fell over it"


def test_one_that_is_in_no_list_is_the_list_of_it(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=10, tokens=5, text="Oslo.")
    body = {"contents": {"role": "user", "parts": {"text": "Capital?"}}, "systemInstruction": {"parts": {"text": "Be brief."}},
            "generation_config": {"response_modalities": "TEXT", "stop_sequences": "END"}}
    answer = three.post(three.key(), json.dumps(body), path=f"/v1beta/models/@mock/{GPT}:generateContent")
    assert answer.status == 200
    sent = last_body(mock)
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]
    assert sent["stop"] == ["END"]


def test_gemini_client_talks_to_gpt(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=1000, tokens=500, text="Oslo.")
    answer = gemini_client(three, budget_usd="1").models.generate_content(
        model=f"models/@mock/{GPT}", contents="Capital?", config=types.GenerateContentConfig(
            system_instruction="Be brief.", max_output_tokens=600, temperature=0.2))
    assert answer.text == "Oslo." and answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (1000, 500, 1500)
    line, head = last_head(mock)
    assert line == "POST /v1/chat/completions HTTP/1.1" and head["authorization"] == "Bearer sk-upstream-secret"
    assert not any(name.startswith("x-goog") for name in head)
    assert last_body(mock) == {"model": GPT, "max_completion_tokens": 600, "temperature": 0.2, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]}
    assert records(three, "cost_nusd, endpoint") == [(1000 * 150 + 500 * 600, "generateContent")]


def test_gemini_client_streams_from_gpt(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=10, tokens=12)
    chunks = list(gemini_client(three, budget_usd="1").models.generate_content_stream(
        model=f"models/@mock/{GPT}", contents="count"))
    assert "".join(c.text or "" for c in chunks)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert [c.usage_metadata.candidates_token_count for c in chunks if c.usage_metadata][-1] == 12
    assert records(three, "cost_nusd") == [(10 * 150 + 12 * 600,)]


@pytest.mark.parametrize("model, path, name", [
    (GPT, "/v1/chat/completions", "openai.chat.stream.tools.sse"),
    (CLAUDE, "/v1/messages", "anthropic.messages.stream.tools.sse")])
def test_gemini_client_is_given_the_calls_of_others(three, mock, model, path, name):
    serve(mock, name, path)
    slug = "mock" if model == GPT else "claude"
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(
        name="get_weather", parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}})])
    parts = [p for c in gemini_client(three).models.generate_content_stream(
        model=f"models/@{slug}/{model}", contents="weather?", config=types.GenerateContentConfig(
            tools=[tool], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)))
        for c in c.candidates or [] for p in (c.content.parts or [] if c.content else [])]
    calls = [p.function_call for p in parts if p.function_call]
    assert len(calls) == 2 and calls[0].name == "get_weather" and isinstance(calls[0].args, dict)
    sent = last_body(mock)["tools"][0]
    assert (sent["function"]["name"] if model == GPT else sent["name"]) == "get_weather"


def test_gemini_client_talks_to_claude(three, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=100, tokens=20, text="Oslo.")
    client = gemini_client(three, budget_usd="1")
    answer = client.models.generate_content(model=f"models/@claude/{CLAUDE}", contents="Capital?")
    assert answer.text == "Oslo."
    chunks = list(client.models.generate_content_stream(model=f"models/@claude/{CLAUDE}", contents="Capital?"))
    assert "".join(c.text or "" for c in chunks) == "Oslo."
    assert records(three, "cost_nusd") == [(100 * 2000 + 20 * 10000,)] * 2


def test_structured_output_of_gemini_clients_reaches_gpt(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, text='{"city":"Oslo"}')
    answer = gemini_client(three).models.generate_content(
        model=f"models/@mock/{GPT}", contents="Capital?", config=types.GenerateContentConfig(
            response_mime_type="application/json",
            response_schema={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}))
    assert json.loads(answer.text) == {"city": "Oslo"}
    form = last_body(mock)["response_format"]
    assert form["type"] == "json_schema" and form["json_schema"]["schema"]["properties"]["city"]["type"] == "string"


def test_a_translated_stream_without_alt_is_an_array(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=10, tokens=3, text="one two three")
    answer = native(three, f"/v1beta/models/@mock/{GPT}:streamGenerateContent", three.key(budget_usd="1"))
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/json")
    chunks = json.loads(answer.body)
    assert "".join(p.get("text", "") for c in chunks for k in c.get("candidates", [])
                   for p in k["content"].get("parts", [])) == "one two three"
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 3


def test_errors_of_others_are_told_in_googles_words(three, mock):
    mock.script(match={"path": "/v1/chat/completions"}, status=429, content_type="application/json", body=json.dumps(
        {"error": {"message": "slow down", "type": "rate_limit_error", "code": None, "param": None}}))
    with pytest.raises(errors.ClientError) as failed:
        gemini_client(three).models.generate_content(model=f"models/@mock/{GPT}", contents="x")
    assert failed.value.code == 429 and "slow down" in failed.value.message
