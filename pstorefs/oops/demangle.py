"""Names of functions as compilers of Rust and C++ write them, and as people do.

Rust's v0 scheme (RFC 2603) and its older one, and C++'s nested names (Itanium ABI), as far as they
occur in kernels: paths, implementations of traits, generic arguments, back references. What cannot
be read is left as it is. Input is a symbol of at most some hundred characters; output and time are
bounded by its length and by DEPTH.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SYMBOL_MAX = 1024
DEPTH = 64
OUTPUT_MAX = 512

_HASH = re.compile(r"h[0-9a-f]{16}\Z", re.ASCII)
_LEGACY = {
    "$LT$": "<", "$GT$": ">", "$RF$": "&", "$BP$": "*", "$C$": ",", "$LP$": "(", "$RP$": ")",
    "$u20$": " ", "$u27$": "'", "$u7b$": "{", "$u7d$": "}", "$u5b$": "[", "$u5d$": "]",
    "$u3d$": "=", "$u2b$": "+", "$u3b$": ";", "$SP$": "@", "..": "::",
}  # fmt: skip
_LEGACY_WORDS = re.compile("|".join(map(re.escape, _LEGACY)))
_BASIC = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8",
    "i": "isize", "j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_",
    "s": "i16", "t": "u16", "u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip

#: Beginnings of paths of what panics, formats and unwinds on behalf of others.
_RUNTIME = ("core::", "alloc::", "std::", "compiler_builtins::", "__rustc::", "<core::", "<alloc::")


@lru_cache(maxsize=1024)
def demangle(symbol: str) -> str:
    """Return a symbol as it is written in the source; a symbol of C is returned as it is."""
    if len(symbol) > SYMBOL_MAX or not symbol.startswith(("_R", "_ZN")):
        return symbol
    try:
        if symbol.startswith("_R"):
            return _V0(symbol[2:]).path(0, value=True) or symbol
        return _nested(symbol[3:]) or symbol
    except (_UnreadableError, IndexError, ValueError):
        return symbol


def is_rust_runtime(symbol: str) -> bool:
    """Whether a mangled symbol is Rust's own machinery: panics, formatting, core and alloc."""
    name = demangle(symbol)
    return name.startswith(_RUNTIME) or "rust_begin_unwind" in name


class _UnreadableError(Exception):
    """The symbol follows no scheme that is known here."""


def _nested(text: str) -> str:
    """Read Rust's older scheme, or a nested name of C++: lengths and words up to E."""
    words, at = [], 0
    while text[at] != "E":
        found = re.compile(r"\d{1,4}", re.ASCII).match(text, at)
        if found is None:
            raise _UnreadableError
        end = found.end() + int(found[0])
        words.append(text[found.end() : end])
        at = end
    if words and _HASH.match(words[-1]):
        words.pop()
    joined = "::".join(word.removeprefix("_") if word.startswith("_$") else word for word in words)
    return _LEGACY_WORDS.sub(lambda one: _LEGACY[one[0]], joined)[:OUTPUT_MAX]


