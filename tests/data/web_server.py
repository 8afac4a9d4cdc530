"""A web server on this machine that publishes files, and fails as servers do. Not a test."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Published:
    """What a server has, how it fails, and what it was asked.

    Attributes
    ----------
    files
        Content by path.
    breaks
        How many more answers for a path break off in the middle.
    states
        HTTP states of the next answers for a path, before its content.
    damaged
        How many more answers for a path have a wrong byte.
    silent
        Paths for which nothing is ever sent.
    moved
        New address of a path.
    ranges
        Whether the server can send parts: 'yes', 'no', or 'wrong' for parts that begin elsewhere.
    asked
        Path, range and user agent of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: Counter[str] = field(default_factory=Counter)
    states: dict[str, list[int]] = field(default_factory=dict)
    damaged: Counter[str] = field(default_factory=Counter)
    silent: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    ranges: str = "yes"
    asked: list[tuple[str, str | None, str]] = field(default_factory=list)
    address: str = ""

    def requests(self, path: str) -> list[str | None]:
        """Return the ranges of all requests for a path."""
        return [wanted for asked, wanted, _ in self.asked if asked == path]


def sums(files: Mapping[str, bytes], algorithm: str = "sha256") -> bytes:
    """Return the checksums of files as sha256sum writes them."""
    return "".join(f"{hashlib.new(algorithm, files[path]).hexdigest()}  {path}\n" for path in files).encode()


def record(files: Mapping[str, bytes]) -> bytes:
    """Return a record of Zenodo."""
    listed = [{"key": path, "checksum": f"md5:{hashlib.md5(files[path]).hexdigest()}"} for path in files]
    return json.dumps({"files": listed}).encode()


@contextmanager
def serving(published: Published) -> Iterator[Published]:
    """Serve files until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, published)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is meant
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    published.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield published
    finally:
        server.shutdown()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, published: Published) -> None:
    path = unquote(urlsplit(request.path).path)
    wanted = request.headers["Range"]
    published.asked.append((path, wanted, request.headers["User-Agent"]))
    if path in published.silent:
        time.sleep(2)
        return
    if states := published.states.get(path):
        request.send_response(states.pop(0))
        request.send_header("Retry-After", "0")
        request.end_headers()
        return
    if path in published.moved:
        request.send_response(302)
        request.send_header("Location", published.moved[path])
        request.end_headers()
        return
    if path not in published.files:
        request.send_error(404)
        return
    content = published.files[path]
    begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and published.ranges != "no" else 0
    if wanted and published.ranges == "yes" and begin >= len(content):
        request.send_error(416)
        return
    if wanted and published.ranges == "wrong":
        begin = 0
    _send(request, published, path, content, begin if not wanted or published.ranges == "no" else -begin - 1)


def _send(request: BaseHTTPRequestHandler, published: Published, path: str, content: bytes, begin: int) -> None:
    """Send a file; a negative `begin` stands for the part from -begin - 1 on."""
    first = begin if begin >= 0 else -begin - 1
    body = content[first:]
    request.send_response(200 if begin >= 0 else 206)
    if begin < 0:
        request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if published.damaged[path] > 0:
        published.damaged[path] -= 1
        body = bytes([body[0] ^ 1]) + body[1:]
    if published.breaks[path] > 0:
        published.breaks[path] -= 1
        request.wfile.write(body[: max(1, len(body) // 2)])
        request.close_connection = True
        return
    request.wfile.write(body)
