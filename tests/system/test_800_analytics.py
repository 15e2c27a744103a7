"""Reports of the admin API, to the number, against rows the test made."""

import datetime
import json
import os
import signal
import urllib.parse

import pytest

import rows
import wire
from gateway import wait
from rows import at, cents, iso, shown

EVERY_GRAPH = ["requests", "cost", "latency", "tokens", "users", "users/requests", "errors",
               "errors/rate", "errors/stacks", "errors/status-codes", "requests/rescued",
               "cache/hit-rate", "cache/latency", "feedbacks", "feedbacks/scores",
               "feedbacks/weighted", "feedbacks/ai-models"]
SCOPES = ("completions.write", "analytics.view", "logs.write", "logs.view", "logs.export")


@pytest.fixture
def key(gateway):
    return gateway.key(scopes=SCOPES)


@pytest.fixture
def ask(gateway, key):
    """ask("graphs/cost", at(), at(24), key=..., filter=...): the answer."""
    def call(path, since=at(), until=at(24), by=None, status=200, **query):
        query = {"time_of_generation_min": since if isinstance(since, str) else iso(since),
                 "time_of_generation_max": until if isinstance(until, str) else iso(until), **query}
        query = {k: v for k, v in query.items() if v is not None}
        answer = gateway.admin_ask("GET", f"/analytics/{path}?{urllib.parse.urlencode(query)}",
                                   key=by or key)
        assert answer.status == status, f"{path}: {answer!r}"
        return answer.json
    return call


def points(answer, *names):
    """{hour of DAY: value, or values} of the points that are not nought."""
    found = {}
    for point in answer["data_points"]:
        value = tuple(point[n] for n in names)
        if any(value):
            when = datetime.datetime.fromisoformat(point["timestamp"].replace("Z", "+00:00"))
            found[(when - rows.DAY).total_seconds() / 3600] = value[0] if len(names) == 1 else value
    return found


def errors_name(answer, name):
    return answer["error"]["message"].startswith(name)


# ---- graphs ----

def test_requests_cost_and_tokens_are_the_sums_of_the_rows(gateway, key, ask):
    rows.add(gateway, key, at(3, 10), cost_nusd=1_234_567, tin=100, tout=20)
    rows.add(gateway, key, at(3, 50), cost_nusd=1, tin=1, tout=0)
    rows.add(gateway, key, at(7), cost_nusd=20_000_000, tin=5, tout=5)
    got = ask("graphs/requests")
    assert got["object"] == "analytics-graph" and got["summary"] == {"total": 3}
    assert len(got["data_points"]) == 24 and got["data_points"][0] == {"timestamp": shown(at()), "total": 0}
    assert points(got, "total") == {3: 2, 7: 1}
    got = ask("graphs/cost")
    assert got["summary"] == {"total": cents(21_234_568), "avg": 0.7078189}
    assert points(got, "total", "avg") == {3: (cents(1_234_568), 0.0617284), 7: (2, 2)}
    got = ask("graphs/tokens")
    assert got["summary"] == {"total": 131, "avg": 43.6667}
    assert points(got, "total") == {3: 121, 7: 10}


def test_latency_is_told_by_mean_and_percentiles(gateway, key, ask):
    for n in range(1, 101):
        rows.add(gateway, key, at(5, 0, n % 60), ms=n, roll_up=False)
    rows.add(gateway, key, at(9), ms=7, roll_up=False)
    got = ask("graphs/latency")
    assert points(got, "avg", "p50", "p90", "p99") == {5: (50.5, 50, 90, 99), 9: (7, 7, 7, 7)}
    assert got["summary"] == {"avg": 50.069, "p50": 50, "p90": 90, "p99": 99}


def test_users_are_counted_once(gateway, key, ask):
    for hour, user in ((1, "ann"), (1, "ann"), (1, "bob"), (2, "ann"), (2, None)):
        rows.add(gateway, key, at(hour), metadata={"_user": user} if user else {})
    got = ask("graphs/users")
    assert got["summary"] == {"total": 2} and points(got, "total") == {1: 2, 2: 1}
    got = ask("graphs/users/requests")
    assert got["summary"] == {"total": 4, "unique": 2, "avg": 2}
    assert points(got, "avg") == {1: 1.5, 2: 1}
    got = ask("groups/users")
    assert [(g["user"], g["requests"]) for g in got["data"]] == [("ann", 3), ("bob", 1)]
    assert got["total"] == 2 and got["object"] == "list" and got["data"][0]["object"] == "analytics-group"


