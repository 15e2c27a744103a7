"""What the listener makes of bytes: framing, limits, slow and broken clients, smuggling."""

import json
import select
import socket

import pytest

from gateway import chat_body, wait
from plane import _provider, plane, provider  # noqa: F401
from wire import WireError

CONF = {"client_head_timeout": "400ms", "client_body_timeout": "400ms", "keepalive_timeout": "400ms",
        "max_body": "64k", "max_head": "4k", "workers": "1"}


@pytest.fixture(scope="module")
def key(plane):
    return plane.key()


def body(**fields):
    return json.dumps(chat_body(max_tokens=8, **fields)).encode()


def head(key, length=None, *more, line="POST /v1/chat/completions HTTP/1.1", host="host: gateway.test"):
    lines = [line, host, f"authorization: Bearer {key}", "content-type: application/json"]
    if length is not None:
        lines.append(f"content-length: {length}")
    return ("\r\n".join([l for l in [*lines, *more] if l]) + "\r\n\r\n").encode("latin-1")


def request(key, text=None, *more):
    text = body() if text is None else text
    return head(key, len(text), *more) + text


def exchange(plane, data, method="POST"):
    """One write, one answer, on a connection of its own."""
    with plane.connect() as c:
        c.send(data)
        return c.read_answer(method)


# -- one connection, many requests ---------------------------------------------------------------

def test_a_connection_serves_one_request_after_the_other(plane, provider, key):
    accepted = plane.counter("conn_accepted")
    with plane.connect() as c:
        for i in range(20):
            c.send(request(key, body(text=f"number {i}")))
            answer = c.read_answer("POST")
            assert answer.status == 200
            assert json.loads(provider.last()["body"])["messages"][0]["content"] == f"number {i}"
    assert plane.counter("conn_accepted") == accepted + 1


def test_a_hundred_requests_in_one_write_are_answered_in_order(plane, provider, key):
    provider.script(times=1, delay_ms=50)  # the first is the slowest
    with plane.connect() as c:
        c.send(b"".join(request(key, body(text=f"n{i}", user=f"mock: text=answer-{i}"))
                        for i in range(100)))
        answers = [c.read_answer("POST") for _ in range(100)]
    assert [a.status for a in answers] == [200] * 100
    assert [a.content for a in answers] == [f"answer-{i}" for i in range(100)]
    assert provider.stats()["accepted"] == 100


def test_refusals_and_answers_may_be_mixed_in_a_pipeline(plane, provider, key):
    with plane.connect() as c:
        c.send(request(key) + request("wrong") + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + request(key))
        assert [c.read_answer("POST").status for _ in range(4)] == [200, 401, 200, 200]


def test_connection_close_is_obeyed_and_told(plane, provider, key):
    with plane.connect() as c:
        c.send(request(key, None, "connection: close"))
        answer = c.read_answer("POST")
        assert answer.status == 200 and answer.headers.get("connection") == "close"
        assert c.is_closed()


def test_http_1_0_gets_a_length_and_a_close(plane, provider, key):
    text = body()
    with plane.connect() as c:
        c.send(head(key, len(text), line="POST /v1/chat/completions HTTP/1.0") + text)
        answer = c.read_answer("POST")
        assert answer.status == 200 and answer.content
        assert c.is_closed()


def test_a_stream_to_http_1_0_ends_with_the_connection(plane, provider, key):
    text = body(stream=True)
    with plane.connect() as c:
        c.send(head(key, len(text), line="POST /v1/chat/completions HTTP/1.0") + text)
        answer = c.read_answer("POST")
    assert "transfer-encoding" not in answer.headers
    assert answer.text.endswith("data: [DONE]\n\n")


# -- bodies --------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_chunked_body_arrives_whole(plane, provider, key, size):
    text = body(text="x" * 3000)
    with plane.connect() as c:
        c.send(head(key, None, "transfer-encoding: chunked"))
        for i in range(0, len(text), size):
            piece = text[i:i + size]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\n\r\n")
        assert c.read_answer("POST").status == 200
        c.send(request(key))  # what followed the last chunk was the next request's place
        assert c.read_answer("POST").status == 200
    assert "content-length" in provider.last()["head"]


