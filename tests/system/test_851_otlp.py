"""Spans to an OpenTelemetry collector: they agree with the ledger, and nothing waits for them."""

import os
import re
import signal
import ssl
import subprocess

import pytest

from access import logged
from collector import Collector
from gateway import chat_body, gateway_user, program, wait

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector():
    with Collector() as one:
        yield one


def exporting(gateway_factory, collector, **conf):
    return gateway_factory(conf={"otlp_endpoint": collector.url, "otlp_interval": "20ms", **conf})


@pytest.fixture
def plane(gateway_factory, mock, collector):
    return exporting(gateway_factory, collector)


def test_a_request_is_a_span_and_its_attempt_its_child(plane, collector, mock):
    key = plane.key(budget_usd="1")
    mock.script(prompt_tokens=1000, tokens=500)
    answer = plane.chat(key, headers={"traceparent": PARENT, "tracestate": "rojo=1", "user-agent": "tests/1"})
    assert answer.status == 200
    server, client = collector.trace(aigate__request_id=collector.wait(2)[0]["aigate.request_id"])
    plane.wait_flushed()
    ((request_id, trace_id, span_id, key_id, workspace_id, org_id, model, tokens_in, tokens_out, cost, charged,
      upstream, finish, price_id),) = plane.rows(
        "SELECT request_id::text, trace_id, span_id, api_key_id, workspace_id, organisation_id, served_model,"
        " input_fresh, output_total, cost_nusd, charged_nusd, upstream_id, finish_reason, price_id"
        " FROM aigate.ledger")
    assert server.trace == client.trace == trace_id == TRACE
    assert (server.kind, server.parent) == ("server", SPAN)
    assert (client.kind, client.parent, client.id) == ("client", server.id, span_id)
    assert server.raw["traceState"] == client.raw["traceState"] == "rojo=1"
    assert server.start <= client.start and client.end <= server.end
    for span in (server, client):
        assert (span["aigate.request_id"], span["aigate.key_id"], span["aigate.workspace_id"],
                span["aigate.organisation_id"]) == (request_id, key_id, workspace_id, org_id)
        assert not span.is_error and span.get("error.type") is None
        assert span.resource["service.name"] == "aigated" and span.resource["service.version"]
    assert server.name == "POST /v1/chat/completions" and client.name == "chat gpt-4o-mini"
    assert (server["http.request.method"], server["url.path"], server["http.response.status_code"],
            server["user_agent.original"], server["client.address"]) == (
        "POST", "/v1/chat/completions", 200, "tests/1", "127.0.0.1")
    assert (client["gen_ai.operation.name"], client["gen_ai.provider.name"], client["gen_ai.system"]) == (
        "chat", "openai", "openai")
    assert (client["gen_ai.request.model"], client["gen_ai.response.model"]) == ("gpt-4o-mini", model)
    assert (client["gen_ai.usage.input_tokens"], client["gen_ai.usage.output_tokens"]) == (tokens_in, tokens_out)
    assert (client["gen_ai.response.id"], client["gen_ai.response.finish_reasons"]) == (upstream, [finish])
    assert (client["aigate.cost_nusd"], client["aigate.charged_nusd"], client["aigate.price_id"]) == (
        cost, charged, price_id)
    assert (client["server.address"], client["server.port"]) == ("127.0.0.1", mock.port)
    assert client["http.response.status_code"] == 200 and client["aigate.outcome"] == "answered"
    assert collector.requests[0][1]["content-type"] == "application/json"
    assert collector.requests[0][2] == "/v1/traces"


def test_who_sends_no_trace_begins_one(plane, collector):
    """Its trace id is the request's, which is what the ledger calls the trace."""
    plane.chat(plane.key())
    server, client = collector.trace(aigate__request_id=collector.wait(2)[0]["aigate.request_id"])
    assert server.parent is None and server["aigate.request_id"].replace("-", "") == server.trace == client.trace
    plane.wait_flushed()
    assert plane.rows("SELECT trace_id, span_id FROM aigate.ledger") == [(server["aigate.request_id"], client.id)]


def test_the_clients_name_of_a_trace_stands_beside(plane, collector):
    plane.chat(plane.key(), headers={"x-portkey-trace-id": "checkout-7"})
    (server,) = collector.trace(1, aigate__trace_id="checkout-7")
    assert server.trace == server["aigate.request_id"].replace("-", "")


