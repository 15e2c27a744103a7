"""Google Cloud and Entra: access tokens for credentials, and what is served with them."""

import json
import pathlib
import time

import pytest

import anthropic
import openai
from gateway import Gateway, wait
from mock import Mock
from tokens import TokenEndpoint, read_jwt, service_account

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "fixtures"
FLASH = "gemini-2.5-flash"
CLAUDE = "claude-sonnet-4-5@20250929"
AT = "/v1/projects/proj-1/locations/europe-west4"
GENERATE = f"{AT}/publishers/google/models/{FLASH}:generateContent"
STREAM = f"{AT}/publishers/google/models/{FLASH}:streamGenerateContent"
ASK = [{"role": "user", "content": "Where is Kyiv?"}]


class Cloud:
    """A gateway, the provider and a token endpoint; each test makes the integration it looks at, so that
    each begins without a token."""

    def __init__(self, gateway, endpoint, account, public):
        self.gateway, self.endpoint, self.account, self.public = gateway, endpoint, account, public
        self.n = 0

    def __getattr__(self, name):
        return getattr(self.gateway, name)

    def vertex(self, account=None, **conf):
        self.n += 1
        slug = f"vertex{self.n}"
        # A credential of its own: sources are shared by what they depend on.
        account = account or {**self.account, "client_email": f"{slug}@proj-1.iam.example"}
        self.gateway.integration(slug=slug, family="vertex-ai", key=None, configurations={
            "vertex_region": "europe-west4", "vertex_auth_type": "serviceAccount",
            "vertex_service_account_json": account, "custom_host": self.mock.url, **conf})
        self.gateway.grant(slug, self.gateway.default_workspace())
        return slug

    def entra(self, **conf):
        self.n += 1
        slug = f"entra{self.n}"
        self.gateway.integration(slug=slug, family="azure-openai", key=None, configurations={
            "azure_auth_mode": "entra", "azure_resource_name": "res", "azure_entra_tenant_id": f"tenant-{self.n}",
            "azure_entra_client_id": "client-1", "azure_entra_client_secret": "entra-secret-of-the-test",
            "azure_entra_authority_host": self.endpoint.url, "custom_host": self.mock.url,
            "azure_deployment_config": [{"azure_deployment_name": "dep", "azure_api_version": "2024-10-21",
                                         "azure_model_slug": "gpt-4o-mini", "is_default": True}], **conf})
        self.gateway.grant(slug, self.gateway.default_workspace())
        return slug

    def records(self, columns):
        self.gateway.wait_flushed()
        return self.rows(f"SELECT {columns} FROM aigate.ledger ORDER BY received_at")


@pytest.fixture(scope="module")
def _cloud(pg_cluster):
    endpoint = TokenEndpoint()
    account, public = service_account(endpoint)
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider, conf={"workers": "1", "upstream_connect_timeout": "2s"})
        yield Cloud(gateway, endpoint, account, public)
        gateway.close()
    endpoint.close()


@pytest.fixture
def cloud(_cloud):
    _cloud.mock.clear()
    _cloud.endpoint.begin({})
    _cloud.wait_idle()
    _cloud.gateway.wait_flushed()
    _cloud.mock.reset()
    _cloud.gateway.sql("DELETE FROM aigate.ledger")
    return _cloud


@pytest.fixture
def mock(cloud):
    return cloud.mock


def serve(mock, name, path, times=None, **do):
    kind = "text/event-stream" if name.endswith(".sse") else "application/json"
    mock.script(match={"path": path}, times=times, body_file=str(FIXTURES / name), content_type=kind, **do)


def head_of(mock):
    lines = mock.last()["head"].split("\r\n")
    return lines[0], {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}


def openai_client(cloud):
    return openai.OpenAI(api_key=str(cloud.key(budget_usd="5")), base_url=cloud.url, max_retries=0)


# -- service accounts ----------------------------------------------------------------------------

