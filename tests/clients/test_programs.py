"""Other people's programs: what they say of a mount is what they say of a plain directory.

Each command runs by sh in both directories, and its output, its messages and its exit status must
be the same. What is a file system's own business is left out of the output, by the command itself:

* inode numbers, devices, and when something was read (atime) or changed (ctime);
* size and link count of *directories*: here they are 0 and 2 where nothing is stored;
* blocks of directories, and `total` lines, which sum blocks.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from pstorefs.system import mountinfo
from tests import figures
from tests.clients.conftest import PLACES, Place

# "$@" are all files, "$1" the first of them; {out} is a fresh directory.
# ls -l without size and links of directories.
_LS = "awk '{ $1 = $1 } /^d/ { $2 = $5 = \"-\" } { print }'"
_SAME = "diff -r --no-dereference ."

COMMANDS = [
    # Listings and attributes
    "ls",
    "ls -a",
    "ls -A -1 -R",
    "ls -U | sort",
    "ls -F -R",
    "ls -S -r $(find . -type f -not -name '*\\ *')",
    "ls -t -R",
    f"ls -lR --time-style=full-iso | {_LS}",
    f"ls -lnLR --time-style=full-iso 2>&1 | {_LS}",
    "stat -c '%n %s %a %A %f %u %U %g %G %y %Y %F %h %b' \"$@\"",
    "find . -type d -exec stat -c '%n %a %U %G %Y %F' {} + | sort",
    "stat -L -c '%n %s %F' \"$@\"",
    'file -b "$@" | sort || true',
    'readlink -e "$@" | sed "s|$PWD|.|"',
    "find . -type l -exec readlink {} + | sort",
    'test -r "$1" && test ! -x "$1" && test -f "$1" && test -s "$1" && echo yes',
    "[ . -ef . ] && [ ! . -ef .. ] && echo yes",
    'pathchk "$@" && echo yes',
    'namei -m "$1"',
    # find
    "find . -printf '%P %m %M %u %g %T@ %y %Y %l %d %h %f\\n' | sort",
    "find . ! -type d -printf '%P %s %n\\n' | sort",
    "find . -type f -printf '%P %b %k\\n' | sort",
    "find . -type f -ls | awk '{ $1 = $2 = \"\"; print }' | sort",
    "find . -depth -print0 | tr '\\0' '\\n' | sort",
    "find . -noleaf | sort",
    "find . -maxdepth 1 -mindepth 1 | sort",
    "find . ! -type d -size +4k | sort",
    "find . ! -type d -size -8100c -size +10c | sort",
    "find . -type f -empty | sort",
    "find . -type d -empty | sort",
    "find . -newermt 2026-06-05 | sort",
    'find . ! -newer "$1" | sort',
    "find . -mtime +30 | sort",
    "find . -daystart -mmin +60 -type f | sort",
    "find . -perm /222 | sort",
    "find . -perm -444 ! -perm /111 | sort",
    "find . -user root -group root ! -uid 1 -gid 0 | sort",
    "find . -nouser -o -nogroup -o -print | sort",
    "find . -type f -readable ! -executable | sort",
    "find . -type f -links 1 | sort",
    'find . -samefile "$1"',
    "find . -name '*76*' -prune -o -name '*.*' -print | sort",
    "find . -iname '*DMESG*' -regex '.*[0-9].*' | sort",
    "find -L . -xtype l | sort",
    "find -L . -type f | sort",
    "find . -xdev -type f -name '*7*' -execdir cksum {} ';' | sort",
    "find . -type f -print0 | sort -z | xargs -0 -n 20 cat | sha256sum",
    "find . -fstype fuse.pstorefs -quit; find . ! -fstype fuse.nothing | wc -l",
    # Reading all
    'cat "$@"',
    'cat "$@" | cksum',
    'sha256sum "$@"',
    'sha1sum "$@" | sha256sum --check --quiet 2>/dev/null; b2sum "$@"; sum "$@"; cksum "$@"',
    'sha256sum "$@" > {out}/sums && sha256sum --check --quiet {out}/sums && cat {out}/sums',
    'wc "$@"',
    'head -q -n 3 "$@"',
    'head -q -c -100 "$@" | md5sum',
    'tail -q -n 3 "$@"',
    'tail -q -c 77 "$@" | md5sum',
    'tail -q -n +9 "$@" | md5sum',
    'tac "$@" | md5sum',
    'od -c "$1" "$3" | md5sum; od -A d -t x4z -j 99 "$1" | tail -n 2',
    'xxd "$1" | md5sum; xxd -s -33 "$1"; xxd -p -l 64 "$1"',
    'hexdump -C "$1" | md5sum',
    'LC_ALL=C sort "$@" | uniq -c | md5sum',
    'nl "$@" | md5sum; fold -w 30 "$@" | md5sum; rev "$1"; expand "$1" | md5sum; shuf "$1" | sort',
    'cut -c 1-9 "$@" | LC_ALL=C sort -u',
    'paste "$1" "$1" | md5sum; join "$1" "$1" 2>/dev/null | md5sum; comm "$1" "$1" 2>/dev/null',
    'strings -n 12 "$@" | md5sum || true',
    'base64 "$@" 2>&1 | head -n 2; base64 "$1" | base64 -d | cmp - "$1" && echo same',
    'less -F "$@" | md5sum',
    'more "$1" | md5sum',
    'gzip -nc "$1" "$2" | md5sum; xz -c "$1" | md5sum; bzip2 -c "$1" 2>/dev/null | md5sum',
    'dd if="$1" bs=7 skip=3 status=none | md5sum; dd if="$1" bs=4096 iflag=direct status=none',
    'dd if="$1" bs=64k iflag=nocache,noatime status=none | md5sum',
    'split -b 1000 "$1" {out}/x && cat {out}/x* | md5sum && ls {out} | wc -l',
    'split -n l/3 "$1" {out}/x && wc {out}/x* | awk "{print \\$1, \\$2, \\$3}"',
    'csplit -s -f {out}/x "$1" 1 && cat {out}/x* | md5sum',
    'cmp "$1" "$1" && cmp "$1" "$2"; cmp -l "$1" "$2" | md5sum; cmp -n 40 "$1" "$2"',
    # Searching
    "grep -r -c BUG: . | sort",
    "grep -rn 'Kernel panic' . | sort",
    "grep -rlZ Call . | tr '\\0' '\\n' | sort",
    "grep -R -h -o 'RIP: [^ ]*' . 2>&1 | sort",
    'grep -b -a -m 2 "\\[" "$@"',
    "grep -rL panic . | sort",
    "git grep --no-index -c Call | sort",
    "git grep --no-index -n -I -e panic --and -e Kernel | sort",
    "git grep --no-index --threads 4 -h -E 'CPU: [0-9]+' | sort | uniq -c",
    "awk '{ n += length($0) } END { print NR, n }' \"$@\"",
    "sed -n '3p;$p' \"$@\"",
    'sed -s -n "\\$=" "$@"',
    'perl -ne \'print "$ARGV:$.:$_" if /panic|BUG/; close ARGV if eof\' "$@"',
    "perl -MFile::Find -e 'find(sub { push @f, $File::Find::name }, q(.)); print sort @f'",
    "perl -MFile::Find -e '$File::Find::dont_use_nlink = 0; find(sub { $n++ }, q(.)); print $n'",
    'perl -e \'for (@ARGV) { my @s = stat; print "$_ @s[2..5,7,9,12]\\n" }\' "$@"',
    "ed -s \"$1\" <<'END'\n1p\n$p\n$=\nq\nEND\n",
    "vim.tiny -u NONE -es -c '%p' -c 'q!' \"$1\"",
    "vim.tiny -u NONE -R -es -c 'set ff? fenc?' -c '/./p' -c '$p' -c 'q!' \"$1\"",
    'jq -c . "$1" 2>/dev/null || true; file -b --mime-encoding "$1"',
    # Copies
    "tar cf - --sort=name --format=posix --pax-option=delete=atime,delete=ctime . | md5sum",
    "tar cf - --sort=name --format=gnu . | md5sum",
    "tar cf - --sort=name -S --format=gnu . | tar tvf -",
    f"tar cf - . | tar xf - -C {{out}} && {_SAME} {{out}} && ls -lR {{out}} | {_LS}",
    "tar cf {out}/all.tar . && tar df {out}/all.tar && tar tf {out}/all.tar | sort",
    "tar cf {out}/a --listed-incremental={out}/snar . && tar tf {out}/a | sort",
    "find . ! -type d | sort | cpio -o --quiet --reproducible -H newc | md5sum",
    "find . | sort | cpio -o --quiet -H ustar | cpio -it --quiet",
    "find . -depth | cpio -pdm --quiet {out} && diff -r --no-dereference . {out} && ls -R {out}",
    "find . ! -type d | sort | zip -q -X -y -@ - | md5sum",
    "zip -q -X -y -r {out}/z . && unzip -Z1 {out}/z | sort && unzip -q {out}/z -d {out}/d",
    f"zip -q -X -y -r {{out}}/z . && unzip -q {{out}}/z -d {{out}}/d && {_SAME} {{out}}/d && echo",
    "zip -q -X {out}/z \"$@\" && unzip -Z -v {out}/z | grep -E 'size|CRC'",
    "rsync -a ./ {out}/ && rsync -nacv --itemize-changes ./ {out}/ | grep '^[<>c]'; ls -lR {out} | "
    + _LS,
    "rsync -ac --inplace ./ {out}/ && diff -r --no-dereference . {out} && ls {out}",
    "rsync -aHAXS --checksum ./ {out}/ && diff -r --no-dereference . {out} && ls {out}",
    "rsync -r --list-only . | awk '!/^d/' | sort",
    f"cp -a . {{out}}/c && {_SAME} {{out}}/c && ls -lR --time-style=full-iso {{out}}/c | {_LS}",
    'cp "$@" {out}/ 2>/dev/null; cat {out}/* | md5sum',
    f"cp -r --reflink=auto --sparse=always . {{out}}/c && {_SAME} {{out}}/c && ls {{out}}/c",
    "cp -RL . {out}/c 2>&1; find {out}/c -type f | wc -l",
    "cp -a . {out}/c && mv {out}/c {out}/d && diff -r --no-dereference {out}/d . && ls {out}/d",
    'install -m 600 "$1" {out}/f && cmp "$1" {out}/f && stat -c "%a %s" {out}/f',
    "diff -r --no-dereference . . && diff -r -q --no-dereference . {out} | sort",
    'diff -u "$1" /dev/null; diff --brief "$1" "$1" && echo same',
    # Space
    'du -b --apparent-size "$@"',
    'du -k "$@"',
    "find . -type f -print0 | sort -z | du -c --files0-from=- | tail -n 1",
    "du -a --inodes . | sort -k 2",
    "df --output=size,used,avail,pcent . >/dev/null && df --output=itotal . | head -n 1",
    # Attributes beyond the mode
    'getfattr -n user.none "$1" >/dev/null 2>&1; echo $?',
    "getcap -r . 2>&1 | sort",
    # busybox
    "busybox ls -1 -R",
    f"busybox ls -ln | {_LS}",
    "busybox stat -c '%n %s %a %Y %F' \"$@\"",
    "busybox find . | sort",
    "busybox find . -type f -size +7 -mtime +1 -exec busybox wc -c {} + | sort",
    "busybox grep -r -c BUG . | sort",
    "busybox tar cf - . | busybox tar tvf - | sort",
    "find . | sort | busybox cpio -o -H newc 2>/dev/null | busybox cpio -t 2>/dev/null",
    'busybox cat "$@" | busybox md5sum',
    'busybox sha256sum "$@"; busybox wc "$@"',
    'busybox head -n 2 "$@"; busybox tail -n 2 "$@"; busybox od -c "$1" | busybox tail -n 3',
    "busybox awk '{ n += length($0) } END { print NR, n }' \"$@\"",
    'busybox sed -n "2p" "$@"; busybox sort "$1" | busybox uniq -c; busybox cut -c 1-5 "$1"',
    'busybox cmp "$1" "$1"; busybox xxd "$1" | busybox tail -n 2; busybox hexdump "$1" | md5sum',
    'busybox dd if="$1" bs=100 count=3 2>/dev/null; busybox less "$1" | md5sum; busybox tac "$1"',
    "busybox cp -a . {out}/c && busybox diff -r . {out}/c 2>&1; ls -R {out}/c",
    "busybox du -a . | wc -l; busybox df -P . | wc -l",
    'busybox gzip -c "$1" | busybox zcat; busybox strings "$1" | md5sum',
]

# Nothing to say is what these say.
_SILENT = ("getcap",)

# The same for Python: sys.argv[1] is a fresh directory, the rest are the files.
PROGRAMS = {
    "walk": "for w, d, f in sorted(os.walk('.')): print(w, sorted(d), sorted(f))",
    "walk by descriptors": "print(sorted((w, os.fstat(n).st_uid) for w, _, _, n in os.fwalk('.')))",
    "scandir": """
