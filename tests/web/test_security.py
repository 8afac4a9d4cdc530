"""Who may ask the viewer's server for what, and what a file that was sent may do."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.addresses import is_loopback
from ictal.core.montage import CHANNELS
from ictal.errors import IctalError, ReadError
from ictal.io import open_recording
from ictal.io.edf.patient import patient_field
from ictal.io.edf.writer import write_edf
from ictal.web import body_limit, serve, upload
from ictal.web.security import SECURITY_HEADERS, Guard, new_token
from ictal.web.settings import ViewerSettings
from ictal.web.upload import UploadParsers, store_upload, title_of
from ictal.web.viewer import Viewer
from tests.helpers import noise
from tests.io.devices import micromed_files, nicolet_files
from tests.scoring.helpers import eeg, recording_of
from tests.web.clients import TOKEN, client_of, wait_for

GUARD = Guard(lambda *_: None, TOKEN)
OURS = {"host": "127.0.0.1:8000", "x-ictal-token": TOKEN}


def refused(path: str = "/api/about", guard: Guard = GUARD, **headers: str | None) -> int | None:
    """Return the status with which a request is refused, or None where it is answered."""
    sent = OURS | {name.replace("_", "-"): value for name, value in headers.items()}
    found = guard.refuse(path, Headers({name: value for name, value in sent.items() if value is not None}))
    return found and found.status_code


class TestToken:
    @pytest.mark.parametrize("token", [None, "", TOKEN[:-1], f"{TOKEN}x", "ü\x80", TOKEN.upper()])
    def test_nothing_below_api_is_answered_without_it(self, client, token):
        headers = {} if token is None else {"X-Ictal-Token": token.encode("latin-1")}
        client.headers.pop("X-Ictal-Token")
        for path in ("/api/about", "/api/recordings", "/api/openapi.json", "/api/nothing", "/api"):
            assert client.get(path, headers=headers).status_code == 401

    def test_it_is_not_taken_from_the_address(self, client):
        client.headers.pop("X-Ictal-Token")
        assert client.get("/api/about", params={"token": TOKEN}).status_code == 401

    def test_the_page_itself_holds_no_secret_and_needs_none(self, client):
        client.headers.pop("X-Ictal-Token")
        for path in ("/", "/static/app.js"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert TOKEN not in answer.text

    def test_each_is_new_and_long(self):
        tokens = {new_token() for _ in range(100)}
        assert len(tokens) == 100
        assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens)

    def test_it_is_compared_in_constant_time(self, monkeypatch):
        compared = []
        monkeypatch.setattr("secrets.compare_digest", lambda a, b: compared.append((a, b)) or False)
        assert refused() == 401
        assert compared == [(TOKEN.encode(), TOKEN.encode())]


class TestOrigin:
    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9", "[::1]:8000", "127.0.0.1", "LOCALHOST:80"])
    def test_our_own_names(self, host):
        assert refused(host=host) is None

    @pytest.mark.parametrize(
        "host", ["evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b"]
    )
    def test_a_name_that_was_pointed_here_is_refused_even_with_the_token(self, host):
        assert refused(host=host) == 400
        assert refused("/", host=host) == 400

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "http://127.0.0.1:8001", "http://[", "file://"]
    )
    def test_a_page_of_another_site_is_refused_even_with_the_token(self, origin):
        assert refused(origin=origin) == 403

    def test_our_own_page_may_ask(self):
        assert refused(origin="http://127.0.0.1:8000") is None

    def test_a_machine_that_is_bound_to_its_name_answers_to_it(self):
        guard = Guard(lambda *_: None, TOKEN, "ward7.hospital.example")
        assert refused(guard=guard, host="ward7.hospital.example:8000") is None
        assert refused(guard=guard, host="ward8.hospital.example:8000") == 400

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_no_header_breaks_it(self, host, origin):
        sent = {"host": host, "origin": origin, "x-ictal-token": TOKEN}
        headers = Headers(raw=[(name.encode(), value.encode("utf-8")) for name, value in sent.items()])
        assert GUARD.refuse("/api/about", headers) is not None or host.lower().startswith(("127.", "localhost", "["))


class TestHeaders:
    @pytest.mark.parametrize(
        "path", ["/", "/api/about", "/api/nothing", "/static/nothing.js", "/nothing", "/api/export"]
    )
    @pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}, {"x-ictal-token": "wrong"}])
    def test_they_come_with_every_answer(self, client, path, headers):
        answer = client.get(path, headers=headers)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert (answer.headers.get("cache-control") == "no-store") == path.startswith("/api")

    def test_the_policy_is_strict(self):
        policy = dict(part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy)


class TestPaths:
    @pytest.mark.parametrize(
        "name",
        ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "%2e%2e/app.py", "..\\app.py", "%00"],
    )
    def test_no_path_of_a_request_reaches_the_files(self, client, name):
        for place in ("/api/recordings/", "/static/"):
            answer = client.get(f"{place}{name}")
            assert answer.status_code in (401, 404, 405)
            assert "root:" not in answer.text
        assert client.get("/static/../app.py").status_code == 404

    def test_the_path_of_a_file_is_no_id(self, client, night):
        assert client.get(f"/api/recordings/{night}").status_code == 404
        assert str(night) not in client.get("/api/recordings").text


class TestPatient:
    NAME = "7 F 02-MAY-1951 Curie_Marie"

    @pytest.fixture
    def named(self, night, tmp_path) -> Path:
        content = bytearray(night.read_bytes())
        content[8:88] = self.NAME.encode().ljust(80)
        path = tmp_path / "named.edf"
        path.write_bytes(content)
        return path

    @pytest.mark.parametrize("show", [False, True])
    def test_names_are_hidden_unless_asked_for(self, named, out, model, show):
        viewer = Viewer(out, model, ViewerSettings(show_patient=show))
        item = viewer.show(named)
        viewer.stop()
        client, base = client_of(viewer), f"/api/recordings/{item.id}"
        texts = [client.get(path).text for path in (base, "/api/recordings", "/api/export", f"{base}/votes")]
        assert ("Curie" in "".join(texts)) == show
        assert client.get(base).json()["patient"] == (self.NAME if show else None)

    def test_other_files_have_none(self, tmp_path):
        (tmp_path / "x.mat").write_bytes(b"MATLAB" * 30)
        assert patient_field(tmp_path / "x.mat") is None
        assert patient_field(tmp_path) is None


class TestBinding:
    def test_loopback_unless_asked(self, monkeypatch, night, tmp_path):
        asked = {}

        def serve_nobody(viewer, host, port, **more) -> None:
            asked.update(host=host, port=port, **more)
            viewer.stop()

        monkeypatch.chdir(tmp_path)  # where the results go by default
        monkeypatch.setattr(serve, "serve", serve_nobody)
        result = CliRunner().invoke(app, ["view", str(night), "--no-browser"], catch_exceptions=False)
        assert result.exit_code == 0
        assert (asked["host"], asked["port"], asked["browser"]) == ("127.0.0.1", 0, False)

    def test_no_recording_is_needed_where_the_page_may_send_them_and_only_there(self, monkeypatch, tmp_path):
        shown = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(serve, "serve", lambda viewer, *_, **__: shown.append((viewer.out, list(viewer.library))))
        CliRunner().invoke(app, ["view", "--upload"], catch_exceptions=False)
        assert shown == [(Path("ictal"), [])]
        with pytest.raises(IctalError, match="name at least one recording"):
            CliRunner().invoke(app, ["view"], catch_exceptions=False)

    def test_what_another_address_means_is_said(self, monkeypatch, tmp_path):
        monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
        said: list[str] = []
        serve.serve(Viewer(tmp_path), "0.0.0.0", 0, browser=False, say=said.append)
        assert "Anybody who can reach 0.0.0.0" in said[0]
        assert re.fullmatch(r"Open http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", said[1])
        said.clear()
        serve.serve(Viewer(tmp_path), "127.0.0.1", 0, browser=False, say=said.append)
        assert said[0].startswith("Open http://127.0.0.1:")

    def test_addresses(self):
        assert is_loopback("127.0.0.1")
        assert is_loopback("::1")
        assert is_loopback("localhost")
        assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "ward7")))
        assert serve.address("::1", 8, "t") == "http://[::1]:8/?token=t"

    def test_a_port_that_is_taken_is_named(self):
        with serve.bound("127.0.0.1", 0) as taken, pytest.raises(IctalError, match="leave --port out"):
            serve.bound("127.0.0.1", taken.getsockname()[1])

    def test_without_the_extra_it_is_said_what_installs_it(self, monkeypatch, night):
        monkeypatch.setattr("ictal.errors.find_spec", lambda name: None if name == "uvicorn" else object())
        with pytest.raises(IctalError, match=r"needs uvicorn; install it with: pip install 'ictal\[web\]'"):
            CliRunner().invoke(app, ["view", str(night)], catch_exceptions=False)

    def test_it_prints_its_address_and_ends_at_ctrl_c(self, night, out):
        command = [sys.executable, "-m", "ictal", "view", str(night), "--out", str(out), "--no-browser"]
        wide = {**os.environ, "COLUMNS": "300"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=wide) as run:
            try:
                assert re.match(r"Open http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", run.stderr.readline())
                time.sleep(0.5)
                run.send_signal(signal.SIGINT)
                rest = run.stderr.read()
                assert run.wait(15) == 0
                assert "Traceback" not in rest
            finally:
                run.kill()

    def test_a_model_that_is_none_is_said_before_anything_is_served(self, night, tmp_path):
        with pytest.raises(IctalError, match="is not a saved model"):
            Viewer(tmp_path, tmp_path)
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(IctalError, match="a file, not a folder"):
            Viewer(tmp_path / "file" / "out")


class TestLimits:
    def test_a_body_that_is_too_large_is_refused_before_and_while_it_comes(self, client):
        body = b"x" * (body_limit.MOST_BYTES + 1)
        assert client.post("/api/raters", content=body).status_code == 413
        pieces = (body[begin : begin + 1000] for begin in range(0, len(body), 1000))
        assert client.post("/api/raters", content=pieces).status_code == 413
        assert client.get("/api/raters").json() == []

    def test_a_length_that_is_no_number(self, client):
        assert client.post("/api/raters", content=b"", headers={"content-length": "-1"}).status_code == 413


class TestUpload:
    def send(self, client, content: bytes, name: str):
        return client.post("/api/upload", files={"file": (name, content)})

    def test_it_is_off_unless_asked(self, night, out, model):
        viewer = Viewer(out, model)
        client = client_of(viewer)
        assert client.get("/api/about").json()["upload"] is False
        assert self.send(client, night.read_bytes()[:1000], "a.edf").status_code in (404, 405, 413)
        assert "/api/upload" not in client.get("/api/openapi.json").json()["paths"]

    def test_a_file_is_scored_and_shown(self, client, viewer, tmp_path):
        write_edf(tmp_path / "sent.edf", recording_of(eeg(60, seed=5), name="sent"))
        answer = self.send(client, (tmp_path / "sent.edf").read_bytes(), "C:\\ward\\../sent.edf")
        assert answer.status_code == 201, answer.text
        base = f"/api/recordings/{answer.json()['id']}"
        assert client.get(base).json()["name"] == "sent.edf"
        wait_for(lambda: client.get(base).json()["state"] == "scored")
        item = viewer.library[answer.json()["id"]]
        theirs = open_recording(tmp_path / "sent.edf")
        assert (item.recording.read(500, 900, [3, 1]) == theirs.read(500, 900, [3, 1])).all()
        assert {path.parent for path in (viewer.out / "uploads").iterdir()} == {viewer.out / "uploads"}
        assert all(
            re.fullmatch(r"[0-9a-f]{32}\.edf(\.f32)?", path.name) for path in (viewer.out / "uploads").iterdir()
        )

    @pytest.mark.parametrize("name", ["a.e", "a.TRC", "a.vwr"])
    def test_a_vendors_format_of_one_file_is_taken(self, client, tmp_path, name):
        path = tmp_path / name
        traces = zip(CHANNELS, noise(60 * 256).astype(int), strict=True)
        if name == "a.e":
            channels = [nicolet_files.Channel(*trace) for trace in traces]
            nicolet_files.write(path, nicolet_files.Nicolet(channels, segments=((0.0, 60.0),)))
        else:
            inputs = [micromed_files.Channel(label, digital + 32768) for label, digital in traces]
            micromed_files.write(path, micromed_files.Micromed(inputs))
        answer = self.send(client, path.read_bytes(), name)
        assert answer.status_code == 201, answer.text
        shown = client.get(f"/api/recordings/{answer.json()['id']}").json()
        assert (shown["duration_s"], shown["rate_hz"]) == (60.0, 256.0)

    @pytest.mark.parametrize(
        ("name", "content", "status", "words"),
        [
            ("a.exe", b"MZ", 400, "allowed are .edf"),
            ("", b"x", (400, 422), ""),
            ("a.edf", b"0       " + b"\xff" * 5000, 400, "a.edf"),
            ("a.fif", b"\x00" * 5000, 400, "a.fif"),
            ("a.edf", b"", 400, "empty"),
            ("big.edf", b"0" * (9 << 20), 413, "too large"),
        ],
    )
    def test_what_is_not_taken_leaves_nothing(self, client, viewer, name, content, status, words):
        answer = self.send(client, content, name)
        assert answer.status_code in (status if isinstance(status, tuple) else (status,))
        assert words in str(answer.json()["detail"])
        assert str(viewer.out) not in answer.text
        assert not list((viewer.out / "uploads").glob("*"))

    @pytest.mark.parametrize(("what", "most"), [("MEMORY", 1 << 27), ("DISK", 1000), ("CPU_S", 0)])
    def test_a_parser_that_wants_too_much_is_ended(self, night, tmp_path, what, most):
        script = f"import ictal.web.upload as u; u.{what} = {most}\nfrom ictal.web.upload_parser import main; main()"
        samples = tmp_path / "x.f32"
        done = subprocess.run(
            [sys.executable, "-c", script, str(night), str(samples)], capture_output=True, check=False
        )
        assert done.returncode != 0
        assert not done.stdout

    def test_one_that_takes_too_long_is_ended(self, night, tmp_path, monkeypatch):
        monkeypatch.setattr(upload, "WALL_S", 0.05)
        with pytest.raises(ReadError, match=r"takes longer to read than the limit of 0\.05 s"):
            UploadParsers().parse(store_upload(io.BytesIO(night.read_bytes()), "a.edf", tmp_path / "up"), "a.edf")
        assert not list((tmp_path / "up").iterdir())

    @given(st.text(max_size=200))
    def test_a_title_is_one_short_line(self, name):
        title = title_of(name)
        assert 0 < len(title) <= 80
        assert title.isprintable()
        assert "/" not in title