def test_the_client_may_name_our_span_and_its_parent(plane, collector):
    """Where they are span ids; else they are as if they were not there."""
    key = plane.key()
    plane.chat(key, headers={"x-portkey-trace-id": TRACE, "x-portkey-span-id": "b7ad6b7169203331",
                             "x-portkey-parent-span-id": SPAN})
    server, client = collector.trace(aigate__request_id=collector.wait(2)[0]["aigate.request_id"])
    assert (server.trace, server.id, server.parent) == (TRACE, "b7ad6b7169203331", SPAN)
    assert client.parent == server.id
    plane.chat(key, headers={"x-portkey-trace-id": "mine", "x-portkey-span-id": "span-1",
                             "x-portkey-parent-span-id": "span-0"})
    (server,) = collector.trace(1, aigate__trace_id="mine")
    assert server.parent is None and server.id != "span-1"


def test_each_attempt_is_a_child_of_the_request(plane, collector, mock):
    key = plane.key()
    auth = {"authorization": f"Bearer {key}"}
    with plane.connect() as connection:
        connection.request("POST", "/v1/chat/completions", auth, chat_body())
        assert connection.read_answer().status == 200
        mock.script(times=1, close_before_head=True)
        connection.request("POST", "/v1/chat/completions", {**auth, "traceparent": PARENT}, chat_body())
        assert connection.read_answer().status == 200
    collector.wait(5)
    server, first, second = [s for s in collector.trace(5) if s.trace == TRACE]
    assert first.parent == second.parent == server.id and first.id != second.id
    assert (first["aigate.attempt"], second["aigate.attempt"], server["aigate.attempts"]) == (1, 2, 2)
    assert first.is_error and first["error.type"] == first["aigate.outcome"] == "upstream_broke_before"
    assert not second.is_error and not server.is_error
    plane.wait_flushed()
    assert [r[0] for r in plane.rows(f"SELECT span_id FROM aigate.ledger WHERE trace_id = '{TRACE}'"
                                     " ORDER BY attempt")] == [first.id, second.id]


def test_a_stream_is_a_span_that_ends_with_it(plane, collector):
    with plane.stream(plane.key()) as stream:
        stream.read_all()
    server, client = collector.trace(aigate__request_id=collector.wait(2)[0]["aigate.request_id"])
    assert client["aigate.stream"] is True and client["aigate.first_byte_us"] > 0
    assert client["gen_ai.usage.output_tokens"] > 0 and client.end <= server.end


def test_a_refusal_is_a_span_without_a_child(plane, collector):
    key = plane.key(rpm=1)
    plane.chat(key)
    assert plane.chat(key).status == 429
    (span,) = collector.trace(1, http__response__status_code=429)
    assert span.kind == "server" and span["error.type"] == "api_key_rate_limit_error"
    assert not span.is_error, "to a server 429 is the client's doing"
    assert plane.chat("sk-nobody-has-this-key").status == 401
    (span,) = collector.trace(1, http__response__status_code=401)
    assert span.get("aigate.key_id") is None
    assert len(collector.wait(4)) == 4


def test_a_failure_of_the_provider_is_an_error_of_both(plane, collector, mock):
    key = plane.key()
    mock.script(times=1, status=500)
    assert plane.chat(key).status == 500
    server, client = collector.trace(http__response__status_code=500)
    assert server.is_error and client.is_error
    assert client["aigate.outcome"] == "upstream_5xx" and client["error.type"]


def test_nothing_secret_is_in_them(plane, collector, mock):
    key = plane.key(metadata={"user_email": "ada@example.com"})
    mock.script(text="an answer nobody sees")
    plane.chat(key, "a prompt nobody sees")
    plane.ask("POST", f"/v1beta/models/gpt-4o-mini:generateContent?key={key}", {},
              {"contents": [{"parts": [{"text": "a prompt nobody sees"}]}]})
    wait(lambda: any("beta" in (s.get("url.path") or "") for s in collector.spans), "the last span")
    for secret in (key, plane.admin_key, "sk-upstream-secret", "nobody sees", "ada@example.com", "key="):
        assert secret.encode() not in collector.raw, secret


def test_what_is_no_request_for_a_provider_has_no_span(plane, collector):
    plane.admin("GET", "/api-keys")
    plane.get("/healthz")
    plane.chat(plane.key())
    assert {s["aigate.endpoint"] for s in collector.wait(2)} == {"chatComplete"}


