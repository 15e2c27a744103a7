"""Rows of the ledger made by hand: reports are compared with numbers the test chose."""

import datetime
import itertools
import uuid
from decimal import Decimal

UTC = datetime.timezone.utc
_seq = itertools.count(1)

# A day that is over, in a month there is a partition for.
DAY = datetime.datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) \
    - datetime.timedelta(days=3)


def at(hours=0, minutes=0, seconds=0, days=0):
    """A moment of DAY."""
    return DAY + datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def iso(moment):
    """As the API takes it."""
    return moment.isoformat().replace("+00:00", "Z")


def shown(moment):
    """As the API shows it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def ids(gateway, key):
    """Numbers of what a key belongs to."""
    org, workspace, key_id = gateway.rows(
        "SELECT organisation_id, workspace_id, id FROM aigate.api_key WHERE uuid = %s", key.id)[0]
    return org, workspace, key_id


def add(gateway, key, when, cost_nusd=0, tin=0, tout=0, model="gpt-4o-mini", family="openai",
        status=200, outcome=None, attempt=1, is_final=True, ms=100, metadata=None, trace=None,
        provider="mock", provider_id=1, cache=0, request_id=None, price_id=None, client_status=None,
        roll_up=True, boot=7, worker=0, span=None):
    """One attempt; returns the id of its request."""
    org, workspace, key_id = ids(gateway, key)
    request_id = request_id or str(uuid.uuid4())
    outcome = outcome or ("answered" if status and 200 <= status < 300 else
                          "upstream_429" if status == 429 else
                          "upstream_5xx" if status and status >= 500 else "upstream_4xx")
    gateway.sql(
        "INSERT INTO aigate.ledger (boot_id, worker, seq, request_id, attempt, received_at, sent_at,"
        " first_byte_at, finished_at, organisation_id, workspace_id, api_key_id, provider_id, family,"
        " provider_slug, requested_model, served_model, endpoint, is_stream, outcome, is_final, status,"
        " client_status, usage_source, service_tier, input_fresh, cache_read, cache_write_5m,"
        " cache_write_1h, input_audio, input_image, cache_read_audio, output_total, reasoning,"
        " output_audio, output_image, accepted_prediction, rejected_prediction, web_searches, units,"
        " price_id, cost_nusd, charged_nusd, held_nusd, queue_us, admit_us, connect_us, overhead_us,"
        " request_bytes, response_bytes, cache_status, trace_id, span_id, metadata) VALUES"
        " (%s, %s, %s, %s, %s, %s, %s, %s, %s::timestamptz + %s * interval '1 ms', %s, %s, %s, %s, %s, %s, %s,"
        " %s, 'chatComplete', false, %s, %s, %s, %s, 'reported', 'standard', %s, 0, 0, 0, 0, 0, 0, %s,"
        " 0, 0, 0, 0, 0, 0, 0, %s, %s, %s, 0, 0, 0, 0, 0, 0, 0, %s, %s, %s, %s::jsonb)",
        boot, worker, next(_seq), request_id, attempt, iso(when), iso(when), iso(when), iso(when), ms, org,
        workspace, key_id, provider_id, family, provider, model, model, outcome, is_final, status,
        client_status if client_status is not None else (status if is_final else None), tin, tout,
        price_id, cost_nusd, cost_nusd, cache, trace, span, metadata)
    if roll_up:
        _roll_up(gateway, request_id, attempt)
    return request_id


def _roll_up(gateway, request_id, attempt):
    """What the flusher adds up beside the row."""
    gateway.sql(
        "INSERT INTO aigate.usage_hour AS u (hour, organisation_id, workspace_id, api_key_id,"
        " integration_id, provider_id, family, model, endpoint, status_class, tier, requests, attempts, errors,"
        " input_total, output_total, cost_nusd, charged_nusd, latency_us)"
        " SELECT date_trunc('hour', received_at), organisation_id, workspace_id, api_key_id, 0, provider_id, family,"
        " served_model, endpoint, coalesce(status, 0) / 100, coalesce(metadata ->> 'subscription_tier', ''),"
        " is_final::int, 1, (outcome <> 'answered')::int, input_fresh + cache_read, output_total,"
        " cost_nusd, charged_nusd, extract(epoch from finished_at - received_at) * 1000000"
        " FROM aigate.ledger WHERE request_id = %s AND attempt = %s"
        " ON CONFLICT (hour, organisation_id, workspace_id, api_key_id, integration_id, provider_id, family,"
        " model, endpoint, status_class, tier) DO UPDATE SET requests = u.requests + excluded.requests,"
        " attempts = u.attempts + 1, errors = u.errors + excluded.errors,"
        " input_total = u.input_total + excluded.input_total,"
        " output_total = u.output_total + excluded.output_total,"
        " cost_nusd = u.cost_nusd + excluded.cost_nusd,"
        " charged_nusd = u.charged_nusd + excluded.charged_nusd,"
        " latency_us = u.latency_us + excluded.latency_us", request_id, attempt)


def cents(nusd):
    """Nano-dollars as the API shows money."""
    return float(Decimal(nusd) / 10_000_000)
