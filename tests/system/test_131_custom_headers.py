"""Headers that an integration adds: none of them is a credential's, frames the request or leads it elsewhere."""

import json

import pytest

from plane import _provider, plane, provider  # noqa: F401

RESERVED = [
    "Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "trailer", "upgrade", "Expect",
    "HTTP2-Settings", "Content-Type", "accept-encoding", "Content-Encoding",
    "authorization", "Api-Key", "x-api-key", "X-Goog-Api-Key", "cookie", "proxy-authorization", "Proxy-Connection",
    "Forwarded", "via", "X-Forwarded-Host", "x-forwarded-proto", "X-Real-IP", "X-Host", "X-Original-Host",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
    "x-portkey-api-key", "X-Aigate-Organisation", "X-Amz-Security-Token", "x-amz-date",
    "traceparent", "TraceState", "baggage", "X_Api_Key", "content_length", "X_Amz_Date", "Proxy_Authorization"]


def head(provider):
    """The last request's headers: [(name in lower case, value)]."""
    lines = provider.last()["head"].split("\r\n")[1:]
    return [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines if line)]


def set_headers(plane, headers, slug="mock"):
    conf = plane.sql("SELECT configurations FROM aigate.integration WHERE slug = %s", slug)
    return plane.admin_ask("PUT", f"/integrations/{slug}", {"configurations": {**conf, "custom_headers": headers}})


@pytest.fixture(autouse=True)
def without(plane, provider):
    plane.default_workspace()  # and the integration with it
    yield
    assert set_headers(plane, {}).status == 200


@pytest.mark.parametrize("name", RESERVED)
def test_what_is_the_gateways_own_is_refused_by_name(plane, provider, name):
    no = set_headers(plane, {"x-fine": "1", name: "mine"})
    assert no.status == 400 and f"custom_headers.{name}: is the gateway's own" in no.message
    assert not plane.admin("GET", "/integrations/mock")["configurations"].get("custom_headers")


@pytest.mark.parametrize("headers, word", [
    ({"a b": "x"}, "not the name"), ({"a:b": "x"}, "not the name"), ({"": "x"}, "not the name"),
    ({"a\r\nhost": "x"}, "not the name"), ({"\u00fc": "x"}, "not the name"), ({"n" * 129: "x"}, "not the name"),
    ({"a": "x\r\nhost: y"}, "control characters"), ({"a": "x\ny"}, "control characters"),
    ({"a": "x\ry"}, "control characters"), ({"a": "x\u0000y"}, "must be a string"), ({"a": 5}, "must be a string"),
    ({"a": None}, "must be a string"), ({"a": "x" * 2049}, "must be a string"),
    ({f"x-{i}": "v" for i in range(33)}, "at most 32"),
    ({f"x-{i}": "v" * 2000 for i in range(5)}, "8192 bytes in all")])
def test_what_is_no_header_is_refused(plane, provider, headers, word):
    no = set_headers(plane, headers)
    assert no.status == 400 and word in no.message


def test_a_large_set_is_sent_whole_and_the_credential_stands_alone(plane, provider):
    """What fits is sent to its last byte, and what follows it begins a line of its own."""
    headers = {f"x-filler-{i}": chr(97 + i) * 1500 for i in range(5)}
    assert set_headers(plane, headers).status == 200
    assert plane.chat(plane.key(), headers={"accept": "application/json"}).status == 200
    sent = head(provider)
    assert {n: v for n, v in sent if n.startswith("x-filler-")} == headers
    assert [n for n, v in sent if v.startswith("Bearer ")] == ["authorization"]
    assert not any("earer" in v or "uthorization" in v for n, v in sent if n != "authorization")


def test_what_stands_from_before_is_not_sent(plane, provider):
    """Rows of an earlier version, or by hand."""
    bad = {"X-Goog-Api-Key": "mine", "host": "elsewhere.example", "x-ok": "1", "a\nb": "x", "x-two": "a\r\nhost: y",
           **{f"x-{i}": "v" * 2000 for i in range(12)}}
    plane.sql("UPDATE aigate.integration SET configurations = configurations || jsonb_build_object('custom_headers',"
              " %s::jsonb) WHERE slug = 'mock'", json.dumps(bad))
    plane.reload()
    plane.wait_log('custom header "host" of integration')
    assert plane.chat(plane.key()).status == 200
    sent = head(provider)
    assert [v for n, v in sent if n == "host"] == [provider.url.partition("://")[2]]
    assert ("x-ok", "1") in sent and not {"x-goog-api-key", "a", "b", "x-two"} & {n for n, _ in sent}
    assert all(v == "v" * 2000 for n, v in sent if n.removeprefix("x-").isdigit())
    assert 1 <= sum(n.removeprefix("x-").isdigit() for n, _ in sent) <= 4
    assert [n for n, v in sent if v.startswith("Bearer ")] == ["authorization"]


def test_a_client_neither_repeats_nor_steers(plane, provider):
    assert set_headers(plane, {"x-team": "ours"}).status == 200
    steering = {name: "DELETE" for name in (
        "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL",
        "X-Original-Host", "X-Host", "X-Forwarded-Prefix", "X-Forwarded-Port", "X-Goog-User-Project", "X-HF-Bill-To",
        "X-Goog-Api-Key", "Api-Key", "x-portkey-custom-headers", "X-Aigate-Client-Ip")}
    key = plane.key()
    assert plane.chat(key, headers={"x-team": "theirs", "x-fine": "1", **steering}).status == 200
    sent = head(provider)
    assert [v for n, v in sent if n == "x-team"] == ["ours"] and ("x-fine", "1") in sent
    assert not {n.lower() for n in steering} & {n for n, _ in sent}
    assert plane.chat(key, headers={"x-portkey-custom-host": "http://elsewhere.example"}).status == 400


def test_each_tenants_headers_go_with_its_own_credential_alone(plane, provider):
    """Two integrations to one host: connections are shared, what is said on them is not."""
    keys = {}
    for name in ("red", "blue"):
        workspace = plane.workspace()
        plane.grant(plane.integration(slug=name, key=f"sk-of-{name}", configurations={
            "custom_host": provider.url + "/v1", "custom_headers": {"x-team": name, f"x-{name}": "1"}}), workspace)
        keys[name] = plane.key(workspace=workspace)
    for name in ("red", "blue") * 6:
        assert plane.chat(keys[name], model=f"@{name}/gpt-4o-mini").status == 200
        sent = dict(head(provider))
        assert (sent["authorization"], sent["x-team"]) == (f"Bearer sk-of-{name}", name)
        assert {"x-red", "x-blue"} & set(sent) == {f"x-{name}"}


def test_nobody_else_adds_headers(plane, provider):
    """Configs and models have none, and say so."""
    for config in ({"custom_headers": {"x": "y"}}, {"forward_headers": ["x"]}, {"override_params": {}, "headers": {}}):
        no = plane.chat(plane.key(), headers={"x-portkey-config": json.dumps({"provider": "@mock", **config})})
        assert no.status == 400, config
    no = plane.admin_ask("PUT", "/integrations/mock/models", {"models": [
        {"slug": "gpt-4o", "enabled": True, "configurations": {"custom_headers": {"authorization": "x"}}}]})
    assert no.status == 400 and "configurations" in no.message
    assert provider.stats()["requests"] == 0
