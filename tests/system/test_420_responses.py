"""Clients of /v1/responses on providers that have no such endpoint, and models that have no other."""

import json

import pytest

import openai
from providers import FIXTURES, last_body, providers_of, serve

CLAUDE = "claude-sonnet-5"
LLAMA = "llama-3.3-70b-versatile"
WEATHER = {"type": "function", "name": "get_weather", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


@pytest.fixture(scope="module")
def all_providers(pg_cluster):
    """OpenAI, Anthropic and a compatible provider."""
    with providers_of(pg_cluster, claude="anthropic", groq="groq") as providers:
        yield providers


@pytest.fixture
def providers(all_providers):
    all_providers.begin()
    return all_providers


@pytest.fixture
def mock(providers):
    return providers.mock


def last_path(mock):
    return mock.last()["head"].split(" ", 2)[1]


def test_claude_answers_a_client_of_responses(providers, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=1000, tokens=50, text="Kyiv.")
    client = providers.client(providers.key(budget_usd="1"))
    answer = client.responses.create(model=f"@claude/{CLAUDE}", instructions="Be brief.", input="Capital?",
                                     max_output_tokens=100)
    assert answer.output_text == "Kyiv." and answer.status == "completed" and answer.error is None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (1000, 50, 1050)
    assert answer.model == CLAUDE and answer.instructions == "Be brief." and answer.max_output_tokens == 100
    assert answer.to_dict()["store"] is False and answer.tools == [] and answer.id.startswith("resp_")
    assert last_body(mock) == {
        "model": CLAUDE, "max_tokens": 100, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Capital?"}]}]}
    # claude-sonnet-5: 2 and 10 dollars per million tokens
    assert providers.records("endpoint, outcome, input_fresh, output_total, cost_nusd") == [
        ("createModelResponse", "answered", 1000, 50, 1000 * 2000 + 50 * 10000)]


def test_claude_streams_to_a_client_of_responses(providers, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=20, tokens=7, text="one two three four")
    client = providers.client(providers.key(budget_usd="1"))
    with client.responses.stream(model=f"@claude/{CLAUDE}", input="count") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "one two three four" and final.usage.output_tokens == 7
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == final.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))
    kinds = [e.type for e in events if not e.type.endswith(".delta")]
    assert kinds == ["response.created", "response.in_progress", "response.output_item.added",
                     "response.content_part.added", "response.output_text.done", "response.content_part.done",
                     "response.output_item.done", "response.completed"]
    assert last_body(mock)["stream"] is True
    assert providers.records("cost_nusd") == [(20 * 2000 + 7 * 10000,)]


def test_a_tool_turn_of_responses_goes_there_and_back(providers, mock):
    serve(mock, "anthropic.messages.stream.tools.sse", path="/v1/messages")
    client = providers.client(providers.key())
    with client.responses.stream(model=f"@claude/{CLAUDE}", tools=[WEATHER], input="weather?") as stream:
        final = stream.until_done().get_final_response()
    calls = [item for item in final.output if item.type == "function_call"]
    assert [(c.call_id, c.name, json.loads(c.arguments)) for c in calls][0] == (
        "toolu_Fx1", "get_weather", {"city": "Oslo"})
    assert [c.status for c in calls] == ["completed"] * 2
    assert last_body(mock)["tools"][0]["input_schema"] == WEATHER["parameters"]
    turns = [{"role": "user", "content": "weather?"}, *(item.to_dict() for item in final.output),
             *({"type": "function_call_output", "call_id": c.call_id, "output": "fine"} for c in calls)]
    client.responses.create(model=f"@claude/{CLAUDE}", tools=[WEATHER], input=turns)
    messages = last_body(mock)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert [b["tool_use_id"] for b in messages[2]["content"]] == ["toolu_Fx1", "toolu_Fx2"]
    assert [b["id"] for b in messages[1]["content"] if b["type"] == "tool_use"] == ["toolu_Fx1", "toolu_Fx2"]


