"""Bedrock: clients of every protocol reach Converse; each request is signed, or carries Bedrock's own key."""

import base64
import hashlib
import hmac
import json
import pathlib

import pytest

import anthropic
import openai
from gateway import Gateway, mock_url
from mock import Mock

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "fixtures"
NOVA = "amazon.nova-pro-v1:0"
SONNET = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
ACCESS = {"aws_access_key_id": "AKIDEXAMPLEOFTESTS",
          "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
          "aws_session_token": "SessionTokenOfTheTests=="}
SECRETS = [ACCESS["aws_secret_access_key"], ACCESS["aws_session_token"], "ABSKofBedrockItself0123456789"]
EVENTS = "application/vnd.amazon.eventstream"


def bedrock(gateway, slug, mock, key=None, **settings):
    body = {"name": slug, "slug": slug, "ai_provider_id": "bedrock",
            "configurations": {"aws_region": "eu-west-1", "custom_host": mock_url(mock), **settings}}
    if key is not None:
        body["key"] = key
    return gateway.admin("POST", "/integrations", body)


@pytest.fixture(scope="module")
def shared(pg_cluster):
    """A workspace with Bedrock thrice: a key with a session, a key as JSON, a key of Bedrock's own."""
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider)
        workspace = gateway.default_workspace()
        bedrock(gateway, "aws", provider, aws_auth_type="accessKey", **ACCESS)
        bedrock(gateway, "json", provider, key=json.dumps({k: ACCESS[k] for k in list(ACCESS)[:2]}))
        bedrock(gateway, "bearer", provider, key=SECRETS[2], aws_auth_type="apiKey")
        for slug in ("aws", "json", "bearer"):
            gateway.grant(slug, workspace)
        yield gateway
        log = gateway.log
        gateway.close()
        assert not [s for s in SECRETS if s in log], "no credential in the log"


@pytest.fixture
def gw(shared):
    shared.mock.clear()
    shared.wait_flushed()
    shared.mock.reset()
    shared.sql("DELETE FROM aigate.ledger")
    return shared


@pytest.fixture
def serve(gw):
    """The provider's next answer is that transcript."""
    def script(name, **do):
        kind = EVENTS if name.endswith(".b64") else "application/json"
        gw.mock.script(times=1, body_file=str(FIXTURES / name), content_type=kind, **do)
        stem = name.removesuffix(".b64").removesuffix(".json")
        return json.loads((FIXTURES / f"{stem}.expect.json").read_text())
    return script


def client_of(gw, **limits):
    return openai.OpenAI(api_key=str(gw.key(**limits)), base_url=gw.url, max_retries=0)


def ask(client, model, slug="aws", **fields):
    return client.chat.completions.create(
        model=f"@{slug}/{model}", messages=[{"role": "user", "content": "Where does Kyiv lie?"}], **fields)


def arrived(mock):
    """The request line, its headers and its body, as they arrived."""
    lines = mock.last()["head"].split("\r\n")
    pairs = [line.split(": ", 1) for line in lines[1:] if line]
    assert len({k.lower() for k, _ in pairs}) == len(pairs), "no header twice"
    return lines[0], {k.lower(): v for k, v in pairs}, mock.last()["body"].encode()


def signature_of(line, head, body, secret, region):
    """Signature Version 4, written down a second time."""
    def mac(key, text):
        return hmac.new(key, text.encode(), hashlib.sha256).digest()
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    names = head["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    canonical = "\n".join([
        method, path.replace("%", "%25"), query, *(f"{n}:{head[n].strip()}" for n in names), "", ";".join(names),
        hashlib.sha256(body).hexdigest()])
    date = head["x-amz-date"][:8]
    scope = f"{date}/{region}/bedrock/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", head["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = mac(mac(mac(mac(("AWS4" + secret).encode(), date), region), "bedrock"), "aws4_request")
    return scope, mac(key, text).hex()


def verify(mock, has_token):
    line, head, body = arrived(mock)
    scope, want = signature_of(line, head, body, ACCESS["aws_secret_access_key"], "eu-west-1")
    auth = head["authorization"]
    assert auth.startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS['aws_access_key_id']}/{scope}, ")
    assert auth.endswith(f"Signature={want}")
    signed = auth.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed)
    assert ("x-amz-security-token" in signed) == has_token
    assert head.get("x-amz-security-token") == (ACCESS["aws_session_token"] if has_token else None)
    return line, head, body


