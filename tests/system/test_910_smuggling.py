"""Requests that one reader takes for another than the next one does: refused, never passed."""

import json

import pytest

from gateway import Gateway
from mock import Mock

GPT, NAMED = "gpt-4o-mini", {"x-portkey-provider": "@mock"}


@pytest.fixture(scope="module")
def house(pg_cluster):
    """A provider that answers to any path; its integration serves every model but one."""
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider)
        gateway.default_workspace()
        gateway.admin("PUT", "/integrations/mock/models", {
            "allow_all_models": True, "models": [{"slug": "dear", "enabled": False}]})
        yield gateway
        gateway.close()


@pytest.fixture
def mock(house):
    house.mock.clear()
    house.mock.reset()
    house.mock.script(match={"path": "*"}, body='{"object":"list","data":[]}')
    return house.mock


@pytest.fixture
def guarded(house, mock):
    return house


def form(*parts):
    return b"".join(b"--b\r\n" + p + b"\r\n" for p in parts) + b"--b--\r\n"


GOOD = b'Content-Disposition: form-data; name="model"\r\n\r\n@mock/whisper-1'
FILE = b'Content-Disposition: form-data; name="file"; filename="a b.mp3"\r\nContent-Type: audio/mpeg\r\n\r\nabc'


@pytest.mark.parametrize("part", [
    b'Content-Disposition: form-data;name="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name=model\r\n\r\ndear',
    b'Content-Disposition: form-data;\tname="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name = "model"\r\n\r\ndear',
    b'Content-Disposition: form-data;\r\n name="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name="mo\\del"\r\n\r\ndear',
    b'Content-Disposition: form-data; name*=utf-8\'\'model\r\n\r\ndear',
    b'Content-Disposition: form-data; NAME="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name="prompt"; name="model"\r\n\r\ndear',
    b'X-Other: a; name="prompt"\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Disposition: form-data; name="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; filename="; name=\\"x\\""; name="model"\r\n\r\ndear',
    b'Content-Disposition: form-data; name="prompt"\n\nx\r\n\r\ndear',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Transfer-Encoding: base64\r\n\r\nZGVhcg==',
    b'X-Other: x\r\n\r\ndear',
    b'Content-Disposition: form-data; name="x"; filename="a\\"; name=model; x=\\"b"\r\n\r\ndear',
    b'\r\n\r\ndear',
])
def test_a_second_model_cannot_hide_in_a_form(guarded, mock, part):
    for parts in ((GOOD, part, FILE), (part, GOOD, FILE)):
        no = guarded.ask("POST", "/v1/audio/transcriptions", {
            "authorization": f"Bearer {guarded.key()}", "content-type": "multipart/form-data; boundary=b"},
            form(*parts))
        assert no.status == 400, no
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x; boundary=b", "multipart/mixed; boundary=b",
                                  "multipart/form-data; xboundary=b; boundary=c", "text/plain; boundary=b"])
def test_a_form_has_one_boundary(guarded, mock, kind):
    no = guarded.ask("POST", "/v1/audio/transcriptions", {
        "authorization": f"Bearer {guarded.key()}", "content-type": kind}, form(GOOD, FILE))
    assert no.status in (400, 415), no
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", 'Multipart/Form-Data;boundary="b"',
                                  "multipart/form-data; charset=utf-8; boundary=b"])
@pytest.mark.parametrize("file", [
    FILE, b'content-disposition: form-data; name=file; filename="C:\\x; name=y"\r\n\r\nabc',
    b'Content-Disposition: form-data; filename="a"; name="file"\r\nContent-Length: 3\r\n'
    b'Content-Transfer-Encoding: binary\r\n\r\nabc',
    b'Content-Disposition: form-data; name="file"; filename="a"; filename*=utf-8\'\'%C3%A4\r\n\r\nabc'])
def test_forms_as_clients_send_them_pass(guarded, mock, kind, file):
    yes = guarded.ask("POST", "/v1/audio/transcriptions", {
        "authorization": f"Bearer {guarded.key()}", "content-type": kind}, form(GOOD, file))
    assert yes.status == 200, yes


