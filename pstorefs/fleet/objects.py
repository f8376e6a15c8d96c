"""The stores of S3, Azure and Google, by the library obstore.

`Objects` sends, with a key that may do nothing else; `ReadObjects` lists and reads.

obstore is imported when something is to be sent, and after any fork: in a child it hangs if the
parent has used it. It is not in Debian; `Objects` says how to get it, and what does without.

What is sent (obstore 0.12; tests/fleet/test_requests.py looks): one PUT for each object, with

* ``If-None-Match: *`` (S3, Azure), ``x-goog-if-generation-match: 0`` (Google);
* to S3 the SHA-256 of the content twice, as ``x-amz-checksum-sha256`` and, signed, as
  ``x-amz-content-sha256``: SeaweedFS checks only the first, Ceph 16 only the second;
* no HEAD, GET or LIST. A key that may only write is enough.

obstore's own retries are off: it would try again at once what this program counts and spreads.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pstorefs import __version__
from pstorefs.fleet.reading import MOST_NAMES, TOO_MANY, Names
from pstorefs.fleet.store import DONE, EXISTS, REFUSED, RETRY, Outcome, StoreError
from pstorefs.settings.defaults import FLEET_LIBRARY, SHIP_CREDENTIALS
from pstorefs.system.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pstorefs.settings.ship import Ship

MISSING = (
    "the Python package obstore is not installed: contrib/setup --fleet installs it, or"
    " pip install 'pstorefs[fleet]'; without it ship to file:///DIRECTORY, and let rclone copy that"
)
#: Seconds until a connection counts as failed, and until a request does.
CONNECT_SECONDS, REQUEST_SECONDS = 10, 120

_CREDENTIALS_BYTES = 64 << 10
_CREDENTIAL = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,99})=(.{0,20000})")
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
    403: "the credentials are not accepted, or may not write there",
    404: "no such bucket",
}
#: What is otherwise where something is read.
_READ_HINTS = {403: "the credentials are not accepted, or may not list and read there"}
_READ_RETRIES = 3


def _library() -> Any:  # noqa: ANN401 (a module without types in some versions)
    """The module obstore, with its submodules. Raises `StoreError` where it is not installed."""
    if FLEET_LIBRARY not in sys.path and os.path.isdir(FLEET_LIBRARY):
        sys.path.append(FLEET_LIBRARY)  # behind all else: nothing of Python's is taken from it
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise StoreError(MISSING if error.name == "obstore" else str(error)) from None
    return obstore


def _opened(library: Any, settings: Ship, config: dict[str, Any], retries: int) -> Any:  # noqa: ANN401
    try:
        return library.store.from_url(
            settings.url,
            config=config,
            client_options=_client(settings),
            retry_config={"max_retries": retries},
        )
    except (library.exceptions.BaseError, ValueError, OSError) as error:
        raise StoreError(f"{settings.url}: {_first_line(error)}") from None


class Objects:
    """See `store.Store`. Raises `StoreError` if there is no way to reach any store."""

    def __init__(self, settings: Ship) -> None:
        library = _library()
        self._put = library.put
        self._exists, self._unsupported, self._errors = (
            library.exceptions.AlreadyExistsError,
            library.exceptions.NotSupportedError,
            library.exceptions.BaseError,
        )
        self._s3 = settings.url.startswith("s3:")
        #: Whether the store takes conditions; False once it has said that it does not.
        self.conditions = True
        self._store = _opened(library, settings, _config(settings), retries=0)

    def put(self, key: str, data: bytes, kind: str) -> Outcome:
        """See `store.Store`."""
        outcome = self._attempt(key, data, kind)
        if self.conditions or outcome is not None:
            return outcome or Outcome(RETRY)
        return self._attempt(key, data, kind) or Outcome(RETRY)

    def _attempt(self, key: str, data: bytes, kind: str) -> Outcome | None:
        """One request. None: the store takes no conditions, and is not asked for them again."""
        try:
            self._put(
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


class ReadObjects:
    """See `reading.Reader`: for engineers, with a key that may list and read.

    What `--ship` finds in its default file is a key that may only write, so that is not looked at:
    credentials are those of an option, of the environment, or of the machine's cloud.
    """

    def __init__(self, settings: Ship) -> None:
        self._url = settings.url
        self._library = _library()
        config = _config(settings, default=False)
        self._store = _opened(self._library, settings, config, retries=_READ_RETRIES)

    def folders(self, prefix: str) -> list[str]:
        """See `reading.Reader`."""
        with self._told():
            found = self._library.list_with_delimiter(self._store, prefix)
            return [each.rstrip("/").removeprefix(prefix) for each in found["common_prefixes"]]

    def names(self, prefix: str) -> Names:
        """See `reading.Reader`."""
        found: list[str] = []
        with self._told():
            for page in self._library.list(self._store, prefix):
                found += [each["path"].removeprefix(prefix) for each in page]
                if len(found) > MOST_NAMES:
                    return Names(found[:MOST_NAMES], (TOO_MANY.format(prefix),))
        return Names(found)

    def get(self, key: str, most: int) -> bytes:
        """See `reading.Reader`."""
        with self._told():
            found = self._library.get(self._store, key)
            if found.meta["size"] > most:
                raise StoreError(f"{key}: longer than {most} bytes")
            return bytes(found.bytes())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._library.exceptions.BaseError, OSError, ValueError) as error:
            raise StoreError(f"{self._url}: {_read_failure(error)}") from None


def _read_failure(error: BaseException) -> str:
    """Why something cannot be read: one line, with what to do where that is known."""
    status, code = _answer(error)
    said = str(error)[:20000]
    if any(place in said.partition(" in ")[0] for place in _METADATA):
        return "no credentials are given, and this machine has none from its cloud"
    if status == 0:
        return _unanswered(said).why
    hint = _READ_HINTS.get(status) or _HINTS.get(status, "")
    return " ".join(filter(None, (str(status), code))) + (f": {hint}" if hint else "")


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


def _config(settings: Ship, *, default: bool = True) -> dict[str, Any]:
    """What the library is told of a store. `default`: look at the default credentials as well."""
    config: dict[str, Any] = {}
    if settings.url.startswith("s3:"):
        config = {"checksum_algorithm": "SHA256", "conditional_put": "etag"}
    if settings.credentials or default:
        config |= _credentials(settings.credentials)
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.region:
        config["region"] = settings.region
    return config


def _client(settings: Ship) -> dict[str, Any]:
    client: dict[str, Any] = {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{REQUEST_SECONDS}s",
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


def _credentials(path: str) -> dict[str, str]:
    """Lines NAME=VALUE, named as in the environment: AWS_ACCESS_KEY_ID=... A file, or none.

    The file that an option names; else what the service manager hands over; else the default.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    handed = os.path.join(given, os.path.basename(SHIP_CREDENTIALS)) if given else ""
    for candidate in [path] if path else [handed, SHIP_CREDENTIALS]:
        try:
            with open(candidate, encoding="utf-8", errors="replace") as file:
                lines = file.read(_CREDENTIALS_BYTES).splitlines()
        except FileNotFoundError:
            if path:
                raise StoreError(f"{path}: no such file") from None
            continue
        except OSError as error:
            raise StoreError(f"{candidate}: {error.strerror}") from None
        return _parse_credentials(candidate, lines)
    return {}


def _parse_credentials(path: str, lines: list[str]) -> dict[str, str]:
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _CREDENTIAL.fullmatch(line.strip())
        if match is None:  # never the line itself: it may hold the secret
            raise StoreError(f"{path}: line {number} is not NAME=VALUE")
        found[match[1].lower()] = match[2]
    return found