def test_errors_are_what_clients_were_told(gateway, key, ask):
    rows.add(gateway, key, at(1))
    rows.add(gateway, key, at(1), status=429)
    rows.add(gateway, key, at(1), status=500)
    rows.add(gateway, key, at(2), status=500)
    rows.add(gateway, key, at(2), status=200, outcome="upstream_broke_during", client_status=200)
    rows.add(gateway, key, at(2), status=None, outcome="client_left_before", client_status=0)
    assert ask("graphs/errors")["summary"] == {"total": 5}
    assert points(ask("graphs/errors"), "total") == {1: 2, 2: 3}
    assert ask("graphs/errors/rate")["summary"] == {"rate": 83.3333}
    assert points(ask("graphs/errors/rate"), "rate") == {1: 66.6667, 2: 100}
    stacks = ask("graphs/errors/stacks")
    assert stacks["data_points"][1]["stats"] == [{"response_status_code": 429, "count": 1},
                                                 {"response_status_code": 500, "count": 1}]
    assert stacks["data_points"][3]["stats"] == [] and stacks["summary"] == {"total": 5}
    got = ask("graphs/errors/status-codes")
    assert got["summary"] == {"total_errors": 5, "unique_error_codes": 4}
    assert got["data_points"] == [{"status_code": 500, "count": 2}, {"status_code": 429, "count": 1},
                                  {"status_code": 499, "count": 1}, {"status_code": 502, "count": 1}]


def test_rescued_requests_tell_retries_and_fallbacks_apart(gateway, key, ask):
    one = rows.add(gateway, key, at(4), status=500, is_final=False, cost_nusd=5)
    rows.add(gateway, key, at(4), attempt=2, request_id=one, cost_nusd=10)
    two = rows.add(gateway, key, at(4), status=500, is_final=False, provider_id=1)
    rows.add(gateway, key, at(4), attempt=2, request_id=two, provider_id=2)
    lost = rows.add(gateway, key, at(4), status=500, is_final=False)
    rows.add(gateway, key, at(4), status=500, attempt=2, request_id=lost)
    got = ask("graphs/requests/rescued")
    assert got["summary"] == {"retry": 1, "fallback": 1}
    assert got["data_points"][4] == {"timestamp": shown(at(4)), "fallback": 1,
                                     "retry": [{"retry_success_count": 1, "count": 1}]}
    assert got["data_points"][5]["retry"] == []
    # Money is that of all attempts, a request its last one.
    assert ask("graphs/requests")["summary"] == {"total": 3}
    assert ask("graphs/cost")["summary"]["total"] == cents(15)


def test_the_cache_tells_hits_their_speed_and_what_they_saved(gateway, key, ask):
    price = gateway.sql("SELECT id FROM aigate.price WHERE family = 'openai' AND model = 'gpt-4o-mini'"
                        " AND integration_id IS NULL ORDER BY id LIMIT 1")
    for hour, cache, ms in ((1, 1, 10), (1, 0, 100), (2, 2, 30), (3, 0, 100)):
        rows.add(gateway, key, at(hour), cache=cache, ms=ms, tin=1000, tout=1000, price_id=price)
    saved = cents(1000 * 150 + 1000 * 600)
    got = ask("graphs/cache/hit-rate")
    assert got["summary"] == {"total": 2, "rate": 50}
    one, two, three = got["data_points"][1:4]
    assert (one["simple_hits"], one["semantic_hits"], one["rate"]) == (1, 0, 50)
    assert (two["simple_hits"], two["semantic_hits"], two["rate"]) == (0, 1, 100)
    assert [p["cumulative_simple_cache_savings"] for p in (one, two, three)] == [saved] * 3
    assert [p["cumulative_semantic_cache_savings"] for p in (one, two, three)] == [0, saved, saved]
    assert ask("graphs/cache/latency")["summary"] == {"avg": 20}
    assert ask("summary/cache") == {"object": "analytics-summary", "summary": {
        "hits": 2, "avg_latency": 20, "total_requests": 4, "cache_speedup": 80}}


