"""The name of a machine in the store: a keyed hash of its machine-id, and its host's name.

machine-id(5): the id "should be considered confidential, and must not be exposed in untrusted
environments"; what an application sends away is a hash of it, keyed by the application.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pstorefs.fleet.store import StoreError
from pstorefs.settings.ship import NOBODY
from pstorefs.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pstorefs.settings.ship import Ship

#: This application, for sd_id128_get_machine_app_specific(3). The same name comes of
#: ``systemd-id128 --app-specific=9c1f4f0a6c0b4b6d8d0d3c5a54f2e917 machine-id``.
APPLICATION = "9c1f4f0a6c0b4b6d8d0d3c5a54f2e917"

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


class Identity(NamedTuple):
    """The identity of a machine, and the names of its dumps."""

    #: The name of this machine in keys.
    machine: str
    #: This boot; empty: not known.
    boot: str
    #: Names that options give, in the place of all others; empty: none are given.
    given_machine: str = ""
    given_host: str = ""

    def of(self, summary: Mapping[str, object]) -> tuple[str, str]:
        """Machine and host of a dump, as they were when it was archived.

        A dump that does not say, as one of copied records, is this machine's; its host is not
        known then: what it is called now may be something else tomorrow.
        """
        said = summary.get("machine")
        about = said if isinstance(said, dict) else {}
        machine_id, host = about.get("machine_id"), about.get("hostname")
        known = isinstance(machine_id, str) and _MACHINE_ID.fullmatch(machine_id)
        machine = app_specific(str(machine_id)) if known else self.machine
        return (
            self.given_machine or machine,
            self.given_host or (host if isinstance(host, str) else NOBODY),
        )


def identify(settings: Ship, machine: Machine) -> Identity:
    """The identity of this machine. Raises `StoreError` if that cannot be found out."""
    name = settings.machine
    if not name:
        if machine.machine_id is None:
            raise StoreError("this machine has no /etc/machine-id: give it a name: machine=NAME")
        name = app_specific(machine.machine_id)
    return Identity(name, machine.boot_id, settings.machine, settings.host)


@lru_cache(maxsize=16)  # the dumps of an archive are of one machine, or of few
def app_specific(machine_id: str) -> str:
    """32 hex digits for a machine-id of 32 hex digits.

    sd_id128_get_machine_app_specific(3): HMAC-SHA256 of the application, keyed by the machine-id;
    its first 16 bytes, marked as a UUID of version 4.
    """
    key, message = bytes.fromhex(machine_id), bytes.fromhex(APPLICATION)
    digest = bytearray(hmac.digest(key, message, hashlib.sha256)[:16])
    digest[6] = (digest[6] & 0x0F) | 0x40
    digest[8] = (digest[8] & 0x3F) | 0x80
    return digest.hex()


def share(machine: str, boot: str, window: int) -> float:
    """When in a window of so many seconds a machine begins after a boot: 0 <= seconds < window.

    Machines that boot together after a power cut spread evenly; one that is started again within
    the same boot has the same place.
    """
    digest = hashlib.sha256(f"{machine} {boot}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / (1 << 64) * window
