"""Work that no answer counts is no way past a cap; what costs nothing needs no room in one."""

import json

import pytest

from plane import (_provider, plane, provider)  # noqa: F401

CONF = {"workers": "1"}
NAMED = {"x-portkey-provider": "@mock"}
LIMITS = ({"budget_usd": "1"}, {"budget_tokens": 1000000}, {"tpm": 1000000})
WORK = ["/v1/batches", "/v1/fine_tuning/jobs", "/v1/videos", "/v1/vector_stores", "/v1/containers", "/v1/evals",
        "/v1/threads"]


def post(plane, key, path, body, headers=NAMED):
    plane.mock.script(match={"path": path}, times=1, body='{"id":"x_1"}')
    return plane.post(key, body, path, headers=headers)


@pytest.mark.parametrize("path", WORK)
@pytest.mark.parametrize("limit", LIMITS)
def test_work_that_costs_later_is_refused_under_a_limit(plane, provider, limit, path):
    no = post(plane, plane.key(**limit), path, {"model": "gpt-4o-mini"})
    assert no.status == 412 and no.json["error"]["type"] == "uncounted_work_error", no
    assert path in no.json["error"]["message"] and "uncounted_work" in no.json["error"]["message"]
    assert provider.stats()["requests"] == 0


def test_without_a_limit_it_passes(plane, provider):
    for path in WORK:
        assert post(plane, plane.key(rpm=1000), path, {"model": "gpt-4o-mini"}).status == 200


def test_limits_of_other_levels_count_as_well(plane, provider):
    workspace = plane.workspace("uncounted", usage_limits=[{"type": "cost", "credit_limit": 100}])
    assert post(plane, plane.key(workspace=workspace), "/v1/batches", {}).status == 412


def test_a_path_without_a_model_is_refused_under_a_limit_on_tokens(plane, provider):
    plane.grant(plane.integration(slug="gem", family="google"), plane.default_workspace())
    path, named = "/v1/tunedModels/dear:generateContent", {"x-portkey-provider": "@gem"}
    for limit in LIMITS:
        no = post(plane, plane.key(**limit), path, {"contents": []}, named)
        assert no.status == 412 and no.json["error"]["type"] == "uncounted_work_error"
    assert provider.stats()["requests"] == 0
    assert post(plane, plane.key(), path, {"contents": []}, named).status == 200


def test_what_costs_nothing_passes_under_every_limit(plane, provider):
    for limit in LIMITS:
        key = plane.key(**limit)
        assert post(plane, key, "/v1/files", {}).status == 200
        provider.script(match={"path": "/v1/files/x_1"}, times=2, body=json.dumps({
            "id": "x_1", "model": "gpt-4o-mini", "usage": {"prompt_tokens": 5000000, "completion_tokens": 9}}))
        assert plane.get("/v1/files/x_1", key=key, headers=NAMED).status == 200
        assert plane.get("/v1/files/x_1", key=key, headers=NAMED).status == 200
    plane.wait_flushed()
    assert plane.sql("SELECT sum(charged_nusd) FROM aigate.ledger WHERE endpoint = 'files'") == 0
    assert all(m["used"] == 0 for m in plane.meters() if m["unit"] != "requests" and m["limit"] == 1000000)


@pytest.fixture
def flat(gateway_factory, mock):
    return gateway_factory(mock=mock, conf={"workers": "1", "unpriced_model": "flat", "unpriced_flat_usd": "0.10"})


def test_a_flat_price_is_for_answers_not_for_batches(flat, mock):
    """A cent would buy a batch of any size."""
    key = flat.key(budget_usd="1")
    assert post(flat, key, "/v1/batches", {}).status == 412
    assert post(flat, key, "/v1/files", {}).status == 200
    flat.wait_flushed()
    assert flat.sql("SELECT sum(charged_nusd) FROM aigate.ledger") == 0, "nor for what is free"


def test_rules_on_models_are_not_passed_by_a_file(plane, provider):
    """A batch's models stand in its file."""
    plane.grant(plane.integration(slug="few"), plane.default_workspace())
    plane.admin("PUT", "/integrations/few/models", {
        "allow_all_models": False, "models": [{"slug": "gpt-4o-mini", "enabled": True}]})
    no = post(plane, plane.key(), "/v1/batches", {"model": "gpt-4o-mini"}, {"x-portkey-provider": "@few"})
    assert no.status == 412 and "a rule on models" in no.json["error"]["message"]


def test_the_operator_may_allow_it(plane, provider):
    conf = {"uncounted_work": True}
    plane.grant(plane.integration(slug="trusted", configurations=conf), plane.default_workspace())
    named = {"x-portkey-provider": "@trusted"}
    for limit in LIMITS:
        assert post(plane, plane.key(**limit), "/v1/batches", {}, named).status == 200
    plane.wait_flushed()
    assert plane.rows("SELECT DISTINCT charged_nusd, usage_source FROM aigate.ledger WHERE provider_slug = 'trusted'") \
        == [(0, "none")]
