"""python -m tests.fuzz [--seconds N] [--total N] [--cpu N] [TARGET...]: the fuzzer, with figures.

Each target (without names all) runs for N seconds of CPU time in a process of its own. The inputs
that led somewhere new stay in build/fuzz/TARGET, so that the next run goes on where this one ended;
totals add up in build/fuzz/totals.json. With --total the targets take turns of --seconds each, as
often as their share says, until so much CPU time is used.

Exit status: 0 nothing found, 1 something was (build/fuzz/TARGET/found), 2 there is no fuzzer here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from tests.figures import record
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "fuzz"
TOTALS = PLACE / "totals.json"
_COVERAGE = re.compile(r"\bcov: (\d+)")
_RSS_MB = 2048
# Of one input, by the clock: the machine may be shared.
_HANGS_SECONDS = 120
# A process that has not ended after so many times its CPU time is not given any.
_SLACK = 30
# Most turns go with short inputs: many more of them are tried. Each fourth takes all lengths.
_SHORT, _LONG_TURN = 640, 4


def prepare(target: Target, folder: Path, turn: int) -> list[str]:
    """The folders of a target, and libFuzzer's flags for it."""
    corpus, seeds = folder / "corpus", folder / "seeds"
    for each in (corpus, seeds, folder / "found"):
        each.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        if len(data) <= target.longest:
            (seeds / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    words = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    long = turn % _LONG_TURN == _LONG_TURN - 1
    return [
        f"-max_len={target.longest if long else min(target.longest, _SHORT)}",
        f"-rss_limit_mb={_RSS_MB}",
        f"-timeout={_HANGS_SECONDS}",
        f"-report_slow_units={_HANGS_SECONDS}",  # the targets measure their CPU time themselves
        f"-artifact_prefix={folder / 'found'}/",
        f"-seed={time.time_ns() & 0x7FFFFFFF}",
        "-print_final_stats=1",
        *([f"-dict={words}"] if target.words else []),
        str(corpus),
        str(seeds),
    ]


def run(target: Target, seconds: float, cpu: int | None) -> dict[str, Any]:
    """Let one target run; what it did: executions, cpu_seconds, edges, how it ended."""
    folder = PLACE / target.name
    flags = prepare(target, folder, totals().get(target.name, {}).get("runs", 0))
    last, log = folder / "last.json", folder / "log"
    last.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.drive", target.name, str(seconds), str(folder)]
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    started = os.times()
    with log.open("wb") as out:
        process = subprocess.Popen([*command, *flags], cwd=ROOT, stdout=out, stderr=out)
        try:
            status: int | str = process.wait(seconds * _SLACK + 300)
        except subprocess.TimeoutExpired:
            status = "no end"
        finally:
            process.kill()  # also when somebody ends us
            process.wait()
    ended = os.times()
    said = log.read_text(errors="replace")
    done: dict[str, Any] = json.loads(last.read_text()) if last.exists() else {}
    edges = [int(found) for found in _COVERAGE.findall(said)]
    if not done:
        # libFuzzer ended it: an input that kills.
        executions = re.search(r"number_of_executed_units: (\d+)", said)
        spent = ended.children_user + ended.children_system
        spent -= started.children_user + started.children_system
        done = {"executions": int(executions[1]) if executions else 0, "cpu_seconds": spent}
    return {**done, "edges": max(edges, default=0), "status": status}


def totals() -> dict[str, Any]:
    """What all runs together did, by target."""
    known: dict[str, Any] = json.loads(TOTALS.read_text()) if TOTALS.exists() else {}
    return known


def findings(target: Target) -> list[str]:
    """Inputs that failed when they were tried last, or that ended the process."""
    folder = PLACE / target.name / "found"
    return sorted(f.name for f in folder.glob("*") if f.suffix != ".txt")


def add(target: Target, done: dict[str, Any]) -> dict[str, Any]:
    """Add a run to the totals; the target's row."""
    known = totals()
    row = known.setdefault(
        target.name, {"executions": 0, "cpu_seconds": 0.0, "edges": 0, "runs": 0}
    )
    row["executions"] += done["executions"]
    row["cpu_seconds"] = round(row["cpu_seconds"] + done["cpu_seconds"], 1)
    row["edges"] = max(row["edges"], done["edges"])
    row["runs"] += 1
    row["corpus"] = sum(1 for _ in (PLACE / target.name / "corpus").iterdir())
    row["findings"] = len(findings(target))
    partial = TOTALS.with_suffix(".new")
    partial.write_text(json.dumps(known, indent=1) + "\n")
    partial.replace(TOTALS)
    return dict(row)


def table(names: list[str]) -> str:
    """The totals for people."""
    known = totals()
    lines = ["| target | CPU seconds | executions | exec/s | edges | corpus | findings |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        row = known.get(name)
        if row:
            speed = row["executions"] / max(row["cpu_seconds"], 0.1)
            lines.append(
                f"| {name} | {row['cpu_seconds']:.0f} | {row['executions']} | {speed:.0f}"
                f" | {row['edges']} | {row['corpus']} | {row['findings']} |"
            )
    return "\n".join(lines)


def figures(names: list[str]) -> None:
    """The same for the report."""
    known = totals()
    for name in names:
        row = known[name]
        record(
            "fuzz",
            f"fuzzing {name}",
            f"{row['executions']} inputs in {row['cpu_seconds']:.0f} s of CPU,"
            f" {row['edges']} edges, {row['findings']} findings open",
            "no finding open",
            row["findings"] == 0,
        )


def turns(targets: list[Target]) -> list[Target]:
    """One round: each target as often as its share says, spread over the round."""
    most = max(target.share for target in targets)
    return [
        target
        for number in range(most)
        for target in targets
        if (number + 1) * target.share // most > number * target.share // most
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="CPU time of one turn")
    parser.add_argument("--total", type=float, help="CPU time of all turns; without it, one each")
    parser.add_argument("--cpu", type=int, help="the processor to run on")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    words = parser.parse_args()
    try:
        import atheris  # noqa: F401
    except ImportError as error:
        print(f"tests.fuzz: {error}: pip install -r tests/fuzz/requirements.txt", file=sys.stderr)
        return 2
    if unknown := [name for name in words.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    names = words.targets or list(TARGETS)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    PLACE.mkdir(parents=True, exist_ok=True)
    round_ = turns([TARGETS[name] for name in names])
    if words.total is None:
        round_ = [TARGETS[name] for name in names]
    used, failed = 0.0, False
    for number in count():
        if number >= len(round_) if words.total is None else used >= words.total:
            break
        target = round_[number % len(round_)]
        done = run(target, words.seconds, words.cpu)
        row = add(target, done)
        used += done["cpu_seconds"]
        failed |= done["status"] != 0
        print(
            f"{target.name}: {done['executions']} inputs in {done['cpu_seconds']:.0f} s of CPU,"
            f" {done['edges']} edges, status {done['status']}; {row['findings']} findings",
            flush=True,
        )
        figures([target.name])
    print(table(names))
    return int(failed or any(findings(TARGETS[name]) for name in names))


if __name__ == "__main__":
    sys.exit(main())
