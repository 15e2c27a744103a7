"""Exports of logs: their life, what is in the files, who may fetch them."""

import csv
import hashlib
import http.client
import io
import json
import os
import re
import urllib.parse

import pytest

import rows
from gateway import wait
from rows import at, cents, iso

ALL = ["id", "trace_id", "created_at", "request", "response", "is_success", "ai_org", "ai_model", "req_units",
       "res_units", "total_units", "request_url", "cost", "cost_currency", "response_time",
       "response_status_code", "mode", "config", "prompt_slug", "metadata"]
DAY = {"time_of_generation_min": iso(at()), "time_of_generation_max": iso(at(24))}


@pytest.fixture
def gw(gateway):
    return gateway


@pytest.fixture
def key(gw):
    return gw.key(scopes=["completions.write", "logs.write", "logs.export"])


def make(gw, key, fields=("id",), filters=None, **more):
    return gw.admin("POST", "/logs/exports", {"filters": {**DAY, **(filters or {})},
                                              "requested_data": list(fields), **more}, key)


def look(gw, key, export):
    return gw.admin("GET", f"/logs/exports/{export['id']}", key=key)


def run(gw, key, export):
    """Starts it and waits for its end; the export."""
    gw.admin("POST", f"/logs/exports/{export['id']}/start", key=key)
    wait(lambda: look(gw, key, export)["status"] != "in_progress", "the export to end")
    return look(gw, key, export)


def fetch(gw, key, export):
    """The file, over the address that was signed and no key."""
    url = gw.admin("GET", f"/logs/exports/{export['id']}/download", key=key)["signed_url"]
    # The name this client used for the gateway; see wire.py.
    assert url.startswith(f"http://gateway.test/v1/logs/exports/{export['id']}/file?")
    connection = http.client.HTTPConnection(*gw.address, timeout=30)
    connection.request("GET", url[len("http://gateway.test"):])
    answer = connection.getresponse()
    assert answer.status == 200
    answer.body = answer.read()
    connection.close()
    return answer


def lines(answer):
    return [json.loads(line) for line in answer.body.decode().splitlines()]


def test_an_export_holds_what_was_asked_for(gw, key):
    first = rows.add(gw, key, at(1), cost_nusd=1_234_567, tin=10, tout=5, ms=250, trace="t",
                     metadata={"team": "a", "text": 'b,"c"\n'})
    second = rows.add(gw, key, at(2), status=429, ms=3)
    told = gw.admin("POST", "/logs", {"request": {"url": "u", "body": {"model": "m"}},
                                      "response": {"body": {}, "status": 201}}, key)["log_ids"][0]
    gw.sql("UPDATE aigate.custom_log SET created_at = %s", iso(at(3)))
    made = make(gw, key, ALL, description="all of it")
    assert made == {"id": made["id"], "total": 3, "object": "export"}
    draft = look(gw, key, made)
    assert draft["status"] == "draft" and draft["description"] == "all of it" and draft["object"] == "export"
    assert draft["filters"] == DAY and draft["requested_data"] == ALL and draft["created_by"] == key.id
    done = run(gw, key, made)
    assert (done["status"], done["total_records"], done["error"]) == ("success", 3, None)
    answer = fetch(gw, key, made)
    assert answer.getheader("content-type") == "application/jsonl" and len(answer.body) == done["bytes"]
    got = lines(answer)
    assert [list(g) for g in got] == [ALL] * 3 and [g["id"] for g in got] == [first, second, told]
    assert got[0] == {
        "id": first, "trace_id": "t", "created_at": rows.shown(at(1)),
        "request": {"url": "/v1/chat/completions", "method": "POST"},
        "response": {"status": 200, "responseTime": 250}, "is_success": True, "ai_org": "openai",
        "ai_model": "gpt-4o-mini", "req_units": 10, "res_units": 5, "total_units": 15,
        "request_url": "/v1/chat/completions", "cost": cents(1_234_567), "cost_currency": "USD",
        "response_time": 250, "response_status_code": 200, "mode": "single", "config": None,
        "prompt_slug": None, "metadata": {"team": "a", "text": 'b,"c"\n'}}
    assert got[1]["is_success"] is False and got[1]["response_status_code"] == 429
    assert got[2]["request"]["body"] == {"model": "m"} and got[2]["response_status_code"] == 201


