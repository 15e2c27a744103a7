"""Wrong keys at the admin API: an address may try some, then keys from there are not looked at for a while.
Whoever had a right one there goes on."""

import socket

import pytest

import gateway as gw
import wire
from people import accept, call, invite, refused

ALLOWED = 20
SPACES = "/admin/workspaces"


@pytest.fixture
def plane(gateway_factory, mock):
    return gateway_factory(mock=mock, conf={"admin_auth_failures": str(ALLOWED)})


def use_up(plane, tries=3 * ALLOWED):
    """Wrong keys until they are not looked at; the last answer."""
    for n in range(tries):
        answer = call(plane, "GET", SPACES, key=f"ag-wrong-{n}")
        if answer.status == 429:
            return answer
        refused(answer, 401, "AB05", "Invalid API Key")
    raise AssertionError("they are looked at for ever")


def from_address(plane, address, key):
    """The same call from another address of this machine."""
    connection = wire.Connection.__new__(wire.Connection)
    connection.sock = socket.create_connection(plane.address, 30, (address, 0))
    connection.buffer = b""
    with connection:
        connection.request("GET", "/v1" + SPACES, {"x-portkey-api-key": key})
        return connection.read_answer()


def new_key(plane):
    return plane.admin("POST", "/api-keys/organisation/service", {"name": "n", "scopes": ["workspaces.list"]})


def test_an_address_may_fail_so_often_and_no_more(plane):
    fresh = new_key(plane)["key"]
    answer = use_up(plane)
    refused(answer, 429, "AB06", "failed authentications")
    assert 0 < int(answer.headers["retry-after"]) <= 60 // ALLOWED + 1
    # Nobody learns by it whether a key is right ...
    assert call(plane, "GET", SPACES, key=fresh).status == 429
    # ... but who had shown a right one from there goes on, and uses up nothing.
    assert [call(plane, "GET", SPACES).status for _ in range(2 * ALLOWED)] == [200] * 2 * ALLOWED
    assert call(plane, "GET", SPACES, key="ag-wrong-again").status == 429
    # Soon the next may try; from then on it is known, whatever the others do.
    gw.wait(lambda: call(plane, "GET", SPACES, key=fresh).status == 200, "the fresh key is looked at")
    use_up(plane)
    assert [call(plane, "GET", SPACES, key=fresh).status for _ in range(5)] == [200] * 5


def test_a_known_key_that_is_revoked_is_one_of_the_wrong(plane):
    key = new_key(plane)
    assert call(plane, "GET", SPACES, key=key["key"]).status == 200
    use_up(plane)
    assert call(plane, "GET", SPACES, key=key["key"]).status == 200
    plane.admin("DELETE", f"/api-keys/{key['id']}")
    assert call(plane, "GET", SPACES, key=key["key"]).status == 401
    assert [call(plane, "GET", SPACES, key=key["key"]).status for _ in range(5)][-1] == 429


def test_only_that_address_and_only_the_admin_api(plane):
    customer, fresh = plane.key(), new_key(plane)["key"]
    use_up(plane)
    assert from_address(plane, "127.0.0.2", "ag-wrong").status == 401
    assert from_address(plane, "127.0.0.2", fresh).status == 200
    assert call(plane, "GET", SPACES, key=fresh).status == 429, "right from elsewhere, that is"
    assert plane.chat(customer).status == 200 and plane.chat("ag-wrong").status == 401
    assert plane.ctl("workspace", "list").returncode == 0, "operators"


def test_a_lacking_scope_is_no_failed_authentication(plane):
    poor = new_key(plane)["key"]
    for _ in range(3 * ALLOWED):
        refused(call(plane, "POST", SPACES, {"name": "x"}, key=poor), 401, "AB05", "workspaces.create")
    assert call(plane, "GET", SPACES, key="ag-wrong").status == 401
    for _ in range(3 * ALLOWED):
        assert plane.ask("GET", "/v1" + SPACES).status == 401
    assert call(plane, "GET", SPACES, key="ag-wrong").status == 401, "none was tried"


def test_tokens_of_invites_count_as_well(plane):
    token = invite(plane, "ada@example.com")
    for n in range(3 * ALLOWED):
        answer = accept(plane, f"wrong-{n}")
        if answer.status == 429:
            break
        assert answer.status == 404, answer
    refused(answer, 429, "AB06", "failed authentications")
    assert call(plane, "GET", SPACES, key="ag-wrong").status == 429
    gw.wait(lambda: accept(plane, token).status == 200, "the right one is looked at")


def test_nought_takes_the_gate_away(gateway_factory):
    plane = gateway_factory(conf={"admin_auth_failures": "0"})
    for n in range(200):
        assert call(plane, "GET", SPACES, key=f"ag-wrong-{n}").status == 401
