"""The background: fork, a pipe that says when the mount answers, and systemd's sd_notify(3).

The child writes a byte to the pipe when the kernel has sent its first request, and on that byte the
parent returns. If the pipe ends without it, the parent unmounts and reports what the child wrote
instead.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

from pstorefs.mount.assemble import Backing
from pstorefs.mount.logs import log_to_system
from pstorefs.mount.preflight import TYPE, MountError, detach
from pstorefs.mount.serve import mount_and_serve
from pstorefs.settings.options import Settings
from pstorefs.system import mountinfo

_READY = b"\0"

_log = logging.getLogger("pstorefs")


def serve_in_background(settings: Settings, backing: Backing, mountpoint: str) -> None:
    """The parent returns when the mount answers, or raises what the child died of."""
    # Loaded here for both: nothing is imported twice, and errors of the import are the parent's.
    import pyfuse3  # noqa: F401

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 0
        try:
            # Only once it is mounted: in the process group that automount started, and in no other,
            # the mount point may be touched before it is. Elsewhere both would wait for each other.
            mount_and_serve(
                settings, backing, mountpoint, lambda: _ready(writer), mounted=_leave_terminal
            )
        except MountError as error:
            status = 32
            with suppress(OSError):
                os.write(writer, str(error).encode(errors="surrogateescape"))
        except BaseException as error:  # noqa: BLE001 (the child must not return into the parent's code)
            status = 32
            _log.exception("the mount ends")
            with suppress(OSError):
                os.write(writer, f"{mountpoint}: {error!r}".encode(errors="replace"))
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    if said == _READY:
        return
    reason = said.removeprefix(_READY).decode(errors="surrogateescape")
    mounted = mountinfo.at(mountpoint)
    if mounted is not None and mounted.kind == TYPE:
        detach(mountpoint)
    raise MountError(reason or f"{mountpoint}: the program died before the mount answered")


def _ready(writer: int) -> None:
    with suppress(OSError):
        os.write(writer, _READY)
        os.close(writer)


def _leave_terminal() -> None:
    """A session of its own, no terminal, no working directory that would keep a disk busy."""
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    log_to_system()


def notify_systemd() -> None:
    """Tell a service manager that waits (Type=notify) that the mount answers: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
        messenger.connect(("\0" + address[1:]) if address.startswith("@") else address)
        messenger.send(b"READY=1")