def test_feedback_meets_requests_by_trace(gateway, key, ask):
    rows.add(gateway, key, at(1), trace="t1", model="m1")
    rows.add(gateway, key, at(2), trace="t1", model="m2")  # the trace goes on
    rows.add(gateway, key, at(3), trace="t2", model="m2", metadata={"team": "a"})
    for trace, value, weight in (("t1", 5, 1), ("t1", -10, 0.5), ("t2", 5, 0.1), ("nobody", 9, 1)):
        gateway.admin("POST", "/feedback", {"trace_id": trace, "value": value, "weight": weight}, key)
    got = ask("graphs/feedbacks")
    assert got["summary"] == {"total": 3} and points(got, "total") == {1: 2, 3: 1}
    assert ask("graphs/feedbacks/scores")["data_points"] == [{"score": -10, "total": 1}, {"score": 5, "total": 2}]
    got = ask("graphs/feedbacks/weighted")
    assert got["summary"] == {"avg": 0.1667} and points(got, "avg") == {3: 0.5}
    assert ask("graphs/feedbacks/ai-models")["data_points"] == [
        {"ai_model": "m1", "total": 2, "avg_weighted_feedback": 0},
        {"ai_model": "m2", "total": 1, "avg_weighted_feedback": 0.5}]
    assert ask("graphs/requests", weighted_feedback_min="0.1")["summary"] == {"total": 1}
    assert ask("graphs/requests", weighted_feedback_max="0")["summary"] == {"total": 2}
    got = ask("groups/metadata/team")["data"]
    assert [(g["metadata_value"], g["requests_with_feedback"], g["avg_weighted_feedback"]) for g in got] \
        == [("a", 1, 0.5)]


def test_an_empty_time_has_empty_points(ask):
    for graph in EVERY_GRAPH:
        got = ask("graphs/" + graph)
        assert got["object"] == "analytics-graph"
        assert all(v == 0 for v in got["summary"].values()), graph
        if graph in ("errors/status-codes", "feedbacks/scores", "feedbacks/ai-models"):
            assert got["data_points"] == []
        else:
            assert len(got["data_points"]) == 24, graph
            assert all(not v for p in got["data_points"] for k, v in p.items() if k != "timestamp"), graph
        assert ask("graphs/" + graph, at(3), at(3))["data_points"] == [], graph


# ---- where the numbers come from ----

def test_whole_hours_come_from_the_roll_up_and_the_ends_from_the_ledger(gateway, key, ask):
    for minutes in (5, 55, 65, 115, 185, 239):
        rows.add(gateway, key, at(0, minutes), cost_nusd=10_000_000)
    exact = {(0, 240): 6, (10, 240): 5, (10, 186): 4, (60, 240): 4, (10, 185): 3, (61, 186): 3}
    for (since, until), n in exact.items():
        assert ask("graphs/cost", at(0, since), at(0, until))["summary"]["total"] == n, (since, until)
        assert ask("graphs/cost", at(0, since), at(0, until), cost_min="0.1")["summary"]["total"] == n
    # Seen to be so: the roll-up is falsified, the ends of the time are not touched by it.
    gateway.sql("UPDATE aigate.usage_hour SET requests = requests + 100 WHERE hour = %s", iso(at(1)))
    assert ask("graphs/requests", at(0, 10), at(4))["summary"] == {"total": 105}
    assert ask("graphs/requests", at(0, 10), at(4), virtual_keys="mock")["summary"] == {"total": 5}
    assert ask("graphs/requests", at(1, 1), at(4))["summary"] == {"total": 4}


