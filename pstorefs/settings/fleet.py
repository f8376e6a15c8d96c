"""A fleet's mount: which sources are a store, and which options go with one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pstorefs.settings import ship

if TYPE_CHECKING:
    from collections.abc import Callable, Container

#: The source that means the store which fleet.conf names.
WORD = "fleet"
#: Options that are about a store: as those of --ship.
OPTIONS = ("endpoint", "region", "ca", "credentials")
#: Options that are about the records of a directory.
_RECORDS = ("plain", "archive", "archive_volatile", "rm", "keep")


def is_fleet(source: str) -> bool:
    """Whether a source is a store instead of a directory."""
    scheme, colon, _ = source.partition("://")
    return source == WORD or (bool(colon) and scheme in ship.SCHEMES)


def complaint(source: str, given: Container[str]) -> str:
    """What is wrong with a source and the options that are given with it; empty: nothing."""
    fleet = is_fleet(source)
    for name in _RECORDS if fleet else OPTIONS:
        if name in given:
            of = "records in a directory" if fleet else "a fleet's store"
            return f"option {name} is only for {of}, not for {source}"
    if fleet and source != WORD:
        try:
            ship.apply(ship.Ship(), "url", source)
        except ship.ShipError as error:
            return str(error).removeprefix("option url: ")
    return ""


def converter(name: str) -> Callable[[str], str]:
    """What converts the value of an option that --ship has as well."""

    def convert(value: str) -> str:
        try:
            return str(ship.TABLE[name][0](value))
        except ship.ShipError as error:
            raise ValueError(str(error)) from None

    return convert
