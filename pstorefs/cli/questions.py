"""`pstorefs --list` and `--show`: what is there, asked without a mount, FUSE or trio.

Exit status: 0 answered, 1 wrong usage, 2 it cannot be answered (the reason on standard error).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pstorefs.catalog.catalog import Catalog
from pstorefs.catalog.place import Place
from pstorefs.catalog.view import Listed
from pstorefs.cli import pager
from pstorefs.cli.said import say
from pstorefs.record.name import ENCODED
from pstorefs.record.record import ARCHIVE, STORE, SYSTEMD
from pstorefs.report import dump_list, files
from pstorefs.report.material import context_of, material, raw_files
from pstorefs.settings.defaults import SYSTEMD_ARCHIVE
from pstorefs.settings.options import Settings
from pstorefs.settings.questions import Question
from pstorefs.source.directory import OpenDirectory
from pstorefs.source.timeout import open_directory, open_named
from pstorefs.source.unopened import why_unopened
from pstorefs.system.machine import Machine

DONE, FAILURE = 0, 2
_LATEST = "latest"


class QuestionError(Exception):
    """Why a question cannot be answered: one line with what to do."""


def answer(question: Question) -> int:
    """Answer on standard output; the exit status."""
    try:
        return _ANSWERS[question.kind](question)
    except QuestionError as error:
        return _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE  # the reader has seen enough
    except OSError as error:
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


@contextmanager
def opened_catalog(settings: Settings) -> Iterator[Catalog]:
    """All dumps of the source and of the archives that go with it, as a mount would show them."""
    own = settings.default_source
    store = _source(settings.source, own=own)
    archives = {ARCHIVE: settings.target}
    if own:
        archives[SYSTEMD] = SYSTEMD_ARCHIVE
    places = [Place(STORE, store)]
    for kind, path in archives.items():
        if path is not None and _is_open(path):
            places.append(Place(kind, path))
    try:
        yield Catalog(places)
    finally:
        store.close()


def _source(path: str, *, own: bool) -> OpenDirectory:
    """The source; an empty one for a machine without pstore. Raises `QuestionError`."""
    try:
        store = open_directory(path) if own else open_named(path)
        store.scan(())
    except OSError as error:
        if own and isinstance(error, FileNotFoundError):
            return open_directory(path, optional=True)
        raise QuestionError(why_unopened(path, error)) from None
    return store


def _is_open(path: str) -> bool:
    """Whether an archive can be looked at. One that is not there yet is passed over silently."""
    try:
        open_directory(path).close()
    except FileNotFoundError:
        return False
    except OSError as error:
        say(f"{path}: not read: {error.strerror}")
        return False
    return True


def named(catalog: Catalog, name: str) -> Listed:
    """The dump that is meant: its name, `latest`, or a record of it. Raises `QuestionError`."""
    if name == _LATEST:
        latest = catalog.latest()
        if latest is None:
            raise QuestionError("no crash on record: pstorefs --list shows what there is")
        return latest
    name = name.rstrip("/").rpartition("/")[2]  # a path in a mount or an archive may be given
    dumps = catalog.dumps()
    if name in dumps:
        return dumps[name]
    for dump in dumps.values():
        with suppress(OSError):
            names = {raw.file for raw in raw_files(catalog.resolved(dump))}
            if name in names or name + ENCODED in names:
                return dump
    raise QuestionError(f"{name}: no such record or dump: pstorefs --list shows what there is")


def composed(catalog: Catalog, dump: Listed, file: str, *, own: bool) -> bytes:
    """A file of a dump, as dumps/ in a mount has it; empty: it has no such file."""
    of = material(catalog, dump)
    return files.FILES[file](of, context_of(catalog, dump, Machine(), own=own)) or b""


def _list(question: Question) -> int:
    with opened_catalog(question.settings) as catalog:
        rows = [dump_list.Row(dump, catalog.brief(dump)) for dump in catalog.dumps().values()]
        if question.json:
            text = dump_list.list_json(rows, catalog.latest())
        else:
            text = dump_list.list_text(rows)
        for path, reason in sorted(catalog.unreadable.items()):
            say(f"{path}: not listed: {reason}")
    write(text)
    return DONE


def _show(question: Question) -> int:
    with opened_catalog(question.settings) as catalog:
        dump = named(catalog, question.arguments[0])
        file = "summary.json" if question.json else "report.txt"
        text = composed(catalog, dump, file, own=question.settings.default_source)
    if question.json:
        write(text)
    else:
        pager.show(text)
    return DONE


def write(text: bytes) -> None:
    """Write to standard output. OSError if that fails."""
    sys.stdout.buffer.write(text)
    sys.stdout.flush()


def _fail(message: str) -> int:
    say(message)
    return FAILURE


def _check(question: Question) -> int:
    from pstorefs.cli.check import run_check

    return run_check(question)


def _bundle(question: Question) -> int:
    from pstorefs.cli.bundle import run_bundle

    return run_bundle(question)


def _on_dump(question: Question) -> int:
    from pstorefs.cli.on_dump import run_hooks

    return run_hooks(question.settings.target)


def _report_html(question: Question) -> int:
    from pstorefs.cli.report_html import run_report_html

    return run_report_html(question)


_ANSWERS: dict[str, Callable[[Question], int]] = {
    "--list": _list,
    "--show": _show,
    "--check": _check,
    "--bundle": _bundle,
    "--on-dump": _on_dump,
    "--report-html": _report_html,
}
