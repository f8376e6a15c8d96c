"""Where in the source the frames of a report are: by a vmlinux with debug data, and a symbolizer.

A frame is a function and an offset in it, whatever address the kernel was moved to; its address in
vmlinux is that of the function plus the offset. A return address belongs to the call before it.
Of functions with one name the one that has the frame's size is meant; if several have, none is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from pstorefs.oops import Facts
from pstorefs.system.elf import Elf, ElfError, Symbol
from pstorefs.system.printable import printable

#: Programs that tell lines of addresses, the quicker one first; both answer in the same form.
TOOLS = (
    ("llvm-symbolizer", ("--output-style=GNU", "--inlines", "--functions", "--addresses")),
    ("addr2line", ("--inlines", "--functions", "--addresses")),
)
_SECONDS = 120
_MOST_FRAMES = 100
_MOST_BYTES = 1 << 20
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{1,16}")


class Spot(NamedTuple):
    """A frame of a report. `called`: the offset is that of a return address."""

    function: str
    offset: int
    size: int | None
    module: str | None
    called: bool

    def __str__(self) -> str:
        size = "" if self.size is None else f"/{self.size:#x}"
        module = f" [{self.module}]" if self.module else ""
        return f"{self.function}+{self.offset:#x}{size}{module}"


def spots(facts: Facts) -> list[Spot]:
    """The instruction pointer and the reliable frames of a report."""
    found = []
    pointer = facts.ip
    if pointer is not None and pointer.function and pointer.offset is not None:
        where = (pointer.function, pointer.offset, pointer.size, pointer.module)
        found.append(Spot(*where, called=False))
    for frame in facts.trace:
        if frame.reliable and frame.offset is not None:
            where = (frame.function, frame.offset, frame.size, frame.module)
            found.append(Spot(*where, called=True))
    return found[:_MOST_FRAMES]


def lines_of(facts: Facts, vmlinux: str) -> list[str]:
    """What is to be said of the source, line by line; never nothing, and never an exception."""
    found = spots(facts)
    name = printable(vmlinux)
    if not found:
        return ["Source lines: the report has no frames."]
    tool = next((each for each in TOOLS if shutil.which(each[0])), None)
    if tool is None:
        return ["Source lines: llvm-symbolizer or addr2line is missing: apt install binutils"]
    try:
        with closing(Elf(vmlinux)) as elf:
            release = elf.release()
            known = elf.functions({spot.function for spot in found if not spot.module})
    except (OSError, ElfError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return [f"Source lines: {name}: {words}: give the vmlinux of that kernel"]
    said = [f"Source lines, by {name} and {tool[0]}:"]
    if release and facts.kernel and release != facts.kernel:
        said.append(
            f"  this vmlinux is of Linux {printable(release)}, the log of"
            f" {printable(facts.kernel)}: what follows may be wrong"
        )
    addresses = {spot: address_of(spot, known) for spot in found}
    told = ask(tool, vmlinux, sorted({a for a in addresses.values() if isinstance(a, int)}))
    for spot in found:
        said += _lines(spot, addresses[spot], told)
    return said


def address_of(spot: Spot, known: Mapping[str, Sequence[Symbol]]) -> int | str:
    """The address of a frame in vmlinux, or why there is none."""
    if spot.module:
        return "in a module, not in vmlinux"
    symbols = known.get(spot.function, ())
    if spot.size is not None:
        symbols = [each for each in symbols if each.size == spot.size]
        if not symbols and known.get(spot.function):
            return "of another size there: another build"
    if len({each.address for each in symbols}) != 1:
        return "several functions of this name and size" if symbols else "not there"
    return symbols[0].address + max(0, spot.offset - spot.called)


def ask(
    tool: tuple[str, Sequence[str]], vmlinux: str, addresses: Sequence[int]
) -> Mapping[int, list[tuple[str, str]]]:
    """(function, file:line) of each address, the innermost inlined function first."""
    if not addresses:
        return {}
    option = "--obj" if tool[0] == "llvm-symbolizer" else "--exe"
    command = [tool[0], *tool[1], f"{option}={vmlinux}", *(f"{a:#x}" for a in addresses)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse(done.stdout[:_MOST_BYTES].decode(errors="replace"))


def parse(output: str) -> Mapping[int, list[tuple[str, str]]]:
    """What the programs write: an address, then pairs of lines, function and file:line."""
    found: dict[int, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    function = ""
    for line in output.split("\n"):
        if _ADDRESS.fullmatch(line):
            current, function = found.setdefault(int(line, 16), []), ""
        elif function and line:
            current.append((printable(function), printable(line)))
            function = ""
        else:
            function = line
    return found


def _lines(
    spot: Spot, address: int | str, told: Mapping[int, Sequence[tuple[str, str]]]
) -> list[str]:
    name = printable(str(spot))
    if isinstance(address, str):
        return [f"  {name}: {address}"]
    pairs = [pair for pair in told.get(address, ()) if not pair[1].startswith("??")]
    if not pairs:
        return [f"  {name}: no debug data for it"]
    first, *outer = pairs
    lines = [f"  {name}: {first[1]}" + (f" ({first[0]}, inlined)" if outer else "")]
    lines += [f"      in {function}: {place}" for function, place in outer]
    return lines