for e in sorted(os.scandir('.'), key=lambda e: e.name):
    print(e.name, e.is_dir(), e.is_file(), e.is_symlink(), oct(e.stat().st_mode)
          if os.path.exists(e.name) else None)""",
    "copytree": """
shutil.copytree('.', out + '/t', symlinks=True)
print(subprocess.run(['diff', '-r', '--no-dereference', '.', out + '/t']).returncode)""",
    "tarfile": """
with tarfile.open(out + '/t', 'w') as t: t.add('.')
with tarfile.open(out + '/t') as t: print(sorted((m.name, m.size, m.mtime) for m in t
                                                 if not m.isdir()))""",
    "dircmp": """
c = filecmp.dircmp('.', '.')
print(sorted(c.same_files), c.diff_files, sorted(c.common_dirs))""",
    "mmap": """
for f in files:
    with open(f, 'rb') as o:
        if os.fstat(o.fileno()).st_size:
            with mmap.mmap(o.fileno(), 0, access=mmap.ACCESS_READ) as m:
                print(f, len(m), digest(m[:]), m.find(b'panic'), m[-1])""",
    "mmap copy on write": """
with open(files[0], 'rb') as o, mmap.mmap(o.fileno(), 0, access=mmap.ACCESS_COPY) as m:
    m[:3] = b'xyz'; print(m[:20])
