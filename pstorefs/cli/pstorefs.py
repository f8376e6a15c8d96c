"""The command `pstorefs`: arguments to settings, errors to one line and an exit status.

Exit statuses are those of mount(8): 0 success, 1 usage, 2 system error, 32 mount failure.
"""

from __future__ import annotations

import sys

from pstorefs.cli.said import say
from pstorefs.settings.actions import before_places, clash
from pstorefs.system import streams

# Not typing's: `pstorefs --ship`, which mostly has nothing to do, would start half as fast.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pstorefs.settings.options import Settings

HELP = """\
usage: pstorefs [OPTIONS] [SOURCE] MOUNTPOINT
Show the crash records in SOURCE (default: /sys/fs/pstore) as text in MOUNTPOINT.
SOURCE may also be a fleet's store: s3://BUCKET/PREFIX, az://, gs://, file:///DIR
To unmount: umount MOUNTPOINT. Manual: man pstorefs. To decode one file: pstorecat FILE

Without a mount:  pstorefs [OPTIONS] ACTION [SOURCE]
  --archive        save all dumps, then clear the records that were saved
  --list           one line for each dump; --json with this, --show, --check: for programs
  --show NAME      print the report of a dump; NAME is a dump, a record, or latest
  --check          will the next crash be recorded? --crash: ask, then crash to prove it
  --bundle NAME FILE   everything about a dump in one file; --redact: no names, addresses
  --report-html URL|DIRECTORY FILE   one HTML page about a fleet's store or an archive
  --ship [URL], --sentry DSN   send archived dumps, or events: pstorefs --ship --help
  --every=TIME     archive and ship, and repeat after TIME, such as 15m: for containers

  -o OPTION[,...]  allow_other, uid=, gid=, umask=, fmask=, dmask=   who may read
                   archive=DIR, archive_volatile   where to save dumps; even on tmpfs
                   keep=90d+500M+20   remove old dumps; metrics=FILE   for Prometheus
                   rm=archive|clear|deny   what rm of a record does
                   ro, plain, nofail   no commands; records only; even without pstore
                   endpoint=, region=, ca=, credentials=   how to reach a fleet's store
  -f, -d           foreground; -d: and print each request.  -h, --help, -V, --version
Exit status: 0 done; 1 wrong usage; 2 system error; 3 archived, and some records stay in
the store on purpose; 32 cannot mount. --check: 0 yes, 1 not surely, 2 no
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command. Returns the exit status."""
    streams.complete()
    status = _main(arguments)
    streams.flushed()
    return status


def _main(arguments: Sequence[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    flags = {word.partition("=")[0] for word in before_places(words)}
    ships = bool(flags & {"--ship", "--sentry"})
    if flags & {"-h", "--help"} and not ships:
        return _tell(HELP)
    if said := clash(words):
        return _fail(1, said)
    if "--every" in flags:
        from pstorefs.cli.every import main as every

        return every(words)
    if ships:
        from pstorefs.cli.ship import main as ship

        return ship(words)
    from pstorefs import __version__
    from pstorefs.settings.options import UsageError, is_helper, parse
    from pstorefs.settings.questions import asked

    try:
        if asked(words) and not (arguments is None and is_helper(sys.argv[0])):
            return _answer(words)
        if arguments is None:
            settings = parse(sys.argv[1:], helper=is_helper(sys.argv[0]))
        else:
            settings = parse(arguments)
    except UsageError as error:
        return _fail(1, str(error))
    if settings.version:
        return _tell(f"pstorefs {__version__}\n")
    if settings.archive_now:
        from pstorefs.cli.archive import run_archive

        return run_archive(settings)
    return _mount(settings)


def _answer(words: Sequence[str]) -> int:
    from pstorefs.settings.questions import parse_question

    question = parse_question(words)
    from pstorefs.cli.questions import answer

    return answer(question)


def _mount(settings: Settings) -> int:
    # Imports make little garbage: looking for it is 6 of the 93 ms that pyfuse3 and trio take.
    import gc

    gc.disable()
    from pstorefs.mount.daemon import run
    from pstorefs.mount.preflight import MountError

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


def _tell(text: str) -> int:
    error = streams.write(text)
    return _fail(2, f"standard output: {error.strerror}") if error else 0


def _fail(status: int, message: str) -> int:
    say(message)
    return status


if __name__ == "__main__":
    sys.exit(main())
