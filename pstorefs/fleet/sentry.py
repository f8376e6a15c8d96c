"""Crashes as events of a Sentry, GlitchTip or Bugsink: one issue for each signature.

An engine as objects.py and spool.py are: `Sentry.put` sends one envelope
(https://develop.sentry.dev/sdk/data-model/envelopes/). What is sent twice is one event: its id is
made of the machine and of the dump. It has what summary.json says, and no text of the kernel's log.

TLS is verified, redirections are not followed, and an answer is waited for so long as
source/timeout.py waits. The key of a DSN is in a header, and in no message.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from pstorefs import __version__
from pstorefs.fleet import keys, parcel
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Answer, StoreError
from pstorefs.source.timeout import TIMEOUT_SECONDS, Attempts
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.fleet import dumps, ship
    from pstorefs.settings.ship import Ship

KIND = "application/x-sentry-envelope"
#: Columns of entry.py that can be searched for. Sentry takes 200 characters of a tag.
TAGS = ("signature", "class", "kernel", "hardware", "module", "comm", "reason", "backend")
_TAG_LENGTH = 200
_ANSWER_BYTES = 4096
_RELEASE = re.compile(r"[A-Za-z0-9._+~-]{1,200}", re.ASCII)
_PASSING = (408, 409, 425, 429)
#: Of one event, and not of the receiver.
_OWN_FAULT = (400, 411, 413, 414, 422)
_NOT_THERE = "no Sentry is there, or a proxy answers instead: check the DSN"
_HINTS = {
    401: "the key of the DSN is not accepted",
    403: "the key of the DSN is not accepted",
    404: "no such project",
}


def prepared(sender: ship.Sender, saved: dumps.Saved) -> parcel.Parcel:
    """The envelope of a dump; nothing if it is not a crash. ValueError as of `ship`."""
    row, names = parcel.named(sender, saved)
    head = parcel.head(saved, row)
    if not (row["crash"] or row["signature"]):
        return parcel.Parcel((), head, row)
    event_id = event_id_of(names.machine, saved.id)
    payload = json.dumps(event(event_id, names, row)).encode()
    about = {"type": "event", "length": len(payload), "content_type": "application/json"}
    lines = json.dumps({"event_id": event_id}).encode(), json.dumps(about).encode(), payload, b""
    return parcel.Parcel(((event_id, b"\n".join(lines), KIND),), head, row)


def event_id_of(machine: str, dump_id: str) -> str:
    """32 hex digits: the same for the same dump of the same machine."""
    return hashlib.sha256(f"{machine} {dump_id}".encode()).hexdigest()[:32]


def event(event_id: str, names: keys.Names, row: Mapping[str, Any]) -> dict[str, Any]:
    """An event (https://develop.sentry.dev/sdk/data-model/event-payloads/). Pure."""
    title = printable(row["title"] or "kernel crash")
    group = [row["signature"]] if row["signature"] else ["no signature", title]
    tags = {name: _tag(row[name]) for name in TAGS if row[name]}
    tags |= {"dump": names.dump, "machine": names.machine}
    frames = [{"function": printable(name)} for name in reversed(row["trace"])]
    what = {"type": _tag(row["class"] or "crash"), "value": title}
    kernel = row["kernel"] or ""
    return {
        "event_id": event_id,
        "timestamp": names.moment,
        "platform": "other",
        "level": "fatal" if row["crash"] and row["class"] != "warning" else "warning",
        "logger": "pstorefs",
        "fingerprint": ["pstorefs", *map(printable, group)],
        "exception": {"values": [what | ({"stacktrace": {"frames": frames}} if frames else {})]},
        "tags": tags,
        "contexts": {"os": {"name": "Linux", "version": _tag(kernel), "build": _build(row)}},
        **({} if names.host == keys.NONE else {"server_name": names.host}),
        **({"release": kernel} if _RELEASE.fullmatch(kernel) else {}),
    }


def _tag(value: str) -> str:
    return printable(value)[:_TAG_LENGTH]


def _build(row: Mapping[str, Any]) -> str:
    return _tag(row["build"] or "")


class _NoRedirections(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, at a place that nobody has named."""

    def redirect_request(self, *_: object) -> None:
        """Follow none: the answer is an error as any other."""


class Sentry:
    """See `store.Store`. `settings.url` is the DSN without its key. Raises `StoreError`."""

    def __init__(self, settings: Ship) -> None:
        base, _, project = settings.url.rpartition("/")
        self._url = f"{base}/api/{project}/envelope/"
        self._key = settings.key
        context = ssl.create_default_context()
        if settings.ca:
            try:
                context.load_verify_locations(settings.ca)
            except OSError as error:
                raise StoreError(f"{settings.ca}: {error.strerror or error}") from None
        https = urllib.request.HTTPSHandler(context=context)
        self._open = urllib.request.build_opener(_NoRedirections(), https).open
        self._attempts = Attempts()

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        """See `store.Store`. The key is in the envelope as well."""
        client = f"pstorefs/{__version__}"
        sender = f"Sentry sentry_version=7, sentry_client={client}, sentry_key={self._key}"
        headers = {"Content-Type": kind, "User-Agent": client, "X-Sentry-Auth": sender}
        request = urllib.request.Request(self._url, data, headers, method="POST")  # noqa: S310
        try:
            return self._attempts.attempt(key, lambda: self._ask(request))
        except TimeoutError:
            # Later attempts of this key are not held up by this one: it may be tried again.
            self._attempts = Attempts()
            return Answer(RETRY, "no answer in time", store_wide=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _unanswered(error)

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with self._open(request, timeout=TIMEOUT_SECONDS) as answer:
                return _judged(answer.status, answer.read(_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _judged(error.code, error.read(_ANSWER_BYTES))


def _judged(status: int, said: bytes) -> Answer:
    """What an answer means."""
    if 200 <= status < 300:
        # Login pages, such as those of a hotel's network, answer 200 to everything.
        if said.lstrip()[:1] == b"<":
            return Answer(RETRY, f"{status} with a web page: {_NOT_THERE}", store_wide=True)
        return Answer(DONE)
    if 300 <= status < 400:
        return Answer(REFUSED, f"{status}, a redirection: {_NOT_THERE}", store_wide=True)
    if status == 400 and b"already exists" in said:  # Bugsink, of an event that it has
        return Answer(EXISTS)
    words = f"{status}: {_HINTS[status]}" if status in _HINTS else str(status)
    if status >= 500 or status in _PASSING:
        return Answer(RETRY, words, store_wide=True)
    return Answer(REFUSED, words, store_wide=status not in _OWN_FAULT)


def _unanswered(error: Exception) -> Answer:
    """What became of a request without an answer. It may have been carried out all the same."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = "the receiver's certificate is not trusted: check ca= and the clock"
        return Answer(REFUSED, words, store_wide=True)
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError):
        return Answer(RETRY, f"the answer is not HTTP: {_NOT_THERE}", store_wide=True)
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return Answer(RETRY, printable(words)[:300], store_wide=True)
