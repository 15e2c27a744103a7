"""TLS on both sides: providers are verified, and our own certificate is read anew on SIGHUP."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest

from gateway import chat_body, wait
from wire import Connection


def run(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.key, self.cert = path / f"{name}.key", path / f"{name}.pem"
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
            "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost"):
        """(certificate, key) for a server."""
        key, csr, cert, ext = (self.path / f"{self.name}-{name}.{e}" for e in ("key", "csr", "pem", "ext"))
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", key, "-out", csr)
        ext.write_text(f"subjectAltName={names}\n")
        run("x509", "-req", "-in", csr, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", 2,
            "-extfile", ext, "-out", cert)
        os.chmod(key, 0o644)  # the gateway runs as somebody else
        return cert, key


@pytest.fixture(scope="module")
def place():
    """A directory that the gateway's account can read."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ag-tls-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def authority(place):
    return Authority(place, "authority")


@pytest.fixture(scope="module")
def stranger(place):
    return Authority(place, "stranger")


# -- towards providers ---------------------------------------------------------------------------

@pytest.fixture
def gateway_with_ca(gateway_factory, authority):
    return gateway_factory(mock=None, conf={"upstream_ca_file": str(authority.cert), "workers": "1"})


def lead_to(gateway, mock, slug):
    """A key whose model is served by this mock."""
    space = gateway.workspace()
    gateway.grant(gateway.integration(mock=mock, slug=slug), space)
    return gateway.key(workspace=space, budget_usd="1")


def speak_tls(mock_factory, authority, cert, key):
    """A provider with this certificate; what controls it trusts the authority, as the gateway does."""
    mock = mock_factory(tls_cert=str(cert), tls_key=str(key))
    mock.tls_ca = str(authority.cert)
    return mock


def ask(gateway, key, slug, **fields):
    return gateway.chat(key, model=f"@{slug}/gpt-4o-mini", max_tokens=8, **fields)


def test_a_provider_whose_certificate_is_good_is_served(gateway_with_ca, mock_factory, authority):
    cert, key = authority.issue("good")
    mock = speak_tls(mock_factory, authority, cert, key)
    one = lead_to(gateway_with_ca, mock, "good")
    assert ask(gateway_with_ca, one, "good").status == 200
    opened = gateway_with_ca.counter("upstream_conn_opened")
    assert [ask(gateway_with_ca, one, "good").status for _ in range(3)] == [200] * 3
    assert gateway_with_ca.counter("upstream_conn_opened") == opened, "one connection for all"
    with gateway_with_ca.stream(one, model="@good/gpt-4o-mini", max_tokens=50) as s:
        s.read_all()
    assert s.is_done
    mock.script(times=1, body_bytes=2_000_000, tokens=5)
    assert ask(gateway_with_ca, one, "good").usage["completion_tokens"] == 5


@pytest.mark.parametrize("why", ["a stranger's", "another name's"])
def test_a_provider_whose_certificate_is_not_is_refused(gateway_with_ca, mock_factory, authority, stranger, why):
    cert, key = stranger.issue("bad") if why == "a stranger's" else \
        authority.issue("elsewhere", "DNS:elsewhere.test,IP:127.0.0.2")
    mock = speak_tls(mock_factory, authority, cert, key)
    one = lead_to(gateway_with_ca, mock, "bad")
    answer = ask(gateway_with_ca, one, "bad")
    assert answer.status == 503 and answer.json["error"]["type"] == "connect_error"
    assert "certificate" in answer.message or "verif" in answer.message
    gateway_with_ca.wait_idle()
    assert all(m["used"] == 0 for m in gateway_with_ca.meters() if m["kind"] == "budget")


def test_a_provider_that_speaks_no_tls_is_refused(gateway_with_ca, mock_factory):
    plain = mock_factory()
    gateway_with_ca.expect_error("wrong version number")
    one = lead_to(gateway_with_ca, f"https://127.0.0.1:{plain.port}/v1", "plain")
    assert ask(gateway_with_ca, one, "plain").status == 503
    assert plain.stats()["accepted"] == 0


