"""A company that gives each of its teams a way to a provider, with a budget of the team's own: once as
a provider of an integration, once as a virtual key with a credential of its own."""

import os
import sys

from portkey_ai import Portkey

HELLO = [{"role": "user", "content": "hi"}]


def ask(slug):
    """Through the provider that the header names."""
    team = Portkey(api_key=os.environ["CUSTOMER_KEY"], base_url=os.environ["GATEWAY_URL"],
                   provider=f"@{slug}")
    answer = team.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    return "answered" if answer.choices[0].message.content else "silent"


def main():
    workspace, host = sys.argv[1:3]
    admin = Portkey(api_key=os.environ["ADMIN_KEY"], base_url=os.environ["GATEWAY_URL"])
    made = admin.providers.create(
        name="Search team", slug="search", integration_id="mock", workspace_id=workspace,
        usage_limits={"credit_limit": 5, "periodic_reset": "monthly", "alert_threshold": 4})
    print("provider", made.slug, ask("search"))
    for one in admin.providers.list(workspace_id=workspace).data:
        print("listed", one.slug, (one.usage_limits or {}).get("credit_limit"))
    admin.providers.update(slug="search", workspace_id=workspace, note="of the search team",
                           rate_limits=[{"type": "requests", "unit": "rpm", "value": 60}])
    seen = admin.providers.retrieve(slug="search", workspace_id=workspace)
    print("seen", seen.note, "|", seen.rate_limits[0]["value"], seen.usage_limits["status"])
    admin.providers.delete(slug="search", workspace_id=workspace)

    made = admin.virtual_keys.create(
        name="Ads team", provider="openai", key="sk-of-the-ads-team", workspace_id=workspace,
        usage_limits={"credit_limit": 7}, slug="ads", custom_host=host)
    print("virtual key", made.slug, ask("ads"))
    admin.virtual_keys.update(slug="ads", key="sk-rotated-by-the-team")
    print("seen", admin.virtual_keys.retrieve(slug="ads").masked_api_key, ask("ads"))
    admin.virtual_keys.delete(slug="ads")
    print("left", [v["slug"] for v in admin.virtual_keys.list(workspace_id=workspace).data])


main()
