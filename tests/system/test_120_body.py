"""What a body may look like, and what of it reaches the provider: everything, but for what we must change."""

import json

import pytest

from gateway import MODEL
from plane import _provider, plane, provider  # noqa: F401

CONF = {"workers": "1", "default_max_tokens": "777"}
MESSAGES = '"messages":[{"role":"user","content":"hi"}]'


@pytest.fixture(scope="module")
def free(plane):
    """A key without limits."""
    return plane.key()


@pytest.fixture(scope="module")
def governed(plane):
    """A key with a money budget that is far away."""
    return plane.key(budget_usd="1000")


def post(plane, key, body, path="/v1/chat/completions", **headers):
    return plane.ask("POST", path, {"authorization": f"Bearer {key}", "content-type": "application/json",
                                    **{k.replace("_", "-"): v for k, v in headers.items()}}, body)


def sent(plane, provider, key, body, **kw):
    """What the provider got for it."""
    provider.reset()
    answer = post(plane, key, body, **kw)
    assert answer.status == 200, answer
    return provider.last()["body"]


# -- byte for byte -------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    '{"model":"gpt-4o-mini",%s}' % MESSAGES,
    '  {\n\t"messages" : [ {"role":"user", "content":"h\\u00e9\\ud83d\\ude00 \\"x\\" \\\\"} ] ,\r\n "model" : "gpt-4o-mini" }\n ',
    '{"model":"gpt-4o-mini",%s,"max_tokens":5,"temperature":1.0e0,"future_field":{"a":[1,2,{"model":"x"}],"b":null},'
    '"seed":123456789012345678901234567890}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",'
    '"properties":{"model":{"type":"string"},"stream":{"type":"boolean"}}}}}]}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":false,"stream_options":null}' % MESSAGES,
    '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\u00e4\u6f22\U0001f600"}]}',
], ids=range(6))
def test_a_body_that_needs_no_change_passes_byte_for_byte(plane, provider, free, body):
    assert sent(plane, provider, free, body) == body


def test_a_large_body_passes_byte_for_byte(plane, provider, free):
    body = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"%s"}]}' % ("\\n0123456789abcdef" * 60000)
    provider.reset()
    assert post(plane, free, body).status == 200
    assert provider.last()["body_bytes"] == len(body)
    assert provider.last()["body"] == body[:len(provider.last()["body"])]


# -- the model -----------------------------------------------------------------------------------

@pytest.mark.parametrize("before,after", [
    ('{"model":"@mock/gpt-4o-mini",%s}', '{"model":"gpt-4o-mini",%s}'),
    ('{%s,"model" : "@mock\\/gpt-4o-mini" }', '{%s,"model" : "gpt-4o-mini" }'),
    ('{"model":"\\u0040mock/gpt-4o-mini",%s}', '{"model":"gpt-4o-mini",%s}'),
    ('{"model":"@mock/org/name:free",%s}', '{"model":"org/name:free",%s}'),
    ('{"model":"@mock/quote\\"d",%s}', '{"model":"quote\\"d",%s}'),
    ('{"model":"@mock/\\u00e9",%s}', '{"model":"\u00e9",%s}'),
])
def test_the_slug_is_cut_from_the_model_and_nothing_else(plane, provider, free, before, after):
    assert sent(plane, provider, free, before % MESSAGES) == after % MESSAGES


def test_a_header_names_the_provider_and_the_prefix_is_cut_all_the_same(plane, provider, free):
    want = '{"model":"gpt-4o-mini",%s}' % MESSAGES
    for headers in ({"x_portkey_provider": "@mock"}, {"x_portkey_virtual_key": "mock"},
                    {"x_portkey_provider": "@mock/ignored"}, {"x_aigate_provider": "@mock"}):
        assert sent(plane, provider, free, want, **headers) == want
        assert sent(plane, provider, free, '{"model":"@other/gpt-4o-mini",%s}' % MESSAGES, **headers) == want


@pytest.mark.parametrize("model,status,text", [
    ('"@nobody/gpt-4o-mini"', 400, "Following keys are not valid: nobody"),
    ('""', 400, "model"), ("null", 400, "model"), ("7", 400, "model"), ('["gpt-4o-mini"]', 400, "model"),
    ('"a\\u0000b"', 400, "model"), ('"a\\nb"', 400, "model"), ('"' + "x" * 300 + '"', 400, "model"),
    ('"\\ud800"', 400, "model"), ('"@/gpt-4o-mini"', 400, "not valid"),
])
def test_a_model_that_is_no_name_is_refused(plane, provider, free, model, status, text):
    answer = post(plane, free, '{"model":%s,%s}' % (model, MESSAGES))
    assert answer.status == status and text in answer.message, answer
    assert answer.json["status"] == "failure"
    assert provider.stats()["requests"] == 0


@pytest.mark.parametrize("header", ["x-portkey-custom-host", "x-portkey-forward-headers", "x-portkey-cache"])
def test_what_is_not_implemented_is_refused_by_name(plane, provider, free, header):
    answer = plane.ask("POST", "/v1/chat/completions", {"authorization": f"Bearer {free}", header: "x"},
                       {"model": "gpt-4o-mini", "messages": []})
    assert answer.status == 400 and header in answer.message
    assert provider.stats()["requests"] == 0