def records(gw, columns):
    gw.wait_flushed()
    return gw.rows(f"SELECT {columns} FROM aigate.ledger ORDER BY received_at")


# -- answers -----------------------------------------------------------------------------------

def test_a_whole_answer_comes_back_and_is_paid(gw, serve):
    expect = serve("bedrock.converse.nonstream.json")
    answer = ask(client_of(gw, budget_usd="1"), NOVA, max_tokens=50)
    assert answer.choices[0].message.content == "Kyiv lies on the Dnipro."
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 21
    line, head, body = verify(gw.mock, has_token=True)
    assert line == "POST /v1/model/amazon.nova-pro-v1%3A0/converse HTTP/1.1"
    assert head["content-type"] == "application/json"
    assert json.loads(body) == {"messages": [{"role": "user", "content": [{"text": "Where does Kyiv lie?"}]}],
                                "inferenceConfig": {"maxTokens": 50}}
    assert records(gw, "cost_nusd, provider_slug, endpoint, is_stream") == [
        (expect["cost_nano_usd"], "aws", "chatComplete", False)]


@pytest.mark.parametrize("name, model", [("text", NOVA), ("tools", SONNET), ("usage", SONNET)])
@pytest.mark.parametrize("split", [False, True])
def test_streams_come_as_chunks_and_are_paid(gw, serve, name, model, split):
    expect = serve(f"bedrock.converse.stream.{name}.eventstream.b64", split_writes=split)
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    chunks = list(ask(client_of(gw, budget_usd="5"), model, stream=True, stream_options={"include_usage": True},
                      tools=tools if name == "tools" else openai.NOT_GIVEN))
    final = expect["openai_final"]
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    assert "".join(d.content or "" for d in deltas) == final["message"]["content"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == final["finish_reason"]
    if name == "tools":
        assert "".join(t.function.arguments for d in deltas for t in d.tool_calls or []) == '{"city":"Oslo"}'
    used = chunks[-1].usage.model_dump()
    assert {k: used[k] for k in ("prompt_tokens", "completion_tokens")} == {
        k: expect["openai_usage"][k] for k in ("prompt_tokens", "completion_tokens")}
    line, _, _ = verify(gw.mock, has_token=True)
    assert line.endswith("/converse-stream HTTP/1.1")
    assert records(gw, "cost_nusd, is_stream") == [(expect["cost_nano_usd"], True)]


def test_anthropic_clients_reach_claude_there(gw, serve):
    serve("bedrock.converse.stream.usage.eventstream.b64")
    client = anthropic.Anthropic(api_key=str(gw.key()), base_url=gw.url.removesuffix("/v1"), max_retries=0)
    with client.messages.stream(model=f"@aws/{SONNET}", max_tokens=400, system="Be brief.",
                                messages=[{"role": "user", "content": "hi"}]) as stream:
        message = stream.get_final_message()
    assert [b.type for b in message.content] == ["thinking", "text"] and message.stop_reason == "max_tokens"
    assert message.content[0].signature == "c2ln" and message.usage.cache_read_input_tokens == 22000
    line, _, body = verify(gw.mock, has_token=True)
    assert f"/model/{SONNET.replace(':', '%3A')}/converse-stream" in line
    assert json.loads(body)["system"] == [{"text": "Be brief."}]


def test_a_large_request_is_signed_as_it_is_sent(gw, serve):
    serve("bedrock.converse.nonstream.json")
    client = client_of(gw)
    text = "Ж" * 300_000
    client.chat.completions.create(model=f"@aws/{NOVA}", max_tokens=5, messages=[{"role": "user", "content": text}])
    line = gw.mock.last()
    assert line["body_bytes"] > 600_000
    head = arrived(gw.mock)[1]
    sent = json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}],
                       "inferenceConfig": {"maxTokens": 5}}, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(sent) == line["body_bytes"]
    assert head["x-amz-content-sha256"] == hashlib.sha256(sent).hexdigest()
    assert head["authorization"].endswith(signature_of(
        line["head"].split("\r\n")[0], head, sent, ACCESS["aws_secret_access_key"], "eu-west-1")[1])


