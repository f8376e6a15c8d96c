"""The credentials of a store: a file of lines NAME=VALUE, or what the cloud's own tools read."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pstorefs.fleet.store import StoreError
from pstorefs.settings.defaults import SHIP_CREDENTIALS

_CREDENTIALS_BYTES = 64 << 10
_CREDENTIAL = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,99})=(.{0,20000})")


class Use(NamedTuple):
    """The user of a store: the seconds of a request, and where its credentials are by default."""

    seconds: int = 120
    credentials: str = SHIP_CREDENTIALS


def credentials(path: str, use: Use) -> dict[str, str]:
    """Lines NAME=VALUE, named as in the environment: AWS_ACCESS_KEY_ID=... A file, or none.

    The file that an option names; else what the service manager hands over; else the default.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    handed = os.path.join(given, os.path.basename(use.credentials)) if given else ""
    for candidate in [path] if path else [handed, use.credentials]:
        try:
            with open(candidate, encoding="utf-8", errors="replace") as file:
                lines = file.read(_CREDENTIALS_BYTES).splitlines()
        except FileNotFoundError:
            if path:
                raise StoreError(f"{path}: no such file") from None
            continue
        except OSError as error:
            if not path and os.geteuid() != 0:
                continue  # it is for root's; a user has an environment
            raise StoreError(f"{candidate}: {error.strerror}") from None
        return _parse(candidate, lines)
    return {}


def _parse(path: str, lines: list[str]) -> dict[str, str]:
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _CREDENTIAL.fullmatch(line.strip())
        if match is None:  # never the line itself: it may hold the secret
            raise StoreError(f"{path}: line {number} is not NAME=VALUE")
        found[match[1].lower()] = match[2]
    return found
