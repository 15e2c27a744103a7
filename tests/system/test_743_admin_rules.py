"""Rules of every admin call: versions of what is changed, pace, patience, the trace."""

import threading

from gateway import wait
from people import call, refused


def etag(answer):
    assert answer.status == 200, answer
    return answer.headers["etag"]


# -- versions -------------------------------------------------------------------------------------

def test_a_change_of_what_somebody_else_changed_is_refused(gateway):
    workspace = gateway.workspace("w")
    key = gateway.key(workspace=workspace)
    made = call(gateway, "POST", "/admin/users/invites", {"email": "a@b.c", "role": "member"}).json
    for url, body in ((f"/api-keys/{key.id}", {"name": "n"}),
                      (f"/admin/workspaces/{workspace['slug']}", {"description": "d"}),
                      ("/admin/organisation/settings", {"saved_only": True})):
        first = etag(call(gateway, "GET", url))
        assert first == etag(call(gateway, "GET", url)), "reading changes nothing"
        second = etag(call(gateway, "PUT", url, body, if_match=first))
        assert second != first and second == etag(call(gateway, "GET", url)), url
        refused(call(gateway, "PUT", url, body, if_match=first), 412, "AB07", "If-Match")
        assert etag(call(gateway, "GET", url)) == second, "a refused change changes nothing"
        assert call(gateway, "PUT", url, body, if_match=f'"x", {second}').status == 200
        assert call(gateway, "PUT", url, body, if_match="*").status == 200
        refused(call(gateway, "PUT", url, body, if_match="W/" + etag(call(gateway, "GET", url))),
                412, "AB07")
        refused(call(gateway, "PUT", url, body, if_match='"' + "x" * 300 + '"'), 400, "AB01", "If-Match")
    refused(call(gateway, "DELETE", f"/api-keys/{key.id}", if_match='"1"'), 412, "AB07")
    refused(call(gateway, "PUT", "/integrations/mock", {"name": "n"}, if_match='"1"'), 412, "AB07")
    seen = etag(call(gateway, "GET", "/integrations/mock"))
    assert call(gateway, "PUT", "/integrations/mock", {"name": "n"}, if_match=seen).status == 200
    policy = gateway.admin("POST", "/policies/rate-limits", {
        "name": "p", "workspace_id": workspace["slug"], "type": "requests", "unit": "rpm", "value": 9,
        "conditions": [{"key": "model", "value": "*"}], "group_by": [{"key": "api_key"}]})["id"]
    seen = etag(call(gateway, "GET", f"/policies/rate-limits/{policy}"))
    url = f"/policies/rate-limits/{policy}"
    assert call(gateway, "PUT", url, {"value": 8}, if_match=seen).status == 200
    refused(call(gateway, "PUT", url, {"value": 7}, if_match=seen), 412, "AB07")
    refused(call(gateway, "DELETE", url, if_match=seen), 412, "AB07")
    refused(call(gateway, "DELETE", f"/admin/users/invites/{made['id']}", if_match='"1"'), 412, "AB07")
    assert gateway.chat(key).status == 200


def test_traffic_is_no_change(gateway):
    key = gateway.key(budget_usd="1")
    before = etag(call(gateway, "GET", f"/api-keys/{key.id}"))
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    assert call(gateway, "PUT", f"/api-keys/{key.id}", {"name": "n"}, if_match=before).status == 200


def test_a_version_asked_for_where_none_is_offered_is_not_ignored(gateway):
    before = gateway.sql("SELECT count(*) FROM aigate.workspace")
    refused(call(gateway, "POST", "/admin/workspaces", {"name": "w"}, if_match='"1"'), 412, "AB01")
    assert gateway.sql("SELECT count(*) FROM aigate.workspace") == before


def test_of_writers_with_one_version_one_wins(gateway):
    key = gateway.key()
    url = f"/api-keys/{key.id}"
    version = etag(call(gateway, "GET", url))
    answers, lock = [], threading.Barrier(8)

    def write(i):
        lock.wait()
        answers.append((call(gateway, "PUT", url, {"name": f"n{i}"}, if_match=version).status, i))
    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(status for status, _ in answers) == [200] + [412] * 7
    winner = [i for status, i in answers if status == 200][0]
    assert gateway.key_object(key)["name"] == f"n{winner}"


def test_writers_of_different_members_lose_nothing(gateway):
    key = gateway.key()
    bodies = [{"name": "n"}, {"description": "d"}, {"alert_emails": ["a@b.c"]},
              {"rate_limits": [{"type": "requests", "unit": "rpm", "value": 7}]},
              {"usage_limits": {"credit_limit": 3}}, {"defaults": {"metadata": {"a": "b"}}}]
    threads = [threading.Thread(target=call, args=(gateway, "PUT", f"/api-keys/{key.id}", body))
               for body in bodies]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    seen = gateway.key_object(key)
    assert (seen["name"], seen["description"], seen["alert_emails"]) == ("n", "d", ["a@b.c"])
    assert seen["rate_limits"][0]["value"] == 7 and seen["usage_limits"]["credit_limit"] == 3
    assert seen["defaults"]["metadata"] == {"a": "b"}


# -- pace and patience ------------------------------------------------------------------------------

def test_each_key_has_a_pace_of_its_own(gateway_factory):
    gateway = gateway_factory(conf={"admin_rate": "60", "admin_burst": "20"})
    other = gateway.admin("POST", "/api-keys/organisation/service",
                          {"name": "o", "scopes": ["workspaces.list"]})["key"]
    answers = [call(gateway, "GET", "/admin/workspaces") for _ in range(40)]
    late = [a for a in answers if a.status != 200]
    assert 10 <= len(late) <= 25
    for answer in late:
        refused(answer, 429, "AB06", "60 a minute")
        assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert call(gateway, "GET", "/admin/workspaces", key=other).status == 200
    refused(call(gateway, "GET", "/admin/nothing"), 429, "AB06")
    wait(lambda: call(gateway, "GET", "/admin/workspaces").status == 200, "the bucket fills again")
    for _ in range(40):
        answer = gateway.ask("POST", "/v1/invites/accept", {"content-type": "application/json"},
                             {"token": "guess"})
        if answer.status == 429:
            break
    refused(answer, 429, "AB06")
    gateway.configure(admin_rate="0")
    gateway.reload()
    wait(lambda: all(call(gateway, "GET", "/admin/workspaces").status == 200 for _ in range(30)),
         "no limit any more")


def test_a_call_waits_for_postgresql_no_longer_than_it_may(gateway_factory, pg):
    gateway = gateway_factory(conf={"admin_timeout": "1s"})
    key = gateway.key()
    gateway.expect_error(".*")
    pg.freeze()
    refused(call(gateway, "GET", f"/api-keys/{key.id}"), 503, "AB04")
    pg.thaw()
    wait(lambda: call(gateway, "GET", f"/api-keys/{key.id}").status == 200, "it is back")


def test_every_answer_has_a_trace(gateway):
    for method, path, status in (("GET", "/admin/workspaces", 200), ("GET", "/admin/users/x", 404),
                                 ("POST", "/admin/users/invites", 400), ("PATCH", "/admin/users", 405),
                                 ("GET", "/labels", 501)):
        answer = call(gateway, method, path, x_portkey_trace_id="my-trace")
        assert answer.status == status and answer.headers["x-portkey-trace-id"] == "my-trace"
        answer = call(gateway, method, path)
        assert answer.headers["x-portkey-trace-id"] not in ("", "my-trace")
        assert answer.headers["content-type"].startswith("application/json")
        assert isinstance(answer.json, dict)
