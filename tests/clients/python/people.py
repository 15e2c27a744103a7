"""A team moves in: invites, users, members of a workspace, a user's key, its rotation.

Prints one JSON object a step; the token of the invite is accepted by whoever runs this, between "invited"
and "joined": its link stands on the line, and the program goes on when a line comes on standard input."""

import json
import os
import sys


from portkey_ai import Portkey
from portkey_ai.api_resources.exceptions import APIStatusError

portkey = Portkey(api_key=os.environ["ADMIN_KEY"], base_url=os.environ["GATEWAY_URL"])
workspace = sys.argv[1]


def plain(value):
    return value.model_dump() if hasattr(value, "model_dump") else value


def say(step, **fields):
    print(json.dumps({"step": step, **{k: plain(v) for k, v in fields.items()}}), flush=True)


def refused(fn, **arguments):
    try:
        fn(**arguments)
    except APIStatusError as error:
        return [type(error).__name__, error.status_code, str(error)]
    return None


def invites():
    invites = portkey.admin.users.invites
    gone = invites.create(email="gone@example.com", role="member")
    say("cancelled", answer=invites.delete(invite_id=gone.id),
        one=invites.retrieve(invite_id=gone.id))
    made = invites.create(email="ada@example.com", role="member",
                          workspaces=[{"id": workspace, "role": "manager"}],
                          workspace_api_key_details={"scopes": ["completions.write"]})
    again = invites.resend(invite_id=made.id)
    say("invited", made=made, again=again, one=invites.retrieve(invite_id=made.id),
        pending=invites.list(status="pending"), all=invites.list(page_size=1, current_page=1))
    sys.stdin.readline()
    say("joined", one=invites.retrieve(invite_id=made.id))


def users():
    users = portkey.admin.users
    listed = users.list(email="ada@example.com")
    user_id = listed.data[0].id
    answer = users.update(user_id=user_id, role="admin")
    say("user", listed=listed, one=users.retrieve(user_id=user_id), answer=answer,
        none=users.list(role="owner"),
        refused=refused(users.update, user_id=user_id, role="emperor"))
    users.update(user_id=user_id, role="member")
    return user_id


def members(user_id):
    members = portkey.admin.workspaces.users
    listed = members.list(workspace_id=workspace, role="manager")
    answer = members.update(workspace_id=workspace, user_id=user_id, role="member")
    say("member", listed=listed, answer=answer,
        one=members.retrieve(workspace_id=workspace, user_id=user_id),
        twice=refused(members.create, workspace_id=workspace,
                      users=[{"id": user_id, "role": "admin"}]),
        inside=portkey.admin.workspaces.retrieve(workspace_id=workspace).users)
    born = portkey.admin.workspaces.create(name="Born with people", users=[user_id])
    say("born", one=portkey.admin.workspaces.retrieve(workspace_id=born.id))


def keys(user_id):
    made = portkey.api_keys.create(type="workspace", sub_type="user", name="Ada's", user_id=user_id,
                                   workspace_id=workspace, scopes=["completions.write"],
                                   alert_emails=["ada@example.com"], expires_at="2999-01-01T00:00:00Z")
    rotated = portkey.post(f"/api-keys/{made.id}/rotate", key_transition_period_ms=3_600_000)
    say("key", made=made, rotated=rotated, one=portkey.api_keys.retrieve(id=made.id),
        update=portkey.api_keys.update(id=made.id, name="Ada's own"),
        refused=refused(portkey.api_keys.create, type="workspace", sub_type="user", name="n",
                        user_id=user_id, workspace_id=workspace, scopes=["configs.create"]))


def leave(user_id):
    portkey.admin.workspaces.users.delete(workspace_id=workspace, user_id=user_id)
    answer = portkey.admin.users.delete(user_id=user_id)
    say("left", answer=answer, users=portkey.admin.users.list(),
        members=portkey.admin.workspaces.users.list(workspace_id=workspace),
        gone=refused(portkey.admin.users.retrieve, user_id=user_id))


invites()
ada = users()
members(ada)
keys(ada)
sys.stdin.readline()
leave(ada)