def test_the_roll_up_of_the_flusher_and_the_ledger_say_the_same(gateway, key, ask):
    for _ in range(5):
        assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    now = datetime.datetime.now(rows.UTC)
    since, until = now - datetime.timedelta(days=1), now + datetime.timedelta(hours=2)
    for graph in ("requests", "cost", "tokens"):
        rolled = ask("graphs/" + graph, since, until)["summary"]
        assert rolled == ask("graphs/" + graph, since, until, virtual_keys="mock")["summary"]
        assert rolled["total"] > 0
    spent = gateway.sql("SELECT sum(cost_nusd) FROM aigate.ledger")
    assert ask("graphs/cost", since, until)["summary"]["total"] == cents(spent)


# ---- time ----

def test_buckets_grow_with_the_time(gateway, key, ask):
    rows.add(gateway, key, at(1, 30, 30))
    got = ask("graphs/requests", at(1), at(2))["data_points"]
    assert len(got) == 60 and [p for p in got if p["total"]] == [{"timestamp": shown(at(1, 30)), "total": 1}]
    assert len(ask("graphs/requests", at(days=-1), at(24))["data_points"]) == 48
    got = ask("graphs/requests", at(days=-20), at(24))["data_points"]
    assert len(got) == 21 and got[-1] == {"timestamp": shown(at()), "total": 1}


@pytest.mark.parametrize("zone, minutes", [("+05:30", 330), ("-08:00", -480), ("Z", 0)])
def test_days_begin_at_midnight_of_the_offset_asked_with(gateway, key, ask, zone, minutes):
    rows.add(gateway, key, at(23))
    midnight = at(0, -minutes)
    local = datetime.timezone(datetime.timedelta(minutes=minutes))
    since = (midnight - datetime.timedelta(days=9)).astimezone(local).isoformat()
    until = (midnight + datetime.timedelta(days=2)).astimezone(local).isoformat()
    got = ask("graphs/requests", since, until)["data_points"]
    assert len(got) == 11
    when = midnight + datetime.timedelta(days=1) if at(23) >= midnight + datetime.timedelta(days=1) else midnight
    assert [p["timestamp"] for p in got if p["total"]] == [shown(when)]


def test_the_end_of_the_time_is_not_in_it(gateway, key, ask):
    rows.add(gateway, key, at(5))
    assert ask("graphs/errors/rate", at(4), at(5))["data_points"][-1]["timestamp"] == shown(at(4, 59))
    assert ask("graphs/requests", at(4), at(5))["summary"] == {"total": 0}
    assert ask("graphs/requests", at(5), at(6))["summary"] == {"total": 1}


# ---- filters ----

FILTERS = [
    ({"total_units_min": 15}, 2), ({"total_units_max": 15}, 1), ({"prompt_token_min": 11}, 2),
    ({"prompt_token_max": 10}, 1), ({"completion_token_min": 3}, 2), ({"completion_token_max": 2}, 1),
    ({"cost_min": "0.5"}, 2), ({"cost_max": "0.5"}, 2), ({"cost_min": "0.50000001"}, 400),
    ({"status_code": "429"}, 1), ({"status_code": "429, 200"}, 3),
    ({"virtual_keys": "other"}, 1), ({"virtual_keys": "mock,other"}, 3),
    ({"trace_id": "t2"}, 1), ({"span_id": "s3"}, 1), ({"ai_org_model": "anthropic__claude"}, 1),
    ({"ai_org_model": "anthropic__claude,openai__gpt-4o-mini"}, 3),
    ({"metadata": json.dumps({"team": "a"})}, 2), ({"metadata": json.dumps({"team": ["a", "b"]})}, 3),
    ({"metadata": json.dumps({"team": "a", "env": "x"})}, 1), ({"metadata": json.dumps({"env": "no"})}, 0),
    ({"cache_status": "hit"}, 1), ({"cache_status": "MISS"}, 2), ({"status_code": "200", "cost_max": 1}, 2),
]


