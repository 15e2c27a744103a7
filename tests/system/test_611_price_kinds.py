"""Multiples of list prices by kind of token: held, charged, recorded, repriced, told, exported."""

import json
from decimal import Decimal

import pytest

from plane import _provider, plane, provider  # noqa: F401

MODEL = "gpt-4o-mini"  # 0.15 in, 0.075 cached, 0.6 out: dollars per million tokens
IN, CACHED, OUT = 150, 75, 600  # nano-dollars per thousandth of a million


def adjust(plane, multiplier):
    said = None if multiplier is None else {"multiplier": multiplier}
    plane.admin("PUT", "/integrations/mock", {"pricing_adjustments": said})
    assert plane.admin("GET", "/integrations/mock")["pricing_adjustments"] == said


@pytest.fixture(autouse=True)
def plain(plane, provider):
    yield
    adjust(plane, None)


def spent(plane, key):
    plane.wait_flushed()
    return plane.rows(
        "SELECT cost_nusd, charged_nusd, held_nusd, price_ppm, x.multiples FROM aigate.ledger l"
        " JOIN aigate.api_key k ON k.id = l.api_key_id LEFT JOIN aigate.price_adjustment x"
        " ON x.id = l.price_adjustment_id WHERE k.key_hash = sha256(%s::bytea) ORDER BY received_at", key)


def ask(plane, key, **more):
    return plane.chat(key, model=f"@mock/{MODEL}", max_tokens=100, **more)


