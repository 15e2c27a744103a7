"""The provider simulator itself: what all other tests stand on."""

import base64
import contextlib
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mock import Mock, MockError, find_binary  # noqa: E402

CHAT = "/v1/chat/completions"
HEADERS = {"authorization": "Bearer sk-test-1234", "content-type": "application/json"}


@pytest.fixture(scope="module")
def running():
    provider = Mock.start()
    yield provider
    assert provider.stop() == 0


@pytest.fixture
def provider(running):
    running.clear()
    running.release()
    running.wait_stat("inflight", 0)
    running.reset()
    return running


def chat(**more):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    body.update(more)
    return body


def stream(**more):
    return chat(stream=True, stream_options={"include_usage": True}, **more)


def post(provider, body, path=CHAT, headers=HEADERS, conn=None):
    own = conn or provider.connect()
    own.request("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
    answer = own.getresponse()
    data = answer.read()
    if conn is None:
        own.close()
    answer.text = data
    answer.json = json.loads(data) if data[:1] == b"{" and data.rstrip()[-1:] == b"}" else None
    return answer


def events(text):
    assert text.endswith(b"\n\n")
    parts = text.decode().split("\n\n")[:-1]
    assert all(p.startswith("data: ") for p in parts)
    return [p[6:] for p in parts]


def chunks(text):
    return [json.loads(e) for e in events(text) if e != "[DONE]"]


def content(parts):
    return "".join(c["delta"].get("content", "") for p in parts for c in p["choices"])


class Raw:
    """A socket under our own hands."""

    def __init__(self, provider):
        self.sock = socket.create_connection(("127.0.0.1", provider.port), timeout=20)

    def send(self, data):
        self.sock.sendall(data)

    def until(self, mark):
        got = b""
        while mark not in got:
            part = self.sock.recv(65536)
            assert part, f"ended after {got!r}"
            got += part
        return got

    def rest(self):
        got = b""
        while True:
            part = self.sock.recv(65536)
            if not part:
                return got
            got += part

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


@pytest.fixture
def raw(provider):
    conn = Raw(provider)
    yield conn
    conn.close()


def head(length, *lines, method="POST", path=CHAT):
    first = [f"{method} {path} HTTP/1.1", "authorization: Bearer k", "content-type: application/json"]
    if length is not None:
        first.append(f"content-length: {length}")
    return ("\r\n".join(first + list(lines)) + "\r\n\r\n").encode()


def whole(body, *lines):
    data = json.dumps(body).encode()
    return head(len(data), *lines) + data


# ---------------------------------------------------------------- answers


def test_chat_answer_has_the_shape_of_the_provider(provider):
    answer = post(provider, chat())
    assert answer.status == 200
    assert answer.getheader("content-type") == "application/json"
    assert answer.getheader("x-request-id").startswith("req_")
    assert answer.getheader("x-ratelimit-remaining-tokens")
    body = answer.json
    assert body["object"] == "chat.completion" and body["model"] == "gpt-4o"
    assert body["service_tier"] == "default"
    choice = body["choices"][0]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] == "stop"
    assert len(choice["message"]["content"].split()) == 16
    usage = body["usage"]
    assert usage["completion_tokens"] == 16
    assert usage["prompt_tokens"] == (len(json.dumps(chat())) + 3) // 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + 16


