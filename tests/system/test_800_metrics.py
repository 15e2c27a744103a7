"""What Prometheus scrapes: its own client reads it, and the figures are those of the requests made."""

import os
import re
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

import wire
from gateway import TOP, environment, program, wait


@pytest.fixture
def watched(gateway_factory, mock):
    return gateway_factory(conf={"metrics_listen": "127.0.0.1:0"})


def scrape(gateway):
    """{name: {labels: value}} and the raw text."""
    answer = wire.ask(gateway.metrics_address, "GET", "/metrics")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found, text


def test_requests_show_in_counters_and_histograms(watched, mock):
    key = watched.key()
    mock.script(prompt_tokens=1000, tokens=500)
    before, _ = scrape(watched)
    for _ in range(3):
        assert watched.chat(key).status == 200
    watched.wait_idle()
    after, text = scrape(watched)

    def grown(name):
        return after[name][()] - before[name][()]
    assert grown("aigated_req_answered_total") == 3
    assert grown("aigated_tokens_out_total") == 1500
    for name in ("request", "first_byte", "overhead"):
        assert grown(f"aigated_{name}_seconds_count") == 3
        buckets = after[f"aigated_{name}_seconds_bucket"]
        bounds = sorted(buckets.items(), key=lambda one: float(one[0][0][1]))
        assert [v for _, v in bounds] == sorted(v for _, v in bounds), "buckets accumulate"
        assert bounds[-1][0] == (("le", "+Inf"),)
        assert bounds[-1][1] == after[f"aigated_{name}_seconds_count"][()]
        assert after[f"aigated_{name}_seconds_sum"][()] > 0
    assert sum(after["aigated_worker_serving"].values()) == 2
    assert text.count("# TYPE aigated_req_total counter") == 1


def test_a_slow_provider_shows_in_the_right_bucket(watched, mock):
    key = watched.key()
    mock.script(delay_ms=300)
    assert watched.chat(key).status == 200
    watched.wait_idle()
    seen, _ = scrape(watched)
    buckets = {float(k[0][1]): v for k, v in seen["aigated_first_byte_seconds_bucket"].items()}
    assert max(v for bound, v in buckets.items() if bound < 0.3) == 0
    assert buckets[float("inf")] == 1


def test_the_fullest_budgets_are_named(watched, mock):
    mock.script(prompt_tokens=1000, tokens=500)  # 450 000 nano-dollars
    key = watched.key(budget_usd="0.5", name='quote " and \\ back')
    full = watched.key(budget_usd="0.1", name="nearly full")
    for one in (key, full):
        assert watched.chat(one).status == 200
    watched.wait_idle()

    def budgets():
        seen, _ = scrape(watched)
        owners = {dict(k)["owner"]: v for k, v in seen.get("aigated_budget_settled", {}).items()}
        return owners if {"nearly full", 'quote " and \\ back'} <= set(owners) else None
    assert wait(budgets, "the walk to have seen them", 40)["nearly full"] == 0.00045
    seen, _ = scrape(watched)
    limits = {dict(k)["owner"]: v for k, v in seen["aigated_budget_limit"].items()}
    assert limits["nearly full"] == 0.1
    order = [dict(k)["owner"] for k in seen["aigated_budget_limit"]]
    assert order.index("nearly full") < order.index('quote " and \\ back')


def test_only_metrics_are_there(watched):
    assert wire.ask(watched.metrics_address, "GET", "/").status == 404
    assert wire.ask(watched.metrics_address, "POST", "/metrics", {}, {}).status == 405
    assert watched.get("/metrics").status == 404, "not where customers are"


def test_without_the_directive_nobody_listens(gateway):
    with open(os.path.join(gateway.dir, "run", "ports")) as f:
        assert "metrics" not in f.read()


def test_an_address_that_is_none_is_refused_by_name(gateway_factory):
    gateway = gateway_factory(start=False, conf={"metrics_listen": "nowhere"})
    said = subprocess.run([program("aigated"), "-t", "-c", os.path.join(gateway.dir, "aigated.conf")],
                          capture_output=True, text=True, env=environment())
    assert said.returncode != 0
    assert "metrics_listen" in said.stderr, said


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_about(watched):
    _, text = scrape(watched)
    said = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert said.returncode == 0, said


def test_the_dashboard_asks_only_for_what_is_told(watched):
    with open(os.path.join(TOP, "packaging", "grafana", "aigated.json")) as f:
        asked = set(re.findall(r"aigated_[a-z_0-9]+", f.read()))
    _, text = scrape(watched)
    told = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    told |= {name + "_bucket" for name in told}
    assert asked and asked <= told, asked - told
