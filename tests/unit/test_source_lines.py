"""File and line of frames: with a program that gcc made, in the place of a vmlinux."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from pstorefs.cli.pstorecat import main
from pstorefs.report import source_lines
from pstorefs.report.source_lines import Spot, parse, place_of
from pstorefs.system.elf import Elf, ElfError, Symbol
from tests.records import capture

SOURCE = """\
const char banner[] = "Linux version 6.1.192 (gcc)";
static inline __attribute__((always_inline)) int inner(volatile int *p)
{
    return *p;
}
int lkdtm_EXCEPTION(void)
{
    return inner((int *)0);
}
int do_one(void)
{
    int x = lkdtm_EXCEPTION();
    return x + 1;
}
void _start(void) { do_one(); }
"""


@pytest.fixture(scope="module")
def vmlinux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc"):
        pytest.skip("no compiler")
    folder = tmp_path_factory.mktemp("vmlinux")
    (folder / "made.c").write_text(SOURCE)
    command = ["gcc", "-g", "-O1", "-fno-ipa-cp", "-nostdlib", "-static", "-no-pie"]
    command += ["-fno-inline-functions-called-once", "-fno-optimize-sibling-calls", "-fno-ipa-icf"]
    command += ["-fno-ipa-pure-const", "-fno-partial-inlining"]
    subprocess.run([*command, "made.c", "-o", "vmlinux"], check=True, cwd=folder)
    return folder / "vmlinux"


def symbols(vmlinux: Path) -> dict[str, Symbol]:
    with closing(Elf(str(vmlinux))) as elf:
        found = elf.functions(["lkdtm_EXCEPTION", "do_one", "not_there", "start"])
        assert elf.release() == "6.1.192"
    assert set(found) == {"lkdtm_EXCEPTION", "do_one"}  # `start` is the end of `_start`'s name
    return {name: each[0] for name, each in found.items()}


def log(vmlinux: Path, tmp_path: Path, kernel: str = "6.1.192") -> Path:
    known = symbols(vmlinux)
    called, fault = known["do_one"], known["lkdtm_EXCEPTION"]
    # Of the instruction behind the call: found as gdb would, by the bytes of the call.
    code = subprocess.run(
        ["objdump", "-d", "--disassemble=do_one", vmlinux],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    after = re.search(r"call.*\n\s*([0-9a-f]+):", code)
    assert after is not None
    back = int(after[1], 16) - called.address
    text = f"""\
