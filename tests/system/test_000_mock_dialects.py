"""The simulator as each of the providers: what it takes and refuses, what it says, in their formats."""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import sys
import time
import urllib.parse
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mock import Mock  # noqa: E402

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "fixtures"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
          "required": ["city"]}
GEMINI, VERTEX = "/v1beta/models/gemini-2.5-flash", "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro"
CLAUDE = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4-5@20250929"
NOVA = "/model/amazon.nova-pro-v1%3A0"
AZURE = "/openai/deployments/dep/chat/completions?api-version=2024-10-21"
BEARER = {"authorization": "Bearer sk-1"}
HEADERS = {"anthropic": {"x-api-key": "sk-1", "anthropic-version": "2023-06-01"}, "gemini": {"x-goog-api-key": "k"},
           "azure": {"api-key": "k"}}


@pytest.fixture(scope="module")
def running():
    provider = Mock.start(pedantic=True)
    yield provider
    assert provider.stop() == 0


@pytest.fixture
def provider(running):
    running.clear()
    running.reset()
    return running


def post(provider, path, body, headers, stream=False):
    conn = provider.connect()
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    conn.request("POST", path, data, {"content-type": "application/json", **headers})
    answer = conn.getresponse()
    answer.text = answer.read()
    conn.close()
    answer.json = json.loads(answer.text) if not stream and answer.text[:1] in (b"{", b"[") else None
    return answer


def sse(text):
    """The events of a stream: (name or None, data)."""
    out = []
    for part in text.decode().replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.split("\n") if line)
        if lines:
            data = lines["data"]
            out.append((lines.get("event"), data if data == "[DONE]" else json.loads(data)))
    return out


def frames(data):
    """Messages of an event stream, lengths and sums checked: (headers, payload)."""
    out = []
    while data:
        total, headers_n, prelude = struct.unpack(">III", data[:12])
        assert zlib.crc32(data[:8]) == prelude and zlib.crc32(data[:total - 4]) == struct.unpack(
            ">I", data[total - 4:total])[0]
        rest, headers = data[12:12 + headers_n], {}
        while rest:
            n = rest[0]
            name, kind, m = rest[1:1 + n], rest[1 + n], struct.unpack(">H", rest[2 + n:4 + n])[0]
            assert kind == 7
            headers[name.decode()] = rest[4 + n:4 + n + m].decode()
            rest = rest[4 + n + m:]
        out.append((headers, json.loads(data[12 + headers_n:total - 4])))
        data = data[total:]
    return out


# -- one question in every format ----------------------------------------------------------------

def openai_ask(**more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **more}


def claude_ask(**more):
    return {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **more}


def gemini_ask(**more):
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **more}


def bedrock_ask(**more):
    return {"messages": [{"role": "user", "content": [{"text": "hi"}]}], **more}


def cohere_ask(**more):
    return {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "hi"}], **more}


def responses_ask(**more):
    return {"model": "gpt-5", "input": "hi", **more}


FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
OPENAI_TOOLS = {"tools": [FUNCTION], "tool_choice": "required"}

