"""aigatectl report and tail."""

import csv
import io
import json
import os
import pty
import subprocess
import threading

import pytest

import gateway as gw_module
import rows
from gateway import program, wait
from rows import at

SINCE = ["--since", at().strftime("%Y-%m-%d"), "--until", at(24).strftime("%Y-%m-%d")]


@pytest.fixture
def key(gateway):
    return gateway.key(name="blue", metadata={"user_email": "ann@x"})


def report(gateway, *arguments):
    return json.loads(gateway.ctl("report", *arguments, *SINCE, "--format", "json").stdout)


def test_spend_adds_up_whatever_it_is_told_apart_by(gateway, key):
    other = gateway.key(name="red")
    for hour in (1, 5, 5):
        rows.add(gateway, key, at(hour), cost_nusd=1_000_000_001, metadata={"subscription_tier": "gold"})
    rows.add(gateway, other, at(7), cost_nusd=5, family="anthropic", model="claude", status=500)
    slug = gateway.default_workspace()["slug"]
    assert report(gateway, "spend") == [
        {"day": at().strftime("%Y-%m-%d"), "cost_usd": 3.000000008, "charged_usd": 3.000000008, "requests": 4,
         "errors": 1, "usd_per_request": 0.750000002}]
    expected = {
        "hour": [(at(1).strftime("%Y-%m-%d 01:00"), 1.000000001), (at().strftime("%Y-%m-%d 05:00"), 2.000000002),
                 (at().strftime("%Y-%m-%d 07:00"), 5e-09)],
        "month": [(at().strftime("%Y-%m"), 3.000000008)],
        "key": [(slug + "/blue", 3.000000003), (slug + "/red", 5e-09)], "workspace": [(slug, 3.000000008)],
        "model": [("openai/gpt-4o-mini", 3.000000003), ("anthropic/claude", 5e-09)],
        "provider": [("openai", 3.000000003), ("anthropic", 5e-09)],
        "tier": [("gold", 3.000000003), ("", 5e-09)], "user": [("ann@x", 3.000000003), ("red", 5e-09)],
        "endpoint": [("chatComplete", 3.000000008)]}
    for by, want in expected.items():
        got = report(gateway, "spend", "--by", by)
        assert [(next(iter(r.values())), r["cost_usd"]) for r in got] == want, by
        assert sum(r["requests"] for r in got) == 4


def test_usage_errors_latency_and_top(gateway, key):
    for n in range(1, 11):
        rows.add(gateway, key, at(1), tin=n, tout=1, ms=n, cost_nusd=10, status=429 if n > 8 else 200)
    rows.add(gateway, key, at(2), tin=1, tout=1, ms=100, cost_nusd=300, model="big")
    assert report(gateway, "usage") == [
        {"model": "openai/gpt-4o-mini", "requests": 10, "input_tokens": 55, "output_tokens": 10,
         "cache_read_tokens": 0, "reasoning_tokens": 0},
        {"model": "openai/big", "requests": 1, "input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0,
         "reasoning_tokens": 0}]
    assert report(gateway, "errors") == [{"outcome": "upstream_429", "errors": 2, "attempts": 2, "percent": 100,
                                          "last_at": at(1).strftime("%Y-%m-%d %H:%M:%S")}]
    got = report(gateway, "errors", "--by", "model")
    assert [(r["model"], r["errors"], r["attempts"], r["percent"]) for r in got] == [("openai/gpt-4o-mini", 2, 10, 20)]
    got = report(gateway, "latency")
    assert [(r["model"], r["requests"], r["mean_ms"], r["p50_ms"], r["p90_ms"], r["p99_ms"]) for r in got] \
        == [("openai/big", 1, 100, 100, 100, 100), ("openai/gpt-4o-mini", 10, 5.5, 5, 9, 10)]
    assert report(gateway, "latency", "--by", "hour")[0]["hour"] == at().strftime("%Y-%m-%d 01:00")
    got = report(gateway, "top", "--by", "model", "--limit", "1")
    assert got == [{"model": "openai/big", "cost_usd": 3e-07, "percent": 75, "requests": 1, "tokens": 2}]