print(open(files[0], 'rb').read(20))""",
    "pread at random places": """
r = random.Random(1)
for f in files:
    n = os.open(f, os.O_RDONLY)
    for _ in range(20): print(digest(os.pread(n, r.randrange(9000), r.randrange(12000))))
    os.close(n)""",
    "preadv": """
n = os.open(files[0], os.O_RDONLY); b = [bytearray(7), bytearray(3000), bytearray(9000)]
print(os.preadv(n, b, 5), digest(b''.join(b)))""",
    "read past the end": """
for f in files:
    n = os.open(f, os.O_RDONLY); s = os.fstat(n).st_size
    print(os.pread(n, 10, s), os.pread(n, 10, s + 5000), len(os.pread(n, 1 << 22, 0)) == s)
    os.close(n)""",
    "seek": """
for f in files:
    n = os.open(f, os.O_RDONLY); print(f, os.lseek(n, 0, os.SEEK_END))
    try: print(os.lseek(n, 1, os.SEEK_DATA), os.lseek(n, 1, os.SEEK_HOLE))
    except OSError as e: print(e)
    os.close(n)""",
    "direct": """
n = os.open(files[0], os.O_RDONLY | os.O_DIRECT); m = mmap.mmap(-1, 1 << 16)
print(os.preadv(n, [m], 0), digest(m[:]), os.preadv(n, [m], 4096))""",
    "sendfile": """