# name: path, path of a stream, headers, question, members that make it a stream, members that force a call
FORMATS = {
    "openai": ("/v1/chat/completions", None, BEARER, openai_ask, {"stream": True}, OPENAI_TOOLS),
    "azure": (AZURE, None, HEADERS["azure"], openai_ask, {"stream": True}, OPENAI_TOOLS),
    "mistral": ("/mistral/v1/chat/completions", None, BEARER, openai_ask, {"stream": True}, OPENAI_TOOLS),
    "responses": ("/v1/responses", None, BEARER, responses_ask, {"stream": True},
                  {"tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}], "tool_choice": "required"}),
    "anthropic": ("/v1/messages", None, HEADERS["anthropic"], claude_ask, {"stream": True},
                  {"tools": [{"name": "get_weather", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}),
    "gemini": (GEMINI + ":generateContent", GEMINI + ":streamGenerateContent?alt=sse", HEADERS["gemini"], gemini_ask, {},
               {"tools": [{"functionDeclarations": [{"name": "get_weather", "parameters": SCHEMA}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    "vertex": (VERTEX + ":generateContent", VERTEX + ":streamGenerateContent?alt=sse", BEARER, gemini_ask, {},
               {"tools": [{"function_declarations": [{"name": "get_weather", "parameters": SCHEMA}]}],
                "tool_config": {"function_calling_config": {"mode": "ANY"}}}),
    "bedrock": (NOVA + "/converse", NOVA + "/converse-stream", BEARER, bedrock_ask, {},
                {"toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}],
                                "toolChoice": {"any": {}}}}),
    "cohere": ("/v2/chat", None, BEARER, cohere_ask, {"stream": True}, {"tools": [FUNCTION], "tool_choice": "REQUIRED"}),
}


def told(name, answer):
    """Text, thinking and calls [(name, arguments)] of a whole answer."""
    o = answer.json
    if name in ("openai", "azure", "mistral"):
        m = o["choices"][0]["message"]
        calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in m.get("tool_calls", [])]
        if isinstance(m["content"], list):
            return m["content"][1]["text"], m["content"][0]["thinking"][0]["text"], calls
        return m["content"], m.get("reasoning_content"), calls
    if name == "responses":
        items = {i["type"]: i for i in o["output"]}
        calls = [(i["name"], json.loads(i["arguments"])) for i in o["output"] if i["type"] == "function_call"]
        return (items["message"]["content"][0]["text"] if "message" in items else None,
                items["reasoning"]["summary"][0]["text"] if "reasoning" in items else None, calls)
    if name == "anthropic":
        blocks = {b["type"]: b for b in o["content"]}
        calls = [(b["name"], b["input"]) for b in o["content"] if b["type"] == "tool_use"]
        return blocks.get("text", {}).get("text"), blocks.get("thinking", {}).get("thinking"), calls
    if name in ("gemini", "vertex"):
        parts = o["candidates"][0]["content"]["parts"]
        return (next((p["text"] for p in parts if "text" in p and not p.get("thought")), None),
                next((p["text"] for p in parts if p.get("thought")), None),
                [(p["functionCall"]["name"], p["functionCall"]["args"]) for p in parts if "functionCall" in p])
    if name == "bedrock":
        parts = o["output"]["message"]["content"]
        return (next((p["text"] for p in parts if "text" in p), None),
                next((p["reasoningContent"]["reasoningText"]["text"] for p in parts if "reasoningContent" in p), None),
                [(p["toolUse"]["name"], p["toolUse"]["input"]) for p in parts if "toolUse" in p])
    m = o["message"]
    parts = {p["type"]: p for p in m.get("content", [])}
    return (parts.get("text", {}).get("text"), parts.get("thinking", {}).get("thinking"),
            [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in m.get("tool_calls", [])])


def ask(provider, name, stream=False, **more):
    path, streamed, headers, body, streams, _ = FORMATS[name]
    return post(provider, streamed if stream and streamed else path, body(**more, **(streams if stream else {})), headers,
                stream)


@pytest.mark.parametrize("name", FORMATS)
def test_text_and_thinking(provider, name):
    provider.script(text="na\u00efve \"text\" of the answer", thinking="first this, then that", tokens=9)
    answer = ask(provider, name)
    assert answer.status == 200, answer.text
    assert told(name, answer)[:2] == ("na\u00efve \"text\" of the answer", "first this, then that")
    assert provider.stats()["strict_violations"] == 0 and provider.log()[0]["completion_tokens"] == 9


@pytest.mark.parametrize("name", FORMATS)
def test_a_call_that_is_forced_is_made_by_its_schema(provider, name):
    answer = ask(provider, name, **FORMATS[name][5])
    assert answer.status == 200, answer.text
    assert told(name, answer)[2] == [("get_weather", {"city": "sample", "days": 7})]
    provider.script(tool_calls=2, tool_name="other", tool_args='{"a":"\\u00e9"}')
    assert told(name, ask(provider, name))[2] == [("other", {"a": "\u00e9"})] * 2


STREAM_TEXT = {
    "anthropic": lambda e: e.get("delta", {}).get("text", ""),
    "gemini": lambda e: "".join(p.get("text", "") for p in e["candidates"][0]["content"]["parts"] if not p.get("thought")),
    "cohere": lambda e: (e.get("delta", {}).get("message", {}).get("content") or {}).get("text", "")
    if e["type"] == "content-delta" else "",
    "responses": lambda e: e["delta"] if e["type"] == "response.output_text.delta" else "",
    "openai": lambda e: "".join(c["delta"]["content"] for c in e["choices"]
                                if isinstance(c["delta"].get("content"), str)),
}
STREAM_TEXT["vertex"] = STREAM_TEXT["gemini"]
STREAM_TEXT["azure"] = STREAM_TEXT["mistral"] = STREAM_TEXT["openai"]


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "bedrock"])
def test_streams_end_as_the_provider_ends_them(provider, name):
    text = "fourteen words or so, \u00e9 among them"
    provider.script(text=text, thinking="well", chunks=7)
    answer = ask(provider, name, stream=True)
    events = sse(answer.text)
    assert answer.getheader("content-type").startswith("text/event-stream")
    done = [e for _, e in events if e == "[DONE]"]
    assert len(done) == (name in ("openai", "azure", "mistral", "cohere"))
    events = [e for _, e in events if e != "[DONE]"]
    assert "".join(STREAM_TEXT[name](e) for e in events) == text
    assert provider.log()[0]["chunks_sent"] == 7
    last = events[-1]
    assert {"anthropic": lambda: last["type"] == "message_stop", "cohere": lambda: last["type"] == "message-end",
            "gemini": lambda: last["candidates"][0]["finishReason"] == "STOP" and last["usageMetadata"],
            "vertex": lambda: last["candidates"][0]["finishReason"] == "STOP",
            "responses": lambda: last["type"] == "response.completed" and last["response"]["usage"],
            "openai": lambda: last["choices"][0]["finish_reason"] == "stop" and "usage" not in last,
            "azure": lambda: events[0]["choices"] == [] and events[0]["prompt_filter_results"],
            "mistral": lambda: last["choices"][0]["finish_reason"] == "stop" and last["usage"]["total_tokens"]}[name]()


def test_the_event_stream_of_bedrock(provider):
    provider.script(text="some words", thinking="well", tool_calls=1, tool_args='{"a":1}', tokens=9, prompt_tokens=4)
    answer = ask(provider, "bedrock", stream=True)
    assert answer.getheader("content-type") == "application/vnd.amazon.eventstream"
    got = frames(answer.text)
    assert [h[":event-type"] for h, _ in got] == (
        ["messageStart"] + ["contentBlockDelta"] * 2 + ["contentBlockStop"] + ["contentBlockDelta"] * 2 +
        ["contentBlockStop", "contentBlockStart"] + ["contentBlockDelta"] * 2 +
        ["contentBlockStop", "messageStop", "metadata"])
    assert "".join(p["delta"]["text"] for _, p in got if "text" in p.get("delta", {})) == "some words"
    assert got[-2][1]["stopReason"] == "tool_use" and got[-1][1]["usage"]["totalTokens"] == 13
    provider.clear()
    provider.script(error_after_chunks=1)
    headers, payload = frames(ask(provider, "bedrock", stream=True).text)[-1]
    assert headers[":message-type"] == "exception" and payload["message"]
    assert headers[":exception-type"] == "modelStreamErrorException"


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_may_end_in_an_error_or_without_its_last_word(provider, name):
    for how in ({"error_after_chunks": 1}, {"no_done": True}, {"garbage_chunk": True}, {"cut_after_chunks": 0},
                {"split_writes": True}, {"no_usage": True}):
        provider.clear()
        provider.script(**how)
        conn = provider.connect()
        path, streamed, headers, body, streams, _ = FORMATS[name]
        conn.request("POST", streamed or path, json.dumps(body(**streams)),
                     {"content-type": "application/json", **headers})
        answer = conn.getresponse()
        try:
            answer.read()
            assert "cut_after_chunks" not in how
        except Exception as e:  # noqa: BLE001
            assert "cut_after_chunks" in how, e
        conn.close()
    stats = provider.wait_stat("inflight", 0)
    assert stats["answered"] == 5 and stats["broken"] == 1 and stats["refused"] == 0


USAGE = {
    "openai": lambda o: (o["usage"]["prompt_tokens"], o["usage"]["completion_tokens"],
                         o["usage"]["prompt_tokens_details"]["cached_tokens"],
                         o["usage"]["prompt_tokens_details"]["cache_write_tokens"],
                         o["usage"]["completion_tokens_details"]["reasoning_tokens"],
                         o["usage"]["prompt_tokens_details"]["audio_tokens"],
                         o["usage"]["completion_tokens_details"]["audio_tokens"]),
    "responses": lambda o: (o["usage"]["input_tokens"], o["usage"]["output_tokens"],
                            o["usage"]["input_tokens_details"]["cached_tokens"],
                            o["usage"]["input_tokens_details"]["cache_write_tokens"],
                            o["usage"]["output_tokens_details"]["reasoning_tokens"]),
    "anthropic": lambda o: (o["usage"]["input_tokens"], o["usage"]["output_tokens"],
                            o["usage"]["cache_read_input_tokens"],
                            o["usage"]["cache_creation"]["ephemeral_5m_input_tokens"],
                            o["usage"]["output_tokens_details"]["thinking_tokens"]),
    "gemini": lambda o: (o["usageMetadata"]["promptTokenCount"],
                         o["usageMetadata"]["candidatesTokenCount"] + o["usageMetadata"]["thoughtsTokenCount"],
                         o["usageMetadata"]["cachedContentTokenCount"], 70, o["usageMetadata"]["thoughtsTokenCount"],
                         next(d["tokenCount"] for d in o["usageMetadata"]["promptTokensDetails"] if d["modality"] == "AUDIO"),
                         o["usageMetadata"]["candidatesTokensDetails"][1]["tokenCount"]),
    "bedrock": lambda o: (o["usage"]["inputTokens"], o["usage"]["outputTokens"], o["usage"]["cacheReadInputTokens"],
                          o["usage"]["cacheWriteInputTokens"]),
    "cohere": lambda o: (o["usage"]["billed_units"]["input_tokens"], o["usage"]["billed_units"]["output_tokens"],
                         o["usage"]["cached_tokens"]),
}


@pytest.mark.parametrize("name", USAGE)
def test_every_counter_of_a_provider_can_be_set(provider, name):
    provider.script(prompt_tokens=1000, tokens=50, cached_tokens=600, cache_write_tokens=70, reasoning_tokens=20,
                    audio_prompt_tokens=11, audio_tokens=12)
    got = USAGE[name](ask(provider, name).json)
    assert got == (1000, 50, 600, 70, 20, 11, 12)[:len(got)]
    provider.clear()
    provider.script(usage_zero=True)
    assert provider.stats()["completion_tokens"] == 50
    ask(provider, name)
    assert provider.stats()["completion_tokens"] == 50


def test_counters_that_only_some_have(provider):
    provider.script(cache_write_tokens=3, cache_write_1h_tokens=4, searches=2, tool_prompt_tokens=5, image_prompt_tokens=6)
    usage = ask(provider, "anthropic").json["usage"]
    assert usage["cache_creation_input_tokens"] == 7 and usage["cache_creation"]["ephemeral_1h_input_tokens"] == 4
    assert usage["server_tool_use"]["web_search_requests"] == 2
    assert ask(provider, "bedrock").json["usage"]["cacheDetails"][0] == {"ttl": "1h", "inputTokens": 4}
    usage = ask(provider, "gemini").json["usageMetadata"]
    assert usage["toolUsePromptTokenCount"] == 5 and {"modality": "IMAGE", "tokenCount": 6} in usage["promptTokensDetails"]


STRUCTURED = {
    "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
    "mistral": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA}},
    "vertex": {"generation_config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA}},
    "bedrock": {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {
        "jsonSchema": {"name": "x", "schema": json.dumps(SCHEMA)}}}}},
    "cohere": {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_schema_is_satisfied(provider, name):
    answer = ask(provider, name, **STRUCTURED[name])
    assert answer.status == 200, answer.text
    assert json.loads(told(name, answer)[0]) == {"city": "sample", "days": 7}


@pytest.mark.parametrize("name, kind", [
    ("openai", "openai.chat"), ("anthropic", "anthropic.messages"), ("gemini", "gemini.generate"), ("cohere", "cohere.chat"),
    ("responses", "openai.responses")])
def test_no_member_that_the_transcripts_do_not_know(provider, name, kind):
    """What transcripts of the provider have, at whatever place, is all that the simulator may say."""
    def members(o, out):
        for k, v in o.items() if isinstance(o, dict) else ():
            if k not in ("args", "input", "properties", "parameters"):
                out.add(k)
                members(v, out)
        for v in o if isinstance(o, list) else ():
            members(v, out)
        return out

    known = set()
    for file in FIXTURES.glob(kind + "*"):
        if file.name.endswith(".sse"):
            for _, e in sse(file.read_bytes()):
                members(e, known)
        elif not file.name.endswith(".expect.json"):
            members(json.loads(file.read_text()), known)
    # Of OpenAI's: what its documents have and the transcripts happen not to.
    known |= {"openai": {"audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "reasoning_content",
                         "annotations", "logprobs", "refusal", "system_fingerprint", "index", "service_tier"},
              "anthropic": {"service_tier"}, "gemini": {"id"}}.get(name, set())
    said = set()
    for do in ({}, {"thinking": "x", "cached_tokens": 1, "reasoning_tokens": 2}, {"tool_calls": 2}):
        provider.clear()
        provider.script(**do)
        members(ask(provider, name).json, said)
        for _, e in sse(ask(provider, name, stream=True).text):
            members(e, said)
    assert said - known == set()


# -- refusals ------------------------------------------------------------------------------------

def call_turn(name, *ids):
    """A turn of the assistant that calls, in that format."""
    if name == "anthropic":
        return {"role": "assistant", "content": [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ids]}
    if name == "bedrock":
        return {"role": "assistant", "content": [{"toolUse": {"toolUseId": i, "name": "f", "input": {}}} for i in ids]}
    if name == "gemini":
        return {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}} for _ in ids]}
    return {"role": "assistant", "tool_calls": [
        {"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]}


USER = {"role": "user", "content": "hi"}
USER_BLOCKS = {"role": "user", "content": [{"text": "hi"}]}
USER_PARTS = {"role": "user", "parts": [{"text": "hi"}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]}

REFUSED = [
    # OpenAI
    ("openai", {"surprise": 1}, 400, "Unknown parameter: 'surprise'"),
    ("openai", {"messages": [{"role": "robot", "content": "x"}]}, 400, "robot"),
    ("openai", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages.0.content.0.text"),
    ("openai", {"messages": [USER, {"role": "tool", "tool_call_id": "a", "content": "x"}]}, 400, "tool_calls"),
    ("openai", {"messages": [USER, call_turn("openai", "a"), USER]}, 400, "tool_call_id"),
    ("openai", {"messages": [USER, {"role": "assistant", "content": None}]}, 400, "content"),
    ("openai", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, 400, "pattern"),
    ("openai", {"tool_choice": "auto"}, 400, "tools"),
    ("openai", {"response_format": {"type": "json_schema"}}, 400, "json_schema"),
    ("openai", {"model": "gpt-5", "max_tokens": 5}, 400, "max_completion_tokens"),
    ("openai", {"temperature": 2.5}, 400, "temperature"),
    ("responses", {"messages": []}, 400, "Unknown parameter"),
    ("responses", {"max_output_tokens": 3}, 400, "max_output_tokens"),
    ("responses", {"tools": [FUNCTION]}, 400, "tools.0"),
    ("responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, 400, "No tool call found"),
    ("responses", {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, 400, "No tool output"),
    ("responses", {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, 400, "input"),
    ("mistral", {"stream_options": {}}, 400, "stream_options"),
    ("mistral", {"seed": 1}, 422, "seed"),
    ("mistral", {"user": "u"}, 422, "user"),
    ("mistral", {"max_completion_tokens": 5}, 422, "max_completion_tokens"),
    ("mistral", {"messages": [{"role": "developer", "content": "x"}]}, 422, "developer"),
    ("mistral", {"messages": [USER, {"role": "assistant", "content": "x"}]}, 422, "last role"),
    # Anthropic
    ("anthropic", {"max_tokens": None}, 400, "max_tokens: Field required"),
    ("anthropic", {"max_tokens": 0}, 400, "max_tokens"),
    ("anthropic", {"n": 2}, 400, "n: Extra inputs are not permitted"),
    ("anthropic", {"stop": ["x"]}, 400, "stop: Extra inputs"),
    ("anthropic", {"temperature": 1.5}, 400, "temperature"),
    ("anthropic", {"messages": [{"role": "assistant", "content": "x"}]}, 400, "first message"),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, 400, "text"),
    ("anthropic", {"messages": [{"role": "user", "content": ""}]}, 400, "non-empty"),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]}, 400, "input_text"),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "detail": 1}]}]}, 400, "detail"),
    ("anthropic", {"messages": [USER, call_turn("anthropic", "a")]}, 400, "without `tool_result`"),
    ("anthropic", {"messages": [USER, RESULT]}, 400, "unexpected `tool_use_id`"),
    ("anthropic", {"messages": [USER, call_turn("anthropic", "a b"), RESULT]}, 400, "pattern"),
    ("anthropic", {"messages": [USER, {"role": "assistant", "content": "x "}]}, 400, "trailing whitespace"),
    ("anthropic", {"tool_choice": {"type": "auto"}}, 400, "while providing tools"),
    ("anthropic", {"tools": [{"name": "f"}]}, 400, "input_schema"),
    ("anthropic", {"tools": [{"name": "f", "input_schema": {}}]}, 400, "type"),
    ("anthropic", {"tools": [{"name": "a.b", "input_schema": SCHEMA}]}, 400, "pattern"),
    ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, 400, "greater than"),
    ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 9}}, 400, "budget_tokens"),
    ("anthropic", {"stop_sequences": [" "]}, 400, "whitespace"),
    ("anthropic", {"system": [{"type": "image"}]}, 400, "system"),
    # Gemini
    ("gemini", {"messages": []}, 400, 'Unknown name "messages"'),
    ("gemini", {"contents": []}, 400, "contents"),
    ("gemini", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, 400, "role"),
    ("gemini", {"contents": [{"role": "model", "parts": [{"text": "x"}]}]}, 400, "alternate"),
    ("gemini", {"contents": [USER_PARTS, USER_PARTS]}, 400, "alternate"),
    ("gemini", {"contents": [{"role": "user", "parts": [{}]}]}, 400, "text"),
    ("gemini", {"contents": [{"role": "user", "parts": [{"text": "x", "inlineData": {"mimeType": "a", "data": "b"}}]}]},
     400, "oneof"),
    ("gemini", {"contents": [USER_PARTS, call_turn("gemini", "a", "b"), {"role": "user", "parts": [
        {"functionResponse": {"name": "f", "response": {}}}]}]}, 400, "equal to the number"),
    ("gemini", {"contents": [USER_PARTS, call_turn("gemini", "a")]}, 400, "followed by"),
    ("gemini", {"generationConfig": {"max_tokens": 5}}, 400, 'Unknown name "max_tokens"'),
    ("gemini", {"generationConfig": {"stopSequences": list("abcdef")}}, 400, "stopSequences"),
    ("gemini", {"generationConfig": {"responseSchema": SCHEMA}}, 400, "response_mime_type"),
    ("gemini", {"generationConfig": {"responseMimeType": "application/json",
                                     "responseSchema": {"type": "object", "additionalProperties": False}}}, 400, "additionalProperties"),
    ("gemini", {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"$schema": "x"}}]}]}, 400, "$schema"),
    ("gemini", {"tools": [{"functionDeclarations": [{"name": "1f"}]}]}, 400, "function name"),
    ("gemini", {"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}}, 400, "ANY"),
    ("vertex", {"serviceTier": "flex"}, 400, "serviceTier"),
    ("vertex", {"contents": [{"parts": [{"text": "x"}]}]}, 400, "valid role"),
    # Bedrock
    ("bedrock", {"max_tokens": 5}, 400, "extraneous key [max_tokens]"),
    ("bedrock", {"messages": []}, 400, "messages"),
    ("bedrock", {"messages": [{"role": "user", "content": "hi"}]}, 400, "messages.0.content"),
    ("bedrock", {"messages": [USER_BLOCKS, USER_BLOCKS]}, 400, "alternate"),
    ("bedrock", {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, 400, "start with a user"),
    ("bedrock", {"messages": [{"role": "user", "content": [{"text": " "}]}]}, 400, "blank"),
    ("bedrock", {"messages": [{"role": "user", "content": [{"text": "x", "cachePoint": {"type": "default"}}]}]}, 400, "exactly one"),
    ("bedrock", {"messages": [USER_BLOCKS, call_turn("bedrock", "a"), USER_BLOCKS]}, 400, "Expected toolResult"),
    ("bedrock", {"messages": [USER_BLOCKS, call_turn("bedrock", "a"), {"role": "user", "content": [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}]}]}, 400, "toolConfig field must be defined"),
    ("bedrock", {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": []}}]}]}, 400, "exceeds"),
    ("bedrock", {"toolConfig": {"tools": []}}, 400, "toolConfig.tools"),
    ("bedrock", {"inferenceConfig": {"temperature": 1.5}}, 400, "temperature"),
    ("bedrock", {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}}}],
                                "toolChoice": {"tool": {"name": "g"}}}}, 400, "not there"),
    # Cohere
    ("cohere", {"stop": ["x"]}, 400, "'stop'"),
    ("cohere", {"tool_choice": "auto"}, 400, "tool_choice"),
    ("cohere", {"p": 1.0}, 400, "'p'"),
    ("cohere", {"frequency_penalty": 1.5}, 400, "frequency_penalty"),
    ("cohere", {"messages": [{"role": "developer", "content": "x"}]}, 400, "developer"),
    ("cohere", {"messages": [USER, {"role": "tool", "tool_call_id": "a", "content": "x"}]}, 400, "tool call"),
    ("cohere", {"messages": [USER, call_turn("cohere", "a")]}, 400, "results"),
    ("cohere", {"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "parameters"),
    ("cohere", {"tools": [FUNCTION], "response_format": {"type": "json_object"}}, 400, "response_format"),
    ("cohere", {"stream_options": {"include_usage": True}}, 400, "stream_options"),
]


@pytest.mark.parametrize("name, more, status, word", REFUSED, ids=lambda v: v if isinstance(v, str) else None)
def test_what_the_provider_refuses_is_refused(provider, name, more, status, word):
    answer = ask(provider, name, **more)
    assert answer.status == status and word in answer.text.decode().replace('\\"', '"'), answer.text
    error = {"openai": lambda o: o["error"]["type"], "responses": lambda o: o["error"]["type"],
             "mistral": lambda o: o.get("detail") or o["message"], "anthropic": lambda o: o["error"]["type"],
             "gemini": lambda o: o["error"]["status"], "vertex": lambda o: o["error"]["status"],
             "bedrock": lambda o: answer.getheader("x-amzn-errortype"), "cohere": lambda o: o["message"]}[name](answer.json)
    assert error in ("invalid_request_error", "INVALID_ARGUMENT") or word in str(error) or (
        error.startswith("ValidationException"))
    assert provider.stats()["strict_violations"] == 0 and provider.stats()["refused"] == 1


WELL = [
    ("anthropic", {"messages": [USER, USER, call_turn("anthropic", "a"), RESULT, USER],
                   "tools": [{"name": "f", "input_schema": {"type": "object"}}, {"type": "web_search_20260318", "name": "web_search"}],
                   "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
    ("anthropic", {"messages": [{"role": "user", "content": [{"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": "AA=="}}, {"type": "text", "text": "x"}]}]}),
    ("gemini", {"contents": [USER_PARTS, call_turn("gemini", "a"), {"role": "user", "parts": [
        {"functionResponse": {"name": "f", "response": {"output": "x"}}}]}], "system_instruction": {"parts": [{"text": "s"}]}}),
    ("bedrock", {"messages": [USER_BLOCKS, call_turn("bedrock", "a"), {"role": "user", "content": [
        {"toolResult": {"toolUseId": "a", "content": [{"json": {}}], "status": "success"}}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}}),
    ("cohere", {"messages": [USER, call_turn("cohere", "a"), {"role": "tool", "tool_call_id": "a", "content": "x"}, USER]}),
    ("openai", {"messages": [USER, call_turn("openai", "a", "b"), {"role": "tool", "tool_call_id": "b", "content": "x"},
                             {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "x"}]}]}),
    ("responses", {"input": [USER, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                             {"type": "function_call_output", "call_id": "c", "output": "x"}], "store": False}),
    ("mistral", {"messages": [USER, {"role": "assistant", "content": "x", "prefix": True}], "random_seed": 3}),
]


@pytest.mark.parametrize("name, more", [w for w in WELL if w[0] != "mistral"])
def test_conversations_that_are_well(provider, name, more):
    answer = ask(provider, name, **more)
    assert answer.status == 200, answer.text


# -- credentials and paths -----------------------------------------------------------------------

@pytest.mark.parametrize("name", FORMATS)
def test_a_credential_is_asked_for_where_the_provider_looks_for_it(provider, name):
    path, _, headers, body, _, _ = FORMATS[name]
    own = {h for h in headers if h in ("authorization", "x-api-key", "api-key", "x-goog-api-key")}
    more = {k: v for k, v in headers.items() if k not in own}
    assert post(provider, path, body(), more).status in (401, 403)
    assert provider.stats()["strict_violations"] == 0
    foreign = {"authorization", "x-api-key", "api-key", "x-goog-api-key"} - own - (
        {"authorization"} if name in ("azure", "anthropic") else set())
    for n, header in enumerate(sorted(foreign)):
        assert post(provider, path, body(), {**headers, header: "Bearer k"}).status == 400
        assert provider.stats()["strict_violations"] == n + 1


def test_paths_that_are_half_right(provider):
    for path, headers in ((AZURE.split("?")[0], HEADERS["azure"]), ("/openai/deployments//chat/completions", HEADERS["azure"]),
                          (GEMINI + ":nothing", HEADERS["gemini"]), ("/model/a/b/converse", BEARER),
                          ("/v1/projects/p/publishers/google/models/m:generateContent", BEARER)):
        assert post(provider, path, openai_ask(), headers).status == 404, path
    assert post(provider, "/v1/messages", claude_ask(), {"x-api-key": "k"}).status == 400
    assert post(provider, GEMINI + ":generateContent?key=k", gemini_ask(), HEADERS["gemini"]).status == 400
    assert provider.stats()["strict_violations"] == 1


def test_a_deployment_is_the_model_of_azure(provider):
    body = openai_ask()
    del body["model"]
    assert post(provider, AZURE, body, HEADERS["azure"]).json["model"] == "dep"
    provider.script(times=1, status=429, retry_after=2)
    answer = post(provider, AZURE, body, HEADERS["azure"])
    assert answer.json == {"error": {"code": "429", "message": "Rate limit reached"}}
    assert answer.getheader("retry-after") == "2"


def test_gemini_without_alt_streams_one_array(provider):
    answer = post(provider, GEMINI + ":streamGenerateContent", gemini_ask(), HEADERS["gemini"])
    assert [p["text"] for e in answer.json for p in e["candidates"][0]["content"]["parts"]] == ["Hello ", "from th", "e mock."]


@pytest.mark.parametrize("name, member", [("gemini", ("error", "status")), ("anthropic", ("error", "type")),
                                          ("cohere", ("message",)), ("mistral", ("message",)), ("bedrock", ("message",))])
def test_scripted_errors_are_the_providers_own(provider, name, member):
    provider.script(times=1, status=429, retry_after=7, error_message="slow down")
    answer = ask(provider, name)
    value = answer.json
    for part in member:
        value = value[part]
    assert answer.status == 429 and value in ("RESOURCE_EXHAUSTED", "rate_limit_error", "slow down")
    if name == "gemini":
        assert answer.json["error"]["details"][0]["retryDelay"] == "7s"
    else:
        assert answer.getheader("retry-after") == "7"
    if name == "bedrock":
        assert answer.getheader("x-amzn-errortype").startswith("ThrottlingException")


# -- SigV4 ---------------------------------------------------------------------------------------

def signed(path, body, secret=SECRET, when=None, **change):
    """The headers of a signed request, made as AWS describes it; change: what to make wrong."""
    now = time.gmtime(when or time.time())
    stamp, date = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
    scope = f"{date}/us-east-1/{change.get('service', 'bedrock')}/aws4_request"
    headers = {"content-type": "application/json", "host": "h", "x-amz-date": stamp, **change.get("more", {})}
    names = ";".join(change.get("names", sorted(headers)))
    canonical = "\n".join(["POST", urllib.parse.quote(path, safe="/-_.~"), "",
                           "".join(f"{n}:{headers[n]}\n" for n in sorted(headers)), names,
                           hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {**headers, "authorization": change.get("form", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEOFTESTS/{}, SignedHeaders={}, "
                                                           "Signature={}").format(scope, names, signature)}


def test_signatures_are_checked(provider):
    path, body = NOVA + "/converse", json.dumps(bedrock_ask()).encode()
    token = {"x-amz-security-token": "t=="}
    with Mock.start(aws_secret=SECRET) as strict:
        for mock in (provider, strict):
            assert post(mock, path, body, signed(path, body)).status == 200
            assert post(mock, path, body, signed(path, body, more=token)).status == 200
            for wrong in ({"when": time.time() - 1000}, {"service": "s3"}, {"names": ["content-type", "x-amz-date"]},
                          {"names": ["host", "content-type", "x-amz-date"]}, {"names": ["Host", "x-amz-date"]},
                          {"names": ["content-type", "host", "x-amz-date"], "more": token},
                          {"more": {"x-amz-content-sha256": "0" * 64}}, {"form": "AWS4-HMAC-SHA256 Credential={}"},
                          {"form": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEOFTESTS/{},SignedHeaders={},Signature={}x"}):
                answer = post(mock, path, body, signed(path, body, **wrong))
                assert answer.status == 403 and answer.getheader("x-amzn-errortype"), wrong
        assert post(provider, path, body, signed(path, body, secret="other")).status == 200
        assert post(strict, path, body, signed(path, body, secret="other")).status == 403
        assert post(strict, path, body + b" ", signed(path, body)).status == 403


# -- tokens --------------------------------------------------------------------------------------

def jwt(**claims):
    def part(o):
        return base64.urlsafe_b64encode(json.dumps(o).encode()).rstrip(b"=").decode()
    now = int(time.time())
    body = {"iss": "robot@p", "scope": "s", "aud": "a", "iat": now, "exp": now + 3600, **claims}
    return ".".join([part({"alg": "RS256", "typ": "JWT"}), part(body), "c2ln"])


def test_tokens_are_handed_out_for_assertions_and_for_secrets(provider):
    form = {"content-type": "application/x-www-form-urlencoded"}
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    well = urllib.parse.urlencode({"grant_type": grant, "assertion": jwt()})
    answer = post(provider, "/token", well, form)
    assert answer.status == 200 and answer.json["token_type"] == "Bearer" and answer.json["expires_in"] == 3599
    entra = {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s", "scope": "https://x/.default"}
    assert post(provider, "/tenant/oauth2/v2.0/token", urllib.parse.urlencode(entra), form).json["access_token"]
    for wrong in ({"grant_type": grant}, {"grant_type": grant, "assertion": jwt(exp=1)},
                  {"grant_type": grant, "assertion": jwt(iss="")}, {"grant_type": grant, "assertion": "a.b"},
                  {**entra, "client_secret": ""}, {"grant_type": "password"}):
        answer = post(provider, "/token", urllib.parse.urlencode(wrong), form)
        assert answer.status == 400 and answer.json["error"] == "invalid_grant", wrong
    assert post(provider, "/token", well, {}).status == 400


# -- Claude elsewhere ----------------------------------------------------------------------------

def test_claude_of_vertex_and_of_bedrock(provider):
    own = claude_ask()
    del own["model"]
    vertex = {**own, "anthropic_version": "vertex-2023-10-16"}
    assert post(provider, CLAUDE + ":rawPredict", vertex, BEARER).json["type"] == "message"
    for wrong in (own, {**vertex, "model": "x"}, {**vertex, "stream": True}):
        assert post(provider, CLAUDE + ":rawPredict", wrong, BEARER).status == 400
    events = sse(post(provider, CLAUDE + ":streamRawPredict", {**vertex, "stream": True}, BEARER, True).text)
    assert events[-1][0] == "message_stop"
    path = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    aws = {**own, "anthropic_version": "bedrock-2023-05-31"}
    assert post(provider, path, aws, BEARER).json["content"][0]["text"] == "Hello from the mock."
    assert post(provider, path, {**aws, "stream": True}, BEARER).status == 400
    got = frames(post(provider, path + "-with-response-stream", aws, BEARER, True).text)
    inner = [json.loads(base64.b64decode(p["bytes"])) for _, p in got]
    assert inner[0]["type"] == "message_start" and inner[-1]["type"] == "message_stop"


def test_tokens_are_counted(provider):
    provider.script(prompt_tokens=31)
    count = {k: v for k, v in claude_ask().items() if k != "max_tokens"}
    assert post(provider, "/v1/messages/count_tokens", count, HEADERS["anthropic"]).json == {"input_tokens": 31}
    assert post(provider, "/v1/messages/count_tokens", claude_ask(), HEADERS["anthropic"]).status == 400
    assert post(provider, GEMINI + ":countTokens", gemini_ask(), HEADERS["gemini"]).json["totalTokens"] == 31
    assert post(provider, GEMINI + ":countTokens", gemini_ask(tools=[]), HEADERS["gemini"]).status == 400
    assert post(provider, VERTEX + ":countTokens", gemini_ask(), BEARER).json["totalTokens"] == 31


# -- embeddings, rankings ------------------------------------------------------------------------

@pytest.mark.parametrize("path, headers, body, vectors", [
    (GEMINI + ":embedContent", HEADERS["gemini"], {"content": {"parts": [{"text": "x"}]}, "outputDimensionality": 4},
     lambda o: [o["embedding"]["values"]]),
    (GEMINI + ":batchEmbedContents", HEADERS["gemini"], {"requests": [
        {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": t}]}, "outputDimensionality": 4} for t in "ab"]},
     lambda o: [e["values"] for e in o["embeddings"]]),
    (VERTEX + ":predict", BEARER, {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 4}},
     lambda o: [p["embeddings"]["values"] for p in o["predictions"]]),
    ("/v2/embed", BEARER, {"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_document", "output_dimension": 4},
     lambda o: o["embeddings"]["float"]),
    ("/model/amazon.titan-embed-text-v2%3A0/invoke", BEARER, {"inputText": "a", "dimensions": 256}, lambda o: [o["embedding"]]),
    ("/model/cohere.embed-v4%3A0/invoke", BEARER, {"texts": ["a"], "input_type": "search_query", "output_dimension": 4},
     lambda o: o["embeddings"]),
])
def test_embeddings_of_others(provider, path, headers, body, vectors):
    answer = post(provider, path, body, headers)
    assert answer.status == 200, answer.text
    assert {len(v) for v in vectors(answer.json)} <= {4, 256} and vectors(answer.json)
    assert post(provider, path, {**body, "surprise": 1}, headers).status == 400


def test_a_ranking(provider):
    ask_for = {"model": "rerank-v4.0-pro", "query": "q", "documents": ["a", "b", "c"], "top_n": 2}
    assert [r["index"] for r in post(provider, "/v2/rerank", ask_for, BEARER).json["results"]] == [2, 1]
    assert post(provider, "/v2/rerank", {**ask_for, "documents": []}, BEARER).status == 400


# -- media ---------------------------------------------------------------------------------------

def form(**fields):
    """A form of several parts: its bytes and its headers; a tuple is a file."""
    parts = []
    for name, value in fields.items():
        file = isinstance(value, tuple)
        parts.append(b'--XX\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
            name.encode(), b'; filename="%s"' % value[0].encode() if file else b"", value[1] if file else value.encode()))
    return b"".join(parts) + b"--XX--\r\n", {**BEARER, "content-type": "multipart/form-data; boundary=XX"}


def test_pictures_speech_and_transcripts(provider):
    image = post(provider, "/v1/images/generations", {"model": "gpt-image-1", "prompt": "x", "n": 2}, BEARER).json
    assert len(image["data"]) == 2 and base64.b64decode(image["data"][0]["b64_json"])[:4] == b"\x89PNG"
    assert image["usage"]["total_tokens"] == 17
    assert "url" in post(provider, "/v1/images/generations", {"model": "dall-e-3", "prompt": "x"}, BEARER).json["data"][0]
    events = sse(post(provider, "/v1/images/generations", {
        "model": "gpt-image-1", "prompt": "x", "stream": True, "partial_images": 1}, BEARER, True).text)
    assert [name for name, _ in events] == ["image_generation.partial_image", "image_generation.completed"]
    speech = {"model": "gpt-4o-mini-tts", "input": "hello", "voice": "alloy"}
    answer = post(provider, "/v1/audio/speech", speech, BEARER)
    assert answer.text[:3] == b"ID3" and answer.getheader("content-type") == "audio/mpeg"
    assert sse(post(provider, "/v1/audio/speech", {**speech, "stream_format": "sse"}, BEARER, True).text)[-1][1]["usage"]
    data, headers = form(model="gpt-4o-transcribe", file=("a.mp3", b"ID3\r\n\r\nxx"))
    assert post(provider, "/v1/audio/transcriptions", data, headers).json["usage"]["type"] == "tokens"
    data, headers = form(model="whisper-1", file=("a.mp3", b"x"), response_format="verbose_json")
    assert post(provider, "/v1/audio/transcriptions", data, headers).json["usage"] == {"type": "duration", "seconds": 3}
    for wrong in ({"model": "whisper-1"}, {"file": ("a", b"x")}, {"model": "whisper-1", "file": "x"}):
        data, headers = form(**wrong)
        assert post(provider, "/v1/audio/transcriptions", data, headers).status == 400


@pytest.mark.parametrize("path, body, word", [
    ("/v1/images/generations", {"model": "gpt-image-1"}, "prompt"),
    ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "x", "quality": "poor"}, "poor"),
    ("/v1/audio/speech", {"model": "tts-1", "input": "x"}, "voice"),
    ("/v1/audio/speech", {"model": "tts-1", "input": "x", "voice": "alloy", "speed": 9}, "speed"),
    ("/v1/moderations", {"model": "omni-moderation-latest"}, "input"),
    ("/v1/moderations", {"input": "x", "surprise": 1}, "surprise"),
])
def test_media_that_are_refused(provider, path, body, word):
    answer = post(provider, path, body, BEARER)
    assert answer.status == 400 and word in answer.json["error"]["message"]


def test_moderations(provider):
    body = post(provider, "/v1/moderations", {"model": "omni-moderation-latest", "input": ["a", "b"]}, BEARER).json
    assert [r["flagged"] for r in body["results"]] == [False, False]


def test_a_rule_may_take_whatever_body_comes(provider):
    provider.script(match={"path": "/v1/messages"}, any_body=True)
    assert ask(provider, "anthropic", surprise=1).status == 200
    assert ask(provider, "cohere", surprise=1).status == 400


# -- fast ----------------------------------------------------------------------------------------

def test_fast_mode_speaks_all_of_them():
    with Mock.start(fast=True, chunks=9) as fast:
        for name in FORMATS:
            if name == "responses":
                continue
            assert ask(fast, name).status == 200, name
            data = ask(fast, name, stream=True).text
            if name == "bedrock":
                assert sum("text" in p.get("delta", {}) for _, p in frames(data)) == 9
            else:
                assert sum(bool(STREAM_TEXT[name](e)) for _, e in sse(data) if e != "[DONE]") == 9, name
        assert fast.stats()["answered"] == 2 * (len(FORMATS) - 1)