def test_stream_ends_in_usage_and_done_when_usage_is_asked_for(provider):
    answer = post(provider, stream())
    assert answer.getheader("content-type").startswith("text/event-stream")
    assert events(answer.text)[-1] == "[DONE]"
    parts = chunks(answer.text)
    assert parts[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(p["usage"] is None and p["choices"] for p in parts[:-1])
    assert parts[-1]["choices"] == [] and parts[-1]["usage"]["completion_tokens"] == 16
    assert parts[-2]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert len({p["id"] for p in parts}) == 1
    assert len(content(parts).split()) == 16


def test_stream_has_no_usage_when_it_is_not_asked_for(provider):
    answer = post(provider, chat(stream=True))
    assert all("usage" not in p for p in chunks(answer.text))
    stats = provider.stats()
    assert stats["streams_without_usage"] == 1 and stats["streams"] == 1
    assert stats["prompt_tokens"] == stats["completion_tokens"] == 0
    assert stats["strict_violations"] == 0


def test_completion_tokens_stay_within_the_limit_of_the_request(provider):
    for name in ("max_tokens", "max_completion_tokens"):
        body = post(provider, chat(user="mock: tokens=50", **{name: 7})).json
        assert body["usage"]["completion_tokens"] == 7
        assert body["choices"][0]["finish_reason"] == "length"
        assert len(body["choices"][0]["message"]["content"].split()) == 7
    parts = chunks(post(provider, stream(max_tokens=3)).text)
    assert parts[-2]["choices"][0]["finish_reason"] == "length"
    assert parts[-1]["usage"]["completion_tokens"] == 3
    liar = post(provider, chat(user="mock: tokens=50 ignore_max", max_tokens=7)).json
    assert liar["usage"]["completion_tokens"] == 50
    assert [e["max_tokens"] for e in provider.log()] == [7, 7, 3, 7]
    for tokens, finish in ((7, "stop"), (8, "length")):
        body = post(provider, chat(user=f"mock: tokens={tokens}", max_tokens=7)).json
        assert body["usage"]["completion_tokens"] == 7
        assert body["choices"][0]["finish_reason"] == finish


def test_choices_multiply_the_tokens(provider):
    body = post(provider, chat(n=3, user="mock: tokens=4")).json
    assert [c["index"] for c in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 12
    parts = chunks(post(provider, stream(n=2, user="mock: tokens=4")).text)
    assert parts[-1]["usage"]["completion_tokens"] == 8
    for index in (0, 1):
        own = [c for p in parts for c in p["choices"] if c["index"] == index]
        assert own[-1]["finish_reason"] == "stop" and len(own) == 6


def test_legacy_completions(provider):
    body = post(provider, {"model": "gpt-3.5-turbo-instruct", "prompt": "x"}, "/v1/completions").json
    assert body["object"] == "text_completion" and len(body["choices"][0]["text"].split()) == 16
    answer = post(provider, {"model": "m", "prompt": "x", "stream": True, "max_tokens": 2}, "/v1/completions")
    parts = chunks(answer.text)
    assert "".join(p["choices"][0]["text"] for p in parts) == "amber birch"
    assert parts[-1]["choices"][0]["finish_reason"] == "length"


def test_embeddings_in_both_encodings(provider):
    ask = {"model": "text-embedding-3-small", "input": ["a", "b", "c"], "dimensions": 8}
    body = post(provider, ask, "/v1/embeddings").json
    assert [d["index"] for d in body["data"]] == [0, 1, 2]
    assert all(len(d["embedding"]) == 8 for d in body["data"])
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    coded = post(provider, dict(ask, encoding_format="base64"), "/v1/embeddings").json
    for plain, packed in zip(body["data"], coded["data"]):
        values = struct.unpack("<8f", base64.b64decode(packed["embedding"]))
        assert values == pytest.approx(plain["embedding"], abs=1e-6)
    assert len(post(provider, {"model": "m", "input": [1, 2, 3]}, "/v1/embeddings").json["data"]) == 1


def get(provider, path, headers=HEADERS):
    conn = provider.connect()
    conn.request("GET", path, headers=headers)
    answer = conn.getresponse()
    answer.json = json.loads(answer.read())
    conn.close()
    return answer


def test_models(provider):
    names = [m["id"] for m in get(provider, "/v1/models").json["data"]]
    assert "gpt-4o" in names
    assert get(provider, "/v1/models/gpt-4o").json["object"] == "model"
    missing = get(provider, "/v1/models/nope")
    assert missing.status == 404 and missing.json["error"]["code"] == "model_not_found"


# ---------------------------------------------------------------- refusals


def test_a_key_is_required(provider):
    for headers in ({}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer "}):
        answer = post(provider, chat(), headers=dict(headers, **{"content-type": "application/json"}))
        assert answer.status == 401 and answer.json["error"]["code"] == "invalid_api_key"
    stats = provider.stats()
    assert stats["refused"] == stats["requests"] == 3 and stats["accepted"] == 0


def test_another_key_than_the_given_one_is_refused():
    with Mock.start(key="right") as provider:
        body = chat()
        for key, status in (("right", 200), ("wrong", 401), ("right2", 401), ("righ", 401)):
            headers = dict(HEADERS, authorization="Bearer " + key)
            assert post(provider, body, headers=headers).status == status


def test_unknown_paths_and_methods(provider):
    assert get(provider, "/v3/chat").status == 404
    assert get(provider, CHAT).status == 405
    assert post(provider, chat(), path=CHAT + "?a=b").status == 200


@pytest.mark.parametrize("body", [
    '{"model":"m","messages":[1],"model":"n"}',
    '{"model":"m","messages":[1],"mod\\u0065l":"n"}',
    '{"model":"m","messages":[1]}{}',
    '{"model":"m","messages":[1]} x',
    '{"model":"m","messages":[1]',
    '{"model":"m","messages":[1],}',
    '[{"model":"m"}]',
    '"model"',
    '',
    ' ',
    b'{"model":"m","messages":["\xff"]}',
    b'{"model":"m","messages":["a\x00b"]}',
    b'{"model":"m","messages":[1]}\x00',
    '{"messages":[1]}',
    '{"model":null,"messages":[1]}',
    '{"model":7,"messages":[1]}',
    '{"model":"","messages":[1]}',
    '{"model":"@openai/gpt-4o","messages":[1]}',
])
def test_bodies_that_no_gateway_may_send(provider, body):
    answer = post(provider, body)
    assert answer.status == 400
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    stats = provider.stats()
    assert stats["strict_violations"] == 1 and stats["last_violation"]
    assert stats["refused"] == 1 and provider.log() == []


@pytest.mark.parametrize("body", [
    '{"model":"m"}',
    '{"model":"m","messages":[]}',
    '{"model":"m","messages":"hi"}',
    '{"model":"m","messages":[1],"stream":"true"}',
    '{"model":"m","messages":[1],"stream_options":{"include_usage":true}}',
    '{"model":"m","messages":[1],"max_tokens":0}',
    '{"model":"m","messages":[1],"max_tokens":1,"max_completion_tokens":1}',
    '{"model":"m","messages":[1],"n":129}',
    '{"model":"m","messages":[1],"user":"mock: tokens=x"}',
    '{"model":"m","messages":[1],"user":"mock: nonsense"}',
])
def test_mistakes_of_a_client_are_refused_but_no_violation(provider, body):
    assert post(provider, body).status == 400
    stats = provider.stats()
    assert stats["strict_violations"] == 0 and stats["refused"] == 1


@pytest.mark.parametrize("body", [
    ' \n{"model":"m","messages":[{"role":"user","content":"a \\" } : { model"}]}\r\n',
    '{"model":"m","messages":[{"role":"user","model":"n","a":{"model":"o"}}],"metadata":{"model":"p"}}',
])
def test_bodies_that_are_well(provider, body):
    assert post(provider, body).status == 200
    assert provider.stats()["strict_violations"] == 0


@pytest.mark.parametrize("name", [
    "x-portkey-api-key", "X-Portkey-Trace-Id", "x-aigate-key", "X-API-Key", "api-key", "Cookie",
    "proxy-authorization",
])
def test_headers_that_must_not_reach_a_provider(provider, name):
    answer = post(provider, chat(), headers=dict(HEADERS, **{name: "v"}))
    assert answer.status == 400
    assert provider.stats()["strict_violations"] == 1
    assert name in provider.last()["head"]


def test_lenient_counts_and_answers():
    with Mock.start(lenient=True) as provider:
        assert post(provider, chat(), headers=dict(HEADERS, cookie="a=b")).status == 200
        assert post(provider, chat(model="@a/b")).status == 200
        assert provider.stats()["strict_violations"] == 2


BODY = json.dumps(chat()).encode()


@pytest.mark.parametrize("request_bytes", [
    head(len(BODY), f"content-length: {len(BODY)}") + BODY,
    head(len(BODY), "transfer-encoding: chunked") + BODY,
    head(None, "transfer-encoding: chunked", f"content-length: {len(BODY)}") + b"0\r\n\r\n",
    head(None, "transfer-encoding: chunked", "transfer-encoding: chunked") + b"0\r\n\r\n",
    head(None, "transfer-encoding: gzip, chunked") + b"0\r\n\r\n",
    head(None, "transfer-encoding: xchunked") + b"0\r\n\r\n",
    head(None, "transfer-encoding:") + b"0\r\n\r\n",
    head("+5") + b"hello",
    head("5, 5") + b"hello",
    head("0x5") + b"hello",
    head("-1"),
    head("99999999999999999999999"),
    head(5, "a : b") + b"hello",
    head(5, " folded: x") + b"hello",
    head(5, "no colon") + b"hello",
    head(5, "a\x01b: x") + b"hello",
    head(5, "a: x\x00y") + b"hello",
    head(5, "a: x\ry") + b"hello",
    head(5, ": x") + b"hello",
    head(5, "host: a", "host: b") + b"hello",
    head(5).replace(b"\r\n", b"\n") + b"hello",
    head(5, "a: b\n") + b"hello",
    b"\r\n" + head(0),
    b"GET  /v1/models HTTP/1.1\r\n\r\n",
    b"GET /v1/models HTTP/2.0\r\n\r\n",
    b"GET /v1/models\r\n\r\n",
    b"GET http://x/v1/models HTTP/1.1\r\n\r\n",
    b"GET /v1/mod\x80els HTTP/1.1\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"5;x=y\r\nhello\r\n0\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"5 \r\nhello\r\n0\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"0x5\r\nhello\r\n0\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"5\nhello\r\n0\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"4\r\nhello\r\n0\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"5\r\nhello\r\n0\r\nx: y\r\n\r\n",
    head(None, "transfer-encoding: chunked") + b"fffffffff\r\n",
    head(None, "transfer-encoding: chunked") + b"ffffffff\r\n",
    head(100000000),
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    head(0, "a: " + "b" * 70000),
    head(0, *[f"a{i}: b" for i in range(140)]),
])
def test_framing_that_is_refused_and_ends_the_connection(provider, request_bytes):
    conn = Raw(provider)
    conn.send(request_bytes)
    answer = conn.rest()
    conn.close()
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    assert b"connection: close\r\n" in answer
    assert answer.count(b"content-length:") == 1
    assert provider.stats()["strict_violations"] == 1


# ---------------------------------------------------------------- the wire


def test_requests_in_one_packet_are_answered_in_order(provider, raw):
    raw.send(b"".join(whole(chat(user=f"mock: tokens={i}")) for i in (1, 2, 3)) +
             head(0, "connection: close", method="GET", path="/v1/models"))
    text = raw.rest()
    assert text.count(b"HTTP/1.1 200 OK") == 4
    at = [text.index(b'"completion_tokens":%d,' % i) for i in (1, 2, 3)]
    assert at == sorted(at)
    assert provider.stats()["connections"] == 1


def test_a_request_may_arrive_byte_by_byte(provider, raw):
    data = json.dumps(chat()).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 7]), data[i:i + 7]) for i in range(0, len(data), 7))
    request = head(None, "transfer-encoding: chunked") + pieces + b"0\r\n\r\n"
    raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(request)):
        raw.send(request[i:i + 1])
    assert b" 200 OK" in raw.until(b"}}}\n")
    assert provider.last()["body"] == data.decode()