def test_filters_choose_rows(gateway, key, ask):
    rows.add(gateway, key, at(1), cost_nusd=1_000_000, tin=10, tout=2, trace="t1",
             metadata={"team": "a", "env": "x"})
    rows.add(gateway, key, at(2), cost_nusd=5_000_000, tin=20, tout=3, trace="t2", provider="other",
             metadata={"team": "a"}, cache=1)
    rows.add(gateway, key, at(3), cost_nusd=30_000_000, tin=30, tout=4, span="s3", family="anthropic",
             model="claude", metadata={"team": "b"}, status=429)
    for query, n in FILTERS:
        if n == 400:
            assert errors_name(ask("graphs/requests", status=400, **query), next(iter(query)))
        else:
            assert ask("graphs/requests", **query)["summary"] == {"total": n}, query
            assert sum(g["requests"] for g in ask("groups/model", **query)["data"]) == n, query


BAD = [
    ({"time_of_generation_min": None}, "time_of_generation_min"),
    ({"time_of_generation_max": None}, "time_of_generation_max"),
    ({"time_of_generation_min": "yesterday"}, "time_of_generation_min"),
    ({"time_of_generation_max": "2026-02-30T00:00:00Z"}, "time_of_generation_max"),
    ({"time_of_generation_max": "2020-01-01T00:00:00Z"}, "time_of_generation_min"),
    ({"time_of_generation_min": "2020-01-01T00:00:00Z"}, "time_of_generation_max"),
    ({"total_units_min": "many"}, "total_units_min"), ({"total_units_min": "1.5"}, "total_units_min"),
    ({"cost_min": "-1"}, "cost_min"), ({"cost_max": "1e30"}, "cost_max"),
    ({"weighted_feedback_min": "-11"}, "weighted_feedback_min"), ({"status_code": "2xx"}, "status_code"),
    ({"status_code": "200,,"}, "status_code"), ({"api_key_ids": "abc"}, "api_key_ids"),
    ({"ai_org_model": "gpt-4o"}, "ai_org_model"), ({"metadata": "{"}, "metadata"),
    ({"metadata": "[1]"}, "metadata"), ({"metadata": "{}"}, "metadata"),
    ({"configs": ","}, "configs"), ({"prompt_slug": "pp-x"}, "prompt_slug"),
    ({"cache_status": "warm"}, "cache_status"),
]


def test_a_bad_filter_is_named(ask):
    for query, name in BAD:
        for path in ("graphs/cost", "graphs/errors/stacks", "groups/ai-models", "summary/cache"):
            got = ask(path, status=400, **query)
            assert errors_name(got, name) and got["data"]["errorCode"] == "AB01", (query, got)


def test_what_groups_take_is_checked_too(ask):
    for name, bad in (("columns", "cost,beauty"), ("order_by", "cost"), ("order_by_type", "up"),
                      ("include_total", "maybe"), ("page_size", "x"), ("current_page", "-1")):
        assert errors_name(ask("groups/model", status=400, **{name: bad}), name)


def test_unknown_graphs_and_groups_are_refused(ask):
    ask("graphs/beauty", status=404)
    ask("graphs/errors/beauty", status=404)
    assert errors_name(ask("groups/beauty", status=400), "group_by")
    assert errors_name(ask("groups/prompt", status=400), "group_by: prompt")


# ---- groups ----

def test_groups_have_the_columns_asked_for(gateway, key, ask):
    columns = ("cost,total_tokens,avg_tokens,avg_input_tokens,avg_output_tokens,avg_latency,p95_latency,"
               "p99_latency,success_rate,error_count,cache_hit_rate,last_seen,first_seen")
    for n in range(1, 21):
        rows.add(gateway, key, at(1, n), cost_nusd=1_000_000, tin=n, tout=1, ms=n, cache=int(n == 1),
                 status=500 if n > 18 else 200)
    rows.add(gateway, key, at(2), model="big", cost_nusd=7_000_000)
    got = ask("groups/model", columns=columns, include_total="true")
    assert got["total"] == 2 and got["object"] == "list"
    assert got["data"][0] == {
        "model": "gpt-4o-mini", "requests": 20, "cost": 2, "total_tokens": 230, "avg_tokens": 11.5,
        "avg_input_tokens": 10.5, "avg_output_tokens": 1, "avg_latency": 10.5, "p95_latency": 19,
        "p99_latency": 20, "success_rate": 90, "error_count": 2, "cache_hit_rate": 5,
        "last_seen": shown(at(1, 20)), "first_seen": shown(at(1, 1)), "object": "analytics-group"}
    assert ask("groups/model")["data"][1] == {"model": "big", "requests": 1, "object": "analytics-group"}
    got = ask("groups/model", columns="cost", order_by="cost", order_by_type="asc")["data"]
    assert [(g["model"], g["cost"]) for g in got] == [("big", 0.7), ("gpt-4o-mini", 2)]


