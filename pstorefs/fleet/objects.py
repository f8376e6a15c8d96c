"""The stores of S3, Azure and Google, by the library obstore.

obstore is imported when something is to be sent, and after any fork: in a child it hangs if the
parent has used it. Readers have it in a process of its own (apart.py). It is not in Debian;
`Objects` says how to get it, and what does without.

What is sent (obstore 0.12; tests/fleet/test_requests.py looks): one PUT for each object, with

* ``If-None-Match: *`` (S3, Azure), ``x-goog-if-generation-match: 0`` (Google);
* to S3 the SHA-256 of the content twice, as ``x-amz-checksum-sha256`` and, signed, as
  ``x-amz-content-sha256``: SeaweedFS checks only the first, Ceph 16 only the second;
* no HEAD, GET or LIST. A key that may only write is enough.

Readers (remote.py) make LIST and GET, and need nothing else.

obstore's own retries are off: it would try again at once what this program counts and spreads.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pstorefs import __version__
from pstorefs.fleet import answers
from pstorefs.fleet.credentials import Given, Use, given, odd
from pstorefs.fleet.remote import MOST_KEYS, BadKeyError, Found, RemoteError
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Answer, StoreError
from pstorefs.settings.defaults import FLEET_LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pstorefs.settings.ship import Ship

MISSING = (
    "the Python package obstore is not installed: contrib/setup --fleet installs it, or"
    " pip install 'pstorefs[fleet]'; without it ship to file:///DIRECTORY, and let rclone copy that"
)
#: Seconds until a connection counts as failed.
CONNECT_SECONDS = 10
#: Threads of obstore, at most. Left alone it has one for each processor, with 2 MiB of stack: on a
#: large machine these leave too little of limits.py for a large bundle.
_THREADS = 4

_BAD_KEY = re.compile(r'object with invalid path: [^"]{0,40}"([^"]{0,1100})"')
_BEFORE = "up to 999 keys before it (on Azure 4999) are not seen: delete it"
_ALL = "keys before and after it are not seen: delete it"
_MANY = f"more than {MOST_KEYS} keys below {{}}: the rest is ignored"
_MOST_BAD = 100
_NO_ANSWER = (errno.EBUSY, errno.EHOSTDOWN, errno.ETIMEDOUT)
# Of all characters that XML takes and nothing else means, the last one.
_LAST = "\U0010fffd"


def behind(name: str) -> str:
    """A name that obstore takes, and that sorts behind all that begin like this one does.

    That is up to the first slash, dot in front, or character that it takes not.
    """
    for position, character in enumerate(name):
        if character in "/." and position == 0:
            return "0"
        if character == "/":
            return f"{name[:position]}0"
        if character <= " ":
            return f"{name[:position]}!"
        if character >= "\x7f":  # behind it is no key of ours that begins so: they are ASCII
            return f"{name[:position]}{_LAST}"
    return f"{name}~"


_SENDING = Use()


def library() -> Any:  # noqa: ANN401 (it is untyped in some versions)
    """The module obstore, imported. ImportError."""
    threads = min(_THREADS, len(os.sched_getaffinity(0)))
    os.environ.setdefault("TOKIO_WORKER_THREADS", str(threads))
    if FLEET_LIBRARY not in sys.path and os.path.isdir(FLEET_LIBRARY):
        sys.path.append(FLEET_LIBRARY)  # behind all else: nothing of Python's is taken from it
    import obstore
    import obstore.exceptions
    import obstore.store

    return obstore


class Objects:
    """See `store.Store` and `remote.Remote`.

    Raises `StoreError` if there is no way to reach any store.
    """

    def __init__(self, settings: Ship, use: Use = _SENDING, files: Given | None = None) -> None:
        try:
            obstore = library()
            from obstore.exceptions import BaseError, NotSupportedError
            from obstore.store import from_url
        except ImportError as error:
            raise StoreError(MISSING if error.name == "obstore" else str(error)) from None
        self._library = obstore
        self._unsupported, self._errors = NotSupportedError, BaseError
        self._kind = _kind(settings)
        self._proxy = proxy(settings.endpoint)
        #: Whether the store takes conditions; False once it has said that it does not.
        self.conditions = True
        files = files or given(settings, use)
        try:
            self._store = from_url(
                settings.url,
                config=_config(settings, files.credentials),
                client_options=_client(files.ca, use),
                retry_config={"max_retries": 0},
            )
        except (BaseError, ValueError, OSError) as error:
            raise StoreError(f"{settings.url}: {answers.unusable(str(error))}") from None

    def put(self, key: str, data: bytes, kind: str) -> Answer:
        """See `store.Store`."""
        answer = self._attempt(key, data, kind, create=self.conditions)
        if self.conditions or answer is not None:
            return answer or Answer(RETRY)
        return self.put_over(key, data, kind)

    def put_over(self, key: str, data: bytes, kind: str) -> Answer:
        """See `store.Credentialed`."""
        return self._attempt(key, data, kind, create=False) or Answer(RETRY)

    def _attempt(self, key: str, data: bytes, kind: str, *, create: bool) -> Answer | None:
        """One request. None: the store takes no conditions, and is not asked for them again."""
        try:
            self._library.put(
                self._store,
                key,
                data,
                attributes={"Content-Type": kind},
                mode="create" if create else "overwrite",
                use_multipart=False,
            )
        except (self._errors, OSError, ValueError) as error:
            said = str(error)
            if create and (
                isinstance(error, self._unsupported) or answers.takes_no_conditions(said)
            ):
                self.conditions = False
                return None
            if create and answers.is_there(self._kind, said):
                return Answer(EXISTS)
            return self._judged(said)
        except BaseException as error:
            # A panic of Rust: PyO3 derives it from BaseException, and exports no name of it.
            if type(error).__name__ != "PanicException":
                raise
            return Answer(
                REFUSED, f"obstore gave up: {answers.first_line(str(error))}", store_wide=True
            )
        return Answer(DONE)

    def _judged(self, said: str) -> Answer:
        """What became of a request that failed. A proxy may be what did not answer it."""
        answer = answers.judge(self._kind, said)
        if self._proxy and not answers.answer(said)[0]:
            words = f"is {self._proxy} right, or has NO_PROXY to name the store?"
            return answer._replace(why=f"{answer.why}: {words}")
        return answer

    def folders(self, prefix: str) -> list[str]:
        """See `remote.Remote`."""
        with self._answered():
            found = self._library.list_with_delimiter(self._store, prefix.rstrip("/"))
        if not found["common_prefixes"]:
            self._ask_who_answers(prefix)
        return [path.removeprefix(prefix) for path in found["common_prefixes"]]

    def names(self, prefix: str, on_page: Callable[[], None] = lambda: None) -> Found:
        """See `remote.Remote`. `on_page`: called for each page of the list, of 1,000 keys or more.

        obstore ends a list at a key that it cannot name (`..`, `//`, a newline), and anybody who
        may write can make one. So the list goes on behind that key; what the same answer had before
        it cannot be had: up to 999 keys, on Azure 4999.
        """
        names: list[str] = []
        missing: list[str] = []
        offset, last = None, ""
        while True:
            try:
                with self._answered():
                    for page in self._library.list(
                        self._store, prefix.rstrip("/"), offset=offset, chunk_size=1000
                    ):
                        on_page()
                        names += [one["path"].removeprefix(prefix) for one in page]
                        if len(names) > MOST_KEYS:
                            return Found(names[:MOST_KEYS], (*missing, _MANY.format(prefix)))
                if not names and not missing:
                    self._ask_who_answers(prefix)
            except BadKeyError as error:
                offset = prefix + behind(error.key.partition(prefix)[2])
                if error.key == last:  # Azurite: lists have no beginning there but the first key
                    return Found(names, (*missing[:-1], f"{error.strerror}: {_ALL}"))
                last = error.key
                missing.append(f"{error.strerror}: {_BEFORE}")
                if len(missing) > _MOST_BAD or not error.key.partition(prefix)[1]:
                    return Found(names, tuple(missing))
                continue
            return Found(names, tuple(missing))

    def _ask_who_answers(self, prefix: str) -> None:
        """Raise unless this is a store, after it said that nothing is there.

        obstore takes any well-formed XML for a list: a page of a proxy (<html>...) is an empty one,
        and a fleet without crashes. Such a page answers all requests. A store does not have an
        object of this name, which nobody can have guessed.
        """
        try:
            self.get(f"{prefix}{os.urandom(8).hex()}", 0)
        except RemoteError as error:
            if error.errno in _NO_ANSWER:
                raise
            if error.errno != errno.EFBIG:
                return
        raise RemoteError(errno.EIO, answers.NO_STORE)

    def get(self, key: str, limit: int) -> bytes:
        """See `remote.Remote`."""
        data = b""
        with self._answered():
            answer = self._library.get(self._store, key)
            if answer.meta["size"] <= limit:
                for piece in answer.stream(min_chunk_size=1 << 20):
                    data += bytes(piece)
                    if len(data) > limit:
                        break
                else:
                    return data
        raise RemoteError(errno.EFBIG, f"it is longer than {limit} bytes")

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """What obstore raises, as what `remote.Remote` raises."""
        try:
            yield
        except (self._errors, OSError, ValueError) as error:
            if isinstance(error, RemoteError):
                raise
            if match := _BAD_KEY.search(str(error)[:20000]):
                raise BadKeyError(match[1]) from None
            said = str(error)
            why = self._judged(said).why
            status = 408 if why.startswith(answers.LATE) else answers.answer(said)[0]
            raise RemoteError.answered(status, why or answers.first_line(said)) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise RemoteError(
                errno.EIO, f"obstore gave up: {answers.first_line(str(error))}"
            ) from None


def proxy(endpoint: str) -> str:
    """The variable that names a proxy for such an endpoint; empty: there is none."""
    own = "HTTP_PROXY" if endpoint.startswith("http://") else "HTTPS_PROXY"
    names = (name for each in (own, "ALL_PROXY") for name in (each, each.lower()))
    return next((name for name in names if os.environ.get(name)), "")


def _kind(settings: Ship) -> answers.Kind:
    return answers.KINDS[settings.url.partition(":")[0]]


def _config(settings: Ship, found: dict[str, str]) -> dict[str, Any]:
    kind = _kind(settings)
    for values in (found, os.environ) if kind.variables else ():
        if said := odd(values, kind.variables):
            raise StoreError(f"{settings.url}: {said}")
    config: dict[str, Any] = {**kind.config, **found}
    for option, name in (("endpoint", kind.endpoint), ("region", kind.region)):
        value = getattr(settings, option)
        if value and not name:
            raise StoreError(f"{settings.url}: such a store has no {option}: leave {option}= out")
        if value:
            config[name] = value
    return config


def _client(ca: str, use: Use) -> dict[str, Any]:
    client: dict[str, Any] = {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{use.seconds}s",
        "user_agent": f"pstorefs/{__version__}",
        # For an endpoint that is given as http://. All others are https. Where a store redirects,
        # the library follows: it has no option against that (SECURITY.md).
        "allow_http": True,
    }
    if ca:
        client["root_certificate"] = ca.encode("latin-1")
    return client