def test_a_raw_provider_is_refused(plane, provider, free):
    answer = post(plane, free, '{"model":"gpt-4o-mini",%s}' % MESSAGES, x_portkey_provider="openai")
    assert answer.status == 400 and "@slug" in answer.message


# -- what nobody should send ---------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    '{"model":"gpt-4o-mini","model":"gpt-4o",%s}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"mod\\u0065l":"gpt-4o"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"Model":"gpt-4o"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":5,"max_tokens":50000}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":5,"MAX_TOKENS":50000}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":5,"max\\u005ftokens":50000}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"n":1,"n":100}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":false,"stream":true}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,%s}' % (MESSAGES, MESSAGES),
    '{"model":"gpt-4o-mini",%s}{"model":"gpt-4o"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s} x' % MESSAGES,
    '{"model":"gpt-4o-mini",%s}\0' % MESSAGES,
    '\0{"model":"gpt-4o-mini",%s}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,}' % MESSAGES,
    '{"model":"gpt-4o-mini" %s}' % MESSAGES,
    "{'model':'gpt-4o-mini'}", '[{"model":"gpt-4o-mini"}]', '"model"', "null", "", "{", "{}", "\ufeff{}",
    '{"model":"gpt-4o-mini"/**/,%s}' % MESSAGES,
    '{"model":"gpt-4o-mini","messages":[{"content":"a\nb"}]}',
    '{"model":"gpt-4o-mini","messages":%s}' % ("[" * 100 + "]" * 100),
    '{"model":"gpt-4o-mini","messages":"hi"}', '{"model":"gpt-4o-mini"}',
    '{"model":"gpt-4o-mini",%s,"stream":"true"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":1}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":"5"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":-5}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":1.5}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":0}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":99999999999}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"max_tokens":5,"max_completion_tokens":5}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"n":0}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"n":"3"}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":true,"stream_options":7}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":true,"stream_options":{"include_usage":"yes"}}' % MESSAGES,
    '{"model":"gpt-4o-mini",%s,"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}' % MESSAGES,
], ids=lambda b: b[:60].replace("/", "_").replace("\0", "NUL").replace("\n", " "))
def test_a_body_that_two_readers_could_take_differently_is_refused(plane, provider, governed, body):
    bad = plane.counter("req_bad")
    answer = post(plane, governed, body)
    assert answer.status == 400, answer
    assert answer.json["status"] == "failure" and answer.message
    assert answer.headers["x-should-retry"] == "false"
    assert provider.stats()["requests"] == 0
    assert plane.counter("req_bad") == bad + 1


@pytest.mark.parametrize("how", ["text/plain", "application/xml", "", "application/jsonx", "multipart/form-data"])
def test_a_content_type_that_is_not_json_is_refused(plane, provider, free, how):
    answer = plane.ask("POST", "/v1/chat/completions", {"authorization": f"Bearer {free}", "content-type": how},
                       '{"model":"gpt-4o-mini",%s}' % MESSAGES)
    assert answer.status == 400 and answer.message == "Invalid content type passed"
    assert provider.stats()["requests"] == 0


def test_json_with_a_charset_is_json(plane, provider, free):
    assert post(plane, free, '{"model":"gpt-4o-mini",%s}' % MESSAGES,
                content_type="Application/JSON; charset=utf-8").status == 200


def test_a_compressed_body_is_refused(plane, provider, free):
    assert post(plane, free, "{}", content_encoding="gzip").status == 400


# -- usage of streams ----------------------------------------------------------------------------