def test_a_service_account_signs_for_a_token_and_the_token_is_sent(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    slug = cloud.vertex(cloud.account)
    answer = openai_client(cloud).chat.completions.create(model=f"@{slug}/{FLASH}", messages=ASK)
    assert answer.choices[0].message.content == "Kyiv lies on the Dnipro."
    line, head = head_of(mock)
    assert line == f"POST {GENERATE} HTTP/1.1"
    assert head["authorization"] == f"Bearer ya29.token-{cloud.endpoint.issued}-of-the-test"
    assert "x-goog-api-key" not in head
    (form,) = cloud.endpoint.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    header, claims = read_jwt(form["assertion"], cloud.public)
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    assert claims["iss"] == cloud.account["client_email"] and claims["aud"] == cloud.account["token_uri"]
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 120
    # gemini-2.5-flash: 0.3 and 2.5 dollars a million; thoughts are output
    assert cloud.records("cost_nusd, served_model") == [(10 * 300 + 53 * 2500, FLASH)]


def test_the_account_is_kept_sealed_and_shown_to_nobody(cloud):
    slug = cloud.vertex()
    shown = json.dumps(cloud.admin("GET", f"/integrations/{slug}"))
    stored = str(cloud.rows("SELECT configurations::text, key_mask FROM aigate.integration WHERE slug = %s", slug))
    for text in (shown, stored, cloud.log):
        assert "PRIVATE KEY" not in text and "robot@" not in text
    assert '"vertex_project_id"' in stored


def test_one_token_serves_many_requests_and_one_fetch_many_waiters(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.endpoint.begin({"hold": True})
    slug, key = cloud.vertex(), cloud.key(budget_usd="5")
    waiting = [cloud.chat_async(key, model=f"@{slug}/{FLASH}") for _ in range(5)]
    wait(lambda: len(cloud.slots()) == 5, "five requests that hold and wait")
    assert mock.stats()["requests"] == 0
    cloud.endpoint.gate.set()
    assert [w.answer().status for w in waiting] == [200] * 5
    assert cloud.chat(key, model=f"@{slug}/{FLASH}").status == 200
    assert len(cloud.endpoint.forms) == 1


def test_a_new_catalogue_fetches_no_new_token(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    slug = cloud.vertex()
    for _ in range(3):
        assert cloud.chat(cloud.key(), model=f"@{slug}/{FLASH}").status == 200
        cloud.admin("PUT", f"/integrations/{slug}", {"description": f"changed {time.time()}"})
    assert len(cloud.endpoint.forms) == 1


@pytest.mark.parametrize("step, word", [
    ({"status": 400, "body": {"error": "invalid_grant", "error_description": "ya29.secret-in-an-error"}},
     "400 invalid_grant"),
    ({"status": 503, "body": b"<html>busy</html>"}, "503"), ({"body": {"token_type": "Bearer"}}, "without"),
    ({"body": b"x" * 100000}, "too long"), ({"hold": True}, "did not answer in time")])
def test_without_a_token_requests_fail_and_hold_nothing(cloud, mock, step, word):
    cloud.endpoint.begin(step)
    slug, key = cloud.vertex(), cloud.key(budget_usd="1")
    cloud.expect_error("access token")
    answer = cloud.chat(key, model=f"@{slug}/{FLASH}")
    assert answer.status == 502 and word in answer.message, answer
    assert answer.json["error"]["type"] == "upstream_auth_error"
    assert "secret" not in answer.body.decode()
    assert not cloud.slots() and mock.stats()["requests"] == 0
    assert cloud.records("1") == []
    assert "ya29.secret" not in cloud.log
    cloud.endpoint.gate.set()


def test_each_client_is_told_in_its_own_words(cloud):
    cloud.endpoint.begin({"status": 401, "body": {"error": "unauthorized_client"}})
    slug, key = cloud.vertex(), cloud.key()
    cloud.expect_error("access token")
    with pytest.raises(anthropic.APIStatusError) as refused:
        anthropic.Anthropic(api_key=str(key), base_url=cloud.url.removesuffix("/v1"), max_retries=0).messages.create(
            model=f"@{slug}/{CLAUDE}", max_tokens=9, messages=ASK)
    assert refused.value.status_code == 502 and refused.value.body["type"] == "error"
    answer = cloud.ask("POST", f"/v1beta/models/@{slug}/{FLASH}:generateContent",
                       {"x-goog-api-key": str(key), "content-type": "application/json"},
                       json.dumps({"contents": [{"parts": [{"text": "x"}]}]}))
    assert answer.status == 502 and answer.json["error"]["code"] == 502 and "unauthorized_client" in answer.body.decode()


def test_it_serves_again_once_tokens_are_had(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.endpoint.begin({"status": 500, "body": {}}, {})
    slug, key = cloud.vertex(), cloud.key()
    cloud.expect_error("access token")
    assert cloud.chat(key, model=f"@{slug}/{FLASH}").status == 502
    # At once again: the endpoint is left alone for a moment.
    assert cloud.chat(key, model=f"@{slug}/{FLASH}").status == 502 and len(cloud.endpoint.forms) == 1
    wait(lambda: cloud.chat(key, model=f"@{slug}/{FLASH}").status == 200, "a token")
    assert len(cloud.endpoint.forms) == 2


def test_a_token_is_refreshed_ahead_and_the_old_one_serves_to_its_end(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.endpoint.begin({"life": 3}, {"hold": True, "life": 3599})
    slug, key = cloud.vertex(), cloud.key()
    assert cloud.chat(key, model=f"@{slug}/{FLASH}").status == 200
    first = head_of(mock)[1]["authorization"]
    wait(lambda: len(cloud.endpoint.forms) == 2, "a refresh that nobody asked for")
    cloud.endpoint.gate.set()
    wait(lambda: cloud.chat(key, model=f"@{slug}/{FLASH}").status == 200
         and head_of(mock)[1]["authorization"] != first, "the new token in use")
    assert len(cloud.endpoint.forms) == 2


def test_a_refresh_that_fails_leaves_the_old_token(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.endpoint.begin({"life": 30}, {"status": 500, "body": {}}, {"life": 3599})
    slug, key = cloud.vertex(), cloud.key()
    cloud.expect_error("access token")
    statuses = []

    def is_new():
        statuses.append(cloud.chat(key, model=f"@{slug}/{FLASH}").status)
        return len(cloud.endpoint.forms) >= 3
    wait(is_new, "a refresh that failed and one that did not", timeout=45)
    assert set(statuses) == {200}
    assert "the last one is still good" in cloud.log


def test_a_token_that_has_ended_is_not_used(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.endpoint.begin({"life": 1}, {"status": 500, "body": {}})
    slug, key = cloud.vertex(), cloud.key()
    cloud.expect_error("access token")
    assert cloud.chat(key, model=f"@{slug}/{FLASH}").status == 200
    wait(lambda: cloud.chat(key, model=f"@{slug}/{FLASH}").status == 502, "the end of the token")


def test_who_leaves_while_waiting_leaves_nothing(cloud):
    cloud.endpoint.begin({"hold": True})
    slug, key = cloud.vertex(), cloud.key(budget_usd="1")
    one = cloud.connect()
    body = json.dumps({"model": f"@{slug}/{FLASH}", "messages": ASK})
    one.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}",
                                                 "content-type": "application/json"}, body)
    wait(lambda: len(cloud.slots()) == 1, "a request that waits")
    one.close()
    wait(lambda: not cloud.slots(), "nothing held")
    cloud.endpoint.gate.set()
    assert cloud.ask("GET", "/healthz").status == 200


def test_a_provider_that_quotes_the_token_is_masked(cloud, mock):
    cloud.endpoint.begin({"body": {"access_token": "ya29.quoted-by-the-provider", "expires_in": 99}})
    mock.script(match={"path": GENERATE}, status=400, content_type="application/json", body=json.dumps(
        {"error": {"code": 400, "message": "bad token ya29.quoted-by-the-provider", "status": "INVALID_ARGUMENT"}}))
    slug, key = cloud.vertex(), cloud.key()
    native = cloud.ask("POST", f"/v1beta/models/@{slug}/{FLASH}:generateContent",
                       {"x-goog-api-key": str(key), "content-type": "application/json"},
                       json.dumps({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}))
    for answer in (native, cloud.chat(key, model=f"@{slug}/{FLASH}")):
        assert answer.status == 400 and b"bad token ***" in answer.body, answer
        assert b"ya29.quoted" not in answer.body
    assert "ya29." not in cloud.log


@pytest.mark.parametrize("uri, word", [
    ("http://10.0.0.1/token", "private"), ("http://localhost/token", "internal"),
    ("http://metadata.google.internal/token", "internal"), ("file:///etc/passwd", "http"),
    ("https://127.0.0.2/token", "loopback")])
def test_a_token_uri_may_not_lead_inwards(cloud, uri, word):
    account = {**cloud.account, "token_uri": uri}
    answer = cloud.admin_ask("POST", "/integrations", {
        "name": "inner", "ai_provider_id": "vertex-ai", "configurations": {
            "vertex_region": "global", "vertex_service_account_json": account}})
    assert answer.status == 400 and "token_uri" in answer.body.decode() and word in answer.body.decode(), answer


@pytest.mark.parametrize("change, word", [
    ({"vertex_auth_type": "workload"}, "vertex_auth_type"), ({"vertex_region": "x.evil.example/"}, "vertex_region"),
    ({"vertex_service_account_json": {"client_email": "a@b"}}, "private_key"),
    ({"vertex_service_account_json": "text"}, "must be an object"), ({"vertex_region": None}, "vertex_region")])
def test_settings_that_cannot_work_are_refused_by_name(cloud, change, word):
    answer = cloud.admin_ask("POST", "/integrations", {
        "name": "odd", "ai_provider_id": "vertex-ai", "configurations": {
            "vertex_region": "global", "vertex_auth_type": "serviceAccount",
            "vertex_service_account_json": cloud.account, **change}})
    assert answer.status == 400 and word in answer.body.decode(), answer
    assert "PRIVATE KEY" not in answer.body.decode()


def test_an_account_can_be_replaced_by_its_text_alone(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    slug = cloud.vertex()
    other, public = service_account(cloud.endpoint, client_email="second@proj-1.iam.example")
    cloud.admin("PUT", f"/integrations/{slug}", {"key": json.dumps(other, indent=2)})
    assert cloud.chat(cloud.key(), model=f"@{slug}/{FLASH}").status == 200
    assert read_jwt(cloud.endpoint.forms[-1]["assertion"], public)[1]["iss"] == "second@proj-1.iam.example"


def test_basic_sends_the_key_as_it_is(cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    cloud.integration(slug="basic", family="vertex-ai", key="ya29.kept-fresh-elsewhere", configurations={
        "vertex_region": "europe-west4", "vertex_auth_type": "basic", "vertex_project_id": "proj-1",
        "custom_host": mock.url})
    cloud.grant("basic", cloud.default_workspace())
    assert cloud.chat(cloud.key(), model=f"@basic/{FLASH}").status == 200
    assert head_of(mock)[1]["authorization"] == "Bearer ya29.kept-fresh-elsewhere" and not cloud.endpoint.forms


# -- models of others on Google Cloud ------------------------------------------------------------

def test_gemini_streams_and_its_traffic_type_is_its_tier(cloud, mock):
    raw = (FIXTURES / "gemini.generate.stream.text.sse").read_text().replace(
        '"totalTokenCount":18,', '"totalTokenCount":18,"trafficType":"PROVISIONED_THROUGHPUT",')
    mock.script(match={"path": STREAM + "*"}, body=raw, content_type="text/event-stream")
    slug = cloud.vertex()
    chunks = list(openai_client(cloud).chat.completions.create(model=f"@{slug}/{FLASH}", messages=ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Kyiv lies on the Dnipro."
    assert head_of(mock)[0] == f"POST {STREAM}?alt=sse HTTP/1.1"
    assert cloud.records("output_total, service_tier") == [(8, "provisioned")]


@pytest.mark.parametrize("is_stream", [False, True])
def test_claude_answers_openai_clients(cloud, mock, is_stream):
    path = f"{AT}/publishers/anthropic/models/claude-sonnet-4-5%4020250929:" + (
        "streamRawPredict" if is_stream else "rawPredict")
    serve(mock, "anthropic.messages.stream.text.sse" if is_stream else "anthropic.messages.nonstream.json", path)
    slug = cloud.vertex()
    answer = openai_client(cloud).chat.completions.create(model=f"@{slug}/{CLAUDE}", messages=ASK, stream=is_stream,
                                                          max_tokens=700)
    text = "".join(c.choices[0].delta.content or "" for c in answer) if is_stream else answer.choices[0].message.content
    assert text
    body = json.loads(mock.last()["body"])
    assert body["anthropic_version"] == "vertex-2023-10-16" and "model" not in body
    assert body.get("stream", False) is is_stream and body["max_tokens"] == 700
    ((cost, endpoint),) = cloud.records("cost_nusd, endpoint")
    assert cost > 0 and endpoint == "chatComplete"


@pytest.mark.parametrize("body, want", [
    ('{"model":"@%s/' + CLAUDE + '","max_tokens":64,"messages":[]}',
     '{"anthropic_version":"vertex-2023-10-16","max_tokens":64,"messages":[]}'),
    ('{ "max_tokens" : 64, "messages":[] , "model" : "@%s/' + CLAUDE + '" }',
     '{"anthropic_version":"vertex-2023-10-16", "max_tokens" : 64, "messages":[] }'),
    ('{"anthropic_version":"2026-10-21","model":"@%s/' + CLAUDE + '" ,"max_tokens":64,"messages":[]}',
     '{"anthropic_version":"2026-10-21","max_tokens":64,"messages":[]}')])
def test_claude_native_passes_without_its_model(cloud, mock, body, want):
    serve(mock, "anthropic.messages.nonstream.json", f"{AT}/publishers/anthropic/models/*", any_body=True)
    slug = cloud.vertex()
    answer = cloud.ask("POST", "/v1/messages", {"x-api-key": str(cloud.key()), "content-type": "application/json",
                                                "anthropic-beta": "b-1"}, body % slug)
    assert answer.status == 200, answer
    assert answer.body == (FIXTURES / "anthropic.messages.nonstream.json").read_bytes()
    assert mock.last()["body"] == want
    assert head_of(mock)[1]["anthropic-beta"] == "b-1"


def test_claude_native_by_the_sdk(cloud, mock):
    serve(mock, "anthropic.messages.stream.text.sse", f"{AT}/publishers/anthropic/models/*")
    slug, key = cloud.vertex(), cloud.key(budget_usd="1")
    client = anthropic.Anthropic(api_key=str(key), base_url=cloud.url.removesuffix("/v1"), max_retries=0)
    with client.messages.stream(model=f"@{slug}/{CLAUDE}", max_tokens=500, messages=ASK) as stream:
        assert "".join(stream.text_stream)
    body = json.loads(mock.last()["body"])
    assert "model" not in body and body["stream"] is True and body["anthropic_version"] == "vertex-2023-10-16"


def test_claude_tokens_are_counted_with_the_model_in_the_body(cloud, mock):
    mock.script(match={"path": f"{AT}/publishers/anthropic/models/count-tokens:rawPredict"},
                body='{"input_tokens":14}', content_type="application/json")
    slug, key = cloud.vertex(), cloud.key()
    client = anthropic.Anthropic(api_key=str(key), base_url=cloud.url.removesuffix("/v1"), max_retries=0)
    assert client.messages.count_tokens(model=f"@{slug}/{CLAUDE}", messages=ASK).input_tokens == 14
    body = json.loads(mock.last()["body"])
    assert body["model"] == CLAUDE and body["anthropic_version"] == "vertex-2023-10-16"


def test_other_models_are_asked_in_openais_words(cloud, mock):
    serve(mock, "openai.chat.stream.usage.sse", f"{AT}/endpoints/openapi/chat/completions")
    slug = cloud.vertex()
    client = openai.OpenAI(api_key=str(cloud.key()), base_url=cloud.url, max_retries=0)
    chunks = list(client.chat.completions.create(
        model=f"@{slug}/meta/llama-3.3-70b-instruct-maas", messages=ASK, stream=True))
    assert chunks
    body = json.loads(mock.last()["body"])
    assert body["model"] == "meta/llama-3.3-70b-instruct-maas" and body["stream_options"] == {"include_usage": True}


# -- Entra ---------------------------------------------------------------------------------------

def test_entra_gives_tokens_for_a_client_secret(cloud, mock):
    mock.script(match={"path": "/deployments/dep/chat/completions*"}, content_type="application/json",
                body=(FIXTURES / "openai.chat.nonstream.json").read_text())
    slug = cloud.entra()
    assert cloud.chat(cloud.key(), model=f"@{slug}/gpt-4o-mini").status == 200
    (form,) = cloud.endpoint.forms
    assert form == {"grant_type": "client_credentials", "client_id": "client-1",
                    "client_secret": "entra-secret-of-the-test",
                    "scope": "https://cognitiveservices.azure.com/.default"}
    assert cloud.endpoint.paths[0] == f"/tenant-{cloud.n}/oauth2/v2.0/token"
    _, head = head_of(mock)
    assert head["authorization"].startswith("Bearer ya29.token-") and "api-key" not in head
    shown = json.dumps(cloud.admin("GET", f"/integrations/{slug}")) + cloud.log
    assert "entra-secret" not in shown


@pytest.mark.parametrize("change, word", [
    ({"azure_auth_mode": "managed"}, "azure_auth_mode"), ({"azure_entra_client_id": None}, "azure_entra_client_id"),
    ({"azure_entra_authority_host": "http://169.254.169.254"}, "azure_entra_authority_host"),
    ({"azure_entra_tenant_id": "a/../b"}, "azure_entra_tenant_id")])
def test_what_entra_cannot_do_is_refused_by_name(cloud, change, word):
    conf = {"azure_auth_mode": "entra", "azure_resource_name": "res", "azure_entra_tenant_id": "t",
            "azure_entra_client_id": "c", "azure_entra_client_secret": "s3cr3t-of-entra",
            "azure_deployment_config": [{"azure_deployment_name": "d", "azure_api_version": "v"}], **change}
    answer = cloud.admin_ask("POST", "/integrations", {"name": "e", "ai_provider_id": "azure-openai",
                                                       "configurations": conf})
    assert answer.status == 400 and word in answer.body.decode(), answer
    assert "s3cr3t" not in answer.body.decode()


# -- the machine's own identity ------------------------------------------------------------------

@pytest.fixture
def machine(gateway_factory, cloud, mock):
    """A gateway whose cloud tells it who it is, at the token endpoint of the test."""
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "instance_metadata": cloud.endpoint.url})

    def integration(family, **conf):
        gateway.integration(slug="own", family=family, key=None, configurations={"custom_host": mock.url, **conf})
        gateway.grant("own", gateway.default_workspace())
        return gateway
    return integration


MANAGED = {"azure_auth_mode": "managed", "azure_resource_name": "res", "azure_managed_client_id": "id-1",
           "azure_deployment_config": [{"azure_deployment_name": "dep", "azure_api_version": "2024-10-21",
                                        "azure_model_slug": "gpt-4o-mini", "is_default": True}]}
WORKLOAD = {"vertex_region": "europe-west4", "vertex_auth_type": "workload", "vertex_project_id": "proj-1"}


def test_a_machine_is_known_to_azure(machine, cloud, mock):
    serve(mock, "openai.chat.nonstream.json", "/deployments/dep/chat/completions*")
    gateway = machine("azure-openai", **MANAGED)
    key = gateway.key()
    assert [gateway.chat(key, model="@own/gpt-4o-mini").status for _ in range(3)] == [200] * 3
    assert cloud.endpoint.paths == ["/metadata/identity/oauth2/token?api-version=2018-02-01"
                                    "&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=id-1"]
    assert cloud.endpoint.forms == [{"header": ["Metadata: true"]}]
    _, head = head_of(mock)
    assert head["authorization"] == f"Bearer ya29.token-{cloud.endpoint.issued}-of-the-test" and "api-key" not in head


def test_a_machine_is_known_to_google(machine, cloud, mock):
    serve(mock, "gemini.generate.nonstream.json", GENERATE)
    gateway = machine("vertex-ai", **WORKLOAD)
    assert gateway.chat(gateway.key(), model=f"@own/{FLASH}").status == 200
    assert cloud.endpoint.paths == ["/computeMetadata/v1/instance/service-accounts/default/token"]
    assert cloud.endpoint.forms == [{"header": ["Metadata-Flavor: Google"]}]
    _, head = head_of(mock)
    assert head["authorization"].startswith("Bearer ya29.token-")


@pytest.mark.parametrize("family, conf", [("azure-openai", MANAGED), ("vertex-ai", WORKLOAD)])
def test_its_identity_is_not_shown_to_any_host(machine, cloud, family, conf):
    gateway = machine(family, **conf)
    answer = gateway.admin_ask("POST", "/integrations", {"name": "x", "ai_provider_id": family, "configurations": {
        **conf, "custom_host": "https://collector.example/v1"}})
    assert answer.status == 400 and "custom_host" in answer.body.decode()
    # What was right when it was made may be changed: the token stays at home all the same.
    gateway.admin("PUT", "/integrations/own", {"configurations": {**conf, "custom_host": "https://collector.example/v1"}})
    gateway.chat(gateway.key(), model="@own/gpt-4o-mini")
    assert cloud.endpoint.paths == []


@pytest.mark.parametrize("family, conf, word", [("azure-openai", MANAGED, "azure_auth_mode"),
                                                ("vertex-ai", WORKLOAD, "vertex_auth_type")])
def test_without_the_operator_s_word_no_machine_is_lent(cloud, family, conf, word):
    answer = cloud.admin_ask("POST", "/integrations", {"name": "x", "ai_provider_id": family, "configurations": conf})
    assert answer.status == 400 and word in answer.body.decode() and "instance_metadata" in answer.body.decode()


# -- embeddings ----------------------------------------------------------------------------------

def test_embeddings_are_predicted_and_their_tokens_summed(cloud, mock):
    told = {"predictions": [{"embeddings": {"values": [0.5, n], "statistics": {"token_count": n, "truncated": False}}}
                            for n in (3, 4)]}
    mock.script(times=1, body=json.dumps(told), content_type="application/json")
    answer = openai_client(cloud).embeddings.create(
        model=f"@{cloud.vertex()}/gemini-embedding-001", input=["a", "b"], encoding_format="float", dimensions=2)
    assert [d.embedding for d in answer.data] == [[0.5, 3], [0.5, 4]] and answer.usage.total_tokens == 7
    assert head_of(mock)[0] == f"POST {AT}/publishers/google/models/gemini-embedding-001:predict HTTP/1.1"
    assert json.loads(mock.last()["body"]) == {
        "instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 2}}
    # 0.15 dollars a million
    assert cloud.records("cost_nusd, input_fresh, endpoint") == [(7 * 150, 7, "embed")]


def test_the_newest_embeds_one_text_at_a_time(cloud, mock):
    mock.script(times=1, content_type="application/json", body=json.dumps(
        {"embedding": {"values": [1, 2]}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}))
    slug = cloud.vertex()
    answer = openai_client(cloud).embeddings.create(model=f"@{slug}/gemini-embedding-2", input="a", encoding_format="float")
    assert answer.data[0].embedding == [1, 2]
    assert head_of(mock)[0] == f"POST {AT}/publishers/google/models/gemini-embedding-2:embedContent HTTP/1.1"
    assert cloud.records("cost_nusd") == [(5 * 200,)]
    with pytest.raises(openai.BadRequestError, match="input: at most 1 texts"):
        openai_client(cloud).embeddings.create(model=f"@{slug}/gemini-embedding-2", input=["a", "b"])