def test_csv_reads_back_the_same(gw, key):
    nasty = 'a,"b"\r\n=1+1;é'
    rows.add(gw, key, at(1), cost_nusd=10, metadata={"t": nasty}, trace=nasty)
    rows.add(gw, key, at(2), trace=None)
    made = make(gw, key, ["trace_id", "cost", "metadata", "is_success"], format="csv")
    run(gw, key, made)
    answer = fetch(gw, key, made)
    assert answer.getheader("content-type").startswith("text/csv")
    got = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
    assert got[0] == ["trace_id", "cost", "metadata", "is_success"] and len(got) == 3
    assert got[1][0] == nasty and got[1][1] == "0.000001" and json.loads(got[1][2]) == {"t": nasty}
    assert got[2] == ["", "0", "{}", "true"]


FILTERS = [({}, 3), ({"total_units_min": 20}, 2), ({"prompt_token_max": 10}, 1), ({"cost_min": 0.5}, 2),
           ({"cost_max": "0.5"}, 2), ({"status_code": 429}, 1), ({"status_code": [429, 200]}, 3),
           ({"status_code": "200,429"}, 3), ({"ai_model": "claude"}, 1), ({"ai_org_model": ["anthropic__claude"]}, 1),
           ({"virtual_keys": ["other"]}, 1), ({"trace_id": "t2"}, 1), ({"metadata": {"team": "a"}}, 2),
           ({"metadata": {"team": ["a", "b"]}}, 3), ({"weighted_feedback_min": 1}, 1),
           ({"weighted_feedback_max": -1}, 0), ({"page_size": 2}, 2), ({"page_size": 2, "current_page": 1}, 1),
           ({"time_of_generation_min": iso(at(2))}, 2), ({"time_of_generation_max": iso(at(2))}, 1)]


def test_filters_choose_logs(gw, key):
    rows.add(gw, key, at(1), cost_nusd=1_000_000, tin=10, trace="t1", metadata={"team": "a"})
    rows.add(gw, key, at(2), cost_nusd=5_000_000, tin=20, trace="t2", provider="other", metadata={"team": "a"})
    rows.add(gw, key, at(3), cost_nusd=30_000_000, tin=30, family="anthropic", model="claude",
             metadata={"team": "b"}, status=429)
    gw.admin("POST", "/feedback", {"trace_id": "t2", "value": 2}, key)
    for filters, n in FILTERS:
        made = make(gw, key, filters=filters)
        assert made["total"] == n, filters
        assert run(gw, key, made)["total_records"] == n, filters
        assert len(lines(fetch(gw, key, made))) == n, filters


BAD = [
    ({"requested_data": ["id"], "filters": {"beauty": 1}}, "filters.beauty"),
    ({"requested_data": ["id"], "filters": {"prompt_slug": "x"}}, "filters.prompt_slug"),
    ({"requested_data": ["id"], "filters": {"cost_min": "x"}}, "filters.cost_min"),
    ({"requested_data": ["id"], "filters": {"metadata": "x"}}, "filters.metadata"),
    ({"requested_data": ["id"], "filters": {"ai_model": {"a": 1}}}, "filters.ai_model"),
    ({"requested_data": ["id"], "filters": {"page_size": 50001}}, "filters.page_size"),
    ({"requested_data": ["id"], "filters": {"time_of_generation_min": "x"}}, "filters.time_of_generation_min"),
    ({"requested_data": ["id"], "filters": {"time_of_generation_min": "2020-01-01"}},
     "filters.time_of_generation_max"),
    ({"requested_data": ["id"], "filters": []}, "filters"), ({"filters": {}}, "requested_data"),
    ({"requested_data": ["id", "secrets"]}, "requested_data"), ({"requested_data": []}, "requested_data"),
    ({"requested_data": ["id' || version() || '"]}, "requested_data"),
    ({"requested_data": ["id"], "format": "xml"}, "format")]