# -- credentials -------------------------------------------------------------------------------

def test_a_key_may_be_json_or_one_of_bedrock(gw, serve):
    client = client_of(gw)
    serve("bedrock.converse.nonstream.json")
    ask(client, NOVA, "json")
    verify(gw.mock, has_token=False)
    serve("bedrock.converse.nonstream.json")
    ask(client, NOVA, "bearer")
    _, head, _ = arrived(gw.mock)
    assert head["authorization"] == f"Bearer {SECRETS[2]}" and not [n for n in head if n.startswith("x-amz-")]


def test_a_client_cannot_bring_a_signature(gw, serve):
    serve("bedrock.converse.nonstream.json")
    client = client_of(gw)
    ask(client, NOVA, extra_headers={"x-amz-date": "20200101T000000Z", "X-Amz-Security-Token": "x"})
    verify(gw.mock, has_token=True)


def test_what_is_secret_is_sealed_and_never_shown(gw):
    one = gw.admin("GET", "/integrations/aws")
    assert one["configurations"] == {"aws_region": "eu-west-1", "aws_auth_type": "accessKey",
                                     "custom_host": mock_url(gw.mock)}
    assert one["masked_key"] == "AK*****STS"
    gw.admin("PUT", "/integrations/aws", {"configurations": one["configurations"]})
    dump = json.dumps([gw.rows(f"SELECT * FROM aigate.{t}") for t in ("integration", "audit_log")], default=str)
    for secret in SECRETS:
        assert secret not in dump and secret.encode().hex() not in dump


def test_a_new_key_takes_the_old_one_s_place(gw, serve):
    bedrock(gw, "turned", gw.mock, aws_access_key_id="AKIDOLD", aws_secret_access_key="oldsecretoldsecret")
    gw.grant("turned", gw.default_workspace())
    settings = gw.admin("GET", "/integrations/turned")["configurations"]
    gw.admin("PUT", "/integrations/turned", {"configurations": {**settings, **ACCESS}})
    serve("bedrock.converse.nonstream.json")
    client = client_of(gw)
    ask(client, NOVA, "turned")
    verify(gw.mock, has_token=True)
    gw.admin("PUT", "/integrations/turned", {"configurations": settings})
    serve("bedrock.converse.nonstream.json")
    ask(client, NOVA, "turned")
    verify(gw.mock, has_token=True)


