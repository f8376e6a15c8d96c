"""libfuse: the options that it is given, and one message for whatever it prints when it fails."""

from __future__ import annotations

import os
from collections.abc import Callable

from pstorefs.mount.preflight import MountError
from pstorefs.settings.options import Settings


def initialise(
    init: Callable[..., None], adapter: object, settings: Settings, mountpoint: str
) -> None:
    """pyfuse3.init, with what libfuse prints on a failure turned into one message."""
    options = _options(settings)
    if settings.debug:
        init(adapter, mountpoint, options)
        return
    with open(os.memfd_create("stderr"), "w+b") as captured:
        saved = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            init(adapter, mountpoint, options)
        except Exception as error:
            captured.seek(0)
            said = captured.read(4096).decode(errors="replace").strip().replace("\n", "; ")
            raise MountError(_explain(settings.mountpoint, said or str(error))) from error
        finally:
            os.dup2(saved, 2)
            os.close(saved)


class _Encoded(str):
    """A word that encodes itself as paths are: pyfuse3 asks for ASCII and knows no other names."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:  # noqa: ARG002
        return os.fsencode(str(self))


def _options(settings: Settings) -> set[str]:
    name = settings.source_word.replace("\\", "\\\\").replace(",", "\\,")
    options = {f"fsname={name}", "subtype=pstorefs", "default_permissions"}
    options |= {"nosuid", "nodev", "noexec"}
    options |= {"ro"} if settings.read_only else set()
    options |= {"allow_other"} if settings.allow_other else set()
    options |= {"auto_unmount"} if settings.auto_unmount else set()
    options |= {"debug"} if settings.debug else set()
    return {_Encoded(option) for option in options}


def _explain(mountpoint: str, said: str) -> str:
    for words, advice in (
        ("user has no write access", "ordinary users need a mount point of their own"),
        ("Operation not permitted", "root, or a namespace of your own, is needed to mount"),
        ("Permission denied", "are you the owner of the mount point, and may you use /dev/fuse?"),
        ("too many FUSE", "see mount_max in /etc/fuse.conf"),
    ):
        if words in said:
            return f"{mountpoint}: cannot mount: {said}: {advice}"
    return f"{mountpoint}: cannot mount: {said}"
