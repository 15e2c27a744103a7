"""The unmodified Python SDK: users, invites, members, keys of persons."""

import json

from people import accept


def next_step(program, name):
    line = program.stdout.readline()
    assert line, f"the program ended before {name}"
    step = json.loads(line)
    assert step.pop("step") == name, step
    return step


def test_a_team_moves_in_and_out(gateway, start_python):
    workspace = gateway.workspace("Shop")
    program = start_python("people.py", workspace["slug"], ADMIN_KEY=gateway.admin_key)

    step = next_step(program, "cancelled")
    assert step["one"]["status"] == "cancelled" and step["one"]["email"] == "gone@example.com"

    step = next_step(program, "invited")
    made, again = step["made"], step["again"]
    assert made["id"] == step["one"]["id"] and step["one"]["status"] == "pending"
    assert step["one"]["workspaces"] == [
        {"id": workspace["slug"], "workspace_id": workspace["id"], "role": "manager"}]
    assert [i["id"] for i in step["pending"]["data"]] == [made["id"]] and step["pending"]["total"] == 1
    assert step["all"]["total"] == 2 and [i["email"] for i in step["all"]["data"]] == ["gone@example.com"]
    assert accept(gateway, made["invite_link"].partition("#")[2]).status == 404
    ada = accept(gateway, again["inviteLink"].partition("#")[2], first_name="Ada").json
    first_key = ada["api_keys"][0]["key"]
    print("accepted", file=program.stdin, flush=True)
    assert next_step(program, "joined")["one"]["status"] == "accepted"

    step = next_step(program, "user")
    assert [u["id"] for u in step["listed"]["data"]] == [ada["id"]]
    assert step["one"]["role"] == "admin" and step["one"]["first_name"] == "Ada"
    assert step["one"]["workspace_ids"] == [workspace["id"]] and step["none"]["data"] == []
    assert step["refused"][:2] == ["BadRequestError", 400] and "role" in step["refused"][2]

    step = next_step(program, "member")
    assert [(m["id"], m["role"], m["org_role"]) for m in step["listed"]["data"]] == [
        (ada["id"], "manager", "member")]
    assert step["one"]["role"] == "member" and step["one"]["object"] == "workspace-user"
    assert "completions.write" in step["one"]["scopes"] and "policies.create" not in step["one"]["scopes"]
    assert step["twice"][:2] == ["ConflictError", 409]
    assert [u["id"] for u in step["inside"]] == [ada["id"]]
    assert [u["id"] for u in next_step(program, "born")["one"]["users"]] == [ada["id"]]

    step = next_step(program, "key")
    old, new = step["made"]["key"], step["rotated"]["key"]
    assert step["rotated"]["id"] == step["made"]["id"] == step["one"]["id"] and old != new
    assert step["one"]["type"] == "workspace-user" and step["one"]["user_id"] == ada["id"]
    assert step["one"]["alert_emails"] == ["ada@example.com"]
    assert step["one"]["expires_at"] == "2999-01-01T00:00:00.000Z"
    assert step["one"]["key_transition_expires_at"] == step["rotated"]["key_transition_expires_at"]
    assert step["refused"][:2] == ["BadRequestError", 400] and "role" in step["refused"][2]
    assert [gateway.chat(k).status for k in (first_key, old, new)] == [200, 200, 200]
    print("go on", file=program.stdin, flush=True)

    step = next_step(program, "left")
    assert step["users"]["data"] == [] and step["members"]["data"] == []
    assert step["gone"][:2] == ["NotFoundError", 404]
    assert [gateway.chat(k).status for k in (first_key, old, new)] == [401, 401, 401]
    assert program.wait(20) == 0
