"""The firmware's own event log, where the kernel shows it: SMBIOS type 15 (DSP0134, 7.16). Pure.

The kernel's dmi-sysfs shows it as /sys/firmware/dmi/entries/15-0/system_event_log. coreboot writes
its log (ELOG) in the same form, and the kernel's gsmi driver has it note panics there.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple

BOOT = 0x17
OS_EVENT = 0x81
_END = 0xFF
# Type, length, and six BCD digits pairs of time.
_HEAD = 8
_MOST_EVENTS = 4096

#: The meaning of a type for a reset: kind (see last_boot.py) and words. From 0x80 on: coreboot's.
TYPES = {
    0x11: ("watchdog", "hardware watchdog reset"),
    0x15: ("hardware", "uncorrectable CPU-complex error"),
    0x92: ("power", "power failure"),
    0x93: ("power", "standby power failure"),
    0x94: ("power", "PWROK failure"),
    0x95: ("power", "SYS_PWROK failure"),
    0x98: ("power", "power button held"),
    0x99: ("power", "reset button"),
    0x9C: ("watchdog", "TCO watchdog reset"),
}
#: The same for reasons that the gsmi driver gives (drivers/firmware/google/gsmi.c).
OS_EVENTS = {
    0: ("shutdown", "clean shutdown"),
    1: ("watchdog", "NMI watchdog"),
    2: ("panic", "kernel panic"),
    3: ("panic", "kernel oops"),
    4: ("panic", "kernel die"),
    5: ("hardware", "machine check"),
    6: ("watchdog", "soft watchdog"),
    8: ("panic", "triple fault"),
}


class Event(NamedTuple):
    """One entry. `time` is Unix time as the firmware's clock had it; None: not a date."""

    type: int
    time: float | None
    data: bytes


def parse(raw: bytes, start: int) -> list[Event]:
    """All entries from an offset on, the oldest first, up to the first invalid one."""
    found: list[Event] = []
    while len(found) < _MOST_EVENTS and start + _HEAD <= len(raw) and raw[start] != _END:
        # The highest bit says that somebody has read it.
        length = raw[start + 1] & 0x7F
        if length < _HEAD or start + length > len(raw):
            break
        data = raw[start + _HEAD : start + length]
        found.append(Event(raw[start], _time(raw[start + 2 : start + _HEAD]), data))
        start += length
    return found


def of_last_reboot(events: list[Event]) -> list[tuple[str, str, float | None]]:
    """Kind, words and time of what was noted between the last two boots, and at the last one."""
    boots = [index for index, event in enumerate(events) if event.type == BOOT]
    begin = boots[-2] + 1 if len(boots) > 1 else 0
    found = []
    for index, event in enumerate(events[begin:], begin):
        if event.type == OS_EVENT and boots and index < boots[-1]:
            known = OS_EVENTS.get(int.from_bytes(event.data[:4], "little"))
        elif boots and index > boots[-1]:
            known = TYPES.get(event.type)
        else:
            known = None
        if known:
            found.append((*known, event.time))
    return found


def _time(bcd: bytes) -> float | None:
    digits = bcd.hex()
    if not digits.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    try:
        century = 1900 if year >= 80 else 2000
        moment = datetime(century + year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    return moment.timestamp()
