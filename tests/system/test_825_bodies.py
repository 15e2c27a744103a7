"""Bodies of requests and answers: kept where a workspace wants them, redacted, apart from the ledger."""

import json

import pytest

from gateway import wait

SCOPES = ("completions.write", "logs.view", "logs.export")


@pytest.fixture
def keeper(gateway):
    """A workspace that has bodies kept, and a key of it."""
    workspace = gateway.workspace(settings={"body_log": "on"})
    return gateway.key(workspace=workspace, scopes=SCOPES)


def request_of(gateway, key):
    """The newest request of a key: its id."""
    gateway.wait_flushed()
    return gateway.sql("select request_id::text from aigate.ledger l join aigate.api_key k on k.id = l.api_key_id"
                       " where k.uuid = %s order by received_at desc limit 1", key.id)


def wait_bodies(gateway):
    """Until every body that was handed over is stored or given up."""
    def is_over():
        c = gateway.counters()
        return c["body_pushed"] == c["body_stored"] + c["body_refused"]
    wait(is_over, "the bodies to be stored")


def log_of(gateway, key, reader=None):
    request = request_of(gateway, key)
    wait_bodies(gateway)
    return gateway.admin("GET", f"/logs/{request}", key=reader or key)


def n_bodies(gateway):
    gateway.wait_flushed()
    wait_bodies(gateway)
    return gateway.sql("select count(*) from aigate.request_body")


def test_nothing_is_kept_unless_the_workspace_says_so(gateway, mock):
    key = gateway.key(scopes=SCOPES)
    assert gateway.chat(key, headers={"x-portkey-debug": "true"}).status == 200
    assert n_bodies(gateway) == 0 and gateway.counter("body_pushed") == 0
    log = log_of(gateway, key)
    assert "body" not in log["request"] and "body" not in log["response"]


def test_request_and_answer_read_back(gateway, keeper, mock):
    answer = gateway.chat(keeper, "what is kept?")
    log = log_of(gateway, keeper)
    assert log["request"]["body"] == {"model": "@mock/gpt-4o-mini",
                                      "messages": [{"role": "user", "content": "what is kept?"}]}
    assert log["response"]["body"] == answer.json
    assert log["response"]["body_bytes"] == len(answer.body)
    assert "body_truncated" not in log["request"]
    assert gateway.sql("select count(*) from aigate.request_body b join aigate.ledger l"
                       " using (request_id, attempt, received_at, workspace_id, api_key_id)") == 1


def test_a_stream_is_kept_as_the_client_was_sent_it(gateway, keeper, mock):
    raw = gateway.post(keeper, {"model": "@mock/gpt-4o-mini", "stream": True,
                                "messages": [{"role": "user", "content": "hi"}]})
    assert raw.status == 200
    kept = log_of(gateway, keeper)["response"]["body"]
    assert kept == raw.body.decode() and kept.startswith("data: ") and kept.endswith("data: [DONE]\n\n")


def test_a_refusal_of_the_provider_is_kept(gateway, keeper, mock):
    mock.script(times=1, status=400, error_message="no such thing")
    assert gateway.chat(keeper).status == 400
    log = log_of(gateway, keeper)
    assert log["response"]["status"] == 400 and "no such thing" in json.dumps(log["response"]["body"])


def test_what_did_not_reach_a_provider_is_not_kept(gateway, keeper, mock):
    assert gateway.chat(keeper, model="@nowhere/gpt-4o-mini").status >= 400
    assert gateway.chat("ag-unknown").status == 401
    assert n_bodies(gateway) == 0


@pytest.mark.parametrize("mode, header, is_kept", [
    ("off", "true", False), ("off", None, False),
    ("on_request", "true", True), ("on_request", "false", False), ("on_request", None, False),
    ("on", None, True), ("on", "false", False), ("on", "true", True),
    ("enforced", "false", True), ("enforced", None, True)])
def test_the_request_may_have_a_say(plane_of, mode, header, is_kept):
    gateway = plane_of
    key = gateway.key(workspace=gateway.workspace(settings={"body_log": mode}), scopes=SCOPES)
    for name in ("x-portkey-debug", "x-aigate-debug"):
        headers = {} if header is None else {name: header}
        assert gateway.chat(key, headers=headers).status == 200
        assert ("body" in log_of(gateway, key)["request"]) == is_kept


@pytest.fixture(scope="module")
def plane_of(request, pg_cluster):
    from gateway import Gateway
    from mock import Mock

    failed_before = request.session.testsfailed
    provider = Mock.start()
    one = Gateway(pg_cluster, mock=provider)
    yield one
    one.close(request.session.testsfailed > failed_before)
    provider.stop()


def test_a_setting_binds_the_next_request(gateway, keeper, mock):
    slug = keeper.workspace["slug"]
    gateway.admin("PUT", f"/admin/workspaces/{slug}", {"settings": {"debug_log": 0}})
    assert gateway.chat(keeper).status == 200
    assert "body" not in log_of(gateway, keeper)["request"]
    gateway.admin("PUT", f"/admin/workspaces/{slug}", {"settings": {"debug_log": 1}})
    assert gateway.chat(keeper).status == 200
    assert "body" in log_of(gateway, keeper)["request"]
    audit = gateway.rows("select before -> 'settings' ->> 'body_log', after -> 'settings' ->> 'body_log'"
                         " from aigate.audit_log where action = 'update' and object_kind = 'workspace' order by id")
    assert audit[-2:] == [("on", "off"), ("off", "on")]


