"""The command lines that ask and need no mount: words to a `Question`. Pure.

::

    pstorefs --list [--json] [-o OPTION,...] [SOURCE]
    pstorefs --show NAME [--json] [-o OPTION,...] [SOURCE]
    pstorefs --check [--json | --crash] [-o OPTION,...]
    pstorefs --on-dump [-o OPTION,...]
    pstorefs --bundle NAME FILE [--redact] [-o OPTION,...] [SOURCE]
    pstorefs --report-html URL|DIRECTORY FILE [-o OPTION,...]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pstorefs.settings import fleet
from pstorefs.settings.options import (
    OF_THIS_MACHINE,
    WHICH_ARCHIVE,
    Settings,
    UsageError,
    apply,
    given,
    of_archive,
)


class Form(NamedTuple):
    """What one question takes: words for its own arguments, and the flags that go with it."""

    arguments: tuple[str, ...]
    flags: tuple[str, ...]
    #: Whether it is about any source, or about this machine alone.
    source: bool = True
    #: The -o options that go with it.
    options: tuple[str, ...] = WHICH_ARCHIVE
    #: Whether its first argument may be a fleet's store.
    fleet: bool = False


#: Every question. The first word of a command line that is one of these decides.
FORMS: dict[str, Form] = {
    "--list": Form((), ("--json",)),
    "--show": Form(("NAME",), ("--json",)),
    "--bundle": Form(("NAME", "FILE"), ("--redact",)),
    "--on-dump": Form((), (), source=False),
    # So that the options of a line in fstab can be given as they are; most have no effect on it.
    "--check": Form((), ("--json", "--crash"), source=False, options=OF_THIS_MACHINE),
    "--report-html": Form(
        ("URL|DIRECTORY", "FILE"), (), source=False, options=fleet.OPTIONS, fleet=True
    ),
}
# `--ship URL --check` asks about the receiver, and is another program's business.
_NOT_WITH = ("--ship", "--sentry")


class Question(NamedTuple):
    """A question and its arguments. `settings` has the source and the -o options."""

    kind: str
    settings: Settings
    arguments: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    @property
    def json(self) -> bool:
        """Whether the answer is for programs."""
        return "--json" in self.flags


def asked(words: Sequence[str]) -> str | None:
    """The question that a command line asks; None if it asks none."""
    for word in words:
        if word == "--" or word in _NOT_WITH:
            return None
        if word in FORMS:
            return word
    return None


def parse_question(words: Sequence[str]) -> Question:
    """A command line that asks something. Raises `UsageError`, naming the word."""
    kind = asked(words)
    if kind is None:
        raise UsageError("no question: see pstorefs --help")
    form = FORMS[kind]
    settings, flags, places = Settings(), set(), []
    arguments: tuple[str, ...] = ()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            places += queue
            break
        if word == kind:
            arguments = _arguments(kind, form, queue)
        elif word in form.flags:
            flags.add(word)
        elif word in ("-o", "--options"):
            if not queue:
                raise UsageError(f"{word} needs options after it")
            settings = apply(settings, queue.pop(0))
        elif word.startswith("-o") and len(word) > 2:
            settings = apply(settings, word[2:])
        elif word.startswith("-") and word != "-":
            raise UsageError(f"{word} does not go with {kind}: see pstorefs --help")
        else:
            places.append(word)
    question = Question(kind, settings, arguments, frozenset(flags))
    _refuse(question, places)
    if not form.fleet:
        settings = of_archive(kind, settings, places, form.options)
    return question._replace(settings=settings)


def _refuse(question: Question, places: list[str]) -> None:
    """Raise `UsageError` for what does not go together."""
    if "" in (*places, *question.arguments):
        raise UsageError("an argument is empty: is a variable of a script unset?")
    form = FORMS[question.kind]
    if form.fleet:
        _refuse_of_fleet(question, places)
    if places and not form.source:
        raise UsageError(f"{question.kind} is about this machine: it takes no source ({places[0]})")
    if len(places) > 1:
        raise UsageError(f"too many arguments: {places[1]}")
    if {"--json", "--crash"} <= question.flags:
        raise UsageError("--crash asks on a terminal: it does not go with --json")


def _refuse_of_fleet(question: Question, places: list[str]) -> None:
    """The same, of what is asked of a fleet's store."""
    if places:
        raise UsageError(f"too many arguments: {places[0]}")
    found, options = given(question.settings), FORMS[question.kind].options
    for name in sorted(found.difference(options)):
        known = ", ".join(f"{each}=" for each in options)
        raise UsageError(f"option {name} does not go with {question.kind}: only {known}")
    if words := fleet.complaint(question.arguments[0], found):
        raise UsageError(words)


def _arguments(kind: str, form: Form, queue: list[str]) -> tuple[str, ...]:
    found = []
    for name in form.arguments:
        if not queue or (queue[0].startswith("-") and queue[0] != "-"):
            raise UsageError(f"{kind} needs {name} after it")
        found.append(queue.pop(0))
    return tuple(found)
