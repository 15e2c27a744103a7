"""What a budget does with a request that may not fit: strict, adaptive, shadow."""

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from gateway import chat_body, wait
from plane import _provider, plane, provider  # noqa: F401

CONF = {"workers": "4", "fit_min_tokens": "16", "adaptive_samples": "5"}
SEEN = "@mock/gpt-4.1-mini"    # shows what it writes; 0.4 and 1.6 dollars a million tokens
THINKS = "@mock/gpt-5-mini"    # may think unseen; 0.25 and 2 dollars, up to 128,000 tokens


def cost(prompt, tokens, model=SEEN):
    """Nano-USD."""
    prices = (400, 1600) if model == SEEN else (250, 2000)
    return prompt * prices[0] + tokens * prices[1]


def usd(nusd):
    return format(Decimal(nusd) / 10**9, "f")


def budget_of(limit, enforcement="adaptive", on_exhaust=None, **more):
    body = {"type": "cost", "credit_limit": float(usd(limit)), "enforcement": enforcement, **more}
    return {**body, "on_exhaust": on_exhaust} if on_exhaust else body


def meter(plane, limit):
    """The budget of money of that size, which tells the meters of a test apart."""
    found = [m for m in plane.meters() if m["kind"] == "budget" and m["limit"] == limit]
    assert len(found) == 1
    return found[0]


def bound(plane, key):
    """As the key's holder is told, in nano-USD."""
    told = json.loads(plane.get("/v1/limits", key).body, parse_float=Decimal)["limits"][0]
    return int(told["bound"] * 10**9)


def learn(plane, provider, key, tokens=200, n=8, **fields):
    """The key's earlier answers."""
    provider.clear()
    provider.script(tokens=tokens, prompt_tokens=20)
    for _ in range(n):
        assert plane.chat(key, **fields).status == 200
    plane.wait_idle()
    provider.clear()


# -- adaptive ------------------------------------------------------------------------------------

@pytest.mark.parametrize("model, most, is_stream, policy", [
    (THINKS, 128_000, False, "finish"), (SEEN, 32_768, True, "cut")])
def test_agents_that_ask_for_much_and_take_little_get_through_together(
        plane, provider, model, most, is_stream, policy):
    fields = {"model": model, "max_completion_tokens": most, "stream": is_stream}
    worst = cost(len(json.dumps(chat_body(**fields), separators=(",", ":"))), most, model)
    limit = worst * 5 // 4 + most
    key = plane.key(usage_limits=budget_of(limit, on_exhaust=policy))
    learn(plane, provider, key, **fields)
    provider.script(wait="go", tokens=200, prompt_tokens=20)
    before = provider.stats()["requests"]
    pending = [plane.chat_async(key, **fields) for _ in range(24)]
    provider.wait_stat("requests", before + 24)
    m = meter(plane, limit)
    assert 0 < m["held"] < worst, "two dozen hold less than one worst case"
    assert json.loads(provider.last()["body"])["max_completion_tokens"] == most, "and none was fitted"
    provider.release("go")
    assert [p.answer().status for p in pending] == [200] * 24
    plane.wait_idle()
    m = meter(plane, limit)
    assert (m["settled"], m["held"], m["bound"]) == (32 * cost(20, 200, model), 0, 0)


def test_until_it_has_learned_it_holds_the_worst_case(plane, provider):
    limit = 101_000_001
    key = plane.key(usage_limits=budget_of(limit, on_exhaust="finish"))
    body = json.dumps(chat_body(model=SEEN, max_tokens=30_000), separators=(",", ":"))
    provider.script(wait="go")
    pending = plane.post_async(key, body)
    provider.wait_stat("requests", 1)
    m = meter(plane, limit)
    assert m["held"] == cost(len(body), 30_000) and m["bound"] == 0
    provider.release("go")
    assert pending.answer().status == 200


@pytest.mark.parametrize("fields, why", [
    ({"model": SEEN}, "without a stream nothing can be cut"),
    ({"model": THINKS, "stream": True}, "thoughts are not seen")])
