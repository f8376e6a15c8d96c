"""report.txt: what happened, for people. Made of what summary.json says, and the kernel's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pstorefs.record.reading import WHOLE
from pstorefs.record.record import ARCHIVE, BOOT_ID, ID, MTIME, STORE
from pstorefs.report.context import Context, Sibling
from pstorefs.report.summary_json import PART
from pstorefs.system.printable import counted, printable

Keys = Mapping[str, Any]

#: The line before the kernel's own report; it ends the rows, as no row begins in column 0 with it.
OWN_REPORT = "The kernel's own report:"
_NO_REPORT = "The text holds no report of a crash; see dmesg.txt."
_ONLY_EARLIER = (
    "The text holds no report of this dump itself, only of what came before; see dmesg.txt."
)
_WIDTH = 12
_TIME_WORDS = {
    ID: "from the record's id",
    MTIME: "the record's time",
    BOOT_ID: "approximately: when that boot wrote its first record",
}
_PLACE_WORDS = {STORE: "in the store", ARCHIVE: "archived"}
_PLACE_DEFAULT = "moved away by systemd-pstore"
# What must be known of a log to read it right. The kernel names functions as it shows the record
# (Documentation/admin-guide/ramoops.rst), by its own symbols.
_LOG_NOTES = {
    "ftrace": (
        "function names come from the kernel that shows the record:\n"
        "they are right only if the same kernel wrote it, at the same address (nokaslr)"
    ),
}
# Reports before the crash in the same text that are named.
_MOST_EARLIER = 5


def report(keys: Keys, words: bytes | None, context: Context) -> bytes:
    """report.txt of a `summary_json.completed`. `words`: the kernel's own report, if any."""
    title = printable(keys["title"])
    lines = [title, "=" * min(len(title), 100), ""]
    for label, value in _rows(keys, context):
        if value:
            first, *more = value.split("\n")
            lines.append(f"{label + ':':{_WIDTH}}{first}")
            lines += [" " * _WIDTH + line for line in more]
    if words is None:
        return _encode([*lines, "", _ONLY_EARLIER if keys["earlier"] else _NO_REPORT])
    return _encode([*lines, "", OWN_REPORT, ""]) + words + b"\n"


def words_of(text: bytes) -> bytes | None:
    """The kernel's own report in a report.txt; empty: it has none; None: it is not a report.txt."""
    _, found, words = text.partition(f"\n\n{OWN_REPORT}\n\n".encode())
    if found:
        return words.removesuffix(b"\n")
    ends = tuple(f"{words}\n".encode() for words in (_NO_REPORT, _ONLY_EARLIER))
    return b"" if text.endswith(ends) else None


