"""contrib/sql over a store: the same numbers before and after compaction, whatever the engine.

DuckDB is tried each time. ClickHouse (chdb) is half a gigabyte: the slow stage installs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import pytest

from pstorefs.fleet import keys
from tests.fleet import nights, servers, site

ROOT = Path(__file__).parents[2]
SQL = ROOT / "contrib" / "sql"
PREFIX = "sql"
Rows = list[tuple[Any, ...]]
#: Views and what is asked of them.
VIEWS = {
    "crashes": "moment, machine, id, title, kernel, count, complete",
    "signatures": "signature, title, crashes, machines, kernels, first_seen, last_seen",
    "new_signatures": "signature, crashes",
    "by_kernel": "kernel, signature, title, crashes, machines",
}


class Engine(Protocol):
    """One that reads a store by the files of contrib/sql."""

    def answers(self, *questions: str) -> list[Rows]:
        """Of each question the rows, of the store as it is now."""

    def compact(self, day: str) -> None:
        """Compact a day."""


class Duck:
    """DuckDB, as its command line would do it."""

    def __init__(self, store: str, endpoint: str) -> None:
        import duckdb
        import duckdb_extension_httpfs

        self.store = store
        self.base = duckdb.connect()
        if endpoint:
            # Nothing is downloaded: the extension comes of PyPI.
            (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension")
            self.base.execute(f"LOAD '{extension}'")
            self.base.execute(
                f"CREATE SECRET (TYPE s3, KEY_ID '{servers.ALL[0]}', SECRET '{servers.ALL[1]}',"
                f" ENDPOINT '{endpoint.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
            )
        self.base.execute(f"SET VARIABLE store = '{store}'")

    def answers(self, *questions: str) -> list[Rows]:
        self.base.execute((SQL / "duckdb.sql").read_text())
        return [self.base.execute(question).fetchall() for question in questions]

    def compact(self, day: str) -> None:
        if not self.store.startswith("s3:"):
            os.makedirs(f"{self.store}/v1/compact/date={day}", exist_ok=True)
        self.base.execute((SQL / "duckdb.sql").read_text())
        self.base.execute(f"SET VARIABLE day = '{day}'")
        self.base.execute((SQL / "duckdb-compact.sql").read_text())


class Click:
    """ClickHouse in a process of its own."""

    def __init__(self, store: str, endpoint: str) -> None:
        self.store, self.begin = store, ""
        if endpoint:
            url = f"{endpoint}/{servers.BUCKET}/{PREFIX}/v1/"
            self.begin = (
                f"CREATE NAMED COLLECTION pstorefs AS url = '{url}',"
                f" access_key_id = '{servers.ALL[0]}', secret_access_key = '{servers.ALL[1]}';\n"
            )

    def _text(self, name: str) -> str:
        text = (SQL / name).read_text()
        if not self.begin:  # over a directory, as the head of clickhouse.sql says
            (words,) = re.findall(r'sed "(.*)"', (SQL / "clickhouse.sql").read_text())
            script = words.replace("/srv/crashes/fleet", self.store)
            text = subprocess.run(
                ["sed", script], input=text, text=True, stdout=subprocess.PIPE, check=True
            ).stdout
        return re.sub(r"--.*", "", text)

    def _run(self, *texts: str) -> list[list[Any]]:
        statements = [one for text in texts for one in text.split(";\n") if one.strip()]
        words = (
            "import json, sys; from chdb import session; base = session.Session()\n"
            "made = [str(base.query(one, 'JSONCompact')) for one in json.load(sys.stdin)]\n"
            "print(json.dumps(made))"
        )
        done = subprocess.run(
            [sys.executable, "-c", words], input=json.dumps(statements), text=True,
            stdout=subprocess.PIPE, check=True, timeout=300,
        )  # fmt: skip
        return [json.loads(one)["data"] if one.strip() else [] for one in json.loads(done.stdout)]

    def answers(self, *questions: str) -> list[Rows]:
        settings = " SETTINGS output_format_json_quote_64bit_integers = 0"
        asked = [re.sub(r"FROM (\w)", r"FROM pstorefs.\1", one) + settings for one in questions]
        found = self._run(self.begin, self._text("clickhouse.sql"), *asked)
        return [[tuple(row) for row in rows] for rows in found[-len(questions) :]]

    def compact(self, day: str) -> None:
        if not self.begin:
            os.makedirs(f"{self.store}/v1/compact/date={day}", exist_ok=True)
        text = self._text("clickhouse-compact.sql").replace("2026-11-27", day)
        self._run(self.begin, self._text("clickhouse.sql"), text)


ENGINES: dict[str, Callable[[str, str], Engine]] = {"duckdb": Duck, "clickhouse": Click}
KINDS = [
    pytest.param("duckdb", id="duckdb"),
    pytest.param("clickhouse", id="clickhouse", marks=pytest.mark.slow),
]


def expected(lines: list[dict[str, Any]]) -> dict[str, Rows]:
    """What the views must say, counted in another way."""
    once = {(line["machine"], line["id"]): line for line in lines}
    gone = {(line["machine"], line["replaces"]) for line in once.values() if line["replaces"]}
    crashes = [line for name, line in once.items() if name not in gone and line["crash"]]
    today = datetime.now(timezone.utc)
    recent = f"{datetime.fromtimestamp(today.timestamp() - 86400, timezone.utc):%Y-%m-%d}"
    found: dict[str, Rows] = {name: [] for name in VIEWS}
    groups: dict[str, list[dict[str, Any]]] = {}
    kernels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in crashes:
        moment = line["time"] or line["date"]
        columns = ("machine", "id", "title", "kernel", "count", "complete")
        found["crashes"].append((moment, *(line[name] for name in columns)))
        groups.setdefault(line["signature"] or line["title"], []).append(line)
        kernels.setdefault((line["kernel"], line["signature"] or line["title"]), []).append(line)
    for name, own in groups.items():
        moments = sorted(line["time"] or line["date"] for line in own)
        title = max(line["title"] for line in own)
        counts = (len(own), len({line["machine"] for line in own}))
        many = len({line["kernel"] for line in own})
        found["signatures"].append((name, title, *counts, many, moments[0], moments[-1]))
        if moments[0] >= recent:
            found["new_signatures"].append((name, len(own)))
    for (kernel, name), own in kernels.items():
        counts = (len(own), len({line["machine"] for line in own}))
        found["by_kernel"].append((kernel, name, max(line["title"] for line in own), *counts))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def asked(engine: Engine) -> dict[str, Rows]:
    """What the views say."""
    questions = [f"SELECT {what} FROM {name}" for name, what in VIEWS.items()]  # noqa: S608
    found = zip(VIEWS, engine.answers(*questions), strict=True)
    return {name: sorted(rows, key=repr) for name, rows in found}


def shipped(base: Path, url: str, endpoint: str) -> None:
    """The dumps of two machines, by the command."""
    options = f",endpoint={endpoint}" if endpoint else ""
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": servers.ALL[0], "AWS_SECRET_ACCESS_KEY": servers.ALL[1],
    }  # fmt: skip
    for machine, capture in (("rack-1", "erst-mixed-upgrade"), ("rack-2", "erst-mixed-upgrade")):
        archive = site.archived(base / machine, capture)
        words = f"archive={archive},state={base / machine}-state,machine={machine},host={machine}"
        subprocess.run(
            [sys.executable, "-m", "pstorefs", "--ship", url, "--now", "-o", words + options],
            check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip


def added(lines: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Objects that a store may hold besides, and what they mean: lines are added to `lines`."""
    today = datetime.now(timezone.utc)
    made = [nights.objects(one)[1] for one in nights.crashes(30, today=today)]
    columns = {"title": "console log", "crash": False, "signature": None}
    log = nights.objects(next(nights.crashes(1, 5, today)), None, columns)[1]
    for key, data in [*made, log]:
        lines.append(json.loads(data))
        yield key, data
    # The same again under another name; and one that replaces it.
    key, data = made[0]
    yield key.replace("_node-", "_other-node-"), data
    old = json.loads(data)
    new = {**old, "id": "a" * 64, "replaces": old["id"], "title": f"{old['title']}_more"}
    lines.append(new)
    yield key.replace(old["id"][:16], "a" * 16), json.dumps(new).encode()
    hostile = [
        b"{", b"[]\n", b"null", b"\xff\xfe\x00", b'{"id": 5, "machine": [1], "trace": "x"}\n',
        b'{"id": "' + b"c" * 300_000 + b'"}', b"[1,2]\n" * 10, b'{"a": 1}\n' * 5,
        b'{"id": "x\'; DROP TABLE y; --", "crash": true}', b"[" * 100_000, b" ",
    ]  # fmt: skip
    for number, junk in enumerate(hostile):
        day = old["date"].replace("-", "")
        name = f"{day}T000000Z-oops-{number}_h_none_k_m_{number:016x}.json"
        yield f"{keys.day_prefix(old['date'])}{name}", junk


