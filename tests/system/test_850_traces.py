"""W3C trace context: read strictly, a span of its own for every attempt, told to providers when asked to."""

import re

import pytest

from gateway import chat_body

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OURS = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])\Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@pytest.fixture
def telling(gateway_factory, mock):
    """A gateway that tells providers of traces."""
    return gateway_factory(mock=mock, conf={"trace_propagate": "on"})


def sent_headers(mock):
    """{name: [values]} of the last request the provider saw."""
    found = {}
    for line in mock.last()["head"].split("\r\n")[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            found.setdefault(name.lower(), []).append(value)
    return found


def rows(gateway, n):
    """[(trace_id, span_id, request_id)] of the ledger, oldest first."""
    gateway.wait_flushed()
    found = gateway.rows("SELECT trace_id, coalesce(span_id, ''), request_id::text FROM aigate.ledger"
                         " ORDER BY received_at, attempt")
    found = [tuple(row) for row in found]
    assert len(found) == n
    return found


def test_a_clients_trace_goes_on_in_the_ledger_and_at_the_provider(telling, mock):
    key = telling.key()
    answer = telling.chat(key, headers={"traceparent": PARENT, "tracestate": "rojo=1,congo=t61",
                                        "baggage": "userId=alice"})
    assert answer.status == 200 and answer.headers["x-portkey-trace-id"] == TRACE
    sent = sent_headers(mock)
    (parent,) = sent["traceparent"]
    trace, span, flags = OURS.match(parent).groups()
    assert trace == TRACE and span != SPAN and flags == "01"
    assert sent["tracestate"] == ["rojo=1,congo=t61"] and sent["baggage"] == ["userId=alice"]
    ((trace_id, span_id, _),) = rows(telling, 1)
    assert (trace_id, span_id) == (TRACE, span)


def test_baggage_is_metadata_below_all_other(gateway, mock):
    """Also where it is not passed on; it counts for limits as a request's metadata does."""
    workspace = gateway.workspace(defaults={"metadata": {"tier": "gold"}})
    gateway.admin("POST", "/policies/rate-limits", {
        "name": "by user", "workspace_id": workspace["slug"], "conditions": [{"key": "metadata.userId", "value": "alice"}],
        "group_by": [{"key": "metadata.userId"}], "type": "requests", "unit": "rpm", "value": 1})
    key = gateway.key(workspace=workspace)
    headers = {"baggage": "userId=alice,tier=free,team=a%20b;ttl=5", "x-portkey-metadata": '{"team":"c"}'}
    assert gateway.chat(key, headers=headers).status == 200
    assert "baggage" not in sent_headers(mock)
    assert gateway.chat(key, headers={"baggage": "userId=bob"}).status == 200
    assert gateway.chat(key, headers=headers).status == 429
    gateway.wait_flushed()
    assert gateway.rows("SELECT metadata FROM aigate.ledger ORDER BY received_at") == [
        ({"tier": "gold", "team": "c", "userId": "alice"},), ({"tier": "gold", "userId": "bob"},)]


def test_who_sends_none_begins_a_trace(telling, mock):
    key = telling.key()
    spans = set()
    for _ in range(2):
        answer = telling.chat(key)
        trace, span, flags = OURS.match(sent_headers(mock)["traceparent"][0]).groups()
        named = answer.headers["x-portkey-trace-id"]
        assert UUID.match(named) and named.replace("-", "") == trace
        assert flags == "00", "nobody here exports it"
        spans.add(span)
    assert len(spans) == 2
    assert {span for _, span, _ in rows(telling, 2)} == spans
    assert all(trace_id == request_id for trace_id, _, request_id in rows(telling, 2))


@pytest.mark.parametrize("given, trace", [
    ("checkout-7", None),
    (TRACE, TRACE),
    ("4BF92F35-77b3-4da6-a3ce-929d0e0e4736", TRACE),
    ("0" * 32, None),
])
def test_the_clients_own_name_of_a_trace_is_kept(telling, mock, given, trace):
    """x-portkey-trace-id is any text; where it has the form of a trace id it is that trace."""
    answer = telling.chat(telling.key(), headers={"x-portkey-trace-id": given})
    assert answer.headers["x-portkey-trace-id"] == given
    ((trace_id, span_id, request_id),) = rows(telling, 1)
    told, span, _ = OURS.match(sent_headers(mock)["traceparent"][0]).groups()
    assert (trace_id, span_id) == (given, span)
    assert told == (trace or request_id.replace("-", ""))


def test_both_names_of_a_trace_stand_side_by_side(telling, mock):
    answer = telling.chat(telling.key(), headers={"x-portkey-trace-id": "mine", "traceparent": PARENT})
    assert answer.headers["x-portkey-trace-id"] == "mine"
    assert OURS.match(sent_headers(mock)["traceparent"][0]).group(1) == TRACE
    assert rows(telling, 1)[0][0] == "mine"


@pytest.mark.parametrize("bad", [
    f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", "x", ""])
def test_a_bad_traceparent_is_as_none(telling, mock, bad):
    """A new trace begins, and the tracestate that came with it goes with it."""
    answer = telling.chat(telling.key(), headers={"traceparent": bad, "tracestate": "rojo=1"})
    assert answer.status == 200 and UUID.match(answer.headers["x-portkey-trace-id"])
    sent = sent_headers(mock)
    assert OURS.match(sent["traceparent"][0]).group(1) != TRACE
    assert "tracestate" not in sent


def test_of_two_traceparents_neither_counts(telling, mock):
    key = telling.key()
    with telling.connect() as connection:
        body = b'{"model":"@mock/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
        connection.send(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
                        f"content-type: application/json\r\ntraceparent: {PARENT}\r\n"
                        f"traceparent: {PARENT}\r\ntracestate: a=1\r\ncontent-length: {len(body)}\r\n\r\n"
                        .encode() + body)
        assert connection.read_answer().status == 200
    assert OURS.match(sent_headers(mock)["traceparent"][0]).group(1) != TRACE


def test_a_bad_tracestate_goes_alone(telling, mock):
    telling.chat(telling.key(), headers={"traceparent": PARENT, "tracestate": "no member"})
    sent = sent_headers(mock)
    assert OURS.match(sent["traceparent"][0]).group(1) == TRACE and "tracestate" not in sent


def test_several_tracestates_are_one_list(telling, mock):
    key = telling.key()
    with telling.connect() as connection:
        body = b'{"model":"@mock/gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
        connection.send(f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
                        f"content-type: application/json\r\ntraceparent: {PARENT}\r\n"
                        f"tracestate: a=1\r\ntracestate: b=2\r\ncontent-length: {len(body)}\r\n\r\n"
                        .encode() + body)
        assert connection.read_answer().status == 200
    assert sent_headers(mock)["tracestate"] == ["a=1,b=2"]


def test_what_is_not_sampled_says_so(telling, mock):
    telling.chat(telling.key(), headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert sent_headers(mock)["traceparent"][0].endswith("-00")


def test_every_attempt_has_a_span_of_its_own(telling, mock):
    """A kept connection that ends without a word is tried once more: two rows, two spans, one parent."""
    key = telling.key()
    with telling.connect() as connection:
        connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body())
        assert connection.read_answer().status == 200
        mock.script(times=1, close_before_head=True)
        connection.request("POST", "/v1/chat/completions",
                           {"authorization": f"Bearer {key}", "traceparent": PARENT}, chat_body())
        assert connection.read_answer().status == 200
    found = [row for row in rows(telling, 3) if row[0] == TRACE]
    assert len(found) == 2 and found[0][2] == found[1][2]
    assert len({span for _, span, _ in found}) == 2
    assert OURS.match(sent_headers(mock)["traceparent"][0]).group(2) == found[1][1]


def test_providers_are_not_told_unless_asked_to(gateway, mock):
    """Nor are they told what the client said: its spans are not the provider's parents."""
    gateway.chat(gateway.key(), headers={"traceparent": PARENT, "tracestate": "rojo=1", "baggage": "a=b"})
    sent = sent_headers(mock)
    assert not {"traceparent", "tracestate", "baggage"} & set(sent)
    ((trace_id, span_id, _),) = rows(gateway, 1)
    assert trace_id == TRACE and re.fullmatch("[0-9a-f]{16}", span_id), "the ledger knows it all the same"


def test_without_a_trace_nothing_is_made(gateway, mock):
    assert gateway.post(gateway.key(), chat_body()).status == 200
    assert "traceparent" not in sent_headers(mock)
    ((_, span_id, _),) = rows(gateway, 1)
    assert span_id == ""