<1>[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
<4>[    1.000001] Oops: 0000 [#1] PREEMPT SMP NOPTI
<4>[    1.000002] CPU: 0 PID: 106 Comm: init Not tainted {kernel} #1
<4>[    1.000003] RIP: 0010:lkdtm_EXCEPTION+0x0/{fault.size:#x}
<4>[    1.000004] Call Trace:
<4>[    1.000005]  <TASK>
<4>[    1.000006]  do_one+{back:#x}/{called.size:#x}
<4>[    1.000007]  ? do_one+0x1/{called.size:#x}
<4>[    1.000008]  direct_entry+0x5/0x10 [lkdtm]
<4>[    1.000009]  do_two+0x5/0x10
<4>[    1.000010]  </TASK>
<4>[    1.000011] ---[ end trace 0000000000000000 ]---
"""
    path = tmp_path / "console.log"
    path.write_text(text)
    return path


@pytest.mark.parametrize("tool", source_lines.TOOLS, ids=lambda tool: str(tool[0]))
def test_frames_get_their_lines_below_the_kernels_own_words(
    tool: tuple[str, tuple[str, ...]],
    vmlinux: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not shutil.which(tool[0]):
        pytest.skip(f"no {tool[0]}")
    monkeypatch.setattr(source_lines, "TOOLS", (tool,))
    path = log(vmlinux, tmp_path)
    assert main(["--report", str(path)]) == 0
    alone = capfd.readouterr().out
    assert main(["--report", "--vmlinux", str(vmlinux), str(path)]) == 0
    shown = capfd.readouterr().out
    assert shown.startswith(alone)
    made = vmlinux.parent / "made.c"
    sizes = {name: f"{each.size:#x}" for name, each in symbols(vmlinux).items()}
    lines = [line.strip() for line in shown[len(alone) :].strip().split("\n")]
    assert lines[0] == f"Source lines, by {vmlinux} and {tool[0]}:"
    assert lines[1:3] == [
        f"lkdtm_EXCEPTION+0x0/{sizes['lkdtm_EXCEPTION']}: {made}:4 (inner, inlined)",
        f"in lkdtm_EXCEPTION: {made}:8",
    ]
    # The call's line, not that of the instruction behind it; the frame with ? is left out.
    assert re.fullmatch(rf"do_one\+0x\w+/{sizes['do_one']}: {made}:12", lines[3])
    assert lines[4:] == [
        "direct_entry+0x5/0x10 [lkdtm]: no lkdtm.ko below the directory of that vmlinux",
        "do_two+0x5/0x10: not there",
    ]


MODULE = """\
static const char modinfo[] __attribute__((section(".modinfo"), used)) =
    "license=GPL\\0" "vermagic=6.1.192 SMP";
__attribute__((section(".init.text"))) int begin(int *p)
{
    return *p + 1;
}
int direct_entry(int *p)
{
    return *p + 2;
}
"""


@pytest.fixture(scope="module")
def build(vmlinux: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with vmlinux and a module, as distributions install debug data."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copy(vmlinux, folder)
    inside = folder / "kernel/drivers/misc"
    inside.mkdir(parents=True)
    (folder / "module.c").write_text(MODULE)
    module = inside / "dir-ect.ko.debug"
    subprocess.run(["gcc", "-g", "-O1", "-c", "module.c", "-o", module], check=True, cwd=folder)
    return folder


def module_log(tmp_path: Path, build: Path) -> Path:
    with closing(Elf(str(build / "kernel/drivers/misc/dir-ect.ko.debug"))) as elf:
        known = {name: each[0] for name, each in elf.functions(["begin", "direct_entry"]).items()}
    # Both are at the begin of their section: the address alone would not tell them apart.
    assert {each[::2] for each in known.values()} == {(0, ".init.text"), (0, ".text")}
    sizes = {name: f"{each.size:#x}" for name, each in known.items()}
    text = f"""\
<1>[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
<4>[    1.000001] Oops: 0000 [#1] PREEMPT SMP NOPTI
<4>[    1.000002] CPU: 0 PID: 106 Comm: init Not tainted 6.1.192 #1
<4>[    1.000003] RIP: 0010:direct_entry+0x0/{sizes["direct_entry"]} [dir_ect]
<4>[    1.000004] Call Trace:
<4>[    1.000006]  begin+0x3/{sizes["begin"]} [dir_ect]
<4>[    1.000007]  begin+0x3/0x999 [dir_ect]
<4>[    1.000008]  f+0x3/0x10 [other]
<4>[    1.000011] ---[ end trace 0000000000000000 ]---
"""
    path = tmp_path / "module.log"
    path.write_text(text)
    return path


def source_part(capfd: pytest.CaptureFixture[str]) -> list[str]:
    shown = capfd.readouterr().out
    return re.sub(r"/0x\w+", "", shown[shown.index("Source lines") :]).split("\n")[1:-1]


@pytest.mark.parametrize("file", [".", "vmlinux"])
def test_frames_in_modules_are_found_beside_vmlinux(
    file: str, build: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = module_log(tmp_path, build)
    assert main(["--report", "--vmlinux", str(build / file), str(path)]) == 0
    assert source_part(capfd) == [
        f"  direct_entry+0x0 [dir_ect]: {build}/module.c:9",
        f"  begin+0x3 [dir_ect]: {build}/module.c:5",
        "  begin+0x3 [dir_ect]: it has another size there: another build",
        "  f+0x3 [other]: no other.ko below the directory of that vmlinux",
    ]


def test_a_vmlinux_under_another_name_has_no_modules_beside_it(
    build: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = module_log(tmp_path, build)
    shutil.copy(build / "vmlinux", tmp_path / "vmlinux-6.1.192")
    assert main(["--report", "--vmlinux", str(tmp_path / "vmlinux-6.1.192"), str(path)]) == 0
    assert source_part(capfd)[0].endswith("give the directory that holds vmlinux and the modules")


def test_a_module_of_another_kernel_is_not_asked(
    build: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(build, other)
    module = other / "kernel/drivers/misc/dir-ect.ko.debug"
    module.write_bytes(module.read_bytes().replace(b"vermagic=6.1.192", b"vermagic=6.1.191"))
    path = module_log(tmp_path, build)
    assert main(["--report", "--vmlinux", str(other), str(path)]) == 0
    said = f"{module} is of Linux 6.1.191"
    assert source_part(capfd)[:2] == [
        f"  direct_entry+0x0 [dir_ect]: {said}",
        f"  begin+0x3 [dir_ect]: {said}",
    ]


MISSING = [
    ("no file", "/not/there", "No such file or directory"),
    ("no ELF", __file__, "it is not an ELF file"),
    ("a directory without it", "/proc/self", "No such file or directory"),
]


@pytest.mark.parametrize(("_", "path", "said"), MISSING, ids=[row[0] for row in MISSING])
def test_what_is_missing_is_said_below_the_report(
    _: str, path: str, said: str, vmlinux: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--report", "--vmlinux", path, str(log(vmlinux, tmp_path))]) == 0
    last = capfd.readouterr().out.strip().split("\n")[-1]
    named = f"{path}/vmlinux" if Path(path).is_dir() else path
    assert last == f"Source lines: {named}: {said}: give the vmlinux of that kernel"


def test_without_a_symbolizer_that_is_said(
    vmlinux: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = log(vmlinux, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--report", "--vmlinux", str(vmlinux), str(path)]) == 0
    assert "apt install binutils" in capfd.readouterr().out


def test_a_vmlinux_of_another_kernel_is_named(
    vmlinux: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = log(vmlinux, tmp_path, "6.12.1")
    assert main(["--report", "--vmlinux", str(vmlinux), str(path)]) == 0
    assert "this vmlinux is Linux 6.1.192, the log is of 6.12.1" in capfd.readouterr().out


def test_a_stripped_file_has_no_symbols(vmlinux: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, vmlinux], check=True)
    with closing(Elf(str(stripped))) as elf, pytest.raises(ElfError, match="no symbols"):
        elf.functions(["do_one"])


def test_no_damage_of_the_file_is_more_than_an_error(vmlinux: Path, tmp_path: Path) -> None:
    data = vmlinux.read_bytes()
    path = tmp_path / "damaged"
    for at in [*range(64), *range(len(data) - 1500, len(data), 7)]:
        for value in (0, 0xFF, data[at] ^ 0x80):
            path.write_bytes(data[:at] + bytes([value]) + data[at + 1 :])
            try:
                with closing(Elf(str(path))) as elf:
                    elf.functions(["do_one"])
                    elf.release()
            except ElfError:
                continue
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(ElfError):
            Elf(str(path)).close()


def test_of_functions_with_one_name_the_size_decides() -> None:
    known = {"f": [Symbol(0x1000, 0x10), Symbol(0x2000, 0x20), Symbol(0x3000, 0x20)]}

    def of(offset: int, size: int | None, called: bool = True) -> int | str:
        place = place_of(Spot("f", offset, size, None, called), known)
        return place.address if isinstance(place, Symbol) else place

    assert of(5, 0x10) == 0x1004
    assert of(5, 0x10, called=False) == 0x1005
    assert of(0, 0x10) == 0x1000
    assert of(5, 0x20) == "several functions of this name and size"
    assert of(5, 0x30) == "it has another size there: another build"
    assert of(5, None) == "several functions of this name and size"


def test_answers_of_both_programs() -> None:
    gnu = "0x0000000000401000\ninner\n/s/a.c:4\nouter\n/s/a.c:8\n0x0000000000401010\n??\n??:0\n"
    assert parse(gnu) == {
        0x401000: [("inner", "/s/a.c:4"), ("outer", "/s/a.c:8")],
        0x401010: [("??", "??:0")],
    }
    assert parse("nonsense\n\n0x\n") == {}


@pytest.mark.parametrize("words", [["--vmlinux", "x"], ["--report", "--json", "--vmlinux", "x"]])
def test_it_goes_with_a_report_alone(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "--vmlinux goes with --report" in capfd.readouterr().err


# What scripts/decode_stacktrace.sh of the kernel takes for a frame: the first word with + and a
# slash behind it, perhaps a module behind that.
DECODABLE = re.compile(rb"(?:^| )(\? )?[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?$")


def test_frames_of_a_dump_keep_the_form_that_the_kernels_script_reads(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from pstorefs.cli.pstorefs import main as pstorefs

    store = capture("erst-mixed-upgrade").write("enc", tmp_path / "store")
    assert pstorefs(["--show", "20260601T011501Z-oops-1", str(store)]) == 0
    text = capfdbinary.readouterr().out
    trace = text[text.index(b"Call Trace:") : text.index(b"</TASK>")].splitlines()
    trace = [line for line in trace if b"+0x" in line]
    assert len(trace) > 5
    assert all(DECODABLE.search(line) for line in trace)


def test_a_big_endian_file_of_32_bits_is_read(tmp_path: Path) -> None:
    names = b"\0do_one\0"
    symbol = struct.pack(">IIIBBH", 1, 0x8000, 0x40, 2, 0, 1)
    head = struct.Struct(">4s5B7xHHIIIIIHHHHHH")
    start = head.size
    sections = struct.pack(">IIIIIIIIII", 0, 2, 0, 0, start, 16, 1, 0, 0, 16)
    sections += struct.pack(">IIIIIIIIII", 0, 3, 0, 0, start + 16, len(names), 0, 0, 0, 0)
    data = head.pack(
        b"\x7fELF", 1, 2, 1, 0, 0, 2, 20, 1, 0, 0, start + 16 + len(names), 0, 52, 0, 0, 40, 2, 0
    )
    path = tmp_path / "vmlinux"
    path.write_bytes(data + symbol + names + sections + bytes(64))
    with closing(Elf(str(path))) as elf:
        assert elf.functions(["do_one"]) == {"do_one": [Symbol(0x8000, 0x40)]}
        assert elf.release() is None