for f in files:
    with open(f, 'rb') as o, open(out + '/s', 'wb') as t:
        print(os.sendfile(t.fileno(), o.fileno(), 0, 1 << 23))
    print(digest(open(out + '/s', 'rb').read()))""",
    "sendfile to a socket": """
for f in files:
    a, b = socket.socketpair(); a.settimeout(99); p = []
    with open(f, 'rb') as o: print(os.sendfile(a.fileno(), o.fileno(), 0, 2000))
    a.close(); print(digest(b.recv(4000)))""",
    "splice": """
for f in files:
    r, w = os.pipe()
    with open(f, 'rb') as o: print(os.splice(o.fileno(), w, 4000, offset_src=10))
    os.close(w); print(digest(open(r, 'rb').read()))""",
    "threads": """
with ThreadPool(8) as p: print(p.map(lambda f: digest(open(f, 'rb').read()), files * 3))""",
    "after a fork": """
o = open(files[0], 'rb', 0); o.read(10)
if not os.fork(): o.read(10); os._exit(0)
os.wait(); print(o.tell(), o.read(20))""",
    "open through /proc": """
n = os.open(files[0], os.O_PATH); print(open(f'/proc/self/fd/{n}', 'rb').read())""",
    "linecache": "print(linecache.getlines(files[0])[:5])",
    "advice": """
