"""The access log: a line of JSON for whatever a worker answered, and never a secret in it."""

import os
import re
import signal

import pytest

import wire
from access import AccessLog, logged
from gateway import chat_body, wait

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.fixture
def plane(gateway_factory, mock):
    return logged(gateway_factory)


def test_a_request_is_a_line_that_agrees_with_the_ledger(plane, mock):
    gateway, log = plane
    key = gateway.key(budget_usd="1")
    mock.script(prompt_tokens=1000, tokens=500)
    answer = gateway.chat(key, headers={"user-agent": "tests/1", "traceparent": f"00-{TRACE}-{SPAN}-01"})
    line = log.one(status=200, endpoint="chatComplete")
    gateway.wait_flushed()
    (row,) = gateway.rows(
        "SELECT request_id::text, trace_id, span_id, api_key_id, workspace_id, organisation_id, provider_slug,"
        " served_model, input_fresh, output_total, cost_nusd, charged_nusd, outcome, finish_reason, upstream_id"
        " FROM aigate.ledger")
    assert row == tuple(line[k] for k in (
        "request_id", "trace_id", "attempt_span_id", "key_id", "workspace_id", "organisation_id", "provider_slug",
        "model", "input_tokens", "output_tokens", "cost_nusd", "charged_nusd", "outcome", "finish_reason",
        "upstream_id"))
    assert line["trace_id"] == line["w3c_trace_id"] == TRACE and line["parent_span_id"] == SPAN
    assert re.fullmatch("[0-9a-f]{16}", line["span_id"]) and line["span_id"] != line["attempt_span_id"]
    assert (line["method"], line["path"], line["client"]) == ("POST", "/v1/chat/completions", "127.0.0.1")
    assert line["user_agent"] == "tests/1" and line["upstream_status"] == 200 and line["attempts"] == 1
    assert line["response_bytes"] == len(answer.body) and line["request_bytes"] > 0
    assert line["duration_us"] > 0 and line["stream"] is False and line["tls"] is False


def test_a_stream_is_one_line(plane):
    gateway, log = plane
    with gateway.stream(gateway.key()) as stream:
        stream.read_all()
        received = len(stream.raw)
    line = log.one(stream=True)
    assert line["status"] == 200 and line["outcome"] == "answered" and line["first_byte_us"] > 0
    assert line["response_bytes"] == received


def test_refusals_leave_lines_though_they_leave_no_record(plane):
    gateway, log = plane
    key = gateway.key(rpm=1)
    poor = gateway.key(budget_usd="0.000001")
    gateway.chat("sk-nobody-has-this-key")
    assert gateway.chat(key).status == 200
    assert gateway.chat(key).status == 429
    assert gateway.chat(poor, max_tokens=100).status == 412
    assert gateway.post(key, b"{", headers={"content-type": "application/json"}).status == 400
    assert gateway.ask("GET", "/nowhere/at/all").status == 404
    assert log.one(status=401)["error"] == "authentication_error"
    refused = log.one(status=429)
    assert refused["error"] == "api_key_rate_limit_error" and refused["key_id"] > 0
    assert refused["requested_model"] == "@mock/gpt-4o-mini" and "outcome" not in refused
    assert log.one(status=412)["error"] == "api_key_exhaust_error"
    assert log.one(status=400)["error"] == "invalid_request_error"
    assert log.one(status=404)["path"] == "/nowhere/at/all"
    gateway.wait_flushed()
    assert gateway.sql("SELECT count(*) FROM aigate.ledger") == 1


def test_what_is_no_request_is_a_line_too(plane):
    gateway, log = plane
    with gateway.connect() as connection:
        connection.send(b"NONSENSE\r\n\r\n")
        answer = connection.read_answer()
    line = log.one(status=400)
    assert line["trace_id"] == line["request_id"] == answer.headers["x-portkey-trace-id"]
    assert "path" not in line and line["client"] == "127.0.0.1"