def test_expect_is_answered_before_the_body_comes(provider, raw):
    data = json.dumps(chat()).encode()
    raw.send(head(len(data), "expect: 100-continue"))
    assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(data)
    assert b" 200 OK" in raw.until(b"}}}\n")


def test_large_bodies_both_ways(provider):
    text = "y" * 3_000_000
    answer = post(provider, chat(messages=[{"role": "user", "content": text}], user="mock: body_bytes=5000000"))
    assert answer.status == 200 and len(answer.text) == 5_000_000
    assert provider.last()["body_bytes"] > 3_000_000
    assert text in provider.last()["body"]


def test_http_1_0_gets_no_chunks_and_a_closed_connection(provider, raw):
    raw.send(whole(stream()).replace(b"HTTP/1.1", b"HTTP/1.0"))
    text = raw.rest()
    assert b"transfer-encoding" not in text and text.endswith(b"data: [DONE]\n\n")


def test_last_shows_what_is_not_text(provider):
    post(provider, b'{"a":"\xff\xc3\xa9\xed\xa0\x80"}')
    last = provider.last()
    assert last["body"] == '{"a":"\ufffd\u00e9\ufffd\ufffd\ufffd"}'
    assert last["head"].startswith("POST " + CHAT + " HTTP/1.1\r\n") and last["head"].endswith("\r\n\r\n")