def test_what_the_client_does_not_sample_is_not_sent(plane, collector):
    key = plane.key()
    plane.chat(key, headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    plane.chat(key)
    assert all(s.trace != TRACE for s in collector.wait(2)) and len(collector.spans) == 2
    plane.wait_flushed()
    assert plane.sql("SELECT count(span_id) FROM aigate.ledger") == 2, "but the ledger knows its span"


def test_a_sample_of_none_leaves_the_traces_of_clients(gateway_factory, mock, collector):
    plane = exporting(gateway_factory, collector, trace_sample="0")
    key = plane.key()
    for _ in range(3):
        plane.chat(key)
    plane.chat(key, headers={"traceparent": PARENT})
    assert {s.trace for s in collector.wait(2)} == {TRACE}


def test_spans_come_in_batches(gateway_factory, mock, collector):
    plane = exporting(gateway_factory, collector, otlp_batch="10", otlp_interval="1m", workers="1")
    key = plane.key()
    for _ in range(12):
        assert plane.chat(key).status == 200
    collector.wait(20)
    assert [len(b) for b in collector.batches] == [10, 10], "the rest waits for more"
    plane.stop()
    assert len(collector.spans) == 24, "and goes when it leaves"


def test_a_collector_that_is_busy_is_asked_again_when_it_says(plane, collector):
    collector.answers = [503, (429, {"retry-after": "3"}, ""), 502, 504]
    plane.chat(plane.key())
    collector.wait(2)
    assert [status for status, _, _ in collector.requests] == [503, 429, 502, 504, 200]
    assert collector.times[2] - collector.times[1] > 2.9, "not before it said"
    assert plane.counter("otlp_retries") == 4
    plane.wait_counter("otlp_sent", 2)
    assert plane.counter("otlp_failed") == plane.counter("otlp_dropped") == 0


def test_what_it_refuses_is_given_up(plane, collector):
    key = plane.key()
    collector.answers = [400]
    plane.chat(key)
    plane.wait_counter("otlp_failed", 2)
    plane.chat(key)
    collector.wait(2)
    assert plane.counter("otlp_retries") == 0 and len(collector.requests) == 2


def test_what_it_takes_in_part_is_counted_so(plane, collector):
    collector.answers = [(200, {}, '{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}')]
    plane.chat(plane.key())
    plane.wait_counter("otlp_failed", 1)
    assert plane.counter("otlp_sent") == 1


def test_without_the_collector_nothing_but_spans_is_lost(gateway_factory, mock):
    """Requests are served, the ledger is whole, what does not fit is counted; later spans flow again."""
    first = Collector()
    first.close()
    plane = gateway_factory(conf={"otlp_endpoint": first.url, "otlp_interval": "20ms", "otlp_batch": "10",
                                  "otlp_queue": "64k"})
    key = plane.key(budget_usd="100")
    n = 0
    while plane.counter("otlp_dropped") == 0:
        for _ in range(20):
            assert plane.chat(key).status == 200
        n += 20
        assert n < 1000
    plane.wait_flushed()
    assert plane.sql("SELECT count(*) FROM aigate.ledger") == n
    assert plane.counter("otlp_sent") == 0 and 0 < plane.counter("otlp_queued_bytes") < 65536 + 8192
    assert plane.counter("events_dropped") == 0 and plane.get("/readyz").json == {"status": "ok"}
    with Collector(port=first.port) as again:
        again.wait(10, timeout=40)
        wait(lambda: plane.counter("otlp_queued_bytes") == 0, "the queue to be sent", 40)
        lost = plane.counter("otlp_dropped")
        assert len(again.spans) == plane.counter("otlp_sent")
        assert len(again.spans) + lost == 2 * n
        assert plane.chat(key, headers={"traceparent": PARENT}).status == 200
        wait(lambda: sum(s.trace == TRACE for s in again.spans) == 2, "new spans")


def test_a_collector_that_hangs_costs_its_timeout(gateway_factory, mock, collector):
    """The kernel still takes its connections, and nobody reads them."""
    plane = exporting(gateway_factory, collector, otlp_timeout="100ms")
    collector.server.shutdown()
    key = plane.key()
    assert plane.chat(key).status == 200
    plane.wait_counter("otlp_retries", 1)
    assert plane.chat(key).status == 200


def test_its_process_may_die(plane, collector):
    plane.expect_error("telemetry died of signal 9")
    key = plane.key()
    plane.chat(key)
    collector.wait(2)
    old = plane.kill9("telemetry")
    for _ in range(5):
        assert plane.chat(key).status == 200
    plane.wait_new("telemetry", 0, old)
    assert len({s.id for s in collector.wait(12)}) == 12


def test_it_leaves_in_time_without_a_collector(gateway_factory, mock):
    gone = Collector()
    gone.close()
    plane = gateway_factory(conf={"otlp_endpoint": gone.url})
    plane.chat(plane.key())
    plane.process.send_signal(signal.SIGTERM)
    assert plane.process.wait(9) == 0, "well before its patience of ten seconds"
    plane.process = None
    assert "gone" in plane.log


def test_headers_come_from_a_file_that_is_read_anew(gateway_factory, mock, collector):
    plane = gateway_factory(start=False)
    path = os.path.join(plane.dir, "headers")

    def write(token):
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"# for the collector\nAuthorization: Bearer {token}\nx-tenant: acme\n")
        os.chmod(path, 0o600)
        os.chown(path, gateway_user().pw_uid, gateway_user().pw_gid)
    write("first-token")
    plane.configure(otlp_endpoint=collector.url, otlp_interval="20ms", otlp_headers_file=path)
    plane.start()
    key = plane.key()
    plane.chat(key)
    collector.wait(2)
    write("second-token")
    plane.chat(key)
    collector.wait(4)
    told = [headers for _, headers, _ in collector.requests]
    assert (told[0]["authorization"], told[0]["x-tenant"]) == ("Bearer first-token", "acme")
    assert told[-1]["authorization"] == "Bearer second-token"
    assert "token" not in plane.log
    with open(path, "w", encoding="utf-8") as f:
        f.write("no header at all\n")
    plane.chat(key)
    plane.wait_log("line 1 is no header")


