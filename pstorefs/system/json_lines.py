"""JSON as summary.json has it: a line for each key, and for each object of a list. Pure.

json's encoder in C indents nothing, and the one that does takes ten times as long.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_encoded = json.JSONEncoder().encode


def laid_out(keys: Mapping[str, Any]) -> bytes:
    """A JSON object with a line for each key, and for each object of a list."""
    lines = (f' "{key}": {value_of(value)}' for key, value in keys.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def value_of(value: object) -> str:
    """The value of a key in that form."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n  " + ",\n  ".join(map(_encoded, value)) + "\n ]"
    return _encoded(value)
