"""The journal for real: journald, then what owners run behind it: journal-remote and rsyslog.

All of it in namespaces of their own, on a /run of their own: the machine's own journal, if there is
one, sees nothing of it. The configuration files are those of contrib/journal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pstorefs.report import journal
from tests.records import capture

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib" / "journal"
_URL = "http://127.0.0.1:19532"

SCRIPT = """
set -eu
cd "$BASE"
until_there() {
    for _ in $(seq 300); do eval "$1" && return; sleep 0.1; done
    echo "not there: $1" >&2; exit 1
}
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal journal remote spool /var/log/journal
mount --bind journal /var/log/journal
"$PYTHON" -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'  # SIOCSIFFLAGS: up
echo '[Journal]
Storage=persistent' >journald.conf
mount --bind journald.conf /etc/systemd/journald.conf
mount --bind upload.conf /etc/systemd/journal-upload.conf

/lib/systemd/systemd-journald &
until_there '[ -S /run/systemd/journal/socket ]'
cd "$ROOT"
"$PYTHON" -m pstorefs --archive -o "archive=$BASE/archive,archive_volatile" "$BASE/records"
"$PYTHON" -m pstorefs --ship "file://$BASE/spool" --now -o "archive=$BASE/archive,state=$BASE/state"
cd "$BASE"
journalctl --sync || sleep 2

/lib/systemd/systemd-journal-remote --listen-http=127.0.0.1:19532 --split-mode=none \\
    --output="$BASE/remote/all.journal" &
until_there '[ -s remote/all.journal ]'
/lib/systemd/systemd-journal-upload --save-state="$BASE/upload-state" --follow=no
rsyslogd -n -f "$BASE/rsyslog.conf" -i "$BASE/rsyslog.pid" &
until_there '[ "$(cat rsyslog.json 2>/dev/null | wc -l)" -ge 20 ]'
remote() { journalctl --file remote/all.journal --all -o json SYSLOG_IDENTIFIER=pstorefs; }
until_there '[ "$(remote | wc -l)" -ge 20 ]'
remote >remote.json
"""


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_the_entries_reach_whoever_reads_the_journal(tmp_path: Path) -> None:
    capture("erst-mixed-upgrade").write("enc", tmp_path / "records")
    upload = (CONTRIB / "journal-upload.conf").read_text()
    assert "\nURL=https://journal.example.org:19532\n" in upload
    upload = upload.replace("https://journal.example.org:19532", _URL)
    (tmp_path / "upload.conf").write_text(upload)
    rules = (CONTRIB / "rsyslog.conf").read_text()
    rules = rules.replace("/var/log/pstorefs.json", f"{tmp_path}/rsyslog.json")
    (tmp_path / "rsyslog.conf").write_text(f'global(workDirectory="{tmp_path}")\n{rules}')
    namespaces = ["--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        ["unshare", *namespaces, "sh", "-c", SCRIPT],
        env={"BASE": str(tmp_path), "ROOT": str(ROOT), "PYTHON": sys.executable,
             "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    index = {
        line["id"]: line
        for file in (tmp_path / "spool").glob("v1/index/*/*.json")
        for line in lines(file)
    }
    assert len(index) == 10
    for file in ("remote.json", "rsyslog.json"):
        entries = [one for one in lines(tmp_path / file) if "PSTOREFS_ID" in one]
        for message_id in (journal.SAVED, journal.SHIPPED):
            found = [one for one in entries if one["MESSAGE_ID"] == message_id]
            assert sorted(one["PSTOREFS_ID"] for one in found) == sorted(index), file
            for one in found:
                line = index[one["PSTOREFS_ID"]]
                assert one["PSTOREFS_SIGNATURE"] == line["signature"]
                assert one["PSTOREFS_KERNEL"] == line["kernel"]
                assert one["PSTOREFS_TIME"] == line["time"]
                where = f"file://{tmp_path}/spool/{line['bundle']['key']}"
                assert one.get("PSTOREFS_OBJECT") in (None, where)
                assert ("PSTOREFS_OBJECT" in one) == (message_id == journal.SHIPPED)
