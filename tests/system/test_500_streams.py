"""The way back: streams and bodies relayed as they are, ended honestly, and settled once on every path."""

import json

import pytest

from gateway import chat_body, wait
from plane import _provider, meter_of, mini_cost, plane, provider  # noqa: F401
from wire import Stream, WireError

CONF = {"workers": "1", "upstream_first_byte_timeout": "500ms", "stream_idle_timeout": "500ms",
        "client_write_timeout": "20s", "upstream_connect_timeout": "500ms"}
MAX = 400


class Case:
    """A key of its own with a budget of its own, so that its meter and its rows can be told apart."""

    numbers = iter(range(1, 10_000))

    def __init__(self, plane):
        self.plane, self.limit = plane, 10**9 + next(self.numbers)
        self.key = plane.key(budget_usd=f"{self.limit / 10**9:.9f}")

    def stream(self, **fields):
        return self.plane.stream(self.key, max_tokens=fields.pop("max_tokens", MAX), **fields)

    def chat(self, **fields):
        return self.plane.chat(self.key, max_tokens=fields.pop("max_tokens", MAX), **fields)

    @property
    def meter(self):
        return meter_of(self.plane, "budget", "nusd", "key", self.limit)

    def rows(self):
        """The ledger of this key, as dictionaries, in order."""
        self.plane.wait_flushed()
        names = ("outcome usage_source cost_nusd charged_nusd held_nusd input_fresh output_total status client_status "
                 "is_final attempt is_stream response_bytes error_type finish_reason").split()
        found = self.plane.rows(f"SELECT {', '.join('l.' + n for n in names)} FROM ledger l JOIN api_key k "
                                "ON k.id = l.api_key_id WHERE k.uuid = %s ORDER BY l.seq", self.key.id)
        return [dict(zip(names, r)) for r in found]

    def settled(self, outcome, source):
        """The one row there must be; the meter agrees with it and holds nothing."""
        rows = self.rows()
        assert len(rows) == 1, rows
        row = rows[0]
        assert (row["outcome"], row["usage_source"]) == (outcome, source), row
        assert row["is_final"] and row["charged_nusd"] <= row["held_nusd"]
        m = self.meter
        assert (m["settled"], m["held"]) == (row["charged_nusd"], 0)
        return row


@pytest.fixture
def case(plane):
    return Case(plane)


# -- streams that end well -----------------------------------------------------------------------

def test_the_chunk_of_usage_is_withheld_unless_asked_for(plane, provider, case):
    provider.script(tokens=5, prompt_tokens=33)
    with case.stream() as s:
        events = s.read_all()
    assert s.status == 200 and s.is_done and not s.ended_early
    assert s.headers["content-type"].startswith("text/event-stream")
    assert all(e["choices"] for e in events) and not any(e.get("usage") for e in events)
    row = case.settled("answered", "reported")
    assert row["charged_nusd"] == mini_cost(33, 5) and row["is_stream"] and row["finish_reason"] == "stop"
    assert row["response_bytes"] == len(s.raw)


def test_the_chunk_of_usage_is_passed_when_asked_for(plane, provider, case):
    provider.script(tokens=5, prompt_tokens=33, cached_tokens=3)
    with case.stream(stream_options={"include_usage": True}) as s:
        events = s.read_all()
    assert s.is_done and events[-1]["choices"] == []
    assert events[-1]["usage"]["prompt_tokens"] == 33 and events[-1]["usage"]["completion_tokens"] == 5
    assert case.settled("answered", "reported")["charged_nusd"] == mini_cost(30, 5, 3)


@pytest.mark.parametrize("how", [{}, {"split_writes": True}, {"chunks": 1}, {"chunk_delay_ms": 2},
                                 {"body_bytes": 300_000}, {"body_bytes": 300_000, "split_writes": True}],
                         ids=lambda h: "-".join(h) or "plain")
def test_a_stream_is_the_same_however_it_comes(plane, provider, case, how):
    provider.script(tokens=40, prompt_tokens=33, **how)
    with case.stream() as s:
        events = s.read_all()
    assert s.is_done and not s.ended_early
    text = Stream.content_of(events)
    assert text.startswith("amber") and len(text) > (100_000 if "body_bytes" in how else 100)
    assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == "stop"
    assert case.settled("answered", "reported")["charged_nusd"] == mini_cost(33, 40)