def test_one_that_cuts_holds_the_worst_case_of_what_it_cannot_see(plane, provider, fields, why):
    limit = 90_000_002 + len(why)
    key = plane.key(usage_limits=budget_of(limit))
    learn(plane, provider, key, max_tokens=10_000, **fields)
    provider.script(wait="go", tokens=20)
    body = json.dumps(chat_body(max_tokens=10_000, **fields), separators=(",", ":"))
    before = provider.stats()["requests"]
    pending = plane.post_async(key, body)
    provider.wait_stat("requests", before + 1)
    m = meter(plane, limit)
    assert m["held"] == cost(len(body), 10_000, fields["model"]), why
    assert m["bound"] == 0
    provider.release("go")
    assert pending.answer().status == 200


def test_the_hold_grows_with_the_answer_on_all_levels(plane, provider):
    limit, wide, tokens = 40_000_003, 50_000_003, 900_001
    space = plane.workspace(usage_limits=[budget_of(wide, on_exhaust="finish"), {
        "type": "tokens", "credit_limit": tokens, "enforcement": "adaptive"}])
    strict = 60_000_003
    plane.grant("mock", space, usage_limits=[budget_of(strict, "strict")])
    key = plane.key(workspace=space, usage_limits=budget_of(limit))
    fields = {"model": SEEN, "stream": True, "max_tokens": 20_000}
    learn(plane, provider, key, **fields)
    raised = plane.counter("hold_raised")
    provider.script(stall_after_chunks=1500, wait="go", tokens=2000, prompt_tokens=20)
    pending = plane.chat_async(key, **fields)
    plane.wait_counter("hold_raised", raised + 3)
    wait(lambda: meter(plane, limit)["held"] > cost(0, 1500), "the hold to cover what was written")
    held = meter(plane, limit)["held"]
    worst = cost(len(json.dumps(chat_body(**fields), separators=(",", ":"))), 20_000)
    assert held < worst and meter(plane, wide)["held"] == held
    assert meter(plane, strict)["held"] == worst, "strict holds what it always held"
    in_tokens = meter(plane, tokens)["held"]
    assert 1500 < in_tokens < 20_000
    provider.release("go")
    assert pending.answer().status == 200
    plane.wait_idle()
    once = cost(20, 2000) + 8 * cost(20, 200)
    assert [meter(plane, m)["settled"] for m in (limit, wide, strict)] == [once] * 3
    assert [meter(plane, m)["held"] for m in (limit, wide, strict, tokens)] == [0] * 4


def exhausted(plane, provider, policy, salt):
    """A stream that outgrows what is left of its budget; (key, limit, the events it got)."""
    fields = {"model": SEEN, "stream": True, "max_tokens": 5000}
    limit = cost(200, 1400) + 8 * cost(20, 200) + salt
    key = plane.key(usage_limits=budget_of(limit, on_exhaust=policy))
    learn(plane, provider, key, **{**fields, "max_tokens": 220})
    provider.script(tokens=5000, prompt_tokens=20, **({"stall_after_chunks": 4000} if policy == "cut" else {}))
    stream = plane.stream(key, model=SEEN, max_tokens=5000)
    assert stream.status == 200
    return key, limit, stream


def row_of(plane, key):
    plane.wait_flushed()
    return plane.rows("SELECT outcome, cost_nusd, charged_nusd, error_type FROM ledger l JOIN api_key k"
                      " ON k.id = l.api_key_id WHERE k.uuid = %s ORDER BY l.received_at DESC LIMIT 1", key.id)[0]