def test_structured_output_of_responses(providers, mock):
    mock.script(text='{"city":"Oslo"}')
    client = providers.client(providers.key())
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
              "additionalProperties": False}
    text = {"format": {"type": "json_schema", "name": "place", "schema": schema, "strict": True}}
    answer = client.responses.create(model="@claude/claude-opus-5", input="where?", text=text)
    assert json.loads(answer.output_text) == {"city": "Oslo"}
    assert last_body(mock)["output_config"]["format"] == {"type": "json_schema", "schema": schema}
    assert answer.text.format.name == "place"
    answer = client.responses.create(model=f"@groq/{LLAMA}", input="where?", text=text)
    assert json.loads(answer.output_text) == {"city": "Oslo"}
    assert last_body(mock)["response_format"] == {"type": "json_schema", "json_schema": {
        "name": "place", "schema": schema, "strict": True}}


# -- a provider of chat completions ----------------------------------------------------------------

def test_a_compatible_provider_answers_a_client_of_responses(providers, mock):
    mock.script(match={"path": "/v1/chat/completions"}, prompt_tokens=30, tokens=9, text="Oslo.")
    client = providers.client(providers.key())
    answer = client.responses.create(model=f"@groq/{LLAMA}", input=[
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Capital?"}]}], temperature=0.5)
    assert answer.output_text == "Oslo." and answer.temperature == 0.5
    assert last_path(mock) == "/v1/chat/completions"
    sent = last_body(mock)
    assert sent["messages"][1] == {"role": "user", "content": "Capital?"} and "store" not in sent
    assert providers.records("endpoint, input_fresh, output_total") == [("createModelResponse", 30, 9)]


@pytest.mark.parametrize("name", ["text", "tools", "usage"])
def test_transcripts_of_openai_reach_clients_of_responses(providers, mock, name):
    serve(mock, f"openai.chat.stream.{name}.sse", path="/v1/chat/completions")
    client = providers.client(providers.key(budget_usd="5"))
    with client.responses.stream(model=f"@groq/{LLAMA}", tools=[WEATHER], input="x") as stream:
        final = stream.until_done().get_final_response()
    want = json.loads((FIXTURES / f"openai.chat.stream.{name}.expect.json").read_text())
    message = want["openai_final"]["message"]
    assert final.output_text == (message["content"] or "")
    assert [(i.call_id, i.arguments) for i in final.output if i.type == "function_call"] == [
        (c["id"], c["function"]["arguments"]) for c in message.get("tool_calls", [])]
    assert final.usage.output_tokens == want["usage"]["output_total"]
    assert final.usage.input_tokens == want["usage"]["input_total"]
    assert providers.records("output_total, input_fresh") == [
        (want["usage"]["output_total"], want["usage"]["input_fresh"])]


def test_a_limit_is_an_incomplete_response(providers, mock):
    mock.script(match={"path": "/v1/messages"}, tokens=500)
    client = providers.client(providers.key())
    answer = client.responses.create(model=f"@claude/{CLAUDE}", input="x", max_output_tokens=20)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


# -- what goes wrong -------------------------------------------------------------------------------

@pytest.mark.parametrize("fields, word", [
    ({"previous_response_id": "resp_1"}, "previous_response_id"), ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"), ({"store": True}, "store"), ({"prompt": {"id": "p"}}, "prompt"),
    ({"tools": [{"type": "web_search"}]}, "tools[0]"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference")])
def test_what_needs_its_own_provider_is_refused_by_name(providers, mock, fields, word):
    key = providers.key(budget_usd="1")
    answer = providers.post(key, {"model": f"@claude/{CLAUDE}", "input": "x", **fields}, path="/v1/responses")
    assert answer.status == 400 and word in answer.message, answer
    assert mock.stats()["requests"] == 0 and not providers.slots()


def test_errors_are_told_to_clients_of_responses(providers, mock):
    client = providers.client(providers.key())
    mock.script(match={"path": "/v1/messages"}, times=1, status=429, retry_after=7)
    with pytest.raises(openai.RateLimitError) as refused:
        client.responses.create(model=f"@claude/{CLAUDE}", input="x")
    assert refused.value.code == "rate_limit_exceeded" and refused.value.response.headers["retry-after"] == "7"
    poor = providers.client(providers.key(budget_usd="0.000001"))
    with pytest.raises(openai.APIStatusError) as refused:
        poor.responses.create(model=f"@claude/{CLAUDE}", input="x" * 1000)
    assert refused.value.status_code == 412


def test_a_broken_stream_of_responses_has_failed(providers, mock):
    mock.script(match={"path": "/v1/messages"}, text="one two three four five six", chunk_delay_ms=20, cut_after_chunks=2)
    got = providers.post(providers.key(budget_usd="1"), {"model": f"@claude/{CLAUDE}", "input": "x", "stream": True},
                         path="/v1/responses")
    events = [json.loads(line[6:]) for line in got.body.decode().split("\n") if line.startswith("data: ")]
    assert [e["type"] for e in events[-2:]] == ["error", "response.failed"]
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"]["code"] == "upstream_stream_truncated"
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert providers.records("charged_nusd > 0") == [(True,)]


# -- models that answer there alone ----------------------------------------------------------------

def test_chat_reaches_a_model_of_responses(providers, mock):
    serve(mock, "openai.responses.nonstream.json", path="/v1/responses")
    client = providers.client(providers.key(budget_usd="50"))
    answer = client.chat.completions.create(model="@mock/o3-pro", max_tokens=100,
                                            messages=[{"role": "user", "content": "How are you?"}])
    assert answer.choices[0].message.content == "Fine, thanks." and answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 87 and answer.usage.completion_tokens_details.reasoning_tokens == 64
    assert last_path(mock) == "/v1/responses"
    assert last_body(mock) == {"model": "o3-pro", "max_output_tokens": 100, "store": False, "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How are you?"}]}]}
    # o3-pro: 20 and 80 dollars per million tokens
    assert providers.records("endpoint, cost_nusd") == [("chatComplete", 36 * 20000 + 87 * 80000)]


def test_chat_streams_from_a_model_of_responses(providers, mock):
    want = json.loads((FIXTURES / "openai.responses.stream.tools.expect.json").read_text())
    serve(mock, "openai.responses.stream.tools.sse", path="/v1/responses")
    with providers.stream(providers.key(budget_usd="50"), "x", model="@mock/o3-pro", max_tokens=100,
                          stream_options={"include_usage": True}) as stream:
        events = stream.read_all()
    assert stream.is_done
    assert [e["choices"][0] for e in events if e["choices"]] == [dict(c, logprobs=None) for c in want["openai_chunks"]]
    assert [e["usage"] for e in events if not e["choices"]] == [want["openai_usage"]]


def test_what_such_a_model_does_not_know_is_refused_by_name(providers, mock):
    key = providers.key(budget_usd="50")
    for fields, word in (({"stop": ["x"]}, "stop"), ({"n": 2}, "n: "), ({"max_tokens": 5}, "max_completion_tokens")):
        answer = providers.post(key, {"model": "@mock/o3-pro", "max_tokens": 50,
                                      "messages": [{"role": "user", "content": "x"}], **fields})
        assert answer.status == 400 and word in answer.message, answer
    assert mock.stats()["requests"] == 0


# -- legacy completions ----------------------------------------------------------------------------

def test_a_prompt_reaches_claude(providers, mock):
    mock.script(match={"path": "/v1/messages"}, prompt_tokens=20, tokens=7, text="one two three four")
    client = providers.client(providers.key(budget_usd="1"))
    answer = client.completions.create(model=f"@claude/{CLAUDE}", prompt="count", max_tokens=50)
    assert answer.object == "text_completion" and answer.choices[0].text == "one two three four"
    assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens == 7
    assert last_body(mock)["messages"] == [{"role": "user", "content": [{"type": "text", "text": "count"}]}]
    chunks = list(client.completions.create(model=f"@claude/{CLAUDE}", prompt="count", max_tokens=50, stream=True,
                                            stream_options={"include_usage": True}))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "one two three four"
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-1].usage.completion_tokens == 7
    assert providers.records("endpoint, cost_nusd") == [("complete", 20 * 2000 + 7 * 10000)] * 2
    answer = providers.post(providers.key(), {"model": f"@claude/{CLAUDE}", "prompt": ["a", "b"]},
                            path="/v1/completions")
    assert answer.status == 400 and "prompt" in answer.message