def test_a_stream_passes_byte_for_byte(plane, provider, case):
    chunk = '{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}'
    raw = (": a comment\n\n" + "event: message\nid: 7\ndata: " + chunk % ("\\u00e9 \U0001f600", "null")
           + "\r\n\r\ndata: " + chunk % ("x" * 5000, "null") + "\n\nretry: 5\n\n" + "data: {\"choices\":[],\"future\":1}\n\n"
           + "data: " + chunk % ("", '"stop"') + "\n\n")
    usage = 'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
    provider.script(content_type="text/event-stream", body=raw + usage + "data: [DONE]\n\n")
    with case.stream() as s:
        while s.next_event() is not None:
            pass
    assert s.raw.decode() == raw + "data: [DONE]\n\n"
    assert case.settled("answered", "reported")["charged_nusd"] == mini_cost(9, 2)


def test_fifty_streams_at_once_are_each_settled_exactly(plane, provider, case):
    provider.script(tokens=30, prompt_tokens=50, chunk_delay_ms=1)
    streams = [case.stream() for _ in range(50)]
    texts = {Stream.content_of(s.read_all()) for s in streams}
    assert len(texts) == 1 and all(s.is_done for s in streams)
    for s in streams:
        s.close()
    plane.wait_idle()
    assert (case.meter["settled"], case.meter["held"]) == (50 * mini_cost(50, 30), 0)
    assert len(case.rows()) == 50


def test_a_client_that_reads_slowly_gets_everything(plane, provider, case):
    provider.script(tokens=40, body_bytes=12_000_000)
    with case.stream() as s:
        assert s.next_event() is not None
        # The provider cannot have sent it all: somebody must have held it back.
        wait(lambda: plane.counter("bytes_upstream_in") > 200_000, "the stream to flow")
        assert provider.stats()["answered"] == 0
        events = s.read_all()
    assert s.is_done and len(Stream.content_of(events)) > 10_000_000
    case.settled("answered", "reported")


def test_a_stream_without_a_terminator_but_with_a_reason_is_complete(plane, provider, case):
    provider.script(tokens=5, no_done=True)
    with case.stream() as s:
        events = s.read_all()
    assert not s.ended_early and not any("error" in e for e in events)
    case.settled("answered", "reported")


def test_a_stream_without_usage_is_estimated_never_free(plane, provider, case):
    provider.script(tokens=20, no_usage=True)
    with case.stream() as s:
        s.read_all()
    assert s.is_done
    row = case.settled("answered", "estimated")
    assert 0 < row["charged_nusd"] and row["output_total"] >= 20


def test_an_error_instead_of_a_stream_passes_as_it_is(plane, provider, case):
    provider.script(status=429, retry_after=7)
    with case.stream() as s:
        answer = s.answer()
    assert answer.status == 429 and answer.headers["retry-after"] == "7"
    assert answer.json["error"]["message"]
    assert case.settled("upstream_429", "none")["charged_nusd"] == 0


# -- streams that do not -------------------------------------------------------------------------

@pytest.mark.parametrize("how", [{"cut_after_chunks": 5}, {"reset_after_chunks": 5}, {"cut_after_bytes": 1500},
                                 {"cut_after_chunks": 0}, {"cut_after_chunks": 5, "until_eof": True}],
                         ids=lambda h: "-".join(f"{k}{v}" for k, v in h.items()))
def test_a_stream_cut_by_the_provider_ends_in_an_error_never_cleanly(plane, provider, case, how):
    provider.script(tokens=40, **how)
    with case.stream() as s:
        events = s.read_all()
    assert s.status == 200 and not s.is_done
    assert "error" in events[-1] and events[-1]["error"]["message"] and events[-1]["error"]["type"]
    assert not s.ended_early, "the error is the end of a whole body"
    assert not any(c.get("finish_reason") for e in events[:-1] for c in e["choices"])
    row = case.settled("upstream_broke_during", "estimated")
    assert 0 < row["charged_nusd"] < row["held_nusd"]
    assert row["error_type"] == "upstream_stream_truncated"


def test_the_connection_of_a_broken_stream_serves_the_client_on(plane, provider, case):
    provider.script(times=1, tokens=40, cut_after_chunks=3)
    with plane.connect() as c:
        for _ in range(2):
            c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {case.key}"},
                      chat_body(stream=True, max_tokens=9))
            s = Stream(c)
            events = s.read_all()
            assert s.is_done != ("error" in events[-1])
        assert s.is_done


def test_an_error_event_of_the_provider_is_the_error(plane, provider, case):
    provider.script(tokens=40, error_after_chunks=4)
    with case.stream() as s:
        events = s.read_all()
    assert not s.is_done and sum("error" in e for e in events) == 1 and "error" in events[-1]
    case.settled("upstream_broke_during", "estimated")


