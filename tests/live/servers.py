"""Servers on this machine that take messages to webhooks."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_S = 30.0
"""Far longer than anything here takes; a test that waits so long fails."""


class Server(ThreadingHTTPServer):
    """Answers with given states, the last one again and again, and keeps what was sent."""

    def __init__(self, *states, location=None, down=False):
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=not down)
        if down:
            self.server_bind()  # the port is taken, but nobody listens
        self.states, self.location, self.bodies, self.headers = list(states), location, [], []
        self.came, self.go_on, self._thread = threading.Event(), threading.Event(), None
        self.go_on.set()

    def start(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self):
        self.go_on.set()
        if self._thread:
            self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/alarms/SECRET"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.headers.append(self.headers)
        self.server.came.set()
        self.server.go_on.wait(WAIT_S)
        states = self.server.states
        self.send_response(states.pop(0) if len(states) > 1 else states[0])
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass
