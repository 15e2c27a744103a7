"""A token endpoint under the test's control, and a service account that it knows."""

import base64
import http.server
import json
import os
import subprocess
import tempfile
import threading
import urllib.parse

import httpd


class TokenEndpoint:
    """Answers each token request by the next of `plan` (a dict: status, body, hold), the last one again and
    again; keeps the forms it was sent."""

    def __init__(self):
        self.forms, self.paths, self.plan = [], [], []
        self.issued = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status, answer = endpoint.take(self.path, dict(urllib.parse.parse_qsl(body)))
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                """A machine's own identity: told to who sends the header that no page can."""
                flavor = [f"{n}: {self.headers[n]}" for n in ("Metadata", "Metadata-Flavor") if self.headers[n]]
                status, answer = endpoint.take(self.path, {"header": flavor})
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = httpd.Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, form):
        with self.lock:
            self.forms.append(form)
            self.paths.append(path)
            step = (self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]) if self.plan else {}
        if step.get("hold"):
            self.gate.wait(30)
        with self.lock:
            self.issued += 1
            token = f"ya29.token-{self.issued}-of-the-test"
        return step.get("status", 200), step.get("body") or {
            "access_token": token, "expires_in": step.get("life", 3599), "token_type": "Bearer"}

    def begin(self, *plan):
        with self.lock:
            self.plan, self.forms, self.paths = list(plan), [], []
        self.gate.clear()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def _run(*argv, data=None):
    return subprocess.run(argv, input=data, check=True, capture_output=True).stdout


def service_account(endpoint, **more):
    """A new one, as Google hands them out, and its public key."""
    pem = _run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    public = _run("openssl", "pkey", "-pubout", data=pem)
    return {"type": "service_account", "project_id": "proj-1", "private_key_id": "kid-1",
            "private_key": pem.decode(), "client_email": "robot@proj-1.iam.example", "client_id": "1",
            "token_uri": endpoint.url + "/token", **more}, public


def read_jwt(text, public):
    """Header and claims of a token whose signature is that key's."""
    head, claims, signature = text.split(".")

    def plain(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    with tempfile.TemporaryDirectory() as d:
        for name, data in (("k", public), ("s", plain(signature)), ("m", f"{head}.{claims}".encode())):
            with open(os.path.join(d, name), "wb") as f:
                f.write(data)
        _run("openssl", "dgst", "-sha256", "-verify", f"{d}/k", "-signature", f"{d}/s", f"{d}/m")
    return json.loads(plain(head)), json.loads(plain(claims))