def test_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    with Mock.start(tls_cert=cert, tls_key=key) as provider:
        assert provider.url.startswith("https://")
        conn = provider.connect()
        for _ in range(3):
            assert len(post(provider, chat(user="mock: body_bytes=1000000"), conn=conn).text) == 1_000_000
        big = chat(messages=[{"role": "user", "content": "z" * 5_000_000}])
        assert post(provider, big, conn=conn).status == 200
        text = post(provider, stream(user="mock: split_writes"), conn=conn).text
        assert len(content(chunks(text)).split()) == 16
        conn.close()
        stats = provider.wait_stat("open_connections", 0)
        assert stats["connections"] == 1 and stats["answered"] == 5
        plain = Raw(provider)
        plain.send(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert not plain.rest().startswith(b"HTTP")
        plain.close()
        assert provider.stop() == 0


# ---------------------------------------------------------------- scripts


def test_rules_are_used_in_order_until_their_times_are_up(provider):
    provider.script(match={"model": "gpt-4o"}, times=2, status=429, retry_after=3)
    provider.script(match={"model": "gpt-*", "path": "/v1/chat/*"}, times=1, status=503)
    provider.script(match={"path": "/v1/embeddings"}, status=500)
    got = [post(provider, chat()).status for _ in range(4)]
    assert got == [429, 429, 503, 200]
    assert post(provider, chat(model="other")).status == 200
    for _ in range(3):
        assert post(provider, {"model": "m", "input": "x"}, "/v1/embeddings").status == 500
    provider.clear()
    assert post(provider, {"model": "m", "input": "x"}, "/v1/embeddings").status == 200
    stats = provider.stats()
    assert stats["errors"] == 6 and stats["accepted"] == stats["answered"] == 3


def test_an_error_looks_as_the_provider_writes_it(provider):
    provider.script(times=1, status=429, retry_after=3)
    answer = post(provider, chat())
    assert answer.json["error"]["code"] == "rate_limit_exceeded"
    assert answer.getheader("retry-after") == "3" and answer.getheader("retry-after-ms") == "3000"
    provider.script(times=1, status=429, error_code="insufficient_quota", error_type="insufficient_quota",
                    error_message="no \"money\"")
    error = post(provider, stream()).json["error"]
    assert error == {"message": 'no "money"', "type": "insufficient_quota", "param": None,
                     "code": "insufficient_quota"}
    assert post(provider, chat(user="mock: status=599")).status == 599


@pytest.mark.parametrize("rule", [
    {"do": {"nonsense": 1}}, {"do": {"tokens": "5"}}, {"do": {"tokens": -1}}, {"do": {"status": 99}},
    {"match": {"header": "x"}}, {"match": {"model": 5}}, {"times": "2"}, {"times": -7}, {"what": {}}, [],
])
def test_a_rule_that_is_not_understood_is_refused(provider, rule):
    with pytest.raises(MockError):
        provider._command("POST", "script", rule)


def test_the_request_wins_over_the_rule_and_the_rule_over_the_command_line():
    with Mock.start(do="tokens=5 prompt_tokens=50 cached_tokens=2") as provider:
        provider.script(tokens=6, prompt_tokens=60)
        usage = post(provider, chat(user="mock: tokens=7")).json["usage"]
        assert (usage["completion_tokens"], usage["prompt_tokens"]) == (7, 60)
        assert usage["prompt_tokens_details"]["cached_tokens"] == 2


def test_usage_can_be_given_withheld_and_wrong(provider):
    usage = post(provider, chat(user="mock: tokens=20 reasoning_tokens=15 prompt_tokens=1000 "
                                     "cached_tokens=900 cache_write_tokens=64")).json["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 15
    assert usage["prompt_tokens_details"]["cached_tokens"] == 900
    assert usage["prompt_tokens_details"]["cache_write_tokens"] == 64
    assert provider.stats()["prompt_tokens"] == 1000
    provider.reset()
    assert "usage" not in post(provider, chat(user="mock: no_usage")).json
    assert all("usage" not in p for p in chunks(post(provider, stream(user="mock: no_usage")).text))
    assert post(provider, chat(user="mock: usage_zero")).json["usage"]["total_tokens"] == 0
    assert post(provider, chat(user="mock: usage_negative")).json["usage"]["completion_tokens"] < 0
    stats = provider.stats()
    assert stats["prompt_tokens"] == stats["completion_tokens"] == 0
    assert all(e["completion_tokens"] == 16 and not e["usage_sent"] for e in provider.log())


def test_names_and_tier_in_the_answer(provider):
    provider.script(model_served='served "1"', service_tier="flex")
    body = post(provider, chat()).json
    assert body["model"] == 'served "1"' and body["service_tier"] == "flex"
    assert chunks(post(provider, stream()).text)[0]["model"] == 'served "1"'
    assert provider.stats()["models"] == {"gpt-4o": 2}


@pytest.mark.parametrize("size", [1000, 10_000, 100_000])
def test_answers_are_padded_to_the_byte(provider, size):
    assert len(post(provider, chat(user=f"mock: body_bytes={size}")).text) == size
    text = post(provider, stream(user=f"mock: chunks=4 body_bytes={size + 5000}")).text
    assert len(text) == size + 5000
    sizes = [len(c["delta"].get("content", "")) for p in chunks(text) for c in p["choices"]][1:-1]
    assert len(sizes) == 4 and max(sizes) - min(sizes) <= 2


def test_number_of_chunks(provider):
    for asked, tokens, got in ((5, 20, 5), (50, 50, 50), (9, 3, 3)):
        parts = chunks(post(provider, stream(user=f"mock: chunks={asked} tokens={tokens}")).text)
        assert len(parts) == got + 3
        assert len(content(parts).split()) == tokens
    assert chunks(post(provider, stream(user="mock: chunks=40")).text)[-1]["usage"]["completion_tokens"] == 40


def test_given_text_is_never_cut_inside_a_character(provider):
    text = 'na\u00efve \U0001f30a "quoted" \\ \n ' * 5
    provider.script(text=text, tokens=11)
    assert post(provider, chat()).json["choices"][0]["message"]["content"] == text
    parts = chunks(post(provider, stream()).text)
    assert content(parts) == text and len(parts) == 14


def test_a_body_is_sent_as_it_was_given(provider):
    provider.script(times=1, body='{"odd":[1', status=202, content_type="text/odd")
    answer = post(provider, chat())
    assert (answer.status, answer.text, answer.getheader("content-type")) == (202, b'{"odd":[1', "text/odd")
    sse = "event: a\ndata: {}\n\n: ping\n\ndata: [DONE]\n\n"
    provider.script(times=1, body=sse, content_type="text/event-stream")
    assert post(provider, stream()).text == sse.encode()


def test_bodies_without_a_length(provider):
    for how in ("chunked", "until_eof", "split_writes"):
        answer = post(provider, chat(user=f"mock: {how}"))
        assert answer.json["usage"]["completion_tokens"] == 16
        assert (answer.getheader("content-length") is None) == (how != "split_writes")
    assert answer.getheader("connection") is None
    text = post(provider, stream(user="mock: until_eof split_writes")).text
    assert events(text)[-1] == "[DONE]"
    provider.wait_stat("answered", 4)


# ---------------------------------------------------------------- faults


def test_no_answer_at_all(provider):
    for how in ("close_before_head", "reset_before_head"):
        conn = Raw(provider)
        conn.send(whole(chat(user=f"mock: {how}")))
        if how.startswith("close"):
            assert conn.rest() == b""
        else:
            with pytest.raises(ConnectionResetError):
                conn.rest()
        conn.close()
    stats = provider.wait_stat("broken", 2)
    assert stats["accepted"] == 0 and stats["inflight"] == 0
    assert [(e["status"], e["outcome"]) for e in provider.log()] == [(0, "broken")] * 2


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_stream_breaks_off_after_chunks(provider, raw, n):
    raw.send(whole(stream(user=f"mock: cut_after_chunks={n}")))
    text = raw.rest()
    assert b" 200 OK" in text and not text.endswith(b"0\r\n\r\n") and b"[DONE]" not in text
    assert text.count(b'"delta":{"content":') == n
    entry, = provider.log()
    assert entry["outcome"] == "broken" and entry["chunks_sent"] == n
    assert not entry["usage_sent"] and entry["completion_tokens"] == 16
    stats = provider.stats()
    assert stats["accepted"] == 1 and stats["answered"] == 0 and stats["broken"] == 1


def test_a_stream_is_reset_after_chunks(provider, raw):
    raw.send(whole(stream(user="mock: reset_after_chunks=2 stall_after_chunks=1")))
    raw.until(b"amber")
    provider.wait_stat("waiting", 1)
    assert provider.release("stall") == 1
    with pytest.raises(ConnectionResetError):
        raw.rest()
        raw.rest()


@pytest.mark.parametrize("n", [0, 1, 100])
def test_an_answer_breaks_off_after_bytes(provider, n):
    for body in (chat(user=f"mock: cut_after_bytes={n}"), stream(user=f"mock: cut_after_bytes={n}")):
        conn = Raw(provider)
        conn.send(whole(body))
        text = conn.rest()
        conn.close()
        assert len(text.split(b"\r\n\r\n", 1)[1]) == n


def test_a_stream_without_its_last_words(provider):
    text = post(provider, stream(user="mock: no_done")).text
    assert "[DONE]" not in text.decode() and chunks(text)[-1]["usage"]
    text = post(provider, stream(user="mock: error_after_chunks=2")).text
    last = chunks(text)[-1]
    assert set(last) == {"error"} and "[DONE]" not in text.decode()
    assert len(chunks(text)) == 4


def test_garbage(provider):
    parts = events(post(provider, stream(user="mock: garbage_chunk")).text)
    bad = [p for p in parts if p != "[DONE]" and not p.endswith("}")]
    assert len(bad) == 1
    with pytest.raises(ValueError):
        json.loads(post(provider, chat(user="mock: garbage_chunk")).text)


# ---------------------------------------------------------------- pace


def test_an_answer_waits_for_its_name(provider):
    done = []
    threads = [threading.Thread(target=lambda n=n: done.append(
        (n, post(provider, chat(user=f"mock: wait={n}")).status))) for n in ("a", "b", "a")]
    for t in threads:
        t.start()
    stats = provider.wait_stat("waiting", 3)
    assert stats["inflight"] == stats["max_inflight"] == 3 and stats["accepted"] == 0
    assert provider.release("nobody") == 0
    assert provider.release("a") == 2
    provider.wait_stat("answered", 2)
    assert sorted(done) == [("a", 200), ("a", 200)] or provider.stats()["waiting"] == 1
    assert provider.release() == 1
    for t in threads:
        t.join()
    assert sorted(done) == [("a", 200), ("a", 200), ("b", 200)]


def test_a_stream_stalls_where_it_is_told(provider, raw):
    raw.send(whole(stream(user="mock: stall_after_chunks=3 wait=go")))
    text = raw.until(b"cedar")
    provider.wait_stat("waiting", 1)
    assert text.count(b'"delta":{"content":') == 3
    entry, = provider.log()
    assert entry["outcome"] == "open" and entry["status"] == 200
    assert provider.release("go") == 1
    assert b"[DONE]" in raw.until(b"0\r\n\r\n")


def test_the_head_can_come_alone(provider, raw):
    raw.send(whole(stream(user="mock: stall_after_chunks=0")))
    assert raw.until(b"\r\n\r\n").endswith(b"\r\n\r\n")
    provider.wait_stat("waiting", 1)
    provider.release("stall")
    raw.until(b"[DONE]")


def test_a_client_that_leaves_is_seen(provider):
    for n, leave in enumerate((Raw.close, Raw.reset), 1):
        for body in (chat(user="mock: hang_before_head"), stream(user="mock: stall_after_chunks=1"),
                     stream(user="mock: chunk_delay_ms=600000"), chat(user="mock: delay_ms=600000")):
            conn = Raw(provider)
            conn.send(whole(body))
            provider.wait_stat("inflight", 1)
            leave(conn)
            provider.wait_stat("inflight", 0)
        assert provider.stats()["cancelled"] == 4 * n
    assert {e["outcome"] for e in provider.log()} == {"cancelled"}
    stats = provider.wait_stat("open_connections", 0)
    assert stats["waiting"] == 0 and stats["accepted"] == 4


def test_a_client_that_leaves_in_the_middle_of_bytes_is_seen(provider):
    conn = Raw(provider)
    conn.send(whole(chat(user="mock: body_bytes=60000000")))
    conn.until(b"HTTP/1.1 200")
    provider.wait_stat("accepted", 1)
    conn.reset()
    stats = provider.wait_stat("cancelled", 1)
    assert stats["prompt_tokens"] == 0 and stats["answered"] == 0


def test_delays_are_kept(provider):
    text = post(provider, stream(user="mock: delay_ms=30 chunk_delay_ms=10 tokens=3")).text
    assert events(text)[-1] == "[DONE]"
    entry, = provider.log()
    # role, three words, finish, usage and the end: seven events
    assert entry["done_us"] - entry["t_us"] >= 30_000 + 7 * 10_000


# ---------------------------------------------------------------- what it saw


def test_the_log_tells_what_arrived(provider):
    headers = dict(HEADERS, **{"x-client-request-id": "client-1", "x-request-id": "gw-1"})
    first = post(provider, chat(max_tokens=9), headers=headers).json
    second = chunks(post(provider, stream(model="other")).text)[0]
    log = provider.log()
    assert [e["n"] for e in log] == [1, 2] and log[0]["t_us"] <= log[1]["t_us"]
    assert log[0]["id"] == first["id"] and log[1]["id"] == second["id"]
    assert log[0]["client_request_id"] == "client-1" and log[0]["request_id"] == "gw-1"
    assert log[0]["key_hint"] == "1234" and log[0]["max_tokens"] == 9 and log[1]["max_tokens"] is None
    assert [e["stream"] for e in log] == [False, True] and log[1]["model"] == "other"
    assert all(e["completed"] and e["outcome"] == "answered" for e in log)
    assert log[1]["chunks_sent"] == 16
    assert provider.log(since=1) == log[1:] and provider.log(since=2) == [] and provider.log(since=99) == []


def test_sums_agree_with_the_answers(provider):
    sent = [post(provider, chat(user=f"mock: tokens={i}")).json["usage"] for i in range(1, 20)]
    stats = provider.stats()
    assert stats["prompt_tokens"] == sum(u["prompt_tokens"] for u in sent)
    assert stats["completion_tokens"] == sum(u["completion_tokens"] for u in sent)
    assert stats["requests"] == stats["accepted"] == stats["answered"] == len(sent)
    provider.reset()
    assert provider.stats()["requests"] == 0 and provider.log() == [] and provider.last()["head"] == ""


def test_a_request_that_outlives_a_reset_disturbs_nothing(provider, raw):
    raw.send(whole(chat(user="mock: wait=x cut_after_chunks=0")))
    provider.wait_stat("waiting", 1)
    provider.reset()
    post(provider, chat())
    provider.release("x")
    provider.wait_stat("inflight", 0)
    entry, = provider.log()
    assert entry["n"] == 1 and entry["outcome"] == "answered"
    assert provider.stats()["max_inflight"] == 2


def test_unknown_commands_are_refused(provider):
    for method, verb in (("GET", "script"), ("POST", "nothing"), ("GET", "log?until=3"), ("POST", "release")):
        with pytest.raises(MockError):
            provider._command(method, verb)


# ---------------------------------------------------------------- fast mode, the program


def test_fast_mode_counts_and_answers():
    with Mock.start(fast=True, body_bytes=900, chunks=50) as provider:
        conn = provider.connect()
        for _ in range(10):
            assert len(post(provider, chat(), conn=conn).text) == 900
        parts = chunks(post(provider, stream(), conn=conn).text)
        assert len(parts) == 53 and parts[-1]["usage"]["completion_tokens"] == 50
        assert "usage" not in chunks(post(provider, chat(stream=True), conn=conn).text)[0]
        assert post(provider, {"model": "m", "input": "x"}, "/v1/embeddings", conn=conn).status == 200
        conn.close()
        stats = provider.stats()
        assert stats["requests"] == stats["answered"] == 13 and stats["streams"] == 2
        assert stats["models"] == {"gpt-4o": 12, "m": 1}
        assert stats["completion_tokens"] == 10 * 16 + 50
        for refused in (provider.log, lambda: provider.script(status=500)):
            with pytest.raises(MockError):
                refused()


@pytest.mark.parametrize("argv", [
    ["--nonsense"], ["extra"], ["--tls-cert", "x"], ["--do", "nonsense=1"], ["--listen", "nowhere"],
    ["--chunks", "4"], ["--fast", "--do", "status=500"], ["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"],
    ["--fast", "--chunks", "many"],
])
def test_a_command_line_that_is_not_understood(argv):
    done = subprocess.run([find_binary(), *argv], capture_output=True, timeout=20)
    assert done.returncode in (1, 2) and done.stderr and not done.stdout


def test_port_file_and_end_of_input(tmp_path):
    port_file = tmp_path / "port"
    provider = Mock.start(port_file=port_file)
    assert int(port_file.read_text()) == provider.port
    provider.process.stdin.close()
    assert provider.process.wait(timeout=20) == 0
    provider.process.stdout.close()


def test_it_ends_cleanly_in_the_middle_of_everything():
    provider = Mock.start()
    conns = [Raw(provider) for _ in range(4)]
    for conn, body in zip(conns, (chat(user="mock: wait=x"), stream(user="mock: stall_after_chunks=1"),
                                  chat(user="mock: delay_ms=600000"))):
        conn.send(whole(body))
    conns[3].send(head(100)[:40])
    provider.wait_stat("inflight", 3)
    provider.script(times=3, status=500)
    assert provider.stop() == 0
    for conn in conns:
        conn.close()