def test_a_stream_that_cannot_be_paid_for_is_cut(plane, provider):
    before = {n: plane.counter(n) for n in ("req_cut", "hold_exhausted")}
    key, limit, stream = exhausted(plane, provider, "cut", 4)
    got = list(stream)
    error = json.loads(got[-1])["error"]
    assert error["type"] == "api_key_exhaust_error" and "cut" in error["message"]
    assert "[DONE]" not in got
    assert 100 < len(got) < 4000, "what could be paid for came"
    provider.wait_stat("cancelled", 1)
    plane.wait_idle()
    m = meter(plane, limit)
    assert m["settled"] <= limit and m["held"] == 0
    assert m["settled"] > limit * 3 // 4, "and was charged"
    outcome, its_cost, charged, kind = row_of(plane, key)
    assert (outcome, kind) == ("budget_cut", "api_key_exhaust_error") and its_cost >= charged
    assert charged == m["settled"] - 8 * cost(20, 200)
    assert {n: plane.counter(n) - v for n, v in before.items()} == {"req_cut": 1, "hold_exhausted": 1}


def test_a_stream_that_cannot_be_paid_for_is_finished_where_the_budget_says_so(plane, provider):
    before = {n: plane.counter(n) for n in ("req_cut", "hold_exhausted")}
    key, limit, stream = exhausted(plane, provider, "finish", 5)
    got = list(stream)
    assert got[-1] == "[DONE]"
    plane.wait_idle()
    m = meter(plane, limit)
    assert m["settled"] == 8 * cost(20, 200) + cost(20, 5000) > limit, "what it took beyond is charged"
    assert row_of(plane, key)[:3] == ("answered", cost(20, 5000), cost(20, 5000))
    assert {n: plane.counter(n) - v for n, v in before.items()} == {"req_cut": 0, "hold_exhausted": 1}
    assert plane.chat(key, model=SEEN, max_tokens=20).status == 412, "it is used up"


