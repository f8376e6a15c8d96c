"""The stores of S3, Azure and Google, by the library obstore.

obstore is imported when something is to be sent, and after any fork: in a child it hangs if the
parent has used it. It is not in Debian; `Objects` says how to get it, and what does without.

What is sent (obstore 0.12; tests/fleet/test_requests.py looks): one PUT for each object, with

* ``If-None-Match: *`` (S3, Azure), ``x-goog-if-generation-match: 0`` (Google);
* to S3 the SHA-256 of the content twice, as ``x-amz-checksum-sha256`` and, signed, as
  ``x-amz-content-sha256``: SeaweedFS checks only the first, Ceph 16 only the second;
* no HEAD, GET or LIST. A key that may only write is enough.

Whoever looks (remote.py) makes LIST and GET, and needs nothing else.

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
from pstorefs.fleet.credentials import Use, credentials
from pstorefs.fleet.remote import MOST_KEYS, BadKeyError, Found, RemoteError
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Outcome, StoreError
from pstorefs.settings.defaults import FLEET_LIBRARY
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pstorefs.settings.ship import Ship

MISSING = (
    "the Python package obstore is not installed: contrib/setup --fleet installs it, or"
    " pip install 'pstorefs[fleet]'; without it ship to file:///DIRECTORY, and let rclone copy that"
)
#: Seconds until a connection counts as failed.
CONNECT_SECONDS = 10

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
# What obstore says, in the debug form of Rust, of requests that got no answer.
_CAUSES = (
    (re.compile(r'error: "(failed to lookup address [^"\n]{0,100})'), RETRY),
    (re.compile(r'message: "([^"\n]{1,100})"'), RETRY),
    (re.compile(r"(InvalidCertificate)\(\s{0,99}(?:NotValidYet|Expired)"), RETRY),
    (re.compile(r"(InvalidCertificate)"), REFUSED),
    (re.compile(r"kind: (Timeout)"), RETRY),
)
_OF_CAUSES = {
    "InvalidCertificate": "the store's certificate is not trusted: see ca=, and the clock",
    "Timeout": "no answer in time",
}
# Where obstore asks for credentials if it was given none: EC2 and Google, ECS and EKS.
_METADATA = ("//169.254.169.254", "//169.254.170.2", "//metadata.google.internal")
_CONDITION = ("NotImplemented", "NotSupported", "UnsupportedHeader")
# What S3 says with a status that means something else as well: the clock, a token that ran out, a
# slow line, bytes that changed on their way.
_PASSING_CODES = frozenset(
    (
        *("RequestTimeTooSkewed", "RequestExpired", "ExpiredToken", "TokenRefreshRequired"),
        *("RequestTimeout", "BadDigest", "InvalidDigest", "IncompleteBody", "SlowDown"),
        *("XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InternalError"),
        *("ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict"),
    )
)
# Of one object, and not of the store.
_OWN_FAULT = (400, 411, 413, 414, 422)
_PASSING = (408, 409, 425, 429)
_HINTS = {
    301: "the bucket is in another region: give region=",
    307: "the bucket is in another region: give region=",
    401: "the credentials are not accepted",
    403: "the credentials are not accepted, or do not allow it",
    404: "no such bucket",
}


_BAD_KEY = re.compile(r'object with invalid path: [^"]{0,40}"([^"]{0,1100})"')
_BEFORE = "up to 999 keys before it are not seen: delete it"
_MANY = f"more than {MOST_KEYS} keys below {{}}: the rest is passed over"
_MOST_BAD = 100


def behind(name: str) -> str:
    """A name that obstore takes, and that sorts behind all that begin like this one does.

    That is up to the first slash, dot in front, or character that it takes not.
    """
    for position, character in enumerate(name):
        if character in "/." and position == 0:
            return "0"
        if character == "/":
            return f"{name[:position]}0"
        if not " " < character < "\x7f":
            return f"{name[:position]}!"
    return f"{name}~"


_SENDING = Use()


class Objects:
    """See `store.Store` and `remote.Remote`.

    Raises `StoreError` if there is no way to reach any store.
    """

    def __init__(self, settings: Ship, use: Use = _SENDING) -> None:
        if FLEET_LIBRARY not in sys.path and os.path.isdir(FLEET_LIBRARY):
            sys.path.append(FLEET_LIBRARY)  # behind all else: nothing of Python's is taken from it
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
            from obstore.store import from_url
        except ImportError as error:
            raise StoreError(MISSING if error.name == "obstore" else str(error)) from None
        self._library = obstore
        self._exists, self._unsupported, self._errors = (
            AlreadyExistsError,
            NotSupportedError,
            BaseError,
        )
        self._s3 = settings.url.startswith("s3:")
        #: Whether the store takes conditions; False once it has said that it does not.
        self.conditions = True
        try:
            self._store = from_url(
                settings.url,
                config=_config(settings, use),
                client_options=_client(settings, use),
                retry_config={"max_retries": 0},
            )
        except (BaseError, ValueError, OSError) as error:
            raise StoreError(f"{settings.url}: {_first_line(error)}") from None

    def put(self, key: str, data: bytes, kind: str) -> Outcome:
        """See `store.Store`."""
        outcome = self._attempt(key, data, kind)
        if self.conditions or outcome is not None:
            return outcome or Outcome(RETRY)
        return self._attempt(key, data, kind) or Outcome(RETRY)

    def _attempt(self, key: str, data: bytes, kind: str) -> Outcome | None:
        """One request. None: the store takes no conditions, and is not asked for them again."""
        try:
            self._library.put(
                self._store,
                key,
                data,
                attributes={"Content-Type": kind},
                mode="create" if self.conditions else "overwrite",
                use_multipart=False,
            )
        except (self._errors, OSError, ValueError) as error:
            if self.conditions and self._takes_no_conditions(error):
                self.conditions = False
                return None
            return self._judge(error)
        except BaseException as error:
            # A panic of Rust: PyO3 derives it from BaseException, and exports no name of it.
            if type(error).__name__ != "PanicException":
                raise
            return Outcome(REFUSED, f"obstore gave up: {_first_line(error)}", store_wide=True)
        return Outcome(DONE)

    def folders(self, prefix: str) -> list[str]:
        """See `remote.Remote`."""
        with self._answered():
            found = self._library.list_with_delimiter(self._store, prefix.rstrip("/"))
        return [path.removeprefix(prefix) for path in found["common_prefixes"]]

    def names(self, prefix: str) -> Found:
        """See `remote.Remote`.

        obstore ends a list at a key that it cannot name (`..`, `//`, a newline), and anybody who
        may write can make one. So the list goes on behind that key; what the same answer had before
        it, up to 999 keys, cannot be had.
        """
        names: list[str] = []
        missing: list[str] = []
        offset = None
        while True:
            try:
                with self._answered():
                    for page in self._library.list(
                        self._store, prefix.rstrip("/"), offset=offset, chunk_size=1000
                    ):
                        names += [one["path"].removeprefix(prefix) for one in page]
                        if len(names) > MOST_KEYS:
                            return Found(names[:MOST_KEYS], (*missing, _MANY.format(prefix)))
            except BadKeyError as error:
                offset = prefix + behind(error.key.partition(prefix)[2])
                missing.append(f"{error.strerror}: {_BEFORE}")
                if len(missing) > _MOST_BAD or not error.key.partition(prefix)[1]:
                    return Found(names, tuple(missing))
                continue
            return Found(names, tuple(missing))

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
        raise RemoteError(errno.EFBIG, f"{key} is longer than {limit} bytes")

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
            outcome = self._judge(error)
            status = _answer(error)[0]
            if status == 0 and outcome.why == _OF_CAUSES["Timeout"]:
                status = 408
            raise RemoteError.answered(status, outcome.why or _first_line(error)) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise RemoteError(errno.EIO, f"obstore gave up: {_first_line(error)}") from None

    def _takes_no_conditions(self, error: BaseException) -> bool:
        status, code = _answer(error)
        return isinstance(error, self._unsupported) or status == 501 or code in _CONDITION

    def _judge(self, error: BaseException) -> Outcome:
        status, code = _answer(error)
        if isinstance(error, self._exists) and not (self._s3 and status == 409):
            return Outcome(EXISTS)
        said = str(error)[:20000]
        if any(place in said.partition(" in ")[0] for place in _METADATA):
            return Outcome(
                RETRY,
                "no credentials are given, and this machine has none from its cloud",
                store_wide=True,
            )
        if status == 0:
            return _unanswered(said)
        words = " ".join(filter(None, (str(status), code)))
        if status >= 500 or status in _PASSING or code in _PASSING_CODES:
            return Outcome(RETRY, words, store_wide=True)
        if hint := _HINTS.get(status):
            words = f"{words}: {hint}"
        return Outcome(REFUSED, words, store_wide=status not in _OWN_FAULT)


def _unanswered(said: str) -> Outcome:
    """What became of a request without an answer. It may have been carried out all the same."""
    for pattern, result in _CAUSES:
        if match := pattern.search(said):
            words = _OF_CAUSES.get(match[1], match[1])
            return Outcome(result, printable(words), store_wide=True)
    return Outcome(
        RETRY, printable(said.partition("\n")[0].rpartition(" - ")[2])[:300], store_wide=True
    )


def _answer(error: BaseException) -> tuple[int, str]:
    """The status of the store's answer, 0 if there was none, and the code in it, S3's or Azure's.

    obstore has both in the words of its error only.
    """
    words = str(error)[:20000]
    status, code = _STATUS.search(words), _CODE.search(words)
    return int(status[1]) if status else 0, code[1] if code else ""


def _first_line(error: BaseException) -> str:
    line = str(error).partition("\n")[0]
    return printable(line.rpartition(" - ")[2] or line)[:300]


def _config(settings: Ship, use: Use) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if settings.url.startswith("s3:"):
        config = {"checksum_algorithm": "SHA256", "conditional_put": "etag"}
    config |= credentials(settings.credentials, use)
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.region:
        config["region"] = settings.region
    return config


def _client(settings: Ship, use: Use) -> dict[str, Any]:
    client: dict[str, Any] = {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{use.seconds}s",
        "user_agent": f"pstorefs/{__version__}",
        # For an endpoint that is given as http://. All others are https, and nothing is followed
        # from there to elsewhere.
        "allow_http": True,
    }
    if settings.ca:
        try:
            with open(settings.ca, "rb") as file:
                client["root_certificate"] = file.read(1 << 20)
        except OSError as error:
            raise StoreError(f"{settings.ca}: {error.strerror}") from None
    return client