# ---- redaction ----

def test_what_is_to_go_is_gone_before_it_is_stored(gateway, mock):
    workspace = gateway.workspace(settings={"body_log": "on", "redact_patterns": ["PRJ-[0-9]+"]})
    key = gateway.key(workspace=workspace, scopes=SCOPES)
    secrets = ["ada@example.com", "4111 1111 1111 1111", "+49 30 1234567", "sk-abcdefghijklmnopqrstuv",
               "hunter2hunter2", "PRJ-4711", str(key)]
    text = (f"I am {secrets[0]}, card {secrets[1]}, call {secrets[2]}, key {secrets[3]}, "
            f"password={secrets[4]} for {secrets[5]}; mine is {secrets[6]}.")
    mock.script(times=1, text="echo " + text)
    assert text in gateway.chat(key, text).json["choices"][0]["message"]["content"], "the client gets all of it"
    log = log_of(gateway, key)
    said = log["request"]["body"]["messages"][0]["content"]
    assert said == ("I am [email], card [card], call [phone], key [secret], password=[secret] for [redacted];"
                    f" mine is {'*' * len(key)}.")
    assert log["response"]["body"]["choices"][0]["message"]["content"].startswith("echo I am [email], card [card]")
    stored = str(gateway.rows("select request, response from aigate.request_body"))
    assert not [s for s in secrets if s in stored]
    assert gateway.sql("select redactions from aigate.request_body") == 13


def test_a_workspace_chooses_what_is_personal_but_not_what_is_secret(gateway, mock):
    workspace = gateway.workspace(settings={"body_log": "on", "redact": []})
    key = gateway.key(workspace=workspace, scopes=SCOPES)
    gateway.chat(key, "ada@example.com sk-abcdefghijklmnopqrstuv")
    assert log_of(gateway, key)["request"]["body"]["messages"][0]["content"] == "ada@example.com [secret]"


def test_the_providers_credential_is_never_kept(gateway, mock):
    """A provider that answers with what authenticated us, under a good status, in words no pattern knows."""
    workspace = gateway.workspace(settings={"body_log": "enforced"})
    gateway.grant(gateway.integration(slug="odd", key="correct horse battery"), workspace)
    keeper = gateway.key(workspace=workspace, scopes=SCOPES)
    mock.script(times=1, text="you came with correct horse battery, did you")
    assert gateway.chat(keeper, model="@odd/gpt-4o-mini").status == 200
    gateway.wait_flushed()
    wait_bodies(gateway)
    assert f"you came with {'*' * 21}, did you" in gateway.sql("select response from aigate.request_body")


# ---- bounds ----

def test_long_ones_are_cut_and_say_so(gateway_factory, mock):
    gateway = gateway_factory(conf={"body_log_max": "1k"}, mock=mock)
    key = gateway.key(workspace=gateway.workspace(settings={"body_log": "on"}), scopes=SCOPES)
    assert gateway.chat(key, "word, " * 1000).status == 200
    log = log_of(gateway, key)
    assert log["request"]["body_truncated"] is True and log["request"]["body_bytes"] > 6000
    assert isinstance(log["request"]["body"], str) and 700 < len(log["request"]["body"]) <= 1024


def test_what_is_no_text_is_not_kept(gateway, keeper, mock):
    gateway.grant(gateway.integration(slug="open", configurations={"shared_objects": True}), keeper.workspace)
    mock.script(match={"path": "/v1/recordings"}, body='{"object":"recording"}')
    answer = gateway.post(keeper, b"\x00\xff\xfe" * 100, path="/v1/recordings", headers={
        "content-type": "application/octet-stream", "x-portkey-provider": "@open"})
    assert answer.status == 200, answer
    gateway.wait_flushed()
    wait_bodies(gateway)
    assert gateway.rows("select request, request_bytes, response from aigate.request_body") \
        == [(None, 300, '{"object":"recording"}')]


def test_a_full_ring_costs_bodies_never_records(gateway_factory, pg, mock):
    """PostgreSQL is away: records go to the journal, bodies fill their ring, the rest is given up."""
    gateway = gateway_factory(conf={"body_ring": "64k", "workers": "1"}, mock=mock)
    gateway.expect_error(".*")
    key = gateway.key(workspace=gateway.workspace(settings={"body_log": "on"}), scopes=SCOPES)
    pg.freeze()
    try:
        for n in range(40):
            assert gateway.chat(key, "x" * 4000).status == 200
    finally:
        pg.thaw()
    gateway.wait_flushed()
    wait_bodies(gateway)
    c = gateway.counters()
    assert gateway.sql("select count(*) from aigate.ledger") == 40, "not one record less"
    assert c["body_dropped"] > 0 and c["body_pushed"] + c["body_dropped"] == 40
    assert gateway.sql("select count(*) from aigate.request_body") == c["body_stored"] == c["body_pushed"]