n = os.open(files[0], os.O_RDONLY)
for a in range(6): print(os.posix_fadvise(n, 0, 0, a))
print(digest(os.read(n, 1 << 16)))""",
    "locks": """
import fcntl
n, m = (os.open(files[0], os.O_RDONLY) for _ in 'ab')
fcntl.flock(n, fcntl.LOCK_EX)
try: fcntl.flock(m, fcntl.LOCK_SH | fcntl.LOCK_NB)
except OSError as e: print(e)
fcntl.lockf(n, fcntl.LOCK_SH, 10); print(subprocess.run(
    ['python3', '-c', 'import fcntl, sys; print(fcntl.lockf(open(sys.argv[1]), 1))', files[0]],
    capture_output=True).stdout)""",
    "configparser and json": """
for f in files:
    try: print(f, sorted(json.load(open(f))))
    except ValueError as e: print(f, type(e).__name__)""",
}
_BEFORE = """
import filecmp, hashlib, json, linecache, mmap, os, random, shutil, socket, subprocess, sys, tarfile
from multiprocessing.pool import ThreadPool
def digest(data): return hashlib.md5(data).hexdigest()
out, *files = sys.argv[1:]
"""


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_program_sees_a_plain_directory(
    command: str, where: str, places: dict[str, Place], tmp_path: Path
) -> None:
    said = _same(places[where], ["sh", "-c", command, "sh"], tmp_path)
    _count(where, "commands")
    assert said or where != "mirror" or command.startswith(_SILENT), "no output: no test"


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_system_call_sees_a_plain_directory(
    program: str, where: str, places: dict[str, Place], tmp_path: Path
) -> None:
    assert _same(places[where], ["python3", "-c", _BEFORE + PROGRAMS[program], "{out}"], tmp_path)
    _count(where, "system calls")


_COUNTED: Counter[tuple[str, str]] = Counter()


def _count(where: str, kind: str) -> None:
    """One more comparison that came out equal."""
    _COUNTED[where, kind] += 1
    number = _COUNTED[where, kind]
    figures.record("clients", f"{kind}, {where}", f"{number} compared", "equal", True)


def _same(place: Place, command: list[str], scratch: Path) -> list[bytes]:
    """What the command says in both directories, which must be the same."""
    results = []
    for folder in (place.shown, place.plain):
        out = scratch / "out"
        out.mkdir()
        done = subprocess.run(
            [*(word.replace("{out}", str(out)) for word in command), *place.files()],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=500,
            env={
                **os.environ,
                "TZ": "UTC",
                "LC_ALL": "C.UTF-8",
                "GIT_CEILING_DIRECTORIES": "/",
                "HOME": str(scratch),
            },
        )
        # Totals of blocks.
        lines = [line for line in done.stdout.splitlines() if not line.startswith(b"total ")]
        results.append((done.returncode, lines, done.stderr.replace(bytes(folder), b"")))
        subprocess.run(["rm", "-rf", out], check=True)
    assert results[0] == results[1]
    return results[0][1]


# What is said of a program that reads a file: {pid} and {file}. Device and inode are cut off.
HOLDERS = [
    "lsof -F pcfatsn -- {file}",
    "lsof -p {pid} -a -d 0,cwd | awk '{{ print $2, $4, $5, $9 }}'",
    "lsof -t -- {file}",
    "fuser {file} 2>/dev/null",
    "fuser -v {file} 2>&1 | tail -n +2",
    "ls -l /proc/{pid}/fd/0 | awk '{{ print $1, $3, $4, $11 }}'",
    "grep -E '^(pos|flags)' /proc/{pid}/fdinfo/0",
    "readlink /proc/{pid}/cwd",
]


def test_programs_that_count_on_links_look_everywhere(places: dict[str, Place]) -> None:
    """From the root of a whole mount: two links would say that a directory has no other in it."""
    root = places["dumps"].shown.parent
    code = "$File::Find::dont_use_nlink = $ARGV[0]; find(sub { $n++ }, q(.)); print $n"
    found = [
        subprocess.run(
            ["perl", "-MFile::Find", "-e", code, trusting],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for trusting in "01"
    ]
    assert found[0] == found[1]
    assert int(found[0]) == sum(1 for _ in root.rglob("*")) + 1


@pytest.mark.parametrize("command", HOLDERS)
def test_lsof_and_fuser_say_who_reads_as_on_a_plain_directory(
    command: str, places: dict[str, Place]
) -> None:
    # lsof asks every mount that it sees, and others may hang. In Debian 13 its option -e crashes.
    roots = {str(place.shown.parent) for place in places.values()}
    others = [m.point for m in mountinfo.table() if m.kind.startswith("fuse")]
    hide = "".join(
        f"umount --lazy '{point}'; " for point in others if not point.startswith(tuple(roots))
    )
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    for place in places.values():
        said = []
        for folder in (place.shown, place.plain):
            file = folder / place.files()[0]
            with file.open("rb") as opened:
                reader = subprocess.Popen(["sleep", "60"], stdin=opened, cwd=folder)
            try:
                line = hide + command.format(pid=reader.pid, file=file)
                done = subprocess.run(
                    [*alone, line], capture_output=True, text=True, check=False, timeout=500
                )
            finally:
                reader.terminate()
                reader.wait()
            text = done.stdout.replace(str(reader.pid), "PID").replace(str(folder), "FOLDER")
            said.append((done.returncode, text))
        assert said[0] == said[1]
        assert said[0][0] == 0
        assert said[0][1]


def test_midnight_commander_copies_all(places: dict[str, Place], tmp_path: Path) -> None:
    """All entries are marked (Insert), and copied (F5) to the other panel."""
    for place in places.values():
        out = tmp_path / place.shown.name
        out.mkdir()
        child, terminal = pty.fork()
        if child == 0:
            environment = {"TERM": "xterm", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
            words = ["mc", "-u", "-d", "-b", str(place.shown), str(out)]
            os.execvpe("mc", words, environment)  # noqa: S606 (a program of this test)
        try:
            _until(terminal, b"Quit")
            os.write(terminal, b"\x1b[2~" * (1 + len(os.listdir(place.plain))))
            os.write(terminal, b"\x1b5")
            _until(terminal, b"Preserve")
            os.write(terminal, b"\n")
            end = time.monotonic() + 100
            while _difference(place.plain, out) and time.monotonic() < end:
                _drain(terminal, 0.1)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(terminal)
        assert _difference(place.plain, out) == ""


def _until(terminal: int, words: bytes) -> None:
    """Read what is drawn until the words were."""
    drawn, end = b"", time.monotonic() + 100
    while words not in drawn:
        assert time.monotonic() < end, drawn
        drawn += _drain(terminal, 0.1)


def _drain(terminal: int, seconds: float) -> bytes:
    ready, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 1 << 16) if ready else b""


def _difference(one: Path, other: Path) -> str:
    done = subprocess.run(
        ["diff", "-r", "--no-dereference", one, other], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