def test_a_silent_provider_is_given_up_after_the_idle_timeout(plane, provider, case):
    provider.script(tokens=40, stall_after_chunks=3)
    with case.stream() as s:
        events = s.read_all()
    assert not s.is_done and "error" in events[-1] and len(events) >= 4
    case.settled("timeout_stream", "estimated")
    provider.wait_stat("cancelled", 1)


def test_a_chunk_that_is_no_json_passes_and_is_counted(plane, provider, case):
    provider.script(tokens=10, garbage_chunk=True)
    with case.stream() as s:
        seen = list(s)
    assert s.is_done and len(seen) > 10
    case.settled("answered", "reported")


# -- clients that leave --------------------------------------------------------------------------

def test_what_a_client_that_left_pays_for_is_near_what_it_got(plane, provider, case):
    provider.script(tokens=MAX, stall_after_chunks=30)
    with case.stream() as s:
        for _ in range(31):
            assert s.next_event()
    row = case.settled("client_left_during", "estimated")
    assert 30 + 64 <= row["output_total"] <= 30 * 12 + 64, "a token or some a chunk, and what was under way"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_mid_stream_cancels_the_provider_and_pays_for_what_came(plane, provider, case, how):
    provider.script(tokens=MAX, chunk_delay_ms=10)
    s = case.stream()
    for _ in range(5):
        assert s.next_event()
    getattr(s, how)()
    provider.wait_stat("cancelled", 1)
    row = case.settled("client_left_during", "estimated")
    assert 0 < row["charged_nusd"] < row["held_nusd"]
    assert provider.stats()["answered"] == 0
    assert not plane.slots()


def test_a_client_that_leaves_before_the_first_byte_pays_for_the_prompt(plane, provider, case):
    provider.script(wait="go")
    c = plane.connect()
    c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {case.key}"},
              chat_body(max_tokens=MAX, stream=True))
    provider.wait_stat("requests", 1)
    c.close()
    provider.wait_stat("cancelled", lambda n: n >= 0)
    row = case.settled("client_left_before", "estimated")
    assert 0 < row["charged_nusd"] < row["held_nusd"] and row["output_total"] == 64
    assert row["status"] is None and row["client_status"] is None


def test_a_client_that_leaves_a_whole_answer_pays_as_well(plane, provider, case):
    provider.script(wait="go")
    c = plane.connect()
    c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {case.key}"}, chat_body(max_tokens=MAX))
    provider.wait_stat("requests", 1)
    c.reset()
    case.settled("client_left_before", "estimated")


def test_many_clients_that_leave_strand_no_hold(plane, provider, case):
    provider.script(tokens=MAX, chunk_delay_ms=5)
    streams = [case.stream() for _ in range(20)]
    for i, s in enumerate(streams):
        for _ in range(i % 4):
            s.next_event()
        (s.reset if i % 2 else s.close)()
    plane.wait_idle()
    m = case.meter
    assert m["held"] == 0
    rows = case.rows()
    assert len(rows) == 20 and sum(r["charged_nusd"] for r in rows) == m["settled"]
    provider.wait_stat("cancelled", 20)


# -- whole answers -------------------------------------------------------------------------------

@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"until_eof": True}, {"split_writes": True},
                                 {"body_bytes": 3_000_000}, {"body_bytes": 3_000_000, "chunked": True},
                                 {"body_bytes": 3_000_000, "until_eof": True}],
                         ids=lambda h: "-".join(h) or "plain")
def test_a_whole_answer_is_the_same_however_it_comes(plane, provider, case, how):
    provider.script(tokens=12, prompt_tokens=34, **how)
    answer = case.chat()
    assert answer.status == 200 and answer.usage["completion_tokens"] == 12
    row = case.settled("answered", "reported")
    assert row["charged_nusd"] == mini_cost(34, 12) and row["response_bytes"] == len(answer.body)


def test_an_answer_that_is_no_json_passes_and_is_estimated(plane, provider, case):
    provider.script(body="<html>hello</html>", content_type="text/html")
    answer = case.chat()
    assert answer.status == 200 and answer.text == "<html>hello</html>"
    assert case.settled("answered", "estimated")["charged_nusd"] > 0


def test_a_body_cut_by_the_provider_is_cut_for_the_client(plane, provider, case):
    provider.script(body_bytes=200_000, cut_after_bytes=100_000)
    with pytest.raises(WireError):
        case.chat()
    row = case.settled("upstream_broke_during", "estimated")
    assert row["charged_nusd"] > 0


