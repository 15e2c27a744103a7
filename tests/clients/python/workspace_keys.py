"""A company with many customers: one service key a workspace, with a budget and a rate of its own."""

import os
import sys

from portkey_ai import Portkey


class WorkspaceKeyManager:
    """Makes keys for the workspaces an admin key can see."""

    def __init__(self, admin_key):
        self.portkey = Portkey(api_key=admin_key, base_url=os.environ["GATEWAY_URL"])

    def list_workspaces(self):
        return [{"id": w.id, "slug": w.slug, "name": w.name}
                for w in self.portkey.admin.workspaces.list().data]

    def create_service_key(self, workspace, user_email):
        return self.portkey.api_keys.create(
            name=f"Service Key for {workspace['name']}",
            workspace_id=workspace["slug"],
            type="workspace",
            sub_type="service",
            scopes=["completions.write"],
            usage_limits={"credit_limit": 100.0, "type": "cost", "periodic_reset": "monthly",
                          "alert_threshold": 80},
            defaults={"metadata": {"user_email": user_email}},
            rate_limits=[{"type": "requests", "unit": "rpm", "value": 100}],
        )


def main():
    manager = WorkspaceKeyManager(os.environ["ADMIN_KEY"])
    wanted = sys.argv[1]
    for workspace in manager.list_workspaces():
        print(f"Workspace: {workspace['name']} {workspace['slug']} {workspace['id']}")
        if workspace["slug"] == wanted:
            key = manager.create_service_key(workspace, sys.argv[2])
            print(f"Object: {key.object}")
            print(f"Id: {key.id}")
            print(f"Key: {key.key}")


main()