def test_admin_calls_and_answers_of_the_worker_are_lines(plane):
    gateway, log = plane
    gateway.admin("GET", "/api-keys")
    gateway.get("/healthz")
    assert log.one(path="/v1/api-keys", method="GET")["admin"] is True
    assert log.wait(1, path="/healthz")[0]["status"] == 200


def test_a_provider_that_fails_is_told(plane, mock):
    gateway, log = plane
    key = gateway.key()
    mock.script(times=1, status=500)
    assert gateway.chat(key).status == 500
    line = log.one(status=500)
    assert line["outcome"] == "upstream_5xx" and line["upstream_status"] == 500
    mock.script(times=1, close_before_head=True)
    assert gateway.chat(key).status in (200, 502)


def test_a_client_that_leaves_is_told(plane, mock):
    gateway, log = plane
    key = gateway.key()
    mock.script(hang_before_head=True)
    with gateway.connect() as connection:
        connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body())
        mock.wait_stat("requests", lambda n: n >= 1)
    line = log.one(client_left=True)
    assert line["status"] == 0 and line["outcome"] == "client_left_before"


def test_nothing_secret_is_in_it(plane, mock):
    """Keys may stand in four headers and in the query; prompts, answers and metadata are nobody's either."""
    gateway, log = plane
    key = gateway.key(metadata={"user_email": "ada@example.com"})
    mock.script(text="an answer nobody logs")
    gateway.chat(key, "a prompt nobody logs")
    for name in ("x-api-key", "x-portkey-api-key", "api-key"):
        gateway.ask("POST", "/v1/chat/completions", {name: key}, chat_body("a prompt nobody logs"))
    gateway.ask("POST", f"/v1beta/models/gpt-4o-mini:generateContent?key={key}", {},
                {"contents": [{"parts": [{"text": "a prompt nobody logs"}]}]})
    wait(lambda: len([e for e in log.entries() if e.get("method") == "POST" and e.get("endpoint")]) >= 5,
         "five lines")
    with open(log.path, encoding="utf-8") as f:
        text = f.read()
    for secret in (key, gateway.admin_key, "sk-upstream-secret", "nobody logs", "ada@example.com", "key="):
        assert secret not in text, secret


def test_any_bytes_are_escaped(plane):
    gateway, log = plane
    with gateway.connect() as connection:
        connection.send(b"GET /x\"%00 HTTP/1.1\r\nhost: x\r\nuser-agent: a\"b\\c\xe2\x82\xac\xfe\x80\r\n\r\n")
        assert connection.read_answer().status == 404
    line = log.one(status=404)
    assert line["path"] == "/x\"%00" and line["user_agent"] == "a\"b\\c\u20ac\ufffd\ufffd"


def test_it_is_reopened_after_a_rotation(plane):
    gateway, log = plane
    key = gateway.key()
    gateway.chat(key)
    log.one(endpoint="chatComplete")
    os.rename(log.path, log.path + ".1")
    gateway.chat(key)
    wait(lambda: sum("endpoint" in e for e in log.entries(log.path + ".1")) == 2, "the old file to be written on")
    gateway.process.send_signal(signal.SIGUSR1)
    wait(lambda: os.path.exists(log.path), "the new file")
    gateway.chat(key)
    log.one(endpoint="chatComplete")
    assert sum("endpoint" in e for e in log.entries(log.path + ".1")) == 2


def test_of_a_sample_of_none_only_errors_stay_and_a_reload_changes_it(gateway_factory, mock):
    gateway, log = logged(gateway_factory, access_log_sample="0")
    key = gateway.key()
    for _ in range(5):
        assert gateway.chat(key).status == 200
    assert gateway.chat("sk-nobody-has-this-key").status == 401
    log.one(status=401)
    assert [e["status"] for e in log.entries() if e["path"] != "/readyz"] == [401]  # asked while it started
    gateway.configure(access_log_sample="1")
    gateway.reload()
    gateway.wait_log("telemetry.*configuration reloaded")
    assert gateway.chat(key).status == 200
    log.one(endpoint="chatComplete", status=200)