class _V0:
    """A reader of one symbol of the v0 scheme, after its `_R`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._steps = 0

    def path(self, depth: int, *, value: bool = False) -> str:
        """Read a path; `value`: generic arguments are written with `::` before them."""
        kind = self._next(depth)
        if kind == "C":
            self._disambiguator()
            return self._identifier()
        if kind == "N":
            space = self._next(depth)
            outer = self.path(depth + 1)
            self._disambiguator()
            inner = self._identifier()
            if space.islower():
                return f"{outer}::{inner}"[:OUTPUT_MAX]
            word = {"C": "closure", "S": "shim"}.get(space, space)
            return f"{outer}::{{{word}}}"[:OUTPUT_MAX]
        if kind in "MX":
            self._disambiguator()
            self.path(depth + 1)  # where the implementation is; people do not write that
            return self._implementation(kind, depth)
        if kind == "Y":
            return self._implementation("X", depth)
        if kind == "I":
            outer = self.path(depth + 1, value=value)
            arguments = ", ".join(self._until_e(depth, self._argument))
            return f"{outer}{'::' if value else ''}<{arguments}>"[:OUTPUT_MAX]
        if kind == "B":
            return self._back(depth, lambda: self.path(depth + 1, value=value))
        raise _UnreadableError

    def _implementation(self, kind: str, depth: int) -> str:
        self_type = self._type(depth + 1)
        if kind == "M":
            return f"<{self_type}>"[:OUTPUT_MAX]
        return f"<{self_type} as {self.path(depth + 1)}>"[:OUTPUT_MAX]

    def _type(self, depth: int) -> str:
        kind = self._next(depth)
        if kind in _BASIC:
            return _BASIC[kind]
        if kind in "RQ":
            if self._peek() == "L":
                self._lifetime()
            return ("&" if kind == "R" else "&mut ") + self._type(depth + 1)
        if kind in "PO":
            return ("*const " if kind == "P" else "*mut ") + self._type(depth + 1)
        if kind == "S":
            return f"[{self._type(depth + 1)}]"
        if kind == "A":
            return f"[{self._type(depth + 1)}; {self._const(depth + 1)}]"
        if kind == "T":
            return f"({', '.join(self._until_e(depth, self._type))})"
        if kind == "B":
            return self._back(depth, lambda: self._type(depth + 1))
        if kind in "FD":  # a function's or a trait object's type: too rare in a name
            raise _UnreadableError
        self._at -= 1
        return self.path(depth + 1)

    def _argument(self, depth: int) -> str:
        if self._peek() == "L":
            return self._lifetime()
        if self._peek() == "K":
            self._at += 1
            return self._const(depth + 1)
        return self._type(depth + 1)

    def _const(self, depth: int) -> str:
        kind = self._next(depth)
        if kind == "B":
            return self._back(depth, lambda: self._const(depth + 1))
        if kind == "p":
            return "_"
        if kind not in _BASIC:
            raise _UnreadableError
        end = self._text.index("_", self._at)
        digits, self._at = self._text[self._at : end], end + 1
        sign = "-" if digits.startswith("n") else ""
        return f"{sign}{int(digits.removeprefix('n') or '0', 16)}"

    def _lifetime(self) -> str:
        self._at += 1
        self._number()
        return "'_"

    def _until_e(self, depth: int, read: Callable[[int], str]) -> list[str]:
        found = []
        while self._peek() != "E":
            found.append(read(depth + 1))
        self._at += 1
        return found

    def _back(self, depth: int, read: Callable[[], str]) -> str:
        """Read again what stands at an earlier place."""
        start = self._at - 1
        target = self._number()
        if target >= start or depth > DEPTH:
            raise _UnreadableError
        here, self._at = self._at, target
        found = read()
        self._at = here
        return found

    def _number(self) -> int:
        """Read a number in base 62: "_" is 0, "0_" 1."""
        end = self._text.index("_", self._at)
        digits, self._at = self._text[self._at : end], end + 1
        if not digits:
            return 0
        if len(digits) > 16:
            raise _UnreadableError
        value = 0
        for digit in digits:
            value = value * 62 + _BASE62.index(digit)
        return value + 1

    def _disambiguator(self) -> None:
        if self._peek() == "s":
            self._at += 1
            self._number()

    def _identifier(self) -> str:
        self._disambiguator()
        if self._peek() == "u":  # Punycode: no kernel has such names
            raise _UnreadableError
        found = _LENGTH.match(self._text, self._at)
        if found is None:
            raise _UnreadableError
        end = found.end() + int(found[1])
        if end > len(self._text):
            raise _UnreadableError
        word, self._at = self._text[found.end() : end], end
        return word

    def _peek(self) -> str:
        return self._text[self._at]

    def _next(self, depth: int) -> str:
        self._steps += 1
        if depth > DEPTH or self._steps > SYMBOL_MAX:
            raise _UnreadableError
        self._at += 1
        return self._text[self._at - 1]


_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTH = re.compile(r"(\d{1,4})_?", re.ASCII)