def test_a_tls_stream_cut_without_goodbye_is_broken(gateway_with_ca, mock_factory, authority):
    cert, key = authority.issue("cut")
    mock = speak_tls(mock_factory, authority, cert, key)
    one = lead_to(gateway_with_ca, mock, "cut")
    mock.script(tokens=40, reset_after_chunks=4)
    with gateway_with_ca.stream(one, model="@cut/gpt-4o-mini", max_tokens=50) as s:
        events = s.read_all()
    assert not s.is_done and "error" in events[-1]


# -- towards clients -----------------------------------------------------------------------------

def context(authority):
    made = ssl.create_default_context(cafile=str(authority.cert))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def tls_port(gateway):
    return next((h, p) for h, p, is_tls in gateway.ports() if is_tls)


def connect(gateway, authority, ctx=None):
    """A connection whose socket speaks TLS."""
    raw = socket.create_connection(tls_port(gateway), timeout=20)
    c = Connection.__new__(Connection)
    c.sock = (ctx or context(authority)).wrap_socket(raw, server_hostname="127.0.0.1")
    c.buffer = b""
    return c


@pytest.fixture
def tls_gateway(gateway_factory, mock, authority):
    cert, key = authority.issue("first")
    return gateway_factory(mock=mock, conf={
        "listen": ["127.0.0.1:0", "127.0.0.1:0 tls"], "tls_certificate": str(cert), "tls_certificate_key": str(key)})


def test_requests_and_streams_over_tls(tls_gateway, mock, authority):
    key = tls_gateway.key(budget_usd="1")
    with connect(tls_gateway, authority) as c:
        for size in (100, 3_000_000):
            mock.clear()
            mock.script(tokens=7, body_bytes=size)
            c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body(max_tokens=9))
            answer = c.read_answer("POST")
            assert answer.status == 200 and answer.usage["completion_tokens"] == 7
            assert len(answer.body) >= size
    assert tls_gateway.counter("tls_handshakes") == 1
    assert tls_gateway.get("/healthz").status == 200, "the plain listener is not disturbed"


def test_plain_bytes_on_the_tls_port_and_tls_on_the_plain_one(tls_gateway, authority):
    with Connection(tls_port(tls_gateway)) as c:
        c.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        data = b""
        try:
            while piece := c.sock.recv(4096):
                data += piece
        except ConnectionResetError:
            pass
        assert b"HTTP/1.1 200" not in data
    tls_gateway.wait_counter("tls_failed", 1)
    with socket.create_connection(tls_gateway.address, timeout=20) as raw, pytest.raises((ssl.SSLError, OSError)):
        context(authority).wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(tls_gateway, authority):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        connect(tls_gateway, authority, old)


def test_a_new_certificate_is_taken_on_hup_and_open_connections_live_on(tls_gateway, mock, authority):
    key = tls_gateway.key()
    held = connect(tls_gateway, authority)

    def serial():
        with connect(tls_gateway, authority) as c:
            return c.sock.getpeercert()["serialNumber"]
    before = serial()
    cert, private = authority.issue("second")
    tls_gateway.configure(tls_certificate=str(cert), tls_certificate_key=str(private))
    tls_gateway.reload()
    # Every worker has read it when a number of handshakes in a row agree.
    wait(lambda: all(serial() != before for _ in range(6)), "the new certificate")
    held.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body(max_tokens=9))
    assert held.read_answer("POST").status == 200
    held.close()


def test_a_certificate_that_cannot_be_read_leaves_the_old_one_in_force(tls_gateway, authority):
    tls_gateway.expect_error("could not|cannot|configuration")
    tls_gateway.configure(tls_certificate="/nowhere/cert.pem")
    tls_gateway.reload()
    tls_gateway.wait_log("nowhere")
    with connect(tls_gateway, authority) as c:
        c.request("GET", "/healthz")
        assert c.read_answer().status == 200
