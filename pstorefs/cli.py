"""The command `pstorefs`: arguments to settings, errors to one line and an exit status.

Exit statuses are those of mount(8): 0 success, 1 usage, 2 system error, 32 mount failure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pstorefs import __version__
from pstorefs.options import Settings, UsageError, parse

if TYPE_CHECKING:
    from pstorefs.archive import Compose

HELP = """\
usage: pstorefs [OPTIONS] [SOURCE] MOUNTPOINT

Show the crash records in SOURCE (default: /sys/fs/pstore) as text under MOUNTPOINT,
also those that another kernel compressed. Unmount with: umount MOUNTPOINT

  -o OPTION[,...]  plain             the records only
                   allow_other       other users may enter, as far as file modes let
                   uid= gid=         owner and group of all files
                   umask= fmask= dmask=   mode bits to take off (octal)
                   nofail            mount although no pstore is there yet
  -f               stay in the foreground, log to standard error
  -d               the same, and print every request
  -h, --help       this text
  -V, --version    the version

Exit status: 0 mounted, 1 wrong usage, 2 system error, 32 cannot mount.
One file, without a mount: pstorecat FILE
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command. Returns the exit status."""
    try:
        settings = parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        return _fail(1, str(error))
    if settings.help:
        sys.stdout.write(HELP)
        return 0
    if settings.version:
        print(f"pstorefs {__version__}")
        return 0
    return _archive(settings) if settings.archive_now else _mount(settings)


def _archive(settings: Settings) -> int:
    from pstorefs.archive.command import run_archive

    def compose() -> Compose:
        # At the moment of need: on most boots there is nothing to archive.
        from pstorefs.machine import Machine
        from pstorefs.report import composer

        return composer(Machine(), own=settings.default_source)

    return run_archive(settings, compose)


def _mount(settings: Settings) -> int:
    from pstorefs.daemon import MountError, run

    try:
        run(settings)
    except MountError as error:
        return _fail(32, str(error))
    except ImportError as error:
        return _fail(2, f"the Python package {error.name} is not installed: see the README")
    except OSError as error:
        return _fail(2, str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(status: int, message: str) -> int:
    print(f"pstorefs: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
