"""A Hugging Face Hub on this machine: what huggingface_hub asks for models, and ways to fail. Not a test."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

INFO = re.compile(r"/api/models/([^/]+/[^/]+)/revision/(.+)")
TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/(.+)")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")

Files = Mapping[str, bytes]


@dataclass
class FakeHub:
    """What the Hub has, and what it was asked.

    Attributes
    ----------
    commits
        Files of each commit of each repository.
    refs
        Commit of each branch or tag of each repository.
    listed
        More names that the Hub says a repository has.
    gated
        Repositories whose files are given to nobody.
    cut
        File of which only the first half arrives, each time.
    asked
        Method and path of each request.
    """

    commits: dict[str, dict[str, Files]] = field(default_factory=dict)
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    gated: set[str] = field(default_factory=set)
    cut: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def upload(self, repository: str, files: Files, revision: str = "main") -> str:
        """Add a commit to a branch or tag, and return its hash."""
        content = repr(sorted(files.items())) + repository
        commit = hashlib.sha1(content.encode()).hexdigest()
        self.commits.setdefault(repository, {})[commit] = dict(files)
        self.refs.setdefault(repository, {})[revision] = commit
        return commit

    def upload_folder(self, repository: str, folder: Path, revision: str = "main", **more: bytes) -> str:
        """Do so with the files of a folder, and more."""
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return self.upload(repository, files | more, revision)

    @property
    def fetched(self) -> set[str]:
        """The names of the files whose content was asked for."""
        paths = (RESOLVE.fullmatch(urlsplit(path).path) for method, path in self.asked if method == "GET")
        return {unquote(found[3]) for found in paths if found}


class Handler(BaseHTTPRequestHandler):
    """Answers as the Hub does; see https://huggingface.co/docs/hub/api."""

    protocol_version = "HTTP/1.0"  # a connection per request, so that a hub that is closed answers none
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.hub.asked.append((self.command, self.path))
        path = urlsplit(self.path).path
        for route, give in ((INFO, self.info), (TREE, self.tree), (RESOLVE, self.file)):
            if found := route.fullmatch(path):
                repository, revision, *rest = map(unquote, found.groups())
                if repository not in self.hub.commits:
                    return self.refuse(401, "RepoNotFound")
                commit = self.hub.refs[repository].get(revision, revision)
                if commit not in self.hub.commits[repository]:
                    return self.refuse(404, "RevisionNotFound")
                return give(repository, commit, *rest)
        return self.refuse(404, "EntryNotFound")

    def info(self, repository: str, commit: str) -> None:
        names = [*self.hub.commits[repository][commit], *self.hub.listed]
        content = {"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in names]}
        self.give(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def tree(self, repository: str, commit: str) -> None:
        files = self.hub.commits[repository][commit] | dict.fromkeys(self.hub.listed, b"")
        content = [
            {"type": "file", "path": name, "size": len(data), "oid": etag_of(data)} for name, data in files.items()
        ]
        self.give(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def file(self, repository: str, commit: str, name: str) -> None:
        if repository in self.hub.gated:
            return self.refuse(403, "GatedRepo")
        if name not in self.hub.commits[repository][commit]:
            return self.refuse(404, "EntryNotFound")
        data = self.hub.commits[repository][commit][name]
        begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if name == self.hub.cut and begin:
            return self.refuse(410, "")
        headers = {"ETag": f'"{etag_of(data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        return self.give(data[int(begin[1]) :] if begin else data, headers, 206 if begin else 200, name)

    def give(self, data: bytes, headers: Mapping[str, str], status: int = 200, name: str = "") -> None:
        self.send_response(status)
        for key, value in (*headers.items(), ("Content-Length", str(len(data)))):
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[: len(data) // 2] if name and name == self.hub.cut else data)

    def refuse(self, status: int, code: str) -> None:
        self.give(b"", {"X-Error-Code": code} if code else {}, status)


def etag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def serving(hub: FakeHub) -> Iterator[None]:
    """Serve a hub on a free port, which is closed again at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
