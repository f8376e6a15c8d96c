"""A real Azurite, Microsoft's own emulator of Azure's blobs, and the keys that Azure hands out.

Where it differs from Azure (3.35, seen here; Azure's documents): a SAS that may only create is
answered AuthorizationPermissionMismatch for a blob that is there, Azure says
UnauthorizedBlobOverwrite; lists do not begin where `startFrom` says.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tests.fleet.servers import free_ports, served

ACCOUNT, CONTAINER = "fleetaccount", "crash"
KEY = base64.b64encode(secrets.token_bytes(32)).decode()
#: May do everything.
ALL = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
SERVER = Path(__file__).parents[2] / ".venv/azurite/node_modules/.bin/azurite-blob"
MISSING = not SERVER.exists()
_VERSION = "2023-11-03"
_END = "2099-01-01T00:00:00Z"


@contextmanager
def azurite(base: Path) -> Iterator[str]:
    """The endpoint of an Azurite with an account and a container."""
    base.mkdir()
    (port,) = free_ports(1)
    words = [
        *("env", f"AZURITE_ACCOUNTS={ACCOUNT}:{KEY}", SERVER, "--blobHost", "127.0.0.1"),
        *("--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--silent"),
    ]
    with served(words, port, base):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        # The container is for who owns the account: its own SAS cannot make it.
        _put(f"{endpoint}/{CONTAINER}?restype=container&{_account_sas()}", b"")
        yield endpoint


def sas(permissions: str, end: str = _END) -> Mapping[str, str]:
    """Credentials for the container: c may create, w write, r read, l list."""
    place = f"/blob/{ACCOUNT}/{CONTAINER}"
    # What is signed has a line for each parameter there is, empty for those that are not given.
    lines = [permissions, "", end, place, "", "", "", _VERSION, "c", *[""] * 7]
    said = {"sp": permissions, "se": end, "sv": _VERSION, "sr": "c", "sig": _signed(lines)}
    return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": urlencode(said)}


def put_odd(endpoint: str, path: str) -> None:
    """A blob of a name that no client would make; `path` as it stands in the URL."""
    _put(f"{endpoint}/{CONTAINER}/{path}?{_account_sas()}", b"x")


def _account_sas() -> str:
    said = {"sp": "cw", "ss": "b", "srt": "sco", "se": _END, "sv": _VERSION}
    lines = [ACCOUNT, "cw", "b", "sco", "", _END, "", "", _VERSION, "", ""]
    return urlencode({**said, "sig": _signed(lines)})


def _signed(lines: list[str]) -> str:
    digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), "sha256")
    return base64.b64encode(digest).decode()


def _put(url: str, data: bytes) -> None:
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "x/y"}
    asked = urllib.request.Request(url, data, headers, method="PUT")  # noqa: S310 (loopback)
    with urllib.request.urlopen(asked, timeout=60) as said:  # noqa: S310
        assert said.status == 201
