"""Ways around a cap, or out of a bill, by requests that are no chat: pictures, forms, paths that pass."""

import json

import pytest

from gateway import chat_body, wait
from plane import (_provider, plane, provider)  # noqa: F401

CONF = {"workers": "1", "fit_min_tokens": "16"}
PASSED = "/v1/other/completions"  # a provider may read it as it likes
STANDARD = 40000029  # nano-USD of 1024*1024 pixels of dall-e-3


@pytest.fixture
def ledger(plane, provider):
    plane.wait_idle()
    plane.wait_flushed()
    plane.sql("DELETE FROM aigate.ledger")

    def records(columns):
        plane.wait_idle()
        plane.wait_flushed()
        return plane.rows(f"SELECT {columns} FROM aigate.ledger ORDER BY received_at")
    return records


def picture(plane, key, model="dall-e-3", **fields):
    return plane.post(key, {"model": f"@mock/{model}", "prompt": "a cat", **fields}, path="/v1/images/generations")


def passed(plane, key, **fields):
    plane.mock.script(match={"path": PASSED}, body='{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}')
    return plane.post(key, {**chat_body(**fields), "model": "gpt-4o-mini"}, path=PASSED,
                      headers={"x-portkey-provider": "@mock"})


def form(plane, key, *parts, path="/v1/audio/transcriptions", content_type="multipart/form-data; boundary=b"):
    """parts: (head, value)"""
    body = "".join(f"--b\r\n{head}\r\n\r\n{value}\r\n" for head, value in parts) + "--b--\r\n"
    return plane.ask("POST", path, {"authorization": f"Bearer {key}", "content-type": content_type}, body)


FILE = ('Content-Disposition: form-data; name="file"; filename="a.wav"', "RIFF")
MODEL = ('Content-Disposition: form-data; name="model"', "@mock/whisper-1")


# -- what is held ------------------------------------------------------------------------------

def test_what_has_no_limit_to_write_is_not_fitted(plane, provider):
    """A hold that is lowered is worth nothing where the provider is not told."""
    assert picture(plane, plane.key(budget_usd="0.1"), "gpt-image-1").status == 412
    assert passed(plane, plane.key(budget_usd="0.02")).status == 412
    assert provider.stats()["requests"] == 0
    assert passed(plane, plane.key(budget_usd="0.1")).status == 200


def test_a_path_that_passes_is_held_at_the_most_its_model_can(plane, provider):
    assert passed(plane, plane.key(budget_usd="0.5"), n=100).status == 412
    assert passed(plane, plane.key(budget_usd="0.5"), best_of=100).status == 412
    assert provider.stats()["requests"] == 0


# -- what is charged ---------------------------------------------------------------------------

def test_a_picture_is_paid_although_nobody_waited_for_it(plane, provider, ledger):
    provider.script(match={"path": "/v1/images/generations"}, body="{\"data\":[]}", wait="go")
    connection = plane.connect()
    connection.request("POST", "/v1/images/generations", {"authorization": f"Bearer {plane.key(budget_usd='1')}"},
                       {"model": "@mock/dall-e-3", "prompt": "a cat"})
    provider.wait_stat("requests", 1)
    connection.sock.close()
    assert ledger("charged_nusd, units") == [(STANDARD, 1024 * 1024)]


def test_a_picture_is_paid_by_the_piece_whatever_tokens_are_told(plane, provider, ledger):
    provider.script(match={"path": "/v1/images/generations"}, body=json.dumps({
        "data": [{"url": "u"}], "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}))
    assert picture(plane, plane.key(budget_usd="1")).status == 200
    assert ledger("charged_nusd, units") == [(STANDARD, 1024 * 1024)]


def test_the_price_of_a_picture_is_multiplied_too(plane, provider, ledger):
    conf = plane.sql("select configurations from aigate.integration where slug = 'mock'")
    provider.script(match={"path": "/v1/images/generations"}, body='{"data":[{"url":"u"}]}')
    plane.admin("PUT", "/integrations/mock", {"configurations": {**conf, "price_multiplier": "2"}})
    try:
        assert picture(plane, plane.key(budget_usd="1")).status == 200
    finally:
        plane.admin("PUT", "/integrations/mock", {"configurations": conf})
    assert [(c, p) for c, p in ledger("charged_nusd, price_ppm")] == [(2 * STANDARD, 2000000)]


@pytest.mark.parametrize("status", (400, 429, 500))
def test_an_error_that_nobody_read_to_its_end_costs_nothing(plane, provider, ledger, status):
    provider.script(status=status, cut_after_bytes=20)
    key = plane.key(budget_usd="1")
    try:
        plane.chat(key)
    except Exception:  # the body ends before its length
        pass
    assert ledger("status, charged_nusd") == [(status, 0)]


# -- forms -------------------------------------------------------------------------------------

@pytest.mark.parametrize("head", (
    'Content-Disposition: form-data; name=model',
    'Content-Disposition: form-data;name="model"',
    'Content-Disposition: form-data; NAME="model"',
    "Content-Disposition: form-data; name*=utf-8''model",
    'Content-Disposition: form-data; filename="a name="; name="model"',
    'X-Other: a; name="x"\r\nContent-Disposition: form-data; name="model"',
    'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
    'Content-Disposition: form-data; name="x"; name="model"',
    'Content-Disposition: form-data; name="mod\\el"',
    'Content-Disposition: form-data;\r\n name="model"',
    'Content-Type: text/plain',
))
def test_no_part_of_a_form_hides_its_name(plane, provider, head):
    answer = form(plane, plane.key(budget_usd="1"), MODEL, FILE, (head, "gpt-4o-transcribe"))
    assert answer.status == 400, answer
    assert provider.stats()["requests"] == 0


@pytest.mark.parametrize("content_type", (
    "multipart/form-data; xboundary=b; boundary=c",
    "multipart/form-data; boundary=b; boundary=c",
    "multipart/form-data; boundary=b; BOUNDARY=c",
    "application/x-www-form-urlencoded; boundary=b",
))
def test_a_form_has_one_boundary(plane, provider, content_type):
    answer = form(plane, plane.key(budget_usd="1"), MODEL, FILE, content_type=content_type)
    assert answer.status in (400, 415), answer
    assert provider.stats()["requests"] == 0


@pytest.mark.parametrize("field", ("url", "file_url", "file_id"))
def test_sound_that_nobody_here_has_seen_is_refused(plane, provider, field):
    head = f'Content-Disposition: form-data; name="{field}"'
    key = plane.key(budget_usd="1")
    assert form(plane, key, MODEL, (head, "https://sounds.test/a.mp3")).status == 400
    assert form(plane, key, MODEL, FILE, (head, "https://sounds.test/a.mp3")).status == 400
    assert form(plane, key, MODEL).status == 400
    assert provider.stats()["requests"] == 0


def test_a_form_as_clients_write_it_passes(plane, provider):
    provider.script(match={"path": "/v1/audio/transcriptions"}, body='{"text":"hi"}')
    answer = form(plane, plane.key(budget_usd="1"), MODEL,
                  ('content-disposition: form-data; name="file"; filename="a %22b%22.wav"\r\n'
                   "Content-Type: audio/wav\r\nContent-Length: 4", "RIFF"),
                  ('Content-Disposition: form-data; name="timestamp_granularities[]"', "word"),
                  content_type='multipart/form-data; boundary="b"; charset=utf-8')
    assert answer.status == 200, answer