def test_a_chunked_body_and_the_next_request_in_one_write(plane, provider, key):
    text = body(text="first")
    with plane.connect() as c:
        c.send(head(key, None, "transfer-encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
               + request(key, body(text="second")))
        assert [c.read_answer("POST").status for _ in range(2)] == [200, 200]
    assert provider.stats()["accepted"] == 2


def test_expect_continue_is_answered_before_the_body_is_sent(plane, provider, key):
    text = body()
    with plane.connect() as c:
        c.send(head(key, len(text), "expect: 100-continue"))
        assert c._until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        c.send(text)
        assert c.read_answer("POST").status == 200


def test_an_old_client_is_not_sent_an_interim_answer(plane, provider, key):
    text = body()
    before = plane.counter("req_total")
    with plane.connect() as c:
        c.send(head(key, len(text), "expect: 100-continue", line="POST /v1/chat/completions HTTP/1.0"))
        wait(lambda: plane.counter("req_total") > before, "the head")
        c.send(text)
        assert c.sock.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_expect_continue_of_a_body_too_large_is_refused_at_once(plane, provider, key):
    answer = exchange(plane, head(key, 1 << 20, "expect: 100-continue"))
    assert answer.status == 413


def test_a_body_above_the_limit_is_refused_with_413(plane, provider, key):
    with plane.connect() as c:
        c.send(head(key, 65537))
        assert c.read_answer("POST").status == 413
        assert c.is_closed()
    answer = exchange(plane, head(key, None, "transfer-encoding: chunked") + b"10001\r\n" + b" " * 65537)
    assert answer.status == 413
    assert provider.stats()["requests"] == 0


def test_a_body_at_the_limit_is_served(plane, provider, key):
    text = body(text="")
    text = body(text="x" * (65536 - len(text)))
    assert len(text) == 65536
    assert exchange(plane, request(key, text)).status == 200


def test_a_head_above_the_limit_is_refused_with_431(plane, provider, key):
    with plane.connect() as c:
        c.send(head(key, 2, "x-long: " + "y" * 5000))
        assert c.read_answer("POST").status == 431
        assert c.is_closed()


def test_more_headers_than_anybody_needs_are_refused(plane, provider, key):
    answer = exchange(plane, head(key, 2, *[f"h{i}: 1" for i in range(400)]) + b"{}")
    assert answer.status == 431
    assert provider.stats()["requests"] == 0


def test_a_request_line_too_long_is_refused(plane, provider, key):
    answer = exchange(plane, head(key, 2, line="GET /" + "a" * 5000 + " HTTP/1.1"))
    assert answer.status in (414, 431)


# -- methods -------------------------------------------------------------------------------------

def test_head_has_the_length_and_no_body(plane):
    with plane.connect() as c:
        c.send("HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        first, second = c.read_answer("HEAD"), c.read_answer("GET")
    assert first.status == second.status == 200
    assert first.headers["content-length"] == str(len(second.body))


def test_options_and_wrong_methods_tell_what_is_allowed(plane, provider, key):
    answer = plane.ask("OPTIONS", "/v1/chat/completions")
    assert answer.status == 204 and answer.body == b""
    assert "POST" in answer.headers.get("allow", "")
    answer = plane.ask("GET", "/v1/chat/completions", {"authorization": f"Bearer {key}"})
    assert answer.status == 405 and "POST" in answer.headers.get("allow", "")
    assert provider.stats()["requests"] == 0


def test_an_unknown_path_is_404(plane):
    answer = plane.get("/v1/nothing/here")
    assert answer.status == 404 and answer.json == {"message": "Not Found", "ok": False}


@pytest.mark.parametrize("who", ["nobody", ""])
def test_the_body_of_a_stranger_is_not_waited_for(plane, provider, who):
    with plane.connect() as c:
        c.send(head(who, 60000, "expect: 100-continue"))
        answer = c.read_answer("POST")
        assert answer.status == 401 and answer.json["message"] == "Portkey Error: Invalid API Key. Error Code: 03"
        assert answer.headers["connection"] == "close"
        c.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert c.is_closed()


def test_the_body_of_a_stranger_is_never_read_as_a_request(plane, provider):
    inner = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    text = head("nobody", len(inner) + 1) + inner
    for cut in (1, len(text) - len(inner) - 2, len(text) - 5):  # a head that trickles takes another way
        with plane.connect() as c:
            c.send(text[:cut])
            wait(lambda: plane.counter("bytes_client_in") > 0, "the first piece")
            c.send(text[cut:])
            assert c.read_answer("POST").status == 401
            assert c.is_closed()


def test_bodies_share_a_bounded_memory(gateway_factory, mock):
    g = gateway_factory(mock=mock, conf={"workers": "1", "body_memory": "1m", "client_body_timeout": "1m"})
    key = g.key()
    piece = b"x" * 600_000
    first, second = g.connect(), g.connect()
    for c in (first, second):
        c.send(head(key, 700_000) + piece)
    g.wait_counter("req_denied_capacity", 1)
    assert g.chat(key).status == 200  # a small one needs none of it
    readable, _, _ = select.select([first.sock, second.sock], [], [], 10)
    refused = first if first.sock in readable else second
    answer = refused.read_answer("POST")
    assert answer.status == 503 and answer.headers["x-should-retry"] == "true"
    held = [first, second]
    for c in held:
        c.close()
    wait(lambda: g.post(key, chat_body("y" * 100_000)).status == 200, "room again")


# -- slow, half-closed and broken clients --------------------------------------------------------

@pytest.mark.parametrize("sent", [b"POST /v1/chat", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"])
def test_a_head_that_does_not_come_is_cut(plane, sent):
    before = plane.counter("conn_timeout")
    with plane.connect() as c:
        c.send(sent)
        assert c.read_answer().status == 408
        assert c.is_closed()
    assert plane.counter("conn_timeout") == before + 1


def test_a_body_that_does_not_come_is_cut(plane, provider, key):
    with plane.connect() as c:
        c.send(head(key, 100) + b'{"model"')
        assert c.read_answer().status == 408
        assert c.is_closed()
    assert provider.stats()["requests"] == 0


def test_a_head_that_trickles_is_cut_however_busy_it_looks(plane):
    with plane.connect() as c:
        c.sock.settimeout(0.05)
        answered = b""
        for byte in b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: " + b"z" * 400:
            try:
                c.sock.send(bytes([byte]))
                answered += c.sock.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if answered:
                break
        assert answered.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed_without_a_word(plane, provider, key):
    with plane.connect() as c:
        c.send(request(key))
        assert c.read_answer("POST").status == 200
        assert c.is_closed(10)
        assert c.buffer == b""


def test_a_client_that_shuts_down_its_side_before_the_end_of_its_request_is_left(plane, provider, key):
    with plane.connect() as c:
        c.send(request(key)[:-5])
        c.sock.shutdown(socket.SHUT_WR)
        assert c.is_closed()
    assert provider.stats()["requests"] == 0


def test_a_client_that_shuts_down_its_side_while_it_waits_counts_as_gone(plane, provider, key):
    provider.script(wait="go")
    left = plane.counter("req_client_left")
    with plane.connect() as c:
        c.send(request(key))
        provider.wait_stat("requests", 1)
        c.sock.shutdown(socket.SHUT_WR)
        assert c.is_closed()
    plane.wait_counter("req_client_left", left + 1)
    plane.wait_idle()


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 40, b"\xff\xfe\r\n\r\n",
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                                  b"GET /\r\n\r\n", b"\r\n\r\n\r\n\r\nNONSENSE\r\n\r\n"])
def test_garbage_gets_an_answer_and_the_end(plane, junk):
    with plane.connect() as c:
        c.send(junk)
        answer = c.read_answer()
        assert answer.status in (400, 505)
        assert c.is_closed()


def test_a_client_that_resets_in_the_middle_harms_nobody(plane, provider, key):
    whole = request(key)
    for at in (3, 60, len(whole) - 3):
        c = plane.connect()
        c.send(whole[:at])
        c.reset()
    assert exchange(plane, whole).status == 200


# -- every cut -----------------------------------------------------------------------------------

def test_a_request_may_be_cut_at_every_byte(plane, provider, key):
    whole = request(key, b'{"model":"@mock/gpt-4o-mini","messages":[]}')
    with plane.connect() as c:
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(1, len(whole)):
            c.send(whole[:at])
            c.send(whole[at:])
            assert c.read_answer("POST").status == 400, f"cut at {at}"  # the provider wants messages
    assert provider.stats()["requests"] == len(whole) - 1


def test_a_chunked_request_may_come_byte_by_byte(plane, provider, key):
    text = body()
    whole = head(key, None, "transfer-encoding: chunked") + b"5\r\n" + text[:5] + b"\r\n" + \
        b"%X\r\n" % (len(text) - 5) + text[5:] + b"\r\n0\r\n\r\n"
    with plane.connect() as c:
        for byte in whole:
            c.send(bytes([byte]))
        assert c.read_answer("POST").status == 200


# -- smuggling -----------------------------------------------------------------------------------

def smuggled():
    """(name, what follows the usual head lines, body): each could be read in two ways."""
    text = b'{"model":"@mock/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
    n = len(text)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (n, text)
    inner = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    length = f"content-length: {n}"
    return [
        ("two lengths that differ", [length, "content-length: 0"], text),
        ("two lengths that agree", [length, length], text),
        ("a list of lengths", [f"content-length: {n}, {n}"], text),
        ("a length with a sign", [f"content-length: +{n}"], text),
        ("a length in hex", [f"content-length: 0x{n:x}"], text),
        ("a length with blanks in it", ["content-length: 1 0"], text),
        ("an empty length", ["content-length: "], text),
        ("a length beyond 64 bits", ["content-length: 18446744073709551617"], text),
        ("a negative length", ["content-length: -1"], text),
        ("length and chunked", [length, "transfer-encoding: chunked"], chunked + inner),
        ("chunked and length", ["transfer-encoding: chunked", length], chunked + inner),
        ("chunked twice", ["transfer-encoding: chunked", "transfer-encoding: chunked"], chunked),
        ("chunked, chunked", ["transfer-encoding: chunked, chunked"], chunked),
        ("chunked and another", ["transfer-encoding: gzip, chunked"], chunked),
        ("another last", ["transfer-encoding: chunked, identity"], chunked),
        ("an unknown coding", ["transfer-encoding: xchunked"], chunked),
        ("a tab before the coding's end", ["transfer-encoding: chunked\x0b"], chunked),
        ("an empty coding", ["transfer-encoding: ", length], text),
        ("a quoted coding", ['transfer-encoding: "chunked"'], chunked),
        ("a blank before the colon", ["transfer-encoding : chunked"], chunked),
        ("a blank before a length's colon", [f"content-length : {n}"], text),
        ("a folded header", ["transfer-encoding:\r\n chunked"], chunked),
        ("a folded length", [length + "\r\n 0"], text),
        ("a header without a name", [": x", length], text),
        ("a header without a colon", ["nonsense", length], text),
        ("a name with a blank", ["x y: z", length], text),
        ("a NUL in a value", ["x: a\0b", length], text),
        ("a bare CR in a value", ["x: a\rb", length], text),
        ("a bare LF between headers", ["x: a\n" + length], text),
        ("a second host", ["host: elsewhere", length], text),
        ("a chunk with a sign", ["transfer-encoding: chunked"], b"+5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk in hex prefix", ["transfer-encoding: chunked"], b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk with a blank before its size", ["transfer-encoding: chunked"], b" 5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk ended by a bare LF", ["transfer-encoding: chunked"], b"5\nhello\r\n0\r\n\r\n"),
        ("a chunk without its end", ["transfer-encoding: chunked"], b"5\r\nhelloXX0\r\n\r\n"),
        ("a chunk beyond 64 bits", ["transfer-encoding: chunked"], b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("an empty chunk size", ["transfer-encoding: chunked"], b"\r\nhello\r\n0\r\n\r\n"),
    ]


@pytest.mark.parametrize("name,lines,text", smuggled(), ids=lambda v: v.replace(" ", "-") if isinstance(v, str) else "")
def test_what_could_be_read_in_two_ways_is_refused(plane, provider, key, name, lines, text):
    bad = plane.counter("req_bad")
    with plane.connect() as c:
        c.send(head(key, None, *lines) + text)
        answer = c.read_answer("POST")
        assert answer.status in (400, 413, 501), name
        assert c.is_closed(), "nothing behind it is read as a request"
        assert c.buffer == b""
    assert provider.stats()["requests"] == 0
    assert plane.counter("req_bad") == bad + 1


@pytest.mark.parametrize("line", ["POST  /v1/chat/completions HTTP/1.1", "POST /v1/chat/completions  HTTP/1.1",
                                  "POST /v1/chat/completions HTTP/1.1 ", " POST /v1/chat/completions HTTP/1.1",
                                  "POST\t/v1/chat/completions HTTP/1.1", "POST /v1/chat/com pletions HTTP/1.1",
                                  "POST /v1/chat/completions\0 HTTP/1.1", "POST /v1/chat/completions http/1.1",
                                  "POST /v1/chat/completions HTTP/1.1\r\n\tfolded: x"])
def test_a_request_line_must_be_exactly_right(plane, provider, key, line):
    text = body()
    with plane.connect() as c:
        c.send(head(key, len(text), line=line) + text)
        assert c.read_answer("POST").status in (400, 505)
        assert c.is_closed()
    assert provider.stats()["requests"] == 0


def test_http_1_1_needs_a_host(plane, provider, key):
    text = body()
    assert exchange(plane, head(key, len(text), host="") + text).status == 400


@pytest.mark.parametrize("path", ["/v1//chat/completions", "/v1/./chat/completions", "/v1/x/../chat/completions",
                                  "/v1/chat%2fcompletions", "/V1/chat/completions", "/v1/chat/completions/"])
def test_only_the_exact_path_is_served(plane, provider, key, path):
    assert exchange(plane, head(key, 2, line=f"POST {path} HTTP/1.1") + b"{}").status in (400, 404)
    assert provider.stats()["requests"] == 0


def test_hop_by_hop_headers_and_credentials_do_not_reach_the_provider(plane, provider, key):
    answer = exchange(plane, request(key, None, "connection: keep-alive, x-private", "x-private: 1", "te: trailers",
                                     "x-forwarded-for: 1.2.3.4", "cookie: a=b", "x-api-key: other", "upgrade: h2c",
                                     "openai-organization: org-x", "x-portkey-trace-id: trace-7",
                                     "x-custom: passes"))
    assert answer.status == 200
    sent = provider.last()["head"].lower()
    for name in ("x-private", "te:", "cookie", "x-api-key", "upgrade", "x-forwarded", "openai-organization",
                 "x-portkey", str(key).lower()):
        assert name not in sent, name
    assert "x-custom: passes" in sent
    assert answer.headers["x-portkey-trace-id"] == "trace-7"


def test_an_answer_has_no_secret_and_a_trace(plane, provider, key):
    answer = exchange(plane, request(key))
    assert "sk-upstream-secret" not in str(answer.headers) + answer.text
    assert len(answer.headers["x-portkey-trace-id"]) == 36
    assert "sk-upstream-secret" not in plane.log and str(key) not in plane.log


def test_every_refusal_has_a_trace_too(plane, key):
    for data in (request("nobody"), head(key, 1 << 30), b"NONSENSE\r\n\r\n", b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"):
        answer = exchange(plane, data)
        assert answer.status >= 400 and len(answer.headers["x-portkey-trace-id"]) == 36


def test_the_number_of_connections_is_bounded(gateway_factory, mock):
    g = gateway_factory(mock=mock, conf={"workers": "1", "max_connections": "8"})
    held = [g.connect() for _ in range(8)]
    wait(lambda: g.counter("conn_accepted") >= 8, "eight connections")
    extra = g.connect()
    assert extra.is_closed()
    assert g.stat()["counters"]["conn_refused"] >= 1
    held.pop().close()

    def is_served():
        try:
            return g.get("/healthz").status == 200
        except (WireError, OSError):
            return False
    wait(is_served, "room for one more")
    for c in held + [extra]:
        c.close()
