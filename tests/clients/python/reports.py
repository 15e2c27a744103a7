"""Every call of the SDK about analytics, logs and feedback; what it got, as one JSON object.

Environment: GATEWAY_URL, API_KEY, SINCE, UNTIL, TRACE."""

import json
import os
import sys
import time
import urllib.request

from portkey_ai import Portkey

client = Portkey(api_key=os.environ["API_KEY"], base_url=os.environ["GATEWAY_URL"])
SPAN = {"time_of_generation_min": os.environ["SINCE"], "time_of_generation_max": os.environ["UNTIL"]}


def plain(answer):
    return json.loads(answer.model_dump_json()) if hasattr(answer, "model_dump_json") else answer


got = {}
feedback = client.feedback.create(trace_id=os.environ["TRACE"], value=10, weight=0.5, metadata={"from": "sdk"})
bulk = client.feedback.bulk_create(feedbacks=[{"trace_id": os.environ["TRACE"], "value": -5},
                                              {"trace_id": "nowhere", "value": 1}])
changed = client.feedback.update(feedback_id=bulk.feedback_ids[0], value=0, weight=1.0)
got["feedback"] = [plain(feedback), plain(bulk), plain(changed)]

graphs = {}
for name in ("requests", "cost", "latency", "tokens", "users", "users_requests", "errors", "errors_rate",
             "errors_stacks", "errors_status_codes", "requests_rescued", "cache_hit_rate", "cache_latency",
             "feedbacks", "feedbacks_scores", "feedbacks_weighted", "feedbacks_ai_models"):
    graphs[name] = plain(getattr(client.analytics.graphs, name)(**SPAN))
got["graphs"] = graphs
got["filtered"] = plain(client.analytics.graphs.cost(**SPAN, status_code="200", total_units_min=12,
                                                     metadata='{"team":"a"}'))["summary"]
groups = client.analytics.groups
got["groups"] = {
    "users": plain(groups.users(**SPAN)), "ai_models": plain(groups.ai_models(**SPAN)),
    "workspaces": plain(groups.workspaces(**SPAN)),
    "metadata": plain(groups.metadata(metadata_key="team", **SPAN)),
    "status_code": plain(groups.group_by(group_by="status_code", **SPAN)),
    "model": plain(groups.group_by(group_by="model", columns="cost,avg_latency,error_count", include_total=True,
                                   order_by="cost", order_by_type="asc", page_size=1, current_page=1, **SPAN)),
}
got["cache"] = plain(client.analytics.summary.cache(**SPAN))

client.logs.create(
    request={"url": "https://x/v1", "method": "POST", "headers": {}, "body": {"model": "m"}},
    response={"status": 200, "headers": {}, "body": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
              "response_time": 5},
    metadata={"trace_id": "told"})

exports = client.logs.exports
made = exports.create(filters=SPAN, requested_data=["id", "cost", "trace_id"], description="from the SDK")
updated = exports.update(export_id=made.id, filters={**SPAN, "status_code": [200]},
                         requested_data=["id", "cost", "trace_id"])
got["export"] = [plain(made), plain(updated), plain(exports.cancel(export_id=made.id)),
                 plain(exports.start(export_id=made.id))]
deadline = time.monotonic() + 30
while exports.retrieve(export_id=made.id).status == "in_progress" and time.monotonic() < deadline:
    time.sleep(0.05)
got["retrieved"] = plain(exports.retrieve(export_id=made.id))
got["listed"] = plain(exports.list())
url = exports.download(export_id=made.id).signed_url
with urllib.request.urlopen(url) as answer:
    got["file"] = [json.loads(line) for line in answer.read().decode().splitlines()]

try:
    client.analytics.graphs.cost(time_of_generation_min="yesterday", time_of_generation_max=SPAN[
        "time_of_generation_max"])
except Exception as error:  # the SDK's own class
    got["refused"] = [type(error).__name__, str(error)]
json.dump(got, sys.stdout)
