"""The HTTP server behind those that tests play: a thread a connection, and who leaves in the middle is no fault."""

import http.server
import ssl
import sys


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLEOFError)):
            super().handle_error(request, client_address)