@pytest.mark.parametrize("path", [
    "/v1/files/..%2fchat/completions", "/v1/files/%2e%2e%2Fchat/completions", "/v1/x/..%5cy", "/v1/x%2fy/../z",
    "/v1/chat/completions/", "/v1//chat/completions", "/v1/chat//completions", "/v1/%63hat/completions",
    "/v1/Chat/Completions", "/v1/chat/completions//", "/v1/chat%2Fcompletions", "/v1/x%00y", "/v1/x%zzy",
    "/v1/x%", "/v1/./chat/completions", "/v1/images/generations/", "/v1/messages/", "/v1/embeddings/",
    "/v1/%6dodels/dear:generateContent", "/v1/files;/../x", "/v1/chat;x=1/completions",
])
def test_an_endpoint_in_another_spelling_is_no_path_to_pass(guarded, mock, path):
    no = guarded.post(guarded.key(), {"model": GPT, "messages": []}, path, headers=NAMED)
    assert no.status in (400, 404), no
    assert mock.stats()["requests"] == 0


@pytest.mark.parametrize("path", ["/v1/files/file-abc/content", "/v1/fine_tuning/jobs/ft%3A1", "/v1/x?a=..%2fb"])
def test_other_paths_pass(guarded, mock, path):
    guarded.grant(guarded.integration(slug="open", configurations={"shared_objects": True}), guarded.default_workspace())
    assert guarded.post(guarded.key(), {}, path, headers={"x-portkey-provider": "@open"}).status == 200
    assert mock.last()["head"].startswith(f"POST {path} ")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded",
                                  "application/octet-stream", "application/vnd.x+json", ""])
def test_a_model_is_read_whatever_its_body_is_called(guarded, mock, kind):
    body, headers = json.dumps({"model": "dear"}), {"authorization": f"Bearer {guarded.key()}", **NAMED}
    if kind:
        headers["content-type"] = kind
    for text in (body, "\n " + body, "\ufeff" + body):
        no = guarded.ask("POST", "/v1/other", headers, text.encode())
        assert no.status in (400, 403, 404, 412), no
    assert mock.stats()["requests"] == 0


def test_a_body_does_not_name_the_model_where_the_path_does(guarded, mock):
    """Bedrock and Google read the model out of the path alone."""
    guarded.grant(guarded.integration(slug="gem", family="google"), guarded.default_workspace())
    path, headers = "/v1/tunedModels/dear:generateContent", {"x-portkey-provider": "@gem"}
    body = {"model": "gemini-2.5-flash", "contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    assert guarded.post(guarded.key(), body, path, headers=headers).status == 200
    assert json.loads(mock.last()["body"]) == body
    mock.reset()
    no = guarded.post(guarded.key(budget_usd="1"), body, path, headers=headers)
    assert no.status == 412, "nobody knows what it costs"
    guarded.admin("PUT", "/integrations/gem/models", {
        "allow_all_models": False, "models": [{"slug": "gemini-2.5-flash", "enabled": True}]})
    assert guarded.post(guarded.key(), body, path, headers=headers).status in (403, 412)
    assert mock.stats()["requests"] == 0


# -- small texts that become large trees -----------------------------------------------------------

MANY = ",".join(["{}"] * 300000)


def test_a_body_of_many_small_values_is_not_made_a_tree(guarded, mock):
    workspace = guarded.default_workspace()
    guarded.grant(guarded.integration(slug="claude", family="anthropic"), workspace)
    body = '{"model":"@claude/claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"x"}],"user":"%s",' \
           '"metadata":{"a":[%s]}}'
    headers = {"authorization": f"Bearer {guarded.key()}", "content-type": "application/json"}
    no = guarded.ask("POST", "/v1/chat/completions", headers, body % ("x", MANY))
    assert no.status == 400 and "too many values" in no.message
    text = MANY.replace('"', "") + '\\\\' + '\\"{' * 1000
    assert guarded.ask("POST", "/v1/chat/completions", headers, body % (text, "1")).status != 400, "a text is one value"
    no = guarded.admin_ask("POST", "/admin/workspaces", {"name": "w", "x": [{}] * 200000})
    assert no.status == 413 and "too many values" in no.message