def test_the_time_is_in_whole_hours_of_utc(gateway, key):
    for hour in (1, 2, 3):
        rows.add(gateway, key, at(hour, 59), cost_nusd=1_000_000_000)

    def spent(since, until):
        got = json.loads(gateway.ctl("-o", "json", "report", "spend", "--since", since, "--until", until).stdout)
        return sum(r["cost_usd"] for r in got)
    day = at().strftime("%Y-%m-%d")
    assert spent(day + " 02:30", day + " 03:00") == 1
    assert spent(day + " 02:00", day + " 03:01") == 2
    assert spent(day + " 04:00+02:00", day + " 03:00") == 1
    assert spent("10d", day + " 23:00") == 3 and spent("1h", "2030-01-01") == 0
    assert report(gateway, "spend", "--by", "key")
    empty = gateway.ctl("report", "spend", "--since", "1h").stdout
    assert empty.split() == ["day", "cost_usd", "charged_usd", "requests", "errors", "usd_per_request"]


def test_csv_quotes_what_needs_it(gateway):
    key = gateway.key(name='a,"b"')
    rows.add(gateway, key, at(1), cost_nusd=123)
    text = gateway.ctl("report", "top", *SINCE, "--format", "csv").stdout
    got = list(csv.reader(io.StringIO(text, newline="")))
    slug = gateway.default_workspace()["slug"]
    assert got == [["api_key", "cost_usd", "percent", "requests", "tokens"],
                   [slug + '/a,"b"', "0.000000123", "100.0", "1", "0"]]