@pytest.fixture(scope="module", params=["file", "s3"])
def site_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401
    """A store, its endpoint, the lines that count, and a function that puts an object there."""
    base = tmp_path_factory.mktemp("sql")
    endpoint = request.getfixturevalue("endpoint") if request.param == "s3" else ""
    url = f"s3://{servers.BUCKET}/{PREFIX}" if endpoint else f"file://{base / 'store'}"
    (base / "store").mkdir()
    shipped(base, url, endpoint)

    def put(objects: list[tuple[str, bytes]]) -> None:
        if endpoint:
            (base / "objects.json").write_text(
                json.dumps([[key, data.decode("latin-1")] for key, data in objects])
            )
            servers.elsewhere(
                f"[store({endpoint!r}, ALL, {PREFIX!r}).put(k, d.encode('latin-1'), 'text/plain')"
                f" for k, d in json.load(open({str(base / 'objects.json')!r}))]"
            )
        else:
            nights.write(base / "store", [nights.Made(*one) for one in objects])

    if endpoint:
        there = servers.elsewhere(f"listed({endpoint!r}, {PREFIX!r})")
    else:
        there = site.contents(base / "store")
    lines = [json.loads(data) for key, data in there.items() if key.startswith(keys.INDEX)]
    assert len(lines) == 20
    put(list(added(lines)))
    return url.removeprefix("file://"), endpoint, lines, put


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_the_same_before_and_after_compaction(kind: str, site_of: Any) -> None:  # noqa: ANN401
    store, endpoint, lines, put = site_of
    engine = ENGINES[kind](store, endpoint)
    right = expected(lines)
    assert asked(engine) == right
    due = engine.answers("SELECT date FROM days_to_compact")[0]
    days = [str(day) for day, *_ in due]
    first = days[0]
    assert first.startswith("2026-06-0")
    assert all(day < f"{datetime.now(timezone.utc):%Y-%m-%d}" for day in days)
    # Among them the day with all that is no entry as well, and twice.
    strange = max(line["date"] for line in lines if line["id"] == "a" * 64)
    assert strange not in days[:3]
    for day in [*days[:3], strange, strange]:
        engine.compact(day)
    days = [day for day in days[3:] if day != strange]
    assert asked(engine) == right
    left = [str(day) for day, *_ in engine.answers("SELECT date FROM days_to_compact")[0]]
    assert left == days
    # One more, of a day that is compacted: it is seen at once, and the day is due again.
    late = {**lines[0], "id": kind.encode().hex().ljust(64, "0"), "machine": "late",
            "date": first, "time": f"{first}T00:00:00Z"}  # fmt: skip
    name = f"{first.replace('-', '')}T000000Z-oops-1_h_none_k_late_{late['id'][:16]}.json"
    key = f"{keys.day_prefix(first)}{name}"
    put([(key, json.dumps(late).encode())])
    lines.append(late)
    right = expected(lines)
    assert asked(engine) == right
    assert [str(day) for day, *_ in engine.answers("SELECT date FROM days_to_compact")[0]] == [
        first, *days,
    ]  # fmt: skip
    engine.compact(first)
    assert asked(engine) == right