def test_what_cannot_be_exported_is_named(gw, key):
    for body, name in BAD:
        answer = gw.admin_ask("POST", "/logs/exports", body, key)
        assert answer.status == 400 and answer.json["error"]["message"].startswith(name), answer
    assert gw.admin("GET", "/logs/exports", key=key)["total"] == 0


def test_states(gw, key):
    rows.add(gw, key, at(1))
    made = make(gw, key)
    path = f"/logs/exports/{made['id']}"
    assert gw.admin_ask("GET", path + "/download", key=key).status == 400
    assert gw.admin("POST", path + "/cancel", key=key) == {"message": "Export cancelled", "object": "export"}
    assert look(gw, key, made)["status"] == "stopped"
    assert gw.admin_ask("POST", path + "/cancel", key=key).status == 409
    assert gw.admin("POST", path + "/start", key=key) == {"message": "Export started", "object": "export"}
    wait(lambda: look(gw, key, made)["status"] == "success", "the export")
    assert gw.admin_ask("POST", path + "/cancel", key=key).status == 409
    # Changed, it is a draft again; what stays away stays as it is.
    rows.add(gw, key, at(2))
    again = gw.admin("PUT", path, {"requested_data": ["id", "cost"]}, key)
    assert again == {"id": made["id"], "total": 2, "object": "export"}
    now = look(gw, key, made)
    assert (now["status"], now["requested_data"], now["filters"]) == ("draft", ["id", "cost"], DAY)
    assert run(gw, key, made)["total_records"] == 2
    assert [set(x) for x in lines(fetch(gw, key, made))] == [{"id", "cost"}] * 2
    assert gw.admin_ask("PUT", path, {"filters": {"beauty": 1}}, key).status == 400
    assert look(gw, key, made)["status"] == "success"
    actions = [a for a, in gw.rows("SELECT action FROM aigate.audit_log WHERE object_kind = 'log_export' ORDER BY id")]
    assert actions == ["create", "cancel", "start", "update", "start"]


def hold_exports(gw):
    """Exports wait for a lock; .run('COMMIT;') lets them go."""
    held = gw.pg.session(gw.database)
    held.run("BEGIN; LOCK TABLE aigate.custom_log IN ACCESS EXCLUSIVE MODE;")
    return held


def test_one_that_runs_can_be_cancelled_and_the_next_one_is_made(gw, key):
    rows.add(gw, key, at(1))
    first, second = make(gw, key), make(gw, key)
    held = hold_exports(gw)
    for one in (first, second):
        gw.admin("POST", f"/logs/exports/{one['id']}/start", key=key)
    part = os.path.join(gw.conf["export_dir"], first["id"] + ".jsonl.part")
    wait(lambda: os.path.exists(part), "the file to be begun")
    for method, what in (("POST", "/start"), ("PUT", "")):
        assert gw.admin_ask(method, f"/logs/exports/{first['id']}{what}", {}, key).status == 409
    gw.admin("POST", f"/logs/exports/{first['id']}/cancel", key=key)
    wait(lambda: not os.path.exists(part), "the file to go")
    held.run("COMMIT;")
    held.close()
    wait(lambda: look(gw, key, second)["status"] == "success", "the second export")
    assert look(gw, key, first)["status"] == "stopped"
    assert sorted(os.listdir(gw.conf["export_dir"])) == [second["id"] + ".jsonl"]


