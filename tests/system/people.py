"""Sentences about administration that several files share."""


def refused(answer, status, code, *words):
    """An error in the shape both kinds of client read, naming what it is about."""
    assert answer.status == status, answer
    body = answer.json
    assert body["success"] is False
    assert body["data"]["errorCode"] == code, body
    assert body["error"]["code"] == code and body["error"]["message"] == body["data"]["message"]
    for word in words:
        assert word in body["data"]["message"], body["data"]["message"]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-portkey-trace-id"]


def invite(gateway, email, role="member", **more):
    """Invites; the token of the link."""
    made = gateway.admin("POST", "/admin/users/invites", {"email": email, "role": role, **more})
    return made["invite_link"].partition("#")[2]


def accept(gateway, token, **names):
    """Accepts an invite, with no key; the Answer."""
    return gateway.ask("POST", "/v1/invites/accept", {"content-type": "application/json"},
                       {"token": token, **names})


def user(gateway, email, role="member", **more):
    """A new user; what the acceptance answered."""
    answer = accept(gateway, invite(gateway, email, role, **more))
    assert answer.status == 200, answer
    return answer.json


def call(gateway, method, path, body=None, key=None, **headers):
    """An admin call with headers."""
    return gateway.ask(method, "/v1" + path, {
        "x-portkey-api-key": key or gateway.admin_key,
        **{k.replace("_", "-"): v for k, v in headers.items()}}, body)
