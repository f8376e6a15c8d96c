"""python -m tests.fuzz.drive TARGET SECONDS FOLDER [FLAG...]: one target under libFuzzer.

A process of its own, as libFuzzer never gives control back. It ends itself after so many seconds of
CPU time; what it did is in FOLDER/last.json, then. What fails is kept in FOLDER/found, one input
(the shortest) for each place that failed, and the search goes on; inputs that kill or stop the
process (memory, endless loops) are libFuzzer's to save, in the same folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import sys
import time
import traceback
from pathlib import Path

import atheris

import pstorefs

# Modules that import FUSE or trio; the fuzzer works below them.
_ABOVE = (
    "pstorefs.mount.",
    "pstorefs.cli.pstorefs",
    "pstorefs.__main__",
)
_HERE = Path(__file__).parent


def instrument() -> None:
    """Import all of pstorefs, instrumented, so that imports at the moment of need find it."""
    with atheris.instrument_imports(include=["pstorefs"]):
        for module in pkgutil.walk_packages(pstorefs.__path__, "pstorefs."):
            if not module.name.startswith(_ABOVE):
                importlib.import_module(module.name)


def place_of(error: BaseException) -> str:
    """Where something failed: the error's type, the innermost lines of target and program."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/pstorefs/" in f.filename and "/tests/" not in f.filename]
    here = [f for f in frames if Path(f.filename).parent == _HERE]
    inner = " ".join(
        f"{Path(f.filename).stem}:{f.name}:{f.lineno}" for f in (*here[-1:], *ours[-1:])
    )
    return f"{type(error).__name__} {inner}"


class Run:
    """Counts, keeps what fails, and ends the process in time."""

    def __init__(self, name: str, seconds: float, folder: Path) -> None:
        from tests.fuzz.table import TARGETS

        self.target = TARGETS[name]
        self.folder = folder
        self.found = folder / "found"
        self.found.mkdir(parents=True, exist_ok=True)
        self.executions = 0
        # To instrument the program takes seconds of its own.
        self.end_at = time.process_time() + seconds
        self.sizes: dict[str, int] = {}

    def __call__(self, data: bytes) -> None:
        """What libFuzzer calls."""
        self.executions += 1
        try:
            self.target(data)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what we look for)
            self.keep(data, error)
        if not self.executions & 15 and time.process_time() > self.end_at:
            self.end()

    def look_again(self) -> None:
        """Forget what was found earlier and holds now. What killed a process is not tried."""
        for said in self.found.glob("*.txt"):
            file = said.with_suffix("")
            try:
                self.target(file.read_bytes())
            except Exception:  # noqa: BLE001, S112 (it still does not hold)
                continue
            file.unlink()
            said.unlink()

    def keep(self, data: bytes, error: Exception) -> None:
        """Keep the shortest input for each place that fails."""
        place = place_of(error)
        if self.sizes.get(place, sys.maxsize) <= len(data):
            return
        self.sizes[place] = len(data)
        file = self.found / hashlib.sha256(place.encode()).hexdigest()[:12]
        if file.exists() and file.stat().st_size <= len(data):
            return
        file.write_bytes(data)
        said = "".join(traceback.format_exception(error))
        file.with_suffix(".txt").write_text(f"{place}\n\n{said}", errors="replace")

    def end(self) -> None:
        """Say what was done, and end."""
        done = {"executions": self.executions, "cpu_seconds": time.process_time()}
        (self.folder / "last.json").write_text(json.dumps(done))
        sys.stderr.flush()
        # Not by an exception: libFuzzer would take it for a finding.
        os._exit(0)


def main() -> None:
    """Set up and go; never returns."""
    name, seconds, folder, *flags = sys.argv[1:]
    instrument()
    run = Run(name, float(seconds), Path(folder))
    run.look_again()
    atheris.Setup(["fuzz", *flags], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
