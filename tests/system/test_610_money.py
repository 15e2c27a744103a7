"""Ways around a cap that were open once: what is held must be what the provider can bill."""

import json

from gateway import chat_body, wait
from plane import (_provider, mini_cost, plane, provider)  # noqa: F401

CONF = {"workers": "1", "fit_min_tokens": "16"}


def sent(provider):
    """The body as the provider read it."""
    return json.loads(provider.last()["body"])


def other_family(plane, family="deepinfra"):
    """Model name of an integration that knows max_tokens only."""
    slug = plane.integration(slug=family, family=family)
    plane.grant(slug, plane.default_workspace())
    return f"@{family}/any-model"


# -- the limit upstream is the limit held ------------------------------------------------------

def test_a_limit_reaches_the_provider_under_the_name_it_reads(plane, provider):
    key, model = plane.key(budget_tokens=100000), other_family(plane)
    assert plane.post(key, chat_body(model=model, max_completion_tokens=7)).status == 200
    body = sent(provider)
    assert body["max_tokens"] == 7 and "max_completion_tokens" not in body
    assert plane.post(key, chat_body(model=model, max_tokens=None, max_completion_tokens=7)).status == 200
    body = sent(provider)
    assert body["max_tokens"] == 7 and body["max_completion_tokens"] is None
    assert plane.post(key, chat_body(model=model)).status == 200
    assert sent(provider)["max_tokens"] > 0
    assert plane.post(key, chat_body(max_completion_tokens=7)).status == 200
    body = sent(provider)
    assert body["max_completion_tokens"] == 7 and "max_tokens" not in body


def test_a_legacy_completion_is_limited_by_max_tokens_alone(plane, provider):
    key = plane.key(budget_tokens=100000)
    body = {"model": "@mock/gpt-3.5-turbo-instruct", "prompt": "hi", "max_completion_tokens": 9}
    assert plane.post(key, body, path="/v1/completions").status == 200
    assert sent(provider)["max_tokens"] == 9 and "max_completion_tokens" not in sent(provider)


def test_a_limit_above_the_models_is_lowered_to_what_is_held(plane, provider):
    key = plane.key(budget_usd="5")
    assert plane.post(key, chat_body(max_tokens=1000000)).status == 200
    assert sent(provider)["max_tokens"] == 16384


def test_many_choices_cannot_saturate_the_hold(plane, provider):
    """n x max_tokens overflows 32 bits; fitted, it must still count every choice."""
    key = plane.key(budget_tokens=200000)
    refused = plane.post(key, chat_body(max_tokens=16384, n=1000000))
    assert refused.status == 412 and provider.stats()["requests"] == 0


def test_models_to_fall_back_to_are_refused(plane, provider):
    answer = plane.post(plane.key(), chat_body(models=["openai/o1-pro"]))
    assert answer.status == 400 and "models" in answer.text
    assert provider.stats()["requests"] == 0


# -- who pays for what was not waited for --------------------------------------------------------

def test_a_timeout_of_ones_own_is_not_free(plane, provider):
    """Else x-portkey-request-timeout would be a tap: the provider works, nobody pays."""
    key = plane.key(budget_usd="0.7")
    provider.script(wait="never")
    body = chat_body("x" * 4000, max_tokens=100)
    answer = plane.post(key, body, headers={"x-portkey-request-timeout": "50"})
    provider.release()
    assert answer.status == 408
    m = next(m for m in plane.meters() if m["kind"] == "budget" and m["limit"] == 700_000_000)
    assert m["held"] == 0 and m["settled"] > mini_cost(2000, 0), m
    plane.wait_flushed()
    assert plane.sql("SELECT charged_nusd FROM ledger l JOIN api_key k ON k.id = l.api_key_id "
                     "WHERE k.uuid = %s AND outcome = 'timeout_first_byte'", key.id) == m["settled"]


# -- served unrecorded -----------------------------------------------------------------------------

def test_what_was_served_unrecorded_stays_spent(gateway_factory, mock, pg):
    """full_ring serve: no row tells of it, so the ledger must not take it off the meter again."""
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "full_ring": "serve", "ring_size": "64k",
                                               "journal_max": "1m", "max_meters": "64"})
    gateway.expect_error(r"rings and journal are full|could not write the journal|could not load")
    key = gateway.key(budget_usd="50")
    connection = gateway.connect()
    pg.stop()
    spent, trace = 0, "t" * 120
    metadata = json.dumps({"a": "m" * 128, "b": "n" * 128, "c": "o" * 128, "d": "p" * 128})
    while gateway.counter("record_unrecorded") < 5:
        connection.request("POST", "/v1/chat/completions",
                           {"authorization": f"Bearer {key}", "x-portkey-trace-id": trace,
                            "x-portkey-metadata": metadata}, chat_body(max_tokens=10))
        assert connection.read_answer("POST").status == 200
        spent += 1
        assert spent < 5000
    m = next(m for m in gateway.meters() if m["kind"] == "budget")
    pg.start()
    gateway.wait_flushed()
    ledger = gateway.sql("SELECT sum(charged_nusd)::bigint FROM ledger")
    assert ledger < m["used"]
    before, rounds = gateway.counter("meters_corrected"), set()

    def is_round():
        rounds.update(gateway.rows(
            "SELECT query_start::text FROM pg_stat_activity WHERE application_name = 'aigated flusher' "
            "AND datname = current_database() AND query LIKE '%%coalesce(b.settled%%'"))
        return rounds
    wait(is_round, "the reconciler to have asked for the meter", 60)
    assert gateway.chat(key, max_tokens=10).status == 200
    gateway.wait_flushed()
    assert gateway.counter("meters_corrected") == before
    assert next(x for x in gateway.meters() if x["id"] == m["id"])["used"] > m["used"]
