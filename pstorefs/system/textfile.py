"""A file for the textfile collector of Prometheus' node_exporter: its text, and how it is replaced.

Each program has a file of its own, as node_exporter refuses a series that is in two files. The
first line says which program wrote a file, and no program replaces the file of another.
Nothing is imported at the top: see settings/ship.py. OSError wherever a system call fails.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    #: A metric: name, kind, what it is; its samples by their labels.
    Metric = tuple[str, str, str, Iterable[tuple[Mapping[str, str], float]]]

_FILE_MODE = 0o644
#: Bytes of a label's value, and of a file that is read back.
_LONGEST, _MOST_BYTES = 200, 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def text(metrics: Iterable[Metric]) -> str:
    """Metrics in Prometheus' text format."""
    lines = []
    for name, kind, words, samples in metrics:
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{_labels(labels)} {value!r}" for labels, value in samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    words = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + words + "}"


def _escaped(value: str) -> str:
    """A label's value: hostile, as it comes from a record."""
    plain = value.encode(errors="replace").decode()[:_LONGEST]
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def value_in(path: str, name: str) -> float:
    """The value of a metric without labels in a file; 0 if it cannot be had."""
    try:
        lines = _read(path).splitlines()
    except OSError:
        return 0.0
    for line in lines:
        word, _, value = line.partition(b" ")
        if word == name.encode():
            try:
                return float(value)
            except ValueError:
                break
    return 0.0


def write(path: str, program: str, data: str) -> None:
    """Replace the file that this program wrote, or make it, for all to read.

    A reader finds the old file or the new one. FileExistsError if another program wrote it.
    """
    from contextlib import suppress

    head = f"# Written by {program}.\n".encode()
    try:
        there = _read(path)
    except FileNotFoundError:
        there = b""
    if there and not there.startswith(head):
        import errno

        words = f"not replaced: {program} did not write it; give each program its own file"
        raise FileExistsError(errno.EEXIST, words, path)
    # Not .prom: the collector would read it half-written.
    temporary = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # of a run that was killed, maybe as another user
    descriptor = os.open(temporary, _WRITE, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        view = memoryview(head + data.encode())
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def _read(path: str) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