def test_bodies_wait_for_a_flusher_that_died(gateway, keeper, mock):
    pid = gateway.pids("flusher")[0]
    gateway.expect_error("flusher")
    for _ in range(20):
        assert gateway.chat(keeper).status == 200
    gateway.kill9("flusher")
    gateway.wait_new("flusher", 0, pid)
    assert gateway.chat(keeper).status == 200
    gateway.wait_flushed()
    wait(lambda: gateway.sql("select count(*) from aigate.request_body") == 21, "each body, once")


# ---- whose they are ----

def test_who_may_not_view_logs_sees_only_its_own(gateway, keeper, mock):
    plain = gateway.key(workspace=keeper.workspace)
    other = gateway.key(workspace=keeper.workspace)
    gateway.chat(plain, "mine")
    assert log_of(gateway, plain)["request"]["body"]["messages"][0]["content"] == "mine"
    assert "body" not in log_of(gateway, plain, reader=other)["request"]
    assert "body" in log_of(gateway, plain, reader=keeper)["request"]


def test_exports_hold_them(gateway, keeper, mock):
    gateway.chat(keeper, "exported")
    log_of(gateway, keeper)
    made = gateway.admin("POST", "/logs/exports", {"filters": {}, "requested_data": ["id", "request", "response"]},
                         keeper)
    gateway.admin("POST", f"/logs/exports/{made['id']}/start", key=keeper)
    wait(lambda: gateway.admin("GET", f"/logs/exports/{made['id']}", key=keeper)["status"] == "success", "its end")
    with open(f"{gateway.conf['export_dir']}/{made['id']}.jsonl", encoding="utf-8") as f:
        row = json.loads(f.readline())
    assert row["request"]["body"]["messages"][0]["content"] == "exported"
    assert row["response"]["body"]["object"] == "chat.completion"


def test_operators_do_not_read_them(gateway, keeper, mock):
    gateway.chat(keeper)
    assert n_bodies(gateway) == 1
    part = gateway.sql("select name from aigate.body_partitions() limit 1")
    for table in ("request_body", part):
        for role, may in (("aigate_ops", False), ("aigate_flusher", False)):
            assert gateway.sql("select has_table_privilege(%s, %s, 'select')", role, f"aigate.{table}") is may
    assert gateway.sql("select has_table_privilege('aigate_control', 'aigate.request_body', 'select')")
    assert not gateway.sql("select has_table_privilege('aigate_control', 'aigate.request_body', 'update, delete')")


# ---- their end ----

def test_days_past_their_retention_are_dropped(gateway_factory, mock):
    gateway = gateway_factory(conf={"body_retention": "3d"}, mock=mock)
    key = gateway.key(workspace=gateway.workspace(settings={"body_log": "on"}), scopes=SCOPES)
    gateway.sql("select aigate.make_body_partitions(array[now() - interval '10 days', now() - interval '2 days'])")
    assert gateway.sql("select count(*) from aigate.body_partitions()") == 2
    gateway.reload()
    gateway.wait_log("dropped 1 body partitions past their retention")
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    wait_bodies(gateway)
    days = [d for d, in gateway.rows("select (now()::date - from_at::date) from aigate.body_partitions() order by 1")]
    assert days == [0, 2]


# ---- bad input ----

@pytest.mark.parametrize("settings, why", [
    ({"body_log": "always"}, "settings.body_log: must be off, on_request, on or enforced"),
    ({"body_log": "off", "debug_log": 1}, "settings.debug_log: contradicts"),
    ({"redact": ["names"]}, "settings.redact: must be a list of email, card and phone"),
    ({"redact_patterns": ["("]}, "settings.redact_patterns[0]: "),
    ({"redact_patterns": ["(?:a{500}){2}"]}, "settings.redact_patterns[0]: "),
    ({"redact_patterns": ["x"] * 17}, "settings.redact_patterns: must be at most 16"),
    ({"redact_patterns": [""]}, "settings.redact_patterns[0]: must be"),
    ({"bodies": True}, "settings.bodies: there is no such setting"),
])
def test_bad_settings_are_refused(plane_of, settings, why):
    slug = plane_of.default_workspace()["slug"]
    answer = plane_of.admin_ask("PUT", f"/admin/workspaces/{slug}", {"settings": settings})
    assert answer.status == 400 and answer.json["error"]["message"].startswith(why)
    got = plane_of.admin("GET", f"/admin/workspaces/{slug}")["settings"]
    assert got["body_log"] == "off" and got["debug_log"] == 0 and got["redact"] == ["email", "card", "phone"]


def test_a_gateway_without_room_for_them_says_so(gateway_factory, mock):
    gateway = gateway_factory(conf={"body_ring": "0"}, mock=mock)
    answer = gateway.admin_ask("POST", "/admin/workspaces", {"name": "x", "settings": {"debug_log": 1}})
    assert answer.status == 400 and "body_ring is 0" in answer.json["error"]["message"]
    assert gateway.chat(gateway.key()).status == 200