@pytest.mark.parametrize("before,after,has_usage", [
    ('"stream":true', '"stream_options":{"include_usage":true},', False),
    ('"stream":true,"stream_options":null', '"stream_options":{"include_usage":true}', False),
    ('"stream":true,"stream_options":{}', '"stream_options":{"include_usage":true}', False),
    ('"stream":true,"stream_options":{ }', '"stream_options":{', False),
    ('"stream":true,"stream_options":{"include_usage":false}', '"stream_options":{"include_usage":true}', False),
    ('"stream":true,"stream_options":{"include_usage":null}', '"stream_options":{"include_usage":true}', False),
    ('"stream":true,"stream_options":{"include_obfuscation":false}',
     '"stream_options":{"include_usage":true,"include_obfuscation":false}', False),
    ('"stream":true,"stream_options":{"include_usage":true}', '"stream_options":{"include_usage":true}', True),
    ('"stream":true,"stream_options":{"x":1,"include_usage" : true }', '"stream_options":{"x":1,"include_usage" : true }',
     True),
])
def test_the_provider_is_always_asked_for_usage_the_client_gets_what_it_asked_for(plane, provider, free, before, after,
                                                                                 has_usage):
    provider.reset()
    answer = post(plane, free, '{"model":"gpt-4o-mini",%s,%s}' % (MESSAGES, before))
    assert answer.status == 200
    got = provider.last()["body"]
    assert after in got
    assert json.loads(got)["stream_options"]["include_usage"] is True
    assert provider.stats()["streams_without_usage"] == 0
    events = [json.loads(e[6:]) for e in answer.text.split("\n\n") if e.startswith("data: {")]
    assert any(e.get("usage") for e in events) == has_usage
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("members, want", [
    ('"stream":true,"stream_options":{"include_usage":true}', '"stream":true'),
    ('"stream_options" : {"include_usage":false} , "stream":true', ' "stream":true'),
    ('"stream":true ,\n"stream_options":{ } ', '"stream":true '),
    ('"stream_options":null,"temperature":0.5', '"temperature":0.5'),
    ('"temperature":0.5', '"temperature":0.5'),
])
def test_who_tells_usage_unasked_is_not_asked(plane, provider, free, governed, limited, members, want):
    """Mistral refuses members that it does not know, and has the usage in its last chunk always."""
    plane.integration(slug="mist", family="mistral-ai", configurations={"custom_host": provider.url + "/mistral/v1"})
    plane.grant("mist", plane.default_workspace())
    limit = '"max_tokens":32000,' if limited else ""  # what the model may write
    for body, sent_on in (('{"model":"@mist/mistral-small-latest",%s,%s}', '{%s"model":"mistral-small-latest",%s,%s}'),
                          ('{%s,%s,"model":"@mist/mistral-small-latest"}', '{%s%s,%s,"model":"mistral-small-latest"}')):
        inside = (MESSAGES, members) if body[1] == '"' else (members, MESSAGES)
        asked = (MESSAGES, want) if body[1] == '"' else (want, MESSAGES)
        got = sent(plane, provider, governed if limited else free, body % inside)
        assert "".join(got.split()) == "".join((sent_on % (limit, *asked)).split())


def test_the_rest_of_an_edited_body_is_untouched(plane, provider, governed):
    body = ' {"zeta":1.10, "messages":[{"role":"user","content":"\\u0041"}],"stream" :true,"model":"@mock/gpt-4o-mini" } '
    want = (' {"stream_options":{"include_usage":true},"max_completion_tokens":777,"zeta":1.10, '
            '"messages":[{"role":"user","content":"\\u0041"}],"stream" :true,"model":"gpt-4o-mini" } ')
    got = sent(plane, provider, governed, body)
    assert sorted(got) == sorted(want)
    assert json.loads(got) == json.loads(want)
    assert got.endswith('"zeta":1.10, "messages":[{"role":"user","content":"\\u0041"}],"stream" :true,"model":"gpt-4o-mini" } ')


# -- output limits -------------------------------------------------------------------------------

def test_a_limit_is_written_only_where_a_budget_of_money_or_tokens_applies(plane, provider, free, governed):
    body = '{"model":"gpt-4o-mini",%s}' % MESSAGES
    assert sent(plane, provider, free, body) == body
    assert json.loads(sent(plane, provider, governed, body))["max_completion_tokens"] == 777
    assert sent(plane, provider, plane.key(rpm=100), body) == body
    tokens = plane.key(budget_tokens=1000000)
    assert json.loads(sent(plane, provider, tokens, body))["max_completion_tokens"] == 777
    rated = plane.key(tpm=1000000)
    assert json.loads(sent(plane, provider, rated, body))["max_completion_tokens"] == 777


@pytest.mark.parametrize("given", ['"max_tokens":5', '"max_completion_tokens":5'])
def test_a_limit_the_client_gave_is_kept(plane, provider, governed, given):
    body = '{"model":"gpt-4o-mini",%s,%s}' % (MESSAGES, given)
    assert sent(plane, provider, governed, body) == body


def test_a_null_limit_is_none(plane, provider, governed):
    got = json.loads(sent(plane, provider, governed, '{"model":"gpt-4o-mini",%s,"max_tokens":null}' % MESSAGES))
    assert (got.get("max_completion_tokens") or got.get("max_tokens")) == 777


def test_legacy_completions_and_embeddings(plane, provider, governed):
    provider.reset()
    answer = post(plane, governed, '{"model":"gpt-4o-mini","prompt":"hi"}', path="/v1/completions")
    assert answer.status == 200 and answer.json["object"] == "text_completion"
    assert json.loads(provider.last()["body"])["max_tokens"] == 16
    answer = post(plane, governed, '{"model":"text-embedding-3-small","input":["a","b"]}', path="/v1/embeddings")
    assert answer.status == 200 and len(answer.json["data"]) == 2
    assert "max_tokens" not in json.loads(provider.last()["body"])


def test_an_unpriced_model_under_a_money_budget_is_refused(plane, provider, governed, free):
    body = '{"model":"nobody-prices-this",%s}' % MESSAGES
    answer = post(plane, governed, body)
    assert answer.status == 412 and answer.json["error"]["type"] == "model_unpriced_error"
    assert "nobody-prices-this" in answer.message
    assert provider.stats()["requests"] == 0
    assert post(plane, free, body).status == 200
    assert MODEL
