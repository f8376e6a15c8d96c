"""`pstorefs --ship` against what moves the same objects to the same store: rclone copy.

Seen through a proxy, rclone 1.75 with these options makes one HEAD and one PUT of the bucket, and a
PUT for each object, four at a time: with Content-MD5 and an unsigned payload, without a condition.
It finds the objects packed, and keeps no record of what it has sent. `pstorefs` reads and checks
the archive, packs, makes a PUT with a condition and SHA-256 for each object, four dumps at a time,
and syncs a receipt for each dump. So rclone does less, in the form with the fewest requests.

A second peer packs as well: tar -cz of each dump, as whoever ships by rclone alone does it, and the
same rclone copy.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench import peers
from tests.bench.measure import Figure
from tests.bench.rows import OWN, Bench, Row
from tests.fleet import rclone, servers, site

RCLONE, TAR = "rclone copy", "tar -cz, rclone copy"
_DUMPS = 100
_MACHINE = "0" * 31 + "1"


def shipping_rows(bench: Bench) -> list[Row]:
    """100 dumps, 200 objects, a SeaweedFS: wall and CPU of the two programs, not of the server."""
    place = bench.place / "shipping"
    archive, spool = place / "archive", place / "spool"
    spool.mkdir(parents=True)
    for number in range(_DUMPS):
        name = f"20260601T{number // 60:02}{number % 60:02}01Z-oops-1"
        site.write_dump(archive, name, _MACHINE, number)
    # The same objects, for rclone.
    _ship(f"file://{spool}", archive, place / "spooled", {})
    try:
        if not rclone.RCLONE.exists():
            raise peers.MissingError("tests/fleet/requirements.txt is not installed")
        with servers.seaweedfs(place / "server") as endpoint:
            for number in range(max(3, bench.rounds)):
                bench.say(f"shipping, round {number + 1}")
                _round(bench, number, archive, spool, endpoint)
    except peers.MissingError as error:
        bench.missing[RCLONE] = str(error)
    finally:
        shutil.rmtree(place)
    words = f"--ship of {_DUMPS} dumps"
    return [
        Row(f"{words}, {what}", peer, must, aim, bench.samples.ratio(f"ship {what}", OWN, peer))
        for peer, must, aim in ((RCLONE, 1.0, 0.5), (TAR, None, None))
        for what in ("wall", "CPU")
    ]


def _round(bench: Bench, number: int, archive: Path, spool: Path, endpoint: str) -> None:
    """One of each, to names that are new; in turns the one and the other first."""
    keys = {"AWS_ACCESS_KEY_ID": servers.DROP[0], "AWS_SECRET_ACCESS_KEY": servers.DROP[1]}
    state = archive.with_name(f"state-{number}")

    def own() -> tuple[float, float]:
        url = f"s3://{servers.BUCKET}/own-{number}"
        return _ship(url, archive, state, keys, f",endpoint={endpoint}")

    def peer(to: str = "rclone") -> tuple[float, float]:
        # As docs/fleet.md has it: the form with the fewest requests.
        words = ["copy", "--no-check-dest", "--s3-no-head", "--exclude", ".*", str(spool)]
        words.append(f"store:{servers.BUCKET}/{to}-{number}")
        return _taken([str(rclone.RCLONE), *words], rclone.environment(endpoint))

    def packer() -> tuple[float, float]:
        packed = archive.with_name(f"packed-{number}")
        packed.mkdir()
        script = f'for dump in *; do tar -czf "{packed}/$dump.tar.gz" "$dump" || exit; done'
        tar = _taken(["sh", "-c", f'cd "{archive}" && {script}'], os.environ)
        wall, cpu = (sum(each) for each in zip(tar, peer("packed"), strict=True))
        return wall, cpu

    turns = [(OWN, own), (RCLONE, peer), (TAR, packer)]
    for name, run in turns[:: -1 if number % 2 else 1]:
        for what, value in zip(("wall", "CPU"), run(), strict=True):
            bench.samples.add(f"ship {what}", name, value)
    sent = [
        servers.elsewhere(f"listed({endpoint!r}, '{who}-{number}')") for who in ("own", "rclone")
    ]
    assert sent[0] == sent[1]
    assert len(sent[0]) == 2 * _DUMPS


def _ship(
    url: str, archive: Path, state: Path, keys: Mapping[str, str], more: str = ""
) -> tuple[float, float]:
    options = f"archive={archive},state={state}{more}"
    words = [*peers.pstorefs(), "--ship", url, "--now", "-o", options]
    found = importlib.util.find_spec("obstore")
    library = Path(found.origin).parents[1] if found and found.origin else ""
    # Compiled once, by the first run, as an installed program is.
    python = {
        "PYTHONPATH": f"{peers.ROOT}:{library}", "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(archive.with_name("compiled")),
    }  # fmt: skip
    return _taken(words, {**os.environ, **python, **keys})


def _taken(words: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds that a program takes by the clock, and of CPU."""
    begin = time.perf_counter()
    program = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0, words
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime


def words_of(bench: Bench) -> str:
    """The seconds themselves, for a line below the table."""
    found = [
        f"{who} {what} {figure.value:.2f} s"
        for who in (OWN, RCLONE, TAR)
        for what in ("wall", "CPU")
        if isinstance(figure := bench.samples.figure(f"ship {what}", who), Figure)
    ]
    return ", ".join(found)