def test_what_was_answered_is_written_before_it_leaves(plane):
    gateway, log = plane
    key = gateway.key()
    for _ in range(20):
        assert gateway.chat(key).status == 200
    gateway.stop()
    assert sum(e.get("endpoint") == "chatComplete" for e in log.entries()) == 20


def test_its_process_may_die(plane):
    """What waits in the rings waits on; requests do not notice."""
    gateway, log = plane
    key = gateway.key()
    gateway.expect_error("telemetry died of signal 9")
    assert gateway.chat(key).status == 200
    log.one(endpoint="chatComplete")
    old = gateway.kill9("telemetry")
    for _ in range(5):
        assert gateway.chat(key).status == 200
    gateway.wait_new("telemetry", 0, old)
    log.wait(6, endpoint="chatComplete")
    assert gateway.counter("events_dropped") == 0


def test_a_worker_that_dies_leaves_its_ring_to_its_successor(gateway_factory, mock):
    """In the middle of requests, several times: all lines are whole, and there are more behind."""
    gateway, log = logged(gateway_factory, workers="1")
    gateway.expect_error("worker/0 died of signal 9|last words")
    key = gateway.key()
    for n in range(3):
        flying = [gateway.post_async(key, chat_body()) for _ in range(8)]
        flying[0].answer()
        gateway.wait_new("worker", 0, gateway.kill9("worker"))
        for one in flying[1:]:
            try:
                one.answer()
            except (OSError, wire.WireError):
                pass                  # it died with its worker
        wait(lambda: is_answered(gateway, key), "the successor to answer")
        wait(lambda n=n: len([e for e in log.entries() if e.get("endpoint") and e["status"] == 200]) > n, "lines")
    assert gateway.counter("events_dropped") == 0


def is_answered(gateway, key):
    try:
        return gateway.chat(key).status == 200
    except (OSError, wire.WireError):
        return False


def test_a_stopped_process_costs_lines_not_requests(gateway_factory, mock):
    """What finds the buffer full is dropped and counted; the ledger has every request."""
    gateway, log = logged(gateway_factory, telemetry_buffer="64k", workers="1")
    key = gateway.key(budget_usd="100")
    pid = gateway.pids("telemetry")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with gateway.connect() as connection:
            for _ in range(150):
                connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body())
                assert connection.read_answer().status == 200
        assert gateway.counter("events_dropped") > 0
        gateway.wait_flushed()
        assert gateway.sql("SELECT count(*) FROM aigate.ledger") == 150
    finally:
        os.kill(pid, signal.SIGCONT)
    dropped = gateway.counter("events_dropped")
    wait(lambda: gateway.counter("access_lines") + dropped >= 150, "what was kept to be written")
    assert len(log.entries()) == gateway.counter("access_lines")


def test_without_it_there_is_no_such_process(gateway):
    assert not gateway.pids("telemetry")
    assert all(p["role"] != "telemetry" for p in gateway.stat()["processes"])


def test_with_it_the_process_shows_itself(plane):
    gateway, _ = plane
    assert len(gateway.pids("telemetry")) == 1
    (row,) = [p for p in gateway.stat()["processes"] if p["role"] == "telemetry"]
    assert row["is_serving"] == 1 and row["pid"] == gateway.pids("telemetry")[0]


def test_a_path_that_cannot_be_written_refuses_the_start(gateway_factory):
    gateway = gateway_factory(start=False)
    gateway.expect_error('directive "access_log": cannot write to')
    gateway.configure(access_log=os.path.join(gateway.dir, "missing", "access.log"))
    with pytest.raises(AssertionError, match='directive "access_log": cannot write to'):
        gateway.start()
    gateway.process = None


def test_a_full_disk_costs_lines_and_is_told(gateway_factory, mock):
    gateway = gateway_factory(conf={"access_log": "/dev/full"})
    gateway.expect_error("could not write access log")
    assert gateway.chat(gateway.key()).status == 200
    gateway.wait_counter("access_dropped", 1)
    assert AccessLog("/nowhere").entries() == []