def test_a_body_in_place_of_the_stream_is_cut_like_one(plane, provider):
    """It could not be seen as it came, and may cost what a worst case costs."""
    limit = cost(200, 1400) + 8 * cost(20, 200) + 17
    key = plane.key(usage_limits=budget_of(limit))
    learn(plane, provider, key, model=SEEN, stream=True, max_tokens=220)
    provider.script(content_type="application/json", body=json.dumps({
        "id": "x", "object": "chat.completion", "model": "gpt-4.1-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * 5000}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5000, "total_tokens": 5020}}))
    cut = plane.counter("req_cut")
    with pytest.raises(Exception):
        plane.chat(key, model=SEEN, stream=True, max_tokens=5000)
    plane.wait_idle()
    m = meter(plane, limit)
    assert 8 * cost(20, 200) < m["settled"] <= limit and m["held"] == 0
    assert plane.counter("req_cut") == cut + 1 and row_of(plane, key)[0] == "budget_cut"


@pytest.mark.parametrize("path, salt", [
    ("/v1/messages", 18), ("/v1beta/models/gpt-4.1-mini:streamGenerateContent?alt=sse", 19)])
def test_other_protocols_are_cut_in_their_own_words(plane, provider, path, salt):
    limit = cost(200, 1400) + 8 * cost(20, 200) + salt
    key = plane.key(usage_limits=budget_of(limit))
    learn(plane, provider, key, model=SEEN, stream=True, max_tokens=220)
    provider.script(tokens=5000, prompt_tokens=20)
    cut = plane.counter("req_cut")
    body = {"model": SEEN, "stream": True, "max_tokens": 5000, "messages": [{"role": "user", "content": "hi"}]} \
        if path == "/v1/messages" else {"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                                        "generationConfig": {"maxOutputTokens": 5000}}
    answer = plane.post(key, body, path=path, headers={"x-portkey-provider": "@mock"})
    assert answer.status == 200
    assert "a budget cannot pay for more" in answer.text and "[DONE]" not in answer.text
    assert "message_stop" not in answer.text and '"finishReason"' not in answer.text
    plane.wait_idle()
    m = meter(plane, limit)
    assert limit * 3 // 4 < m["settled"] <= limit and m["held"] == 0
    assert plane.counter("req_cut") == cut + 1 and row_of(plane, key)[0] == "budget_cut"


@pytest.mark.parametrize("policy, salt", [("finish", 6), ("cut", 7)])
def test_the_published_bound_is_not_passed_by_a_race(plane, provider, policy, salt):
    """All are held back at the provider while the bound is read; then all write as much as they may."""
    fields = {"model": SEEN, "stream": True, "max_tokens": 4000}
    limit = 12_000_000 + salt
    key = plane.key(usage_limits=budget_of(limit, on_exhaust=policy))
    learn(plane, provider, key, **fields)
    provider.script(wait="go", tokens=4000, prompt_tokens=20)
    refused = plane.counter("req_denied_budget")
    before = provider.stats()["requests"]
    pending = [plane.chat_async(key, **fields) for _ in range(64)]
    wait(lambda: plane.counter("req_denied_budget") - refused + provider.stats()["requests"] - before == 64,
         "all to be refused or sent")
    told = bound(plane, key)
    assert told == meter(plane, limit)["bound"] > 0
    provider.release("go")
    got = [p.answer() for p in pending]
    plane.wait_idle()
    m = meter(plane, limit)
    assert m["held"] == 0 and m["settled"] <= limit + told
    if policy == "finish":
        assert m["settled"] > limit, "the bound is not there for nothing"
    else:
        assert m["settled"] <= limit, "words have more than two bytes a token: nothing is passed"
        assert any("api_key_exhaust_error" in a.text for a in got if a.status == 200)
    plane.wait_flushed()
    assert plane.sql("SELECT sum(charged_nusd)::bigint FROM ledger l JOIN api_key k ON k.id = l.api_key_id "
                     "WHERE k.uuid = %s", key.id) == m["settled"]


def test_a_worker_that_dies_charges_what_was_held_then(plane, provider):
    plane.expect_error("worker")
    limit = 30_000_008
    key = plane.key(usage_limits=budget_of(limit, on_exhaust="finish"))
    fields = {"model": SEEN, "stream": True, "max_tokens": 20_000}
    learn(plane, provider, key, **fields)
    provider.script(stall_after_chunks=1000, wait="go", tokens=2000, prompt_tokens=20)
    pending = plane.chat_async(key, **fields)
    wait(lambda: meter(plane, limit)["held"] > cost(0, 1000), "the hold to grow")
    held, settled = (meter(plane, limit)[n] for n in ("held", "settled"))
    old = {ix: plane.kill9("worker", ix) for ix in range(4)}
    for ix, pid in old.items():
        plane.wait_new("worker", ix, pid)
    with pytest.raises(Exception):
        pending.answer()
    provider.release()
    m = wait(lambda: (lambda m: m if m["held"] == 0 else None)(meter(plane, limit)), "the sweep")
    assert m["settled"] == settled + held and m["suspect"] == 0
    assert row_of(plane, key)[:3] == ("worker_died", held, held)


# -- shadow --------------------------------------------------------------------------------------

def test_a_shadow_refuses_nobody_and_counts_whom_strict_had_refused(plane, provider):
    limit = cost(20, 16) * 3 + 9
    key = plane.key(usage_limits=budget_of(limit, "shadow"))
    counted = plane.counter("req_would_refuse")
    provider.script(prompt_tokens=20, tokens=16)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: plane.chat(key, model=SEEN, max_tokens=1000).status, range(40)))
    assert got == [200] * 40
    assert "max_tokens" not in json.loads(provider.last()["body"]) or \
        json.loads(provider.last()["body"])["max_tokens"] == 1000, "nor is anything changed"
    plane.wait_idle()
    m = meter(plane, limit)
    assert m["settled"] == 40 * cost(20, 16) and m["held"] == 0, "what is used is exact"
    assert m["would_refuse"] >= 37 and plane.counter("req_would_refuse") - counted == m["would_refuse"]
    told = plane.get("/v1/limits", key).json
    assert told["limits"][0]["would_refuse"] == m["would_refuse"] and told["limits"][0]["bound"] is None
    assert told["status"] == "active", "it binds nothing"
    shown = plane.key_object(key)
    assert shown["usage_limits"]["would_refuse"] == m["would_refuse"] and shown["status"] == "active"
    wait(lambda: plane.sql("SELECT would_refuse FROM v_budget WHERE meter_id = %s", m["id"]) == m["would_refuse"],
         "the view to know")


def test_made_strict_it_binds_the_next_request(plane, provider):
    limit = cost(20, 16) + 10
    key = plane.key(usage_limits=budget_of(limit, "shadow"))
    provider.script(prompt_tokens=20, tokens=16)
    for _ in range(5):
        assert plane.chat(key, model=SEEN, max_tokens=1000).status == 200
    settled = meter(plane, limit)["settled"]
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": budget_of(limit, "strict")})
    assert [plane.chat(key, model=SEEN).status for _ in range(8)] == [412] * 8
    m = meter(plane, limit)
    assert (m["settled"], m["enforcement"]) == (settled, "strict"), "what was used is kept"
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": budget_of(limit, "shadow")})
    assert [plane.chat(key, model=SEEN).status for _ in range(8)] == [200] * 8


def test_a_model_without_a_price_is_not_refused_for_a_shadow(plane, provider):
    key = plane.key(usage_limits=budget_of(77_000_011, "shadow"))
    assert plane.chat(key, model="@mock/nobody-knows-it").status == 200
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": budget_of(77_000_011, "strict")})
    assert plane.chat(key, model="@mock/nobody-knows-it").status == 412


# -- told and changed ----------------------------------------------------------------------------

def test_every_level_takes_it_and_tells_it(plane, provider):
    space = plane.workspace(usage_limits=[budget_of(1_000_000_012, on_exhaust="finish")])
    plane.grant("mock", space, usage_limits=[budget_of(1_000_000_013, "shadow")])
    key = plane.key(workspace=space, usage_limits=budget_of(1_000_000_014))
    told = {one["scope"]: one for one in plane.get("/v1/limits", key).json["limits"]}
    assert {s: (o["enforcement"], o.get("on_exhaust"), o["bound"]) for s, o in told.items()} == {
        "api_key": ("adaptive", "cut", 0), "workspace": ("adaptive", "finish", 0),
        "integration": ("shadow", None, None)}
    assert {s: o["enforcement"] for o in plane.get("/v1/usage", key).json["limits"]
            for s in [o["scope"]]} == {s: o["enforcement"] for s, o in told.items()}
    seen = plane.admin("GET", f"/admin/workspaces/{space['slug']}")["usage_limits"][0]
    assert (seen["enforcement"], seen["on_exhaust"]) == ("adaptive", "finish")
    seen = plane.admin("GET", f"/integrations/mock/workspaces")["workspaces"]
    assert "shadow" in [one["enforcement"] for w in seen for one in w.get("usage_limits") or []]
    table = plane.ctl("limits", key.id).stdout
    assert "adaptive" in table and "shadow" in table
    assert plane.sql("SELECT enforcement || on_exhaust FROM v_budget WHERE \"limit\" = 1000000012") == "adaptivefinish"
    plane.admin("PUT", "/admin/organisation/settings", {"usage_limits": [budget_of(1_000_000_015, "shadow")]})
    seen = plane.admin("GET", "/admin/organisation/settings")["usage_limits"][0]
    assert (seen["enforcement"], seen["would_refuse"]) == ("shadow", 0)
    plane.admin("PUT", "/admin/organisation/settings", {"usage_limits": None})


@pytest.mark.parametrize("limits, what", [
    (budget_of(5_000_000, "loose"), "strict, adaptive, shadow"),
    (budget_of(5_000_000, "strict", "cut"), "belongs to enforcement adaptive"),
    (budget_of(5_000_000, "adaptive", "burn"), "cut, finish")])
def test_what_makes_no_sense_is_refused(plane, limits, what):
    answer = plane.admin_ask("POST", "/api-keys/workspace/service", {
        "name": "x", "workspace_id": plane.default_workspace()["slug"], "usage_limits": limits})
    assert answer.status == 400 and what in answer.message


def policy(plane, space, **fields):
    return plane.admin("POST", "/policies/usage-limits", {
        "workspace_id": space["slug"], "type": "cost", "conditions": [{"key": "api_key", "value": "*"}],
        "group_by": [{"key": "api_key"}], **fields})["id"]


def test_policies_have_it_too(plane, provider):
    space = plane.workspace()
    made = policy(plane, space, credit_limit=0.000001, enforcement="shadow")
    key = plane.key(workspace=space)
    provider.script(prompt_tokens=20, tokens=16)
    for _ in range(6):
        assert plane.chat(key, model=SEEN, max_tokens=1000).status == 200
    plane.wait_idle()
    path = f"/policies/usage-limits/{made}"
    seen = plane.admin("GET", path + "?include_usage=true")
    assert seen["enforcement"] == "shadow"
    value = next(iter(seen["value_key_usage_map"].values()))
    assert value["would_refuse"] == 6
    plane.admin("PUT", path, {"enforcement": "adaptive", "on_exhaust": "finish"})
    assert plane.chat(key, model=SEEN, max_tokens=1000).status == 412, "the next request obeys"
    seen = plane.admin("GET", path)
    assert (seen["enforcement"], seen["on_exhaust"]) == ("adaptive", "finish")
    plane.admin("PUT", path, {"credit_limit": 2})
    assert plane.admin("GET", path)["on_exhaust"] == "finish", "an edit of something else keeps it"
    plane.admin("PUT", path, {"enforcement": "strict"})
    seen = plane.admin("GET", path)
    assert seen["enforcement"] == "strict" and "on_exhaust" not in seen
    answer = plane.admin_ask("POST", "/policies/usage-limits", {
        "workspace_id": space["slug"], "type": "requests", "credit_limit": 5, "enforcement": "adaptive",
        "conditions": [{"key": "api_key", "value": "*"}], "group_by": [{"key": "api_key"}]})
    assert answer.status == 400 and "nothing to learn" in answer.message


# -- what is not known ---------------------------------------------------------------------------

def test_unknown_usage_is_charged_the_hold_where_the_operator_says_so(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"unknown_usage": "hold"})
    body = json.dumps(chat_body(model=SEEN, max_tokens=100), separators=(",", ":"))
    limit = 88_000_016
    key = gateway.key(budget_usd=usd(limit))
    mock.script(no_usage=True)
    assert gateway.post(key, body).status == 200
    assert meter(gateway, limit)["settled"] == cost(len(body), 100)
    gateway.wait_flushed()
    assert gateway.sql("SELECT usage_source FROM ledger") == "unknown"
    mock.clear()
    mock.script(prompt_tokens=20, tokens=5)
    assert gateway.post(key, body).status == 200
    assert meter(gateway, limit)["settled"] == cost(len(body), 100) + cost(20, 5), "what is told is believed"


def test_a_request_without_a_tier_is_held_at_the_dearest_its_project_may_have(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"assumed_service_tier": "priority"})
    body = json.dumps(chat_body(model=SEEN, max_tokens=100), separators=(",", ":"))
    worst = len(body) * 700 + 100 * 2800
    key = gateway.key(budget_usd=usd(worst))
    mock.script(wait="go", tokens=100, prompt_tokens=len(body), service_tier="priority")
    pending = gateway.post_async(key, body)
    mock.wait_stat("requests", 1)
    assert meter(gateway, worst)["held"] == worst
    assert "service_tier" not in json.loads(mock.last()["body"]), "the body is the client's"
    mock.release("go")
    assert pending.answer().status == 200
    gateway.wait_idle()
    assert meter(gateway, worst)["settled"] == worst, "as dear as it can be, and not passed"
    mock.clear()
    plain = json.dumps(chat_body(model=SEEN, max_tokens=100, service_tier="default"), separators=(",", ":"))
    limit = cost(len(plain), 100)
    key = gateway.key(budget_usd=usd(limit))
    mock.script(wait="go")
    pending = gateway.post_async(key, plain)
    mock.wait_stat("requests", 2)
    assert meter(gateway, limit)["held"] == limit, "who names the standard one is held at its price"
    mock.release("go")
    assert pending.answer().status == 200