@pytest.mark.parametrize("how", ["restart", "kill9", "postgresql"])
def test_what_was_in_progress_is_made_by_the_successor(gw, key, how):
    rows.add(gw, key, at(1))
    made = make(gw, key)
    held = hold_exports(gw)
    gw.admin("POST", f"/logs/exports/{made['id']}/start", key=key)
    part = os.path.join(gw.conf["export_dir"], made["id"] + ".jsonl.part")
    wait(lambda: os.path.exists(part), "the file to be begun")
    if how == "restart":
        gw.stop()
    elif how == "kill9":
        gw.expect_error("control died of signal 9")
        old = gw.kill9("control")
        gw.wait_new("control", 0, old)
    else:
        gw.pg.restart()
    if how != "postgresql":
        held.run("COMMIT;")
    if how == "restart":
        gw.start()

    def is_done():
        answer = gw.admin_ask("GET", f"/logs/exports/{made['id']}", key=key)
        return answer.status == 200 and answer.json["status"] == "success"
    wait(is_done, "the export")
    assert len(lines(fetch(gw, key, made))) == 1 and not os.path.exists(part)


def test_a_directory_that_cannot_be_written_fails_the_export(gw, key):
    gw.configure(export_dir="/proc/exports")
    gw.restart()
    done = run(gw, key, make(gw, key))
    assert done["status"] == "failed" and "export_dir" in done["error"] and done["total_records"] == 0


def test_large_exports_take_little_memory_and_let_others_live(gw, key):
    """As many as there may be; control grows by a few megabytes at most and goes on answering."""
    rows.add(gw, key, at(1), metadata={"pad": "x" * 1500}, roll_up=False)
    columns = [c for c, in gw.rows("SELECT attname FROM pg_attribute WHERE attrelid = 'aigate.ledger'::regclass"
                                   " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('seq', 'request_id')")]
    names = ", ".join(columns)
    gw.sql(f"INSERT INTO aigate.ledger (seq, request_id, {names}) SELECT 1000000 + n, gen_random_uuid(), {names}"
           " FROM aigate.ledger, generate_series(1, 60000) n")

    def resident_kb():
        """The most that control and the workers ever had, each."""
        most = []
        for pid in [gw.pids("control")[0], *gw.pids("worker").values()]:
            with open(f"/proc/{pid}/status") as f:
                most.append(int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)))
        return most
    made = make(gw, key, ALL)
    assert made["total"] == 50000
    before = resident_kb()
    gw.admin("POST", f"/logs/exports/{made['id']}/start", key=key)
    during = 0
    while look(gw, key, made)["status"] == "in_progress":
        during += 1
    done = look(gw, key, made)
    assert (done["status"], done["total_records"]) == ("success", 50000) and during > 1
    assert done["bytes"] > 80_000_000
    assert resident_kb()[0] - before[0] < 16_000
    answer = fetch(gw, key, made)
    assert len(answer.body) == done["bytes"] and answer.body.count(b"\n") == 50000
    with open(os.path.join(gw.conf["export_dir"], made["id"] + ".jsonl"), "rb") as f:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(answer.body).digest()
    grown = [now - was for now, was in zip(resident_kb(), before)]
    assert max(grown) < 16_000, grown


def test_addresses_are_good_for_their_file_and_their_time_alone(gw, key):
    rows.add(gw, key, at(1))
    first, second = make(gw, key), make(gw, key)
    for one in (first, second):
        run(gw, key, one)
    url = gw.admin("GET", f"/logs/exports/{first['id']}/download", key=key)["signed_url"]
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))

    def status(path=parts.path, **changes):
        return gw.ask("GET", path + "?" + urllib.parse.urlencode({**query, **changes})).status
    assert status() == 200
    assert status(path=parts.path.replace(first["id"], second["id"])) == 401
    assert status(expires=int(query["expires"]) + 1) == 401
    assert status(signature="0" * 64) == 401
    assert gw.ask("GET", parts.path).status == 401
    assert status(path=parts.path.replace(first["id"], "00000000-0000-0000-0000-000000000000")) == 401
    gw.sql("UPDATE aigate.log_export SET status = 'stopped' WHERE uuid = %s", first["id"])
    assert status() == 404
    text = str(gw.rows("SELECT after FROM aigate.audit_log"))
    assert "download_key" not in text


