"""All targets, by name."""

from __future__ import annotations

import importlib

from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for module in ("codecs", "texts", "places")
    for target in importlib.import_module(f"tests.fuzz.{module}").TARGETS
}
