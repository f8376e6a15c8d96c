"""Source lines of a report's frames, from a vmlinux with debug data and a symbolizer.

A frame is a function and an offset in it, whatever address the kernel was moved to; its address in
vmlinux is that of the function plus the offset. A return address belongs to the call before it.
Of functions with one name the one that has the frame's size is meant; if several have, none is.

Modules are looked for below the directory of vmlinux, as distributions install debug data
(/usr/lib/debug/lib/modules/RELEASE) and as a kernel is built. A module is a relocatable file: its
addresses count from the beginning of a section, which must be given to addr2line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from pstorefs.oops import Facts
from pstorefs.system.elf import Elf, ElfError, Symbol
from pstorefs.system.printable import printable

#: Programs that find the lines of addresses, the faster one first; both have the same output.
TOOLS = (
    ("llvm-symbolizer", ("--output-style=GNU", "--inlines", "--functions", "--addresses")),
    ("addr2line", ("--inlines", "--functions", "--addresses")),
)
_SECONDS = 120
_MOST_FRAMES = 100
# Directories below that of vmlinux: a kernel's source has 6000.
_MOST_DIRECTORIES = 20_000
_MODULE = re.compile(r"(.{1,100})\.ko(?:\.debug)?", re.DOTALL)
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
    """The output about the source, line by line; never empty, and never an exception.

    `vmlinux`: the file, or the directory with it and the modules.
    """
    found = spots(facts)
    if not found:
        return ["Source lines: the report has no frames."]
    tool = next((each for each in TOOLS if shutil.which(each[0])), None)
    if tool is None:
        return ["Source lines: llvm-symbolizer or addr2line is missing: apt install binutils"]
    if os.path.isdir(vmlinux):
        vmlinux = os.path.join(vmlinux, "vmlinux")
    name = printable(vmlinux)
    try:
        with closing(Elf(vmlinux)) as elf:
            release = elf.release()
            elf.functions(())
    except (OSError, ElfError) as error:
        return [f"Source lines: {name}: {_words(error)}: give the vmlinux of that kernel"]
    said = [f"Source lines, by {name} and {tool[0]}:"]
    if release and facts.kernel and release != facts.kernel:
        said.append(
            f"  this vmlinux is Linux {printable(release)}, the log is of"
            f" {printable(facts.kernel)}: what follows may be wrong"
        )
    answers: dict[Spot, str | Sequence[tuple[str, str]]] = {}
    files = {None: vmlinux, **modules(vmlinux, {spot.module for spot in found if spot.module})}
    for module, file in files.items():
        those = [spot for spot in found if spot.module == module]
        answers |= _answers(tool, file, those, release if module else None)
    for spot in found:
        answer = answers.get(spot)
        said += _lines(spot, _no_module(spot, vmlinux) if answer is None else answer)
    return said


def _no_module(spot: Spot, vmlinux: str) -> str:
    if os.path.basename(vmlinux) != "vmlinux":
        return "in a module: give the directory that holds vmlinux and the modules"
    return f"no {spot.module}.ko below the directory of that vmlinux"


def modules(vmlinux: str, names: Iterable[str]) -> Mapping[str | None, str]:
    """The files of modules with debug data, as far as they lie below vmlinux's directory."""
    wanted, found = set(names), dict[str | None, str]()
    # A file that was put somewhere under another name lies beside anything.
    if os.path.basename(vmlinux) != "vmlinux":
        return found
    walk = os.walk(os.path.dirname(vmlinux) or ".")
    for _, (folder, _, files) in zip(range(_MOST_DIRECTORIES), walk, strict=False):
        if len(found) == len(wanted):
            break
        for file in files:
            match = _MODULE.fullmatch(file)
            if match and (module := match[1].replace("-", "_")) in wanted:
                found.setdefault(module, os.path.join(folder, file))
    return found


def _answers(
    tool: tuple[str, Sequence[str]], file: str, those: Sequence[Spot], release: str | None
) -> Mapping[Spot, str | Sequence[tuple[str, str]]]:
    """Of each frame in a file what the tool says, or why it says nothing."""
    try:
        with closing(Elf(file)) as elf:
            known = elf.functions({spot.function for spot in those})
            its = elf.release()
    except (OSError, ElfError) as error:
        return dict.fromkeys(those, f"{printable(file)}: {_words(error)}")
    if release and its and its != release:
        return dict.fromkeys(those, f"{printable(file)} is of Linux {printable(its)}")
    places = {spot: place_of(spot, known) for spot in those}
    told: dict[tuple[int, str], Sequence[tuple[str, str]]] = {}
    for section in {each.section for each in places.values() if isinstance(each, Symbol)}:
        at = {e.address for e in places.values() if isinstance(e, Symbol) and e.section == section}
        said = ask(tool, file, sorted(at), section)
        told |= {(address, section): pairs for address, pairs in said.items()}
    return {
        spot: told.get((place.address, place.section), ()) if isinstance(place, Symbol) else place
        for spot, place in places.items()
    }


def _words(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def place_of(spot: Spot, known: Mapping[str, Sequence[Symbol]]) -> Symbol | str:
    """Where a frame is in its file: its function, at the frame's address; or why there is none."""
    symbols = known.get(spot.function, ())
    if spot.size is not None:
        symbols = [each for each in symbols if each.size == spot.size]
        if not symbols and known.get(spot.function):
            return "it has another size there: another build"
    if len({(each.address, each.section) for each in symbols}) != 1:
        return "several functions of this name and size" if symbols else "not there"
    return symbols[0]._replace(address=symbols[0].address + max(0, spot.offset - spot.called))


def ask(
    tool: tuple[str, Sequence[str]], file: str, addresses: Sequence[int], section: str = ""
) -> Mapping[int, list[tuple[str, str]]]:
    """(function, file:line) of each address, the innermost inlined function first."""
    if section:  # llvm-symbolizer has no option for one
        tool = TOOLS[-1]
    option = "--obj" if tool[0] == "llvm-symbolizer" else "--exe"
    within = [f"--section={section}"] if section else []
    command = [tool[0], *tool[1], *within, f"{option}={file}", *(f"{a:#x}" for a in addresses)]
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
    """The output of these programs: an address, then pairs of lines, function and file:line."""
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


def _lines(spot: Spot, answer: str | Sequence[tuple[str, str]]) -> list[str]:
    name = printable(str(spot))
    if isinstance(answer, str):
        return [f"  {name}: {answer}"]
    pairs = [pair for pair in answer if not pair[1].startswith("??")]
    if not pairs:
        return [f"  {name}: no debug data for it"]
    first, *outer = pairs
    lines = [f"  {name}: {first[1]}" + (f" ({first[0]}, inlined)" if outer else "")]
    lines += [f"      in {function}: {place}" for function, place in outer]
    return lines