def test_headers_open_to_everybody_are_not_used(gateway_factory, mock, collector):
    plane = gateway_factory(start=False)
    path = os.path.join(plane.dir, "headers")
    with open(path, "w", encoding="utf-8") as f:
        f.write("Authorization: Bearer token\n")
    os.chmod(path, 0o644)
    plane.configure(otlp_endpoint=collector.url, otlp_interval="20ms", otlp_headers_file=path)
    plane.start()
    plane.chat(plane.key())
    plane.wait_log("is no file, or open to everybody")
    assert collector.requests == []


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) of 127.0.0.1, its own authority; readable by the gateway's account."""
    crt, key = str(tmp_path / "crt"), str(tmp_path / "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", crt, "-days", "2", "-subj", "/CN=collector",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return crt, context


def test_a_collector_is_verified(gateway_factory, mock, certificate):
    crt, context = certificate
    with Collector(context=context) as collector:
        plane = gateway_factory(start=False)
        ca = os.path.join(plane.dir, "ca.pem")
        with open(crt, encoding="utf-8") as f, open(ca, "w", encoding="utf-8") as to:
            to.write(f.read())
        os.chmod(ca, 0o644)
        plane.configure(otlp_endpoint=collector.url, otlp_interval="20ms")
        plane.start()
        key = plane.key()
        plane.chat(key)
        plane.wait_counter("otlp_retries", 1)
        assert collector.requests == [], "a stranger is told nothing"
        plane.configure(otlp_ca_file=ca)
        plane.reload()
        assert {s["aigate.endpoint"] for s in collector.wait(2)} == {"chatComplete"}


@pytest.mark.parametrize("url, why", [
    ("ftp://x", "is no URL that begins with"), ("http://me:secret@x", "holds a query or a password"),
    ("http://x/?a=b", "holds a query or a password")])
def test_a_bad_address_is_refused(gateway_factory, url, why):
    plane = gateway_factory(start=False)
    plane.configure(otlp_endpoint=url)
    done = subprocess.run([program("aigated"), "-t", "-c", os.path.join(plane.dir, "aigated.conf")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and re.search(why, done.stderr)


def test_log_and_spans_tell_the_same(gateway_factory, mock, collector):
    plane, log = logged(gateway_factory, otlp_endpoint=collector.url, otlp_interval="20ms")
    plane.chat(plane.key(), headers={"traceparent": PARENT})
    line = log.one(endpoint="chatComplete")
    collector.wait(2)
    server, client = collector.trace(aigate__request_id=line["request_id"])
    assert (line["w3c_trace_id"], line["span_id"], line["attempt_span_id"], line["parent_span_id"]) == (
        server.trace, server.id, client.id, server.parent)