def _encode(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode(errors="replace")


def _rows(keys: Keys, context: Context) -> list[tuple[str, str]]:
    return [
        ("What", _what(keys)),
        ("When", _when(keys)),
        ("Kernel", _kernel(keys)),
        ("Machine", _machine(keys)),
        ("Where", _where(keys)),
        ("Boot", _boot(keys, context)),
        ("Missing", _missing(keys)),
        ("Memory", _memory(keys)),
        ("Records", _records(keys)),
        ("Signature", printable(keys["signature"] or "")),
    ]


def _what(keys: Keys) -> str:
    if keys["reason"] is None:
        return _what_log(keys)
    words = f"{keys['reason']}#{keys['count']}"
    if keys["panic"]:
        words += f": {keys['panic']}"
    elif not keys["crash"]:
        words += ", an orderly shutdown or reboot, not a crash"
    return printable(words) + _made(keys)


def _what_log(keys: Keys) -> str:
    """The same of a log without a header line: that of a console, mostly."""
    if not keys["backend"]:  # a text alone
        return printable(keys["panic"] or "") + _made(keys)
    words = f"{keys['type']} record of {keys['backend']}"
    if not keys["crash"]:
        note = _LOG_NOTES.get(keys["type"])
        return printable(f"{words}, no dump") + (f"\n{note}" if note else "")
    end = f": {keys['panic']}" if keys["panic"] else ""
    return printable(f"{words}, which ends in a crash{end}") + _made(keys)


def _made(keys: Keys) -> str:
    by = {"sysrq": "SysRq", "lkdtm": "the kernel's crash test, lkdtm"}.get(keys["made_by"] or "")
    return f"\nmade on purpose, by {by}" if by else ""


def _when(keys: Keys) -> str:
    if keys["time"] is None and not keys["records"]:
        return ""  # a text alone
    if keys["time"] is None:
        return "not known: the backend stores no time"
    words = _TIME_WORDS.get(keys["time_source"], "")
    moment = keys["time"].replace("T", " ").replace("Z", " UTC")
    return printable(moment) + (f" ({words})" if words else "")


def _kernel(keys: Keys) -> str:
    kernel, reading_kernel = keys["kernel"], keys["reading_kernel"]
    if kernel["release"] is None:
        return ""
    words = printable(" ".join(filter(None, (kernel["release"], kernel["build"]))))
    if kernel["taint"]:
        words += f"\ntainted: {printable(kernel['taint'])}"
    if reading_kernel and reading_kernel != kernel["release"]:
        words += f"\n(now running: {printable(reading_kernel)})"
    return words


def _machine(keys: Keys) -> str:
    machine = keys["machine"]
    return printable(", ".join(filter(None, (machine["hostname"], machine["hardware"]))))


def _where(keys: Keys) -> str:
    """The place, CPU and task. Code that an interrupt interrupted is marked as such."""
    place, caller, task = keys["ip"], keys["caller"], keys["task"]
    cpu = [] if task["cpu"] is None else [f"CPU {task['cpu']}"]
    words = []
    if place is not None:
        words.append(_place(place))
        if place["function"] is None and caller is not None:
            words[0] += f", called by {_place(caller)}"
    pid = []
    if task["pid"] is not None:
        pid.append(f"PID {task['pid']}" + (f" ({task['comm']})" if task["comm"] else ""))
    if keys["interrupted"]:
        return printable(", ".join([*cpu, f"interrupted: {', '.join([*words, *pid])}"]))
    return printable(", ".join([*words, *cpu, *pid]))


def _place(place: Keys) -> str:
    if place["function"] is None:
        return "an address outside any function"
    offset = "" if place["offset"] is None else f"+{place['offset']:#x}"
    module = f" [{place['module']}]" if place["module"] else ""
    return f"{place['function']}{offset}{module}"


def _boot(keys: Keys, context: Context) -> str:
    order = keys["boot_order"]
    earlier = [each for each in context.siblings if order and each.order < order]
    later = [each for each in context.siblings if order and each.order > order]
    lines = []
    if earlier:
        lines.append(_earlier_dumps(earlier))
    if later:
        last = min(later, key=lambda each: each.order)
        the = "" if len(later) == 1 else "the next "
        count = counted(len(later), "later dump")
        lines.append(f"{count} in this boot, {the}dumps/{last.name}: {last.title}")
    told = {each.title for each in context.siblings}
    for other in keys["earlier"][:_MOST_EARLIER]:
        title = printable(other["title"])
        if title not in told and not earlier:
            seconds = "" if other["seconds"] is None else f" at {other['seconds']:.6f} s"
            lines.append(f"before it in the same text{seconds}: {title}")
    return "\n".join(lines)


def _earlier_dumps(earlier: Sequence[Sibling]) -> str:
    oopses = all(each.reason == "Oops" for each in earlier)
    noun = ("earlier oops", "earlier oopses") if oopses else ("earlier dump",)
    first = min(earlier, key=lambda each: each.order)
    the = "" if len(earlier) == 1 else "the first "
    return f"{counted(len(earlier), *noun)} in this boot, {the}dumps/{first.name}: {first.title}"


def _missing(keys: Keys) -> str:
    lines = []
    for first, last in keys["missing_parts"]:
        newest = ", the newest: the last messages are lost" if first == 1 else ""
        lines.append((f"part {first}" if first == last else f"parts {first} to {last}") + newest)
    if keys["cut"]:
        lines.append("the first lines of the report: the text begins inside it")
    for record in keys["records"]:
        if record["use"] == PART and record["state"] not in WHOLE:
            number = "" if record["part"] is None else f"part {record['part']} "
            problem = f": {record['problem']}" if record["problem"] else ""
            lines.append(f"{number}({record['name']}) is {record['state']}{problem}")
    return "\n".join(map(printable, lines))


def _memory(keys: Keys) -> str:
    found = [record["ecc"] for record in keys["records"] if record["use"] == PART and record["ecc"]]
    corrected = sum(ecc["corrected"] for ecc in found)
    lost = sum(ecc["unrecoverable"] for ecc in found)
    if lost:
        return f"{counted(lost, 'block')} with uncorrectable errors: the text may be wrong"
    return f"{counted(corrected, 'byte')} corrected by ECC" if corrected else ""


def _records(keys: Keys) -> str:
    counts: dict[str, int] = {}
    for record in keys["records"]:
        words = _PLACE_WORDS.get(record["place"], _PLACE_DEFAULT)
        counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} {words}" for words, count in counts.items())