def test_exports_of_other_workspaces_are_not_there(gw, key):
    theirs = gw.workspace("theirs")
    other = gw.key(workspace=theirs, scopes=["completions.write", "logs.export"])
    rows.add(gw, key, at(1))
    mine = make(gw, key)
    assert make(gw, other)["total"] == 0
    for method, what in (("GET", ""), ("PUT", ""), ("POST", "/start"), ("POST", "/cancel"), ("GET", "/download")):
        path = f"/logs/exports/{mine['id']}{what}"
        assert gw.admin_ask(method, path, {} if method == "PUT" else None, other).status == 404
    assert [e["id"] for e in gw.admin("GET", "/logs/exports", key=key)["data"]] == [mine["id"]]
    assert gw.admin("GET", "/logs/exports?workspace_id=" + theirs["slug"], key=key)["data"][0]["id"] == mine["id"]
    # An admin key names the workspace.
    assert gw.admin_ask("GET", "/logs/exports").status == 400
    assert gw.admin("GET", "/logs/exports?workspace_id=" + theirs["slug"])["total"] == 1
    slug = gw.default_workspace()["slug"]
    made = gw.admin("POST", "/logs/exports", {"workspace_id": slug, "filters": DAY, "requested_data": ["id"]})
    assert made["total"] == 1
    made = gw.admin("POST", "/logs/exports", {"filters": {**DAY, "workspace_slug": theirs["slug"]},
                                              "requested_data": ["id"]})
    assert made["total"] == 0
    assert gw.admin_ask("POST", "/logs/exports", {"requested_data": ["id"]}).status == 400
    assert gw.admin("GET", "/logs/exports/field-restrictions", key=key)["deniedFields"] == []
    assert gw.admin_ask("GET", "/logs/exports", key=gw.key()).status == 401


# ---- their end ----

def test_a_file_goes_when_it_is_old(gateway_factory):
    gw = gateway_factory(conf={"export_lifetime": "59s"})
    key = gw.key(scopes=["completions.write", "logs.write", "logs.export"])
    rows.add(gw, key, at(1))
    old, young = make(gw, key), make(gw, key, format="csv")
    assert look(gw, key, old)["expires_at"] is None
    assert run(gw, key, young)["status"] == "success"
    gw.sql("update aigate.log_export set finished_at = now() + interval '1 hour' where uuid = %s", young["id"])
    ends = gw.sql("select to_char((finished_at + interval '59 s') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
                  " from aigate.log_export where uuid = %s", young["id"])
    assert look(gw, key, young)["expires_at"].startswith(ends)
    assert run(gw, key, old)["status"] == "success"
    gw.sql("update aigate.log_export set finished_at = now() - interval '1 hour' where uuid = %s", old["id"])
    wait(lambda: look(gw, key, old)["status"] == "expired", "the old one to expire")
    assert os.listdir(gw.conf["export_dir"]) == [f"{young['id']}.csv"]
    assert look(gw, key, old)["expires_at"] is None and look(gw, key, young)["status"] == "success"
    answer = gw.admin_ask("GET", f"/logs/exports/{old['id']}/download", key=key)
    assert answer.status == 400 and "expired" in answer.json["error"]["message"]
    assert fetch(gw, key, young).status == 200
    # It can be had again.
    assert run(gw, key, old)["status"] == "success" and len(lines(fetch(gw, key, old))) == 1


def test_what_is_asked_for_anew_leaves_no_file_of_before(gw, key):
    rows.add(gw, key, at(1))
    made = make(gw, key)
    run(gw, key, made)
    gw.admin("PUT", f"/logs/exports/{made['id']}", {"filters": DAY, "requested_data": ["id"], "format": "csv"}, key)
    assert os.listdir(gw.conf["export_dir"]) == []
    run(gw, key, made)
    assert os.listdir(gw.conf["export_dir"]) == [f"{made['id']}.csv"]