def test_each_kind_is_charged_at_its_multiple(plane, provider):
    key = plane.key(budget_usd="1")
    provider.script(prompt_tokens=1000, cached_tokens=400, tokens=50)
    adjust(plane, {"default": 2, "request_token": "0.333333", "cache_read_input_token": 0, "response_token": 1.5})
    assert ask(plane, key).status == 200
    cost, charged, held, ppm, multiples = spent(plane, key)[0]
    assert cost == charged == -(-600 * IN * 333333 // 10**6) + 50 * OUT * 3 // 2  # rounded up once
    assert ppm is None and multiples == {"default": 2000000, "request_token": 333333,
                                         "cache_read_input_token": 0, "response_token": 1500000}
    assert cost < held


def test_what_is_held_is_held_at_the_multiples(plane, provider):
    """A budget that pays for the output at half its price and not at the whole of it."""
    provider.script(prompt_tokens=10, tokens=100)
    held = {}
    for name, multiplier in (("list", None), ("half", {"response_token": 0.5}), ("free", {"default": 0}),
                             ("dear", {"cache_write_input_token": 10})):
        adjust(plane, multiplier)
        key = plane.key(budget_usd="1")
        assert ask(plane, key).status == 200
        held[name] = spent(plane, key)[0][2]
    assert held["list"] - held["half"] == 100 * OUT // 2 and held["free"] == 0
    assert held["dear"] - held["list"] == 9 * (held["list"] - 100 * OUT), "the dearest way a token can be counted"


def test_pictures_and_searches_have_multiples_too(plane, provider):
    provider.script(match={"path": "/v1/images/generations"}, body='{"data":[{"url":"u"}]}')
    adjust(plane, {"image": {"default": 0.25}, "additional_units": {"web_search": 3}, "request_token": 7})
    key = plane.key(budget_usd="1")
    assert plane.post(key, {"model": "@mock/dall-e-3", "prompt": "a cat"}, "/v1/images/generations").status == 200
    cost, _, held, _, _ = spent(plane, key)[0]
    adjust(plane, None)
    key = plane.key(budget_usd="1")
    assert plane.post(key, {"model": "@mock/dall-e-3", "prompt": "a cat"}, "/v1/images/generations").status == 200
    whole = spent(plane, key)[0]
    assert cost == -(-whole[0] // 4) and cost <= held < whole[2]


def test_one_combination_is_one_row_and_history_keeps_its_own(plane, provider):
    provider.script(prompt_tokens=100, tokens=10)
    key = plane.key(budget_usd="1")
    for multiplier in ({"request_token": 0.9}, {"request_token": 0.8}, {"request_token": "0.90"}):
        adjust(plane, multiplier)
        assert ask(plane, key).status == 200
    plane.wait_flushed()
    rows = plane.rows("SELECT l.price_adjustment_id, x.multiples FROM aigate.ledger l JOIN aigate.price_adjustment x"
                      " ON x.id = l.price_adjustment_id JOIN aigate.api_key k ON k.id = l.api_key_id"
                      " WHERE k.key_hash = sha256(%s::bytea) ORDER BY received_at", key)
    assert rows[0] == rows[2] != rows[1] and rows[1][1] == {"request_token": 800000}
    attempts = plane.rows("SELECT price_multiplier, price_adjustment_id FROM aigate.v_attempt"
                          " WHERE price_adjustment_id = %s", rows[0][0])
    assert attempts == [(None, rows[0][0])] * 2


def test_all_kinds_alike_are_the_one_number(plane, provider):
    adjust(plane, {"default": 1.5, "request_token": 1.5, "image": {}, "cache_read_image_input_token": 1.5})
    key = plane.key(budget_usd="1")
    assert ask(plane, key).status == 200
    assert spent(plane, key)[0][3:] == (1500000, None)
    adjust(plane, {"default": 1, "response_token": "1.0"})
    assert ask(plane, key).status == 200
    assert spent(plane, key)[1][3:] in ((1000000, None), (None, None))


def test_repricing_takes_the_multiples_of_the_row(plane, provider):
    """Not those that stand now."""
    provider.script(prompt_tokens=1000, cached_tokens=500, tokens=100)
    key = plane.key(budget_usd="1")
    adjust(plane, {"request_token": 0.5, "response_token": 0.25, "default": 3})
    assert ask(plane, key).status == 200
    before = spent(plane, key)[0][0]
    adjust(plane, {"default": 9})
    received = plane.rows("SELECT max(received_at)::text FROM aigate.ledger")[0][0]
    plane.sql("insert into aigate.price (family, model, mode, effective_from, in_pusd, cached_in_pusd, out_pusd, source)"
              " select family, model, mode, now() - interval '1 hour', 2 * in_pusd, 2 * cached_in_pusd, 4 * out_pusd,"
              " 'hand' from aigate.price where family = 'openai' and model = %s and integration_id is null"
              " order by effective_from desc limit 1", MODEL)
    try:
        done = json.loads(plane.ctl("-o", "json", "reprice", "--from", received, "--to", "2100-01-01",
                                    "--model", MODEL, "--reason", "late").stdout)
        now = 2 * (500 * IN // 2 + 500 * CACHED * 3) + 4 * 100 * OUT // 4
        assert (done["rows"], done["adjusted"], done["unexplained"]) == (1, 1, 0)
        assert Decimal(done["delta_usd"]) * 10**9 == now - before
    finally:
        plane.sql("delete from aigate.price where source = 'hand'")


def test_the_catalogue_of_a_workspace_shows_what_counts_there(plane, provider):
    adjust(plane, {"default": 2, "response_token": 0.5})
    slug = plane.default_workspace()["slug"]
    (one,) = [m for m in json.loads(plane.ctl("-o", "json", "models", "--workspace", slug, "--model", MODEL).stdout)
              if m["id"] == f"@mock/{MODEL}"]
    assert [Decimal(str(one[c])) for c in ("in_usd_per_m", "cached_in", "out_usd_per_m")] == [
        Decimal("0.3"), Decimal("0.15"), Decimal("0.3")]


def test_a_file_holds_them_and_brings_them_back(plane, provider, tmp_path):
    adjust(plane, {"request_token": 0.5, "image": {"default": 2}})
    path = tmp_path / "all.json"
    path.write_text(plane.ctl("-o", "json", "export").stdout)
    (one,) = [i for i in json.loads(path.read_text())["integrations"] if i["slug"] == "mock"]
    assert one["pricing_adjustments"] == {"multiplier": {"request_token": 0.5, "image": {"default": 2}}}
    assert "nothing to do" in plane.ctl("apply", "-f", str(path)).stdout
    adjust(plane, None)
    plane.ctl("apply", "-f", str(path))
    assert plane.admin("GET", "/integrations/mock")["pricing_adjustments"] == one["pricing_adjustments"]


@pytest.mark.parametrize("multiplier, word", [
    ({"default": "much"}, "default"), ({"default": 1001}, "default"), ({"default": 0.0000001}, "default"),
    ({"request_token": -1}, "request_token"), ({"image": 2}, "image"), ({"image": {"hd": 2}}, "image.hd"),
    ({"additional_units": {"file_search": 2}}, "additional_units.file_search"), ({"video_token": 2}, "video_token"),
    ({"image.default": 2}, "image.default"), ({"request_token": True}, "request_token"),
    ({"cache_read_image_input_token": 2}, "cache_read_image_input_token"),
    ({"default": 2, "cache_write_input_token": 3, "cache_write_image_input_token": 2},
     "cache_write_image_input_token")])
def test_what_is_refused_by_name(plane, provider, multiplier, word):
    no = plane.admin_ask("PUT", "/integrations/mock", {"pricing_adjustments": {"multiplier": multiplier}})
    assert no.status == 400 and f"pricing_adjustments.multiplier.{word}" in no.message
    assert plane.admin("GET", "/integrations/mock")["pricing_adjustments"] is None
