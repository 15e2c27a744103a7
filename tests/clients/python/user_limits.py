"""The limits of the user with an e-mail address, found among the keys of a workspace."""

import os
import sys

from portkey_ai import Portkey


def find_key(api_keys, user_email):
    for key in api_keys.get("data", []):
        metadata = key.get("defaults", {}).get("metadata") or key.get("metadata")
        if metadata and metadata.get("user_email") == user_email:
            return key
    return api_keys["data"][0]


def main():
    portkey = Portkey(api_key=os.environ["ADMIN_KEY"], base_url=os.environ["GATEWAY_URL"])
    key = find_key(portkey.api_keys.list(workspace_id=sys.argv[1]), sys.argv[2])
    print(f"Key: {key.get('name')}")
    for limit in key.get("rate_limits", []):
        print(f"Rate Limit: {limit['value']} {limit['unit']}")
    usage = key.get("usage_limits") or {}
    if usage:
        print(f"Usage Limit: ${usage['credit_limit']} {usage['periodic_reset']}")
        print(f"Alert Threshold: {usage['alert_threshold']}")


main()