@pytest.mark.parametrize("family, key, settings, words", [
    ("bedrock", "k", {"aws_region": None}, ["aws_region", "required"]),
    ("bedrock", "k", {"aws_region": "eu/west"}, ["aws_region"]),
    ("bedrock", None, {"aws_auth_type": "accessKey"}, ["aws_access_key_id", "required"]),
    ("bedrock", None, {"aws_access_key_id": "AKID"}, ["aws_secret_access_key", "together"]),
    ("bedrock", None, {"aws_secret_access_key": "s"}, ["aws_access_key_id", "together"]),
    ("bedrock", "k", ACCESS, ["key", "not together"]),
    ("bedrock", None, {"aws_auth_type": "apiKey", **ACCESS}, ["apiKey"]),
    ("bedrock", None, {"aws_access_key_id": "a b", "aws_secret_access_key": "s"}, ["printable"]),
    ("bedrock", None, {"aws_auth_type": "assumedRole"}, ["assumedRole", "not spoken"]),
    ("bedrock", None, {"aws_auth_type": "serviceRole"}, ["serviceRole", "not spoken"]),
    ("bedrock", "k", {"aws_role_arn": "arn:aws:iam::1:role/x"}, ["aws_role_arn", "not assumed"]),
    ("bedrock", '{"aws_access_key_id":"x"}', {}, ["aws_secret_access_key"]),
    ("bedrock", "{nonsense", {}, ["key"]),
    ("openai", "k", {"aws_region": "eu-west-1"}, ["aws_region", "openai"]),
    ("openai", "k", ACCESS, ["aws_access_key_id", "openai"]),
])
def test_what_a_credential_may_not_be(gw, family, key, settings, words):
    conf = {"custom_host": mock_url(gw.mock), **({"aws_region": "eu-west-1"} if family == "bedrock" else {}), **settings}
    body = {"name": "n", "ai_provider_id": family,
            "configurations": {k: v for k, v in conf.items() if v is not None}}
    answer = gw.admin_ask("POST", "/integrations", {**body, **({"key": key} if key else {})})
    assert answer.status == 400, answer
    for word in words:
        assert word in answer.json["data"]["message"], answer
    assert ACCESS["aws_secret_access_key"] not in answer.body.decode()


# -- errors ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, kind", [("400", openai.BadRequestError), ("429", openai.RateLimitError)])
def test_errors_are_told_in_openai_s_words(gw, serve, name, kind):
    expect = serve(f"bedrock.error.{name}.json", status=int(name))
    with pytest.raises(kind) as caught:
        ask(client_of(gw), SONNET)
    want = expect["client_error"]["error"]
    assert (caught.value.type, caught.value.code, caught.value.param) == (want["type"], want["code"], want["param"])
    assert records(gw, "cost_nusd, status") == [(0, int(name))]


def test_a_provider_that_shows_the_credential_is_not_repeated(gw, tmp_path):
    path = tmp_path / "shown.json"
    path.write_text(json.dumps({"message": f"canonical: x-amz-security-token:{ACCESS['aws_session_token']} "
                                           f"{ACCESS['aws_secret_access_key']}"}))
    gw.mock.script(times=1, status=403, body_file=str(path), content_type="application/json")
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client_of(gw), NOVA)
    assert caught.value.status_code == 502 and caught.value.code == "upstream_auth_error"
    assert "canonical" in str(caught.value) and not [s for s in SECRETS if s in str(caught.value)]


def test_an_exception_breaks_the_stream_off(gw, serve):
    serve("bedrock.stream.error.eventstream.b64")
    with pytest.raises(openai.APIError) as caught:
        list(ask(client_of(gw), NOVA, stream=True))
    assert caught.value.code == "upstream_error" and "unexpected error" in str(caught.value)


@pytest.mark.parametrize("name, code", [
    ("stream.unmodelled_error", "upstream_error"), ("corrupt.length", "upstream_protocol_error"),
    ("corrupt.message_crc", "upstream_protocol_error"), ("corrupt.prelude_crc", "upstream_protocol_error")])
def test_a_stream_that_is_wrong_from_the_start_is_a_status(gw, serve, name, code):
    expect = serve(f"bedrock.{name}.eventstream.b64")
    with pytest.raises(openai.APIStatusError) as caught:
        list(ask(client_of(gw), NOVA, stream=True))
    assert caught.value.status_code == expect["client_status"] and caught.value.code == code