def on_terminal(gateway, *arguments, locale="C.UTF-8"):
    """What aigatectl writes when its output is a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen([program("aigatectl"), "-c", os.path.join(gateway.dir, "aigated.conf"), *arguments],
                            stdout=theirs, env={**gw_module.environment(), "LC_ALL": locale})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        text += piece
    os.close(ours)
    assert done.wait(20) == 0
    return text.decode().splitlines()


def test_on_a_terminal_it_is_drawn(gateway, key):
    for hour, cost in ((0, 8), (1, 4), (23, 1)):
        rows.add(gateway, key, at(hour), cost_nusd=cost)
    lines = on_terminal(gateway, "report", "spend", "--by", "key", *SINCE)
    assert lines[0].endswith("trend") and lines[1].endswith("█▄" + " " * 21 + "▁")
    lines = on_terminal(gateway, "report", "spend", "--by", "hour", *SINCE)
    assert [line.split()[-1] for line in lines[1:]] == ["█" * 20, "█" * 10, "█" * 2 + "▌"]
    assert "█" not in "".join(on_terminal(gateway, "report", "spend", *SINCE, locale="C"))
    assert "█" not in gateway.ctl("report", "spend", *SINCE).stdout


def test_only_the_organisation_named(gateway, key):
    rows.add(gateway, key, at(1), cost_nusd=7)
    assert json.loads(gateway.ctl("--organisation", "acme", "-o", "json", "report", "spend", *SINCE).stdout)
    assert json.loads(gateway.ctl("--organisation", "no", "-o", "json", "report", "spend", *SINCE).stdout) == []


@pytest.mark.parametrize("arguments", [["report"], ["report", "beauty"], ["report", "spend", "--by", "beauty"],
                                       ["report", "spend", "--by", "status"], ["report", "spend", "--format", "xml"],
                                       ["report", "top", "--limit", "0"], ["tail", "--lines", "x"],
                                       ["tail", "--count", "0"], ["tail", "--status", "5"]])
def test_what_makes_no_sense_is_refused(gateway, arguments):
    done = gateway.ctl(*arguments, check=False)
    assert done.returncode == 2 and done.stderr.startswith("aigatectl: ")


# ---- tail ----

class Tail:
    """aigatectl tail in the background; .rows grows."""

    def __init__(self, gateway, *arguments):
        self.process = subprocess.Popen(
            [program("aigatectl"), "-c", os.path.join(gateway.dir, "aigated.conf"), "-o", "json", "tail", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=gw_module.environment())
        self.rows = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.rows.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join()


def test_tail_shows_requests_as_they_are_stored(gateway, key):
    assert gateway.chat(key, headers={"x-portkey-trace-id": "before"}).status == 200
    gateway.wait_flushed()
    with Tail(gateway) as tail:
        wait(lambda: [r["trace_id"] for r in tail.rows] == ["before"], "what was there")
        for n in range(5):
            assert gateway.chat(key, headers={"x-portkey-trace-id": f"t{n}"}).status == 200
        wait(lambda: len(tail.rows) == 6, "what came")
        assert sorted(r["trace_id"] for r in tail.rows[1:]) == [f"t{n}" for n in range(5)]
        one = tail.rows[-1]
        assert one["api_key"] == "blue" and one["status"] == 200 and one["cost_usd"] > 0
        assert one["workspace"] == gateway.default_workspace()["slug"]


def test_tail_filters_and_ends_after_a_count(gateway, key):
    gateway.sql("INSERT INTO aigate.ledger_position (boot_id, worker, seq) VALUES (7, 0, 1000000000)")
    for n, status in enumerate((200, 429, 500, 503)):
        rows.add(gateway, key, at(n), status=status, model="big" if n == 3 else "small", trace=f"t{n}")

    def shown(*arguments):
        done = gateway.ctl("-o", "json", "tail", *arguments)
        return [json.loads(line)["trace_id"] for line in done.stdout.splitlines()]
    assert shown("--count", "4") == ["t0", "t1", "t2", "t3"]
    assert shown("--count", "2", "--lines", "2") == ["t2", "t3"]
    assert shown("--count", "2", "--status", "5xx") == ["t2", "t3"]
    assert shown("--count", "3", "--errors") == ["t1", "t2", "t3"]
    assert shown("--count", "1", "--model", "big") == ["t3"]
    assert shown("--count", "1", "--trace", "t1", "--key", "blue") == ["t1"]
    assert shown("--count", "1", "--key", key.id, "--status", "429") == ["t1"]
    assert shown("--count", "4", "--workspace", gateway.default_workspace()["slug"]) == ["t0", "t1", "t2", "t3"]
    line = gateway.ctl("tail", "--count", "1", "--status", "429").stdout
    assert "blue" in line and "upstream_429" in line and "t1" in line


def test_tail_misses_nothing_however_it_is_committed(gateway, key):
    """Two streams: the one that began first commits last, and its rows are older than what was shown."""
    first = gateway.pg.session(gateway.database)
    template = rows.add(gateway, key, at(1), boot=1, roll_up=False)
    columns = [c for c, in gateway.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'aigate.ledger'::regclass AND attnum > 0"
        " AND NOT attisdropped AND attname NOT IN ('boot_id', 'worker', 'seq', 'request_id', 'received_at')")]
    names = ", ".join(columns)

    def batch(worker, seqs, when):
        return (f"INSERT INTO aigate.ledger (boot_id, worker, seq, request_id, received_at, {names})"
                f" SELECT 5, {worker}, n, gen_random_uuid(), '{rows.iso(when)}'::timestamptz, {names}"
                f" FROM aigate.ledger, generate_series({seqs[0]}, {seqs[1]}) n"
                f" WHERE request_id = '{template}';"
                f" INSERT INTO aigate.ledger_position (boot_id, worker, seq) VALUES (5, {worker}, {seqs[1]})"
                " ON CONFLICT (boot_id, worker) DO UPDATE SET seq = excluded.seq;")
    with Tail(gateway) as tail:
        first.run("BEGIN; " + batch(0, (1, 50), at(2)))
        gateway.sql("DO $$ BEGIN " + batch(1, (1, 2500), at(3)) + " END $$")
        wait(lambda: len(tail.rows) == 2500, "the second stream, in several turns")
        first.run("COMMIT;")
        wait(lambda: len(tail.rows) == 2550, "the first stream")
        gateway.pg.restart()
        gateway.sql("DO $$ BEGIN " + batch(0, (51, 60), at(1)) + " END $$")
        wait(lambda: len(tail.rows) == 2560, "what came after PostgreSQL was away")
        seen = [(r["worker"], r["seq"]) for r in tail.rows]
        assert len(set(seen)) == 2560 and [s for w, s in seen if w == 0] == list(range(1, 61))
    first.process.kill()
    first.process.wait()