def test_groups_by_everything(gateway, key, ask):
    other = gateway.key(scopes=SCOPES)
    rows.add(gateway, key, at(1))
    rows.add(gateway, key, at(1), status=404)
    rows.add(gateway, other, at(2), family="anthropic", model="claude", provider="cl", cost_nusd=10_000_000)

    def got(path):
        answer = ask("groups/" + path)
        assert answer["total"] == len(answer["data"])
        name = next(iter(answer["data"][0]))
        return {g[name]: g["requests"] for g in answer["data"]}
    slug = gateway.default_workspace()["slug"]
    assert got("ai_service") == {"openai": 2, "anthropic": 1}
    assert got("status_code") == {200: 2, 404: 1}
    assert got("api_key") == {key.id: 2, other.id: 1}
    assert got("provider") == {"mock": 2, "cl": 1}
    assert got("workspace") == {slug: 3} and got("workspaces") == {slug: 3}
    assert ask("groups/ai-models")["data"] == [
        {"ai_model": "gpt-4o-mini", "requests": 2, "cost": 0, "object": "analytics-group"},
        {"ai_model": "claude", "requests": 1, "cost": 1, "object": "analytics-group"}]
    assert ask("groups/ai-models", api_key_ids=other.id)["total"] == 1


def test_groups_come_in_pages(gateway, key, ask):
    for n in range(7):
        rows.add(gateway, key, at(1), metadata={"user_email": f"u{n}@x"}, tin=n, cost_nusd=n * 10_000_000)
    seen = []
    for page in range(3):
        got = ask("groups/metadata/user_email", page_size=3, current_page=page, order_by="cost",
                  order_by_type="asc")
        assert got["total"] == 7
        seen += [(g["metadata_value"], g["cost"]) for g in got["data"]]
    assert seen == [(f"u{n}@x", n) for n in range(7)]
    one = ask("groups/metadata/user_email", page_size=1)["data"][0]
    assert set(one) == {"metadata_value", "requests", "cost", "avg_tokens", "avg_weighted_feedback",
                        "requests_with_feedback", "last_seen", "object"}
    assert one["last_seen"] == shown(at(1))
    assert ask("groups/metadata/nothing") == {"total": 0, "object": "list", "data": []}
    assert ask("groups/metadata/x'%22y%20--")["total"] == 0


# ---- who sees what ----

def test_a_key_sees_its_workspace_and_nothing_else(gateway, key, ask):
    theirs = gateway.workspace("theirs")
    other = gateway.key(workspace=theirs, scopes=SCOPES)
    rows.add(gateway, key, at(1), cost_nusd=1_000_000, trace="same", metadata={"_user": "mine"})
    rows.add(gateway, other, at(1), cost_nusd=2_000_000, trace="same", metadata={"_user": "theirs"})
    gateway.admin("POST", "/feedback", {"trace_id": "same", "value": 10}, other)
    for graph in EVERY_GRAPH:
        mine = json.dumps(ask("graphs/" + graph))
        assert mine == json.dumps(ask("graphs/" + graph, workspace_slug=theirs["slug"])), "ignored"
    assert ask("graphs/cost")["summary"]["total"] == 0.1
    assert ask("graphs/feedbacks")["summary"] == {"total": 0}
    assert ask("graphs/requests", weighted_feedback_min=1)["summary"] == {"total": 0}
    assert [g["user"] for g in ask("groups/users")["data"]] == ["mine"]
    assert ask("groups/metadata/_user")["data"][0]["requests_with_feedback"] == 0
    assert ask("groups/workspaces")["total"] == 1
    assert ask("graphs/requests", api_key_ids=other.id)["summary"] == {"total": 0}