def test_a_stream_without_its_end_is_broken(gw, tmp_path):
    data = base64.b64decode((FIXTURES / "bedrock.converse.stream.text.eventstream.b64").read_bytes())
    path = tmp_path / "cut"
    path.write_bytes(data[:748])  # all but `metadata`
    gw.mock.script(times=1, body_file=str(path), content_type=EVENTS)
    with pytest.raises(openai.APIError) as caught:
        list(ask(client_of(gw), NOVA, stream=True))
    assert caught.value.code == "upstream_stream_truncated"
    (cost, source), = records(gw, "cost_nusd, usage_source")
    assert cost > 0 and source != "provider"


def test_what_it_cannot_do_is_refused_before_it_is_sent(gw):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client_of(gw), NOVA, n=2)
    assert "n: only 1 is supported by bedrock" in str(caught.value)
    assert gw.mock.stats()["answered"] == 0


def test_its_own_paths_pass_signed_where_nothing_is_governed_by_a_price(gw, serve):
    serve("bedrock.converse.nonstream.json")
    path = f"/model/{NOVA.replace(':', '%3A')}/converse"
    body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    answer = gw.ask("POST", "/v1" + path, {"authorization": f"Bearer {gw.key()}", "x-portkey-provider": "@aws"}, body)
    assert answer.status == 200 and answer.json["stopReason"] == "end_turn"
    line, _, sent = verify(gw.mock, has_token=True)
    assert line == f"POST /v1{path} HTTP/1.1" and json.loads(sent) == body
    answer = gw.ask("POST", "/v1" + path, {"authorization": f"Bearer {gw.key(budget_usd='1')}",
                                           "x-portkey-provider": "@aws"}, body)
    assert answer.status == 412, "a budget cannot pay for what has no price"


# -- embeddings: models that are invoked ---------------------------------------------------------

TITAN = "amazon.titan-embed-text-v2:0"
EMBED = "cohere.embed-v4:0"


def answer_with(gw, body, **do):
    gw.mock.script(times=1, body=json.dumps(body), content_type="application/json", **do)


def test_titan_embeds_one_text_and_counts_it(gw):
    answer_with(gw, {"embedding": [0.5, -0.25], "inputTextTokenCount": 11})
    answer = client_of(gw, budget_usd="1").embeddings.create(
        model=f"@aws/{TITAN}", input="hello", dimensions=256, encoding_format="float")
    assert answer.data[0].embedding == [0.5, -0.25] and answer.usage.prompt_tokens == 11
    line, _, body = verify(gw.mock, has_token=True)
    assert line == "POST /v1/model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1"
    assert json.loads(body) == {"inputText": "hello", "dimensions": 256}
    # 0.02 dollars a million
    assert records(gw, "cost_nusd, input_fresh, endpoint") == [(11 * 20, 11, "embed")]


def test_cohere_s_tokens_stand_in_a_header(gw):
    answer_with(gw, {"embeddings": {"float": [[0.5], [1]]}}, headers="x-amzn-bedrock-input-token-count: 9")
    answer = client_of(gw, budget_usd="1").embeddings.create(
        model=f"@bearer/{EMBED}", input=["a", "b"], encoding_format="float")
    assert [d.embedding for d in answer.data] == [[0.5], [1]] and answer.usage.prompt_tokens == 9
    line, head, body = arrived(gw.mock)
    assert line == "POST /v1/model/cohere.embed-v4%3A0/invoke HTTP/1.1"
    assert head["authorization"] == f"Bearer {SECRETS[2]}"
    assert json.loads(body) == {"texts": ["a", "b"], "input_type": "search_document", "embedding_types": ["float"]}
    # 0.12 dollars a million
    assert records(gw, "cost_nusd, input_fresh") == [(9 * 120, 9)]


def test_what_embeds_does_not_converse(gw):
    with pytest.raises(openai.BadRequestError, match="does not serve this endpoint"):
        ask(client_of(gw, budget_usd="1"), TITAN)
    with pytest.raises(openai.BadRequestError, match="input: at most 1 texts"):
        client_of(gw, budget_usd="1").embeddings.create(model=f"@aws/{TITAN}", input=["a", "b"])
    assert gw.mock.stats()["requests"] == 0