@pytest.mark.parametrize("how", ["close_before_head", "reset_before_head"])
def test_a_provider_that_hangs_up_before_its_head_is_502_and_not_the_customers(plane, provider, case, how):
    plane.wait_idle()
    provider.script(**{how: True})
    answer = case.chat()
    if how == "close_before_head":
        pass
    assert answer.status == 502 and answer.json["error"]["type"] == "upstream_error"
    assert answer.headers["x-should-retry"] == "true" and answer.headers["x-portkey-gateway-exception"] == "true"
    rows = case.rows()
    assert rows[-1]["outcome"] == "upstream_broke_before" and rows[-1]["is_final"]
    assert rows[-1]["usage_source"] == "unknown"
    assert rows[-1]["cost_nusd"] == rows[-1]["held_nusd"] > 0, "what it may bill is on record"
    assert all(r["charged_nusd"] == 0 for r in rows) and case.meter["used"] == 0


def test_a_kept_connection_that_died_is_tried_again_on_a_fresh_one(plane, provider, case):
    assert case.chat().status == 200  # leaves a connection behind
    retried = plane.counter("attempt_retried")
    provider.script(times=1, close_before_head=True)
    answer = case.chat()
    assert answer.status == 200 and answer.headers["x-portkey-retry-attempt-count"] == "1"
    assert plane.counter("attempt_retried") == retried + 1
    rows = case.rows()
    assert [(r["attempt"], r["outcome"], r["is_final"], r["charged_nusd"] > 0) for r in rows[1:]] == [
        (1, "upstream_broke_before", False, False), (2, "answered", True, True)]
    assert case.meter["settled"] == sum(r["charged_nusd"] for r in rows)


def test_a_provider_that_says_nothing_is_408(plane, provider, case):
    provider.script(hang_before_head=True)
    answer = case.chat()
    assert answer.status == 408
    assert answer.json["error"]["message"] == "Request exceeded the timeout sent in the request: 500ms"
    assert answer.json["error"]["type"] == "timeout_error" and answer.json["error"]["code"] is None
    row = case.settled("timeout_first_byte", "unknown")
    assert row["charged_nusd"] == 0 and row["cost_nusd"] == row["held_nusd"]
    provider.wait_stat("cancelled", lambda n: n >= 0)


def test_the_client_may_ask_for_a_shorter_timeout(plane, provider, case):
    provider.script(hang_before_head=True)
    answer = case.chat(headers={"x-portkey-request-timeout": "120"})
    assert answer.status == 408 and answer.message.endswith(": 120ms")


@pytest.mark.parametrize("value", ["0", "-1", "soon", "99999999", "1.5"])
def test_a_timeout_that_is_none_is_refused(plane, provider, case, value):
    answer = case.chat(headers={"x-portkey-request-timeout": value})
    assert answer.status == 400 and "x-portkey-request-timeout" in answer.message
    assert provider.stats()["requests"] == 0


def test_a_provider_that_cannot_be_reached_is_503_and_costs_nothing(plane, provider, mock_factory):
    gone = mock_factory()
    url = gone.url + "/v1"
    gone.stop()
    space = plane.workspace()
    plane.grant(plane.integration(mock=url, slug="gone"), space)
    key = plane.key(workspace=space, budget_usd="1.777")
    answer = plane.chat(key, model="@gone/gpt-4o-mini")
    assert answer.status == 503 and answer.json["error"]["type"] == "connect_error"
    assert answer.headers["x-should-retry"] == "true" and answer.headers["retry-after"]
    assert meter_of(plane, "budget", "nusd", "key", 1_777_000_000)["used"] == 0
    plane.wait_flushed()
    assert plane.sql("SELECT count(*) FROM ledger l JOIN api_key k ON k.id = l.api_key_id WHERE k.uuid = %s", key.id) == 0


def test_embeddings_and_legacy_completions_are_settled_too(plane, provider, case):
    answer = plane.post(case.key, {"model": "@mock/text-embedding-3-small", "input": "abc"}, path="/v1/embeddings")
    assert answer.status == 200
    with plane.stream(case.key, path="/v1/completions", model="@mock/gpt-3.5-turbo-instruct", prompt="hi") as s:
        s.read_all()
    assert s.status == 200 and s.is_done
    rows = case.rows()
    assert [r["usage_source"] for r in rows] == ["reported", "reported"]
    assert case.meter["settled"] == sum(r["charged_nusd"] for r in rows) > 0
    assert json.dumps(rows)