def test_an_admin_key_names_the_workspace_or_means_the_default_one(gateway, key, ask):
    theirs = gateway.workspace("theirs")
    other = gateway.key(workspace=theirs, scopes=SCOPES)
    rows.add(gateway, key, at(1))
    rows.add(gateway, other, at(1))
    rows.add(gateway, other, at(2))
    admin = gateway.admin_key
    assert ask("graphs/requests", by=admin, workspace_slug=theirs["slug"])["summary"] == {"total": 2}
    assert errors_name(ask("graphs/requests", by=admin, status=400), "workspace_slug")
    gateway.sql("UPDATE aigate.workspace SET is_default = true WHERE slug = %s",
                gateway.default_workspace()["slug"])
    assert ask("graphs/requests", by=admin)["summary"] == {"total": 1}
    assert sorted(g["requests"] for g in ask("groups/workspaces", by=admin)["data"]) == [1, 2]
    ask("graphs/requests", by=admin, status=404, workspace_slug="nobodys")
    ask("graphs/requests", by=gateway.key(), status=401)


def test_other_organisations_are_not_there(gateway, key, ask):
    rows.add(gateway, key, at(1))
    gateway.ctl("bootstrap", "--organisation", "Other")
    org = gateway.sql("INSERT INTO aigate.workspace (organisation_id, slug, name) SELECT id, 'foreign', 'f'"
                      " FROM aigate.organisation WHERE slug <> 'acme' RETURNING slug")
    assert "foreign" in org
    ask("graphs/requests", by=gateway.admin_key, status=404, workspace_slug="foreign")
    gateway.sql("UPDATE aigate.ledger SET organisation_id = (SELECT max(id) FROM aigate.organisation)")
    assert ask("graphs/errors/rate")["summary"] == {"rate": 0}
    assert ask("groups/users")["data"] == []


# ---- reports do not stand in the way ----

def test_a_slow_report_holds_up_nobody(gateway, key, ask):
    """Somebody holds a lock that reports wait for: changes go on, the report waits, then answers."""
    import threading
    rows.add(gateway, key, at(1))
    blocker = gateway.pg.session(gateway.database)
    blocker.run("BEGIN; LOCK TABLE aigate.usage_hour IN ACCESS EXCLUSIVE MODE;")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ask("graphs/requests")))
    waiting.start()
    for _ in range(5):
        gateway.workspace()
    assert not answers
    blocker.run("COMMIT;")
    blocker.close()
    waiting.join(20)
    assert answers and answers[0]["summary"] == {"total": 1}


def test_who_waits_for_a_report_is_told_when_control_leaves(gateway, key, ask):
    blocker = gateway.pg.session(gateway.database)
    blocker.run("BEGIN; LOCK TABLE aigate.usage_hour IN ACCESS EXCLUSIVE MODE;")
    query = urllib.parse.urlencode({"time_of_generation_min": iso(at()), "time_of_generation_max": iso(at(24))})
    waiting = [wire.Pending(lambda: gateway.admin_ask("GET", f"/analytics/graphs/requests?{query}", key=key))
               for _ in range(5)]
    wait(lambda: gateway.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aigated reports'"
                             " AND wait_event_type = 'Lock'") == 2, "two reports to wait for the lock")
    gateway.expect_error("control exited")
    old = gateway.pids("control")[0]
    os.kill(old, signal.SIGTERM)
    answers = [one.answer() for one in waiting]
    assert {a.status for a in answers} == {503} and {a.json["error"]["code"] for a in answers} == {"AB04"}
    blocker.run("COMMIT;")
    blocker.close()
    gateway.wait_new("control", 0, old)
    assert wait(lambda: gateway.admin_ask("GET", f"/analytics/graphs/requests?{query}", key=key).status == 200,
                "the successor to make reports")


def test_reports_are_refused_while_postgresql_is_away_and_work_when_it_is_back(gateway, key, ask):
    rows.add(gateway, key, at(1))
    assert ask("graphs/requests")["summary"] == {"total": 1}
    gateway.pg.restart()
    assert ask("graphs/requests")["summary"] == {"total": 1}
