"""Conditional downloads over http(s), with limits, of what a server may get wrong in any way. Files count as sources.

ETag and Last-Modified: RFC 9110, 8.8 and 13.1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from mrilu.downloads.connect import SHOWN, Guard, PasswordOfUrl, guarded_session
from mrilu.downloads.errors import SourceError, SourceRefused, SourceUnreachable

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0  # longest pause within a download
MAX_REDIRECTS = 5
CHUNK = 64 * 1024
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_LATER = frozenset((408, 425, 429, 500, 502, 503, 504))


@dataclass(frozen=True)
class Validators:
    """What a server said of the version that we have: "" where it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes (after decompression) that a download may take."""

    seconds: float
    size: int


@dataclass(frozen=True)
class Fetched:
    """A whole file at `path`. `content_type` is "" for a local file; `framed` says that its end was announced."""

    path: Path
    validators: Validators
    sha256: str
    content_type: str
    framed: bool


def fetch(source: str, folder: Path, known: Validators, limits: Limits) -> Fetched | None:
    """Return the file at `source` (a URL, or a path), stored in `folder` if it is remote; None if it is unchanged.

    Raises SourceRefused (the answer is wrong) or SourceUnreachable (no answer, worth another try).
    """
    if source.startswith(("http://", "https://")):
        return _fetch_remote(source, folder, known, limits)
    return _look_at_file(Path(source), known, limits)


def _look_at_file(path: Path, known: Validators, limits: Limits) -> Fetched | None:
    try:
        facts = path.stat()
        if not path.is_file():
            raise SourceRefused(f"{path} is not a file")
        if facts.st_size > limits.size:
            raise SourceRefused(
                f"{path} has {facts.st_size:,} bytes, more than MAX_DOWNLOAD_BYTES ({limits.size:,})"
            )
        validators = Validators(etag=f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}")
        if validators == known:
            return None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceRefused(f"{path} cannot be read: {error.strerror}") from error
    return Fetched(path, validators, digest, "", framed=True)


def _fetch_remote(url: str, folder: Path, known: Validators, limits: Limits) -> Fetched | None:
    with Guard(url, limits.seconds) as guard, guarded_session(guard) as session:
        try:
            with _answer(session, guard, url, known) as response:
                if response.status_code == 304 and known != Validators():
                    return None
                _check_answer(url, response)
                return _save(url, response, folder, guard, limits)
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            raise SourceRefused(f"{url} leads to where http does not: {error}") from None
        except SourceError:
            raise
        except _NETWORK_ERRORS as error:
            if guard.is_over():
                raise guard.too_late() from None
            # Not "from error": rq keeps the whole traceback, and what led here may quote the URL with its password.
            raise SourceUnreachable(
                f"{url} cannot be read: {type(error).__name__}: {error}"
            ) from None


def _answer(
    session: requests.Session, guard: Guard, url: str, known: Validators
) -> requests.Response:
    """Ask, and follow redirects without reading what they say."""
    place = url
    for _ in range(MAX_REDIRECTS + 1):
        guard.look_behind_proxy(place)
        # The password is for the server that the setting names.
        password = PasswordOfUrl(url if _origin(place) == _origin(url) else "")
        response = session.get(
            place,
            headers=_headers(known),
            stream=True,
            allow_redirects=False,
            timeout=_timeouts(guard),
            auth=password,
        )
        if "Location" not in response.headers or response.status_code not in _REDIRECTS:
            return response
        response.close()
        place = _next_place(url, place, response.headers["Location"])
    raise SourceRefused(f"{url} redirects more than {MAX_REDIRECTS} times")


def _next_place(url: str, place: str, location: str) -> str:
    """Return where a redirect leads. Raises SourceRefused: to another scheme, or from TLS to plain text."""
    # RFC 9110, 10.2.2; header fields are Latin-1 to http.client, and UTF-8 in practice
    named = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        target = urljoin(place, named)
        parts = urlsplit(target)
        host = parts.hostname
    except ValueError as error:
        raise SourceRefused(f"{url} redirects to no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SourceRefused(f"{url} redirects to {target[:SHOWN]}, which is not an http address")
    if urlsplit(place).scheme == "https" and parts.scheme != "https":
        raise SourceRefused(f"{url} redirects to {target[:SHOWN]}, which is not encrypted")
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _headers(known: Validators) -> dict[str, str]:
    asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {"User-Agent": "mrilu", **{name: value for name, value in asked.items() if value}}


def _timeouts(guard: Guard) -> tuple[float, float]:
    left = guard.remaining()
    return min(CONNECT_SECONDS, left), min(SILENCE_SECONDS, left)


def _check_answer(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in _LATER:
        raise SourceUnreachable(f"{url} answers with status {status}")
    if status != 200:
        raise SourceRefused(f"{url} answers with status {status}, not 200")


def _save(
    url: str, response: requests.Response, folder: Path, guard: Guard, limits: Limits
) -> Fetched:
    path = folder / hashlib.sha256(url.encode()).hexdigest()
    with path.open("wb") as file:
        digest = _copy(url, response.raw, file, guard, limits)
    headers = response.headers
    return Fetched(
        path,
        Validators(_plain(headers.get("ETag", "")), _plain(headers.get("Last-Modified", ""))),
        digest,
        headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        framed="Content-Length" in headers
        or "chunked" in headers.get("Transfer-Encoding", "").lower(),
    )


def _plain(value: str) -> str:
    """Return a field's value as it may be kept and sent again; "" for one with controls, a NUL say."""
    return value if value.isprintable() else ""


def _copy(url: str, raw: Any, file: IO[bytes], guard: Guard, limits: Limits) -> str:
    """Copy the decoded body; read1 returns with what has come."""
    digest, size = hashlib.sha256(), 0
    while chunk := raw.read1(CHUNK, decode_content=True):
        guard.remaining()
        size += len(chunk)
        if size > limits.size:
            raise SourceRefused(f"{url} is larger than MAX_DOWNLOAD_BYTES ({limits.size:,})")
        digest.update(chunk)
        file.write(chunk)
    guard.remaining()  # what was shut down looks like a body that ends where no length was told
    return digest.hexdigest()