@pytest.mark.slow
def test_each_engine_reads_what_the_other_compacted(site_of: Any) -> None:  # noqa: ANN401
    store, endpoint, lines, _ = site_of
    right = expected(lines)
    for writer, reader in (("duckdb", "clickhouse"), ("clickhouse", "duckdb")):
        for day in ("2026-06-02", "2026-06-03"):
            ENGINES[writer](store, endpoint).compact(day)
        assert asked(ENGINES[reader](store, endpoint)) == right


def test_an_empty_store_has_no_crashes(tmp_path: Path) -> None:
    assert Duck(str(tmp_path), "").answers("SELECT count(*) FROM crashes") == [[(0,)]]


def test_the_columns_are_those_of_an_index_entry() -> None:
    line = json.loads(nights.objects(next(nights.crashes(1)))[1].data)
    duck = re.search(r"columns = \{(.*?)\n\};", (SQL / "duckdb.sql").read_text(), re.DOTALL)
    text = (SQL / "clickhouse.sql").read_text()
    click = re.search(r"pstorefs_columns AS \(\) ->\s*'(.*?)';", text, re.DOTALL)
    bundle = re.search(r"pstorefs_bundle AS \(before\) ->(.*?);\n", text, re.DOTALL)
    assert duck
    assert click
    assert bundle
    assert set(re.findall(r"(\w+): '", duck[1])) == set(line) - {"date"}
    names = re.findall(r"(\w+) (?:Nullable|Array)\(", click[1])
    assert names == [name for name in line if name not in ("date", "bundle")]
    assert re.findall(r"'(\w+) Nullable", bundle[1]) == list(line["bundle"])
