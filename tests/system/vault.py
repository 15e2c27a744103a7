"""A vault that answers as HashiCorp's does (KV version 2, AppRole); says what it was asked, and may be shut:
then who asks waits until it is opened."""

import http.server
import json
import threading

import httpd


class Vault:
    """secrets: path -> members; tokens that are good; wrong: a status every request gets."""

    def __init__(self):
        vault = self
        self.secrets, self.tokens, self.asked, self.wrong = {}, {"hvs.root-token-of-test"}, [], None
        self.roles = {}
        self.gate, self.waiting = threading.Event(), 0
        self.gate.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def _answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                vault.waiting += 1
                vault.gate.wait(60)
                vault.waiting -= 1
                vault.asked.append((self.path, self.headers.get("x-vault-namespace")))
                found = vault.secrets.get(self.path.removeprefix("/v1/"))
                if vault.wrong:
                    self._answer(vault.wrong, {"errors": []})
                elif self.headers.get("x-vault-token") not in vault.tokens:
                    self._answer(403, {"errors": ["permission denied"]})
                elif found is None:
                    self._answer(404, {"errors": []})
                else:
                    self._answer(200, {"data": {"data": found, "metadata": {"version": 1}}})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                token = vault.roles.get((body["role_id"], body["secret_id"]))
                self._answer(200 if token else 400, {"auth": {"client_token": token}})

        self.server = httpd.Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
