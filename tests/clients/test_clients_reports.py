"""Analytics, logs and feedback with the unmodified Python SDK, to the number."""

import json

import rows
from rows import at, cents, iso, shown


def at_hour(graph, hour):
    return next(p for p in graph["data_points"] if p["timestamp"] == shown(at(hour)))


def test_python_reads_its_reports(gateway, run_python):
    key = gateway.key(scopes=["completions.write", "logs.write", "logs.view", "logs.export", "analytics.view"])
    stranger = gateway.key(workspace=gateway.workspace("theirs"))
    rows.add(gateway, stranger, at(1), cost_nusd=10 ** 12, trace="t1", metadata={"team": "a", "_user": "eve"})
    rows.add(gateway, key, at(1), cost_nusd=12_345_678, tin=10, tout=5, ms=100, trace="t1",
             metadata={"team": "a", "_user": "ann"})
    rows.add(gateway, key, at(1), cost_nusd=10_000_000, tin=1, tout=1, ms=300, metadata={"team": "a", "_user": "bob"})
    rows.add(gateway, key, at(2), status=429, ms=20, metadata={"team": "b", "_user": "ann"}, model="big")
    first = rows.add(gateway, key, at(3), status=500, is_final=False)
    rows.add(gateway, key, at(3), attempt=2, request_id=first, cache=1, ms=10, cost_nusd=1)
    got = json.loads(run_python("reports.py", API_KEY=str(key), SINCE=iso(at()), UNTIL=iso(at(24)),
                                TRACE="t1"))

    created, bulk, changed = got["feedback"]
    assert created["status"] == bulk["status"] == changed["status"] == "success"
    assert len(bulk["feedback_ids"]) == 2 and changed["feedback_ids"] == bulk["feedback_ids"][:1]
    assert gateway.rows("SELECT value, weight::text FROM aigate.feedback ORDER BY id") \
        == [(10, "0.5"), (0, "1"), (1, "1")]

    g = got["graphs"]
    assert all(graph["object"] == "analytics-graph" for graph in g.values())
    assert {name: graph["summary"] for name, graph in g.items()} == {
        "requests": {"total": 4}, "cost": {"total": cents(22_345_679), "avg": 0.558642},
        "latency": {"avg": 107.5, "p50": 20, "p90": 300, "p99": 300},
        "tokens": {"total": 17, "avg": 4.25}, "users": {"total": 2},
        "users_requests": {"total": 3, "unique": 2, "avg": 1.5}, "errors": {"total": 1},
        "errors_rate": {"rate": 25}, "errors_stacks": {"total": 1},
        "errors_status_codes": {"total_errors": 1, "unique_error_codes": 1},
        "requests_rescued": {"retry": 1, "fallback": 0}, "cache_hit_rate": {"total": 1, "rate": 25},
        "cache_latency": {"avg": 10}, "feedbacks": {"total": 2}, "feedbacks_scores": {"total": 2},
        "feedbacks_weighted": {"avg": 2.5}, "feedbacks_ai_models": {}}
    assert at_hour(g["requests"], 1)["total"] == 2 and at_hour(g["requests"], 4)["total"] == 0
    assert at_hour(g["cost"], 1) == {"timestamp": shown(at(1)), "total": cents(22_345_678), "avg": 1.1172839}
    assert at_hour(g["errors_stacks"], 2)["stats"] == [{"response_status_code": 429, "count": 1}]
    assert g["errors_status_codes"]["data_points"] == [{"status_code": 429, "count": 1}]
    assert at_hour(g["requests_rescued"], 3)["retry"] == [{"retry_success_count": 1, "count": 1}]
    assert at_hour(g["cache_hit_rate"], 3)["simple_hits"] == 1
    assert g["feedbacks_scores"]["data_points"] == [{"score": 0, "total": 1}, {"score": 10, "total": 1}]
    assert g["feedbacks_ai_models"]["data_points"] == [
        {"ai_model": "gpt-4o-mini", "total": 2, "avg_weighted_feedback": 2.5}]
    assert got["filtered"] == {"total": cents(12_345_678), "avg": cents(12_345_678)}

    groups = got["groups"]
    assert [(u["user"], u["requests"], u["cost"]) for u in groups["users"]["data"]] \
        == [("ann", 2, cents(12_345_678)), ("bob", 1, 1)]
    assert [(m["ai_model"], m["requests"]) for m in groups["ai_models"]["data"]] == [("gpt-4o-mini", 3), ("big", 1)]
    assert [(w["workspace"], w["requests"]) for w in groups["workspaces"]["data"]] \
        == [(gateway.default_workspace()["slug"], 4)]
    team = groups["metadata"]["data"][0]
    assert (team["metadata_value"], team["requests"], team["cost"], team["requests_with_feedback"],
            team["avg_weighted_feedback"], team["last_seen"]) == ("a", 2, cents(22_345_678), 1, 2.5, shown(at(1)))
    assert groups["status_code"]["data"] == [
        {"status_code": 200, "requests": 3, "object": "analytics-group"},
        {"status_code": 429, "requests": 1, "object": "analytics-group"}]
    assert groups["model"] == {"total": 2, "object": "list", "data": [
        {"model": "gpt-4o-mini", "requests": 3, "cost": cents(22_345_679), "avg_latency": 136.667,
         "error_count": 0, "object": "analytics-group"}]}
    assert got["cache"]["summary"] == {"hits": 1, "avg_latency": 10, "total_requests": 4, "cache_speedup": 92.8571}

    assert gateway.rows("SELECT trace_id, input_tokens, output_tokens FROM aigate.custom_log") == [("told", 1, 2)]
    made, updated, cancelled, started = got["export"]
    assert made["total"] == 4 and updated["total"] == 3 and made["id"] == updated["id"]
    assert (cancelled["message"], started["message"]) == ("Export cancelled", "Export started")
    assert (got["retrieved"]["status"], got["retrieved"]["total_records"]) == ("success", 3)
    assert got["retrieved"]["description"] == "from the SDK"
    assert [e["id"] for e in got["listed"]["data"]] == [made["id"]] and got["listed"]["total"] == 1
    assert sorted((line["cost"], line["trace_id"]) for line in got["file"]) \
        == [(cents(1), None), (1, None), (cents(12_345_678), "t1")]
    assert got["refused"][0] == "BadRequestError" and "time_of_generation_min" in got["refused"][1]
