"""Download a file over HTTP: resumed where it broke off, checked, and renamed only if it is right."""

import errno
import hashlib
import os
import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Event
from urllib.error import HTTPError, URLError

from ictal import __version__
from ictal.core.atomic_files import PART, writing
from ictal.errors import ReadError, WriteError, reason

USER_AGENT = f"ictal/{__version__} (+https://pypi.org/project/ictal/)"
CHUNK = 1 << 18
TEMPORARY = (408, 429, 500, 502, 503, 504)
"""HTTP states after which the same request may succeed."""
PAST_THE_END = 416
"""HTTP state for a range that begins at the end of the file, or beyond."""
LONGEST_WAIT_S = 60.0
MOST_TEXT = 64 << 20
"""Bytes of the largest list of files."""


@dataclass(frozen=True)
class Patience:
    """How long a download waits, and how often it tries again.

    Attributes
    ----------
    timeout_s
        Longest silence of a server.
    tries
        Attempts in a row that bring nothing.
    wait_s
        Pause after the first of them; it doubles each time. A server may ask for another one (Retry-After).
    """

    timeout_s: float = 60.0
    tries: int = 5
    wait_s: float = 2.0


@dataclass(frozen=True)
class Checksum:
    """The checksum of a file: 'sha256' or 'md5', and hex digits."""

    algorithm: str
    digest: str

    def of(self, path: Path) -> bool:
        """Return whether a file has this checksum."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest() == self.digest


class StoppedError(Exception):
    """The user interrupted a download; what has arrived is kept."""


Arrived = Callable[[int, int | None], None]
"""Callback with the number of bytes that have arrived of a file, and its size if that is known."""


def download(
    url: str,
    path: Path,
    checksum: Checksum,
    arrived: Arrived,
    stop: Event,
    patience: Patience = Patience(),
) -> None:
    """Download a file, which gets its name only if its checksum is right.

    What has arrived stays in a file whose name begins with a dot and ends in ``.part``, also after an error, and the
    next attempt continues it. A file that is damaged is downloaded once more from its start.

    Parameters
    ----------
    url
        An address, http or https. Proxies of the environment (``https_proxy``, ``no_proxy``) are used.
    stop
        Set it from another thread to end the download.

    Raises
    ------
    ReadError
        If the file cannot be downloaded, or is damaged again.
    WriteError
        If it cannot be written.
    StoppedError
        If `stop` was set.
    """
    part = path.with_name(f".{path.name}{PART}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        _complete(url, part, arrived, stop, patience)
        with writing(path):
            if checksum.of(part):
                with part.open("rb") as file:
                    os.fsync(file.fileno())
                part.replace(path)
                return
            part.unlink()
    raise ReadError(f"{url}: is damaged: its {checksum.algorithm.upper()} is not {checksum.digest}")


def read_text(url: str, patience: Patience = Patience()) -> str:
    """Return a small text file from an address.

    Raises
    ------
    ReadError
        If it cannot be downloaded, or is not text.
    """
    content = b""

    def read() -> bool:
        nonlocal content
        with _open(url, 0, patience.timeout_s) as response:
            content = response.read(MOST_TEXT)
            if (size := _length(response)) is not None and len(content) < size:
                raise ConnectionError("the connection broke off")
        return False

    _try(url, read, Event(), patience)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ReadError(f"{url}: is not a list of files: {reason(error)}") from error


def _complete(url: str, part: Path, arrived: Arrived, stop: Event, patience: Patience) -> None:
    """Bring a partial file to its full length."""

    def append() -> bool:
        before = _size(part)
        try:
            _append(url, part, arrived, stop, patience.timeout_s)
        except (OSError, HTTPException):
            if _size(part) > before:
                return True  # it came further, so it is worth another attempt
            raise
        return False

    _try(url, append, stop, patience)


def _try(url: str, work: Callable[[], bool], stop: Event, patience: Patience) -> None:
    """Repeat work until it returns False; errors in a row that may pass are waited out."""
    n_failed = 0
    while True:
        wait_s = patience.wait_s * 2**n_failed
        try:
            if not work():
                return
            n_failed, wait_s, why = -1, patience.wait_s, ""  # something arrived: begin to count anew
        except HTTPError as error:
            error.close()
            if error.code not in TEMPORARY:
                raise ReadError(f"{url}: {_in_words(error.code)}") from error
            why, asked = f"the server answers {error.code}", error.headers.get("Retry-After", "")
            wait_s = float(asked) if asked.isdigit() else wait_s
        except (OSError, HTTPException) as error:
            why = why_failed(error)
        n_failed += 1
        if n_failed >= patience.tries:
            raise ReadError(f"{url}: cannot be downloaded: {why} ({n_failed} tries); what has arrived is kept")
        if stop.wait(min(wait_s, LONGEST_WAIT_S)):
            raise StoppedError


def _append(url: str, part: Path, arrived: Arrived, stop: Event, timeout_s: float) -> None:
    """Append to a partial file what it lacks, or begin anew if the server cannot send a part."""
    begun = _size(part)
    try:
        response = _open(url, begun, timeout_s)
    except HTTPError as error:
        if error.code == PAST_THE_END and begun:
            error.close()
            return  # nothing is lacking; the checksum says whether it is right
        raise
    with response:
        if response.status != 206:
            begun = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
            with writing(part):
                part.unlink()
            raise ConnectionError("the server sends another part than it was asked for")
        left = _length(response)
        size = None if left is None else begun + left
        if left is not None and shutil.disk_usage(part.parent).free < left:
            raise WriteError(f"{part.parent}: is too small for {url}, of which {left / 1e9:.2f} GB are lacking")
        with writing(part):
            file = part.open("ab" if begun else "wb", buffering=0)
        with file:
            while chunk := response.read(CHUNK):
                if stop.is_set():
                    raise StoppedError
                with writing(part):
                    if file.write(chunk) < len(chunk):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                begun += len(chunk)
                arrived(begun, size)
    if size is not None and begun < size:
        raise ConnectionError("the connection broke off")


def _open(url: str, begin: int, timeout_s: float) -> HTTPResponse:
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={begin}-"} if begin else {})
    opener = urllib.request.build_opener()  # not `urlopen`, which asks the environment for proxies only once
    response: HTTPResponse = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    if url.startswith("https:") and not response.url.startswith("https:"):
        response.close()
        raise ReadError(f"{url}: leads to {response.url}, which is not encrypted")
    return response


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _length(response: HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _in_words(code: int) -> str:
    known = {
        401: "needs a password",
        403: "must not be downloaded without permission",
        404: "there is no such file",
        407: "the proxy needs a password",
        410: "there is no such file any more",
    }
    return f"{known.get(code, 'cannot be downloaded')} (the server answers {code})"


def why_failed(error: Exception) -> str:
    """Return why a request failed before the server answered."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "the server does not answer in time"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
