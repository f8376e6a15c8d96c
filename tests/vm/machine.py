"""A guest in QEMU that runs Debian's kernel, and this machine's Python and programs.

The guest's root is an initramfs of files of the packages installed here: it tries the very Python
that the other tests run on. What outlives a boot lies in files: the store that the firmware keeps,
and a disk for the archive. What the guest has to say it writes to a directory of the host's (9p).
"""

from __future__ import annotations

import fcntl
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CACHE = ROOT / ".vm-cache"
STORES = HERE / "stores"
MEMORY_MB = 512
MODULES = (
    *("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "fuse", "ext4"),
    *("efi_pstore", "efivarfs", "ramoops", "pstore_blk", "autofs4", "binfmt_misc"),
)
PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "kmod", "mount", "sed", "util-linux"),
    *("fuse3", "python3", "python3-lz4", "python3-pyfuse3", "python3-trio", "python3-zstandard"),
)
# Dependencies that nothing in a guest calls.
_WITHOUT = {"adduser", "debconf", "gcc-12-base", "media-types", "mime-support", "passwd"}
_WITHOUT |= {"init-system-helpers", "login", "perl-base", "python3-pkg-resources", "tzdata"}
_LEFT_OUT = re.compile(
    r"/usr/share/(?!python3|misc)|/gconv/|/(test|tests|idlelib|lib2to3|ensurepip|pydoc_data)/"
    r"|/usr/lib/(systemd|tmpfiles\.d|udev)|/etc/(?!fuse\.conf|mke2fs)"
)
BOOT_SECONDS = 150


@dataclass(frozen=True)
class Kernel:
    """Debian's kernel for this release, and an initramfs made for it."""

    version: str
    image: Path
    #: The guest's root, but for the program and the job.
    root: Path

    @property
    def numbers(self) -> tuple[int, int]:
        """6.1.0-56-amd64: (6, 1)."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    def unpack_modules(self, tree: Path) -> None:
        """Put the modules into another root."""
        command = ["cpio", "--quiet", "--extract", "--make-directories", "usr/lib/modules/*"]
        with self.root.open("rb") as archive:
            subprocess.run(command, stdin=archive, cwd=tree, check=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One run at a time in there."""
    path.mkdir(exist_ok=True)
    with (path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def debian_kernel() -> Kernel:
    """Fetch and prepare the kernel that linux-image-amd64 stands for, once."""
    depends = _output("apt-cache", "depends", "linux-image-amd64").split()
    package = next(word for word in depends[1:] if word.startswith("linux-image-"))
    version = package.removeprefix("linux-image-").removesuffix("-unsigned")
    # Made anew when this file changes.
    folder = CACHE / f"{package}-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]}"
    kernel = Kernel(version, folder / f"vmlinuz-{version}", folder / "root.cpio")
    with locked(CACHE):
        if not kernel.root.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
            subprocess.run(download, cwd=folder, check=True)
            (deb,) = folder.glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", deb, folder / "all"], check=True)
            deb.unlink()
            shutil.copy(folder / "all" / "boot" / kernel.image.name, kernel.image)
            tree = folder / "tree"
            _take_modules(folder / "all", version, tree)
            shutil.rmtree(folder / "all")
            _take_programs(tree)
            # The archive's last: it tells that everything is there.
            (folder / "new.cpio").write_bytes(_cpio(tree))
            (folder / "new.cpio").rename(kernel.root)
            shutil.rmtree(tree)
    return kernel


def oops_module(kernel: Kernel) -> bytes:
    """A module that oopses as it is loaded, built for this kernel."""
    with locked(CACHE):
        folder = CACHE / f"provoke-{kernel.version}"
        if not (folder / "provoke.ko").exists():
            shutil.copytree(HERE / "provoke", folder, dirs_exist_ok=True)
            headers = Path(f"/usr/src/linux-headers-{kernel.version}")
            if not headers.exists():  # those of linux-headers-amd64 are of an older kernel
                install = ("apt-get", "-qq", "-y", "--no-install-recommends", "install")
                _output(*install, headers.name)
            command = ["make", "-s", "-C", headers, f"M={folder}", "modules"]
            subprocess.run(command, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin"})
        return (folder / "provoke.ko").read_bytes()


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _take_modules(unpacked: Path, version: str, tree: Path) -> None:
    """The modules in MODULES with all they need."""
    base = unpacked if (unpacked / "lib" / "modules").exists() else unpacked / "usr"
    subprocess.run(["depmod", "-b", base, version], check=True)
    there = tree / "usr" / "lib" / "modules" / version
    there.mkdir(parents=True)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(base / "lib" / "modules" / version / name, there)
    for module in MODULES:
        shown = _output("modprobe", "-d", str(base), "-S", version, "--show-depends", module)
        for line in shown.splitlines():
            kind, _, path = line.partition(" ")
            if kind == "insmod":
                shutil.copy(path.split()[0], there)
    subprocess.run(["depmod", "-b", tree / "usr", version], check=True)


def _take_programs(tree: Path) -> None:
    """The files of PACKAGES and of what they depend on, as they are installed here."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
        (tree / "usr" / name).mkdir(exist_ok=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "out", "opt", "mnt/crashes", "root"):
        (tree / name).mkdir(parents=True)
    (tree / "var" / "lib" / "pstorefs").mkdir(parents=True)
    names = "\n".join(sorted(_closure()))
    for path in _output("dpkg-query", "-L", *names.split()).split("\n"):
        if not path.startswith("/") or _LEFT_OUT.search(path + "/"):
            continue
        source = Path(os.path.realpath(Path(path).parent)) / Path(path).name
        target = tree / str(source).lstrip("/")
        if (source.is_symlink() or source.is_file()) and not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
            # Debian compiles at installation; those files belong to no package.
            for compiled in source.parent.glob(f"__pycache__/{source.stem}.cpython-*.pyc"):
                (target.parent / "__pycache__").mkdir(exist_ok=True)
                shutil.copy2(compiled, target.parent / "__pycache__")
    (tree / "usr" / "bin" / "sh").unlink(missing_ok=True)
    (tree / "usr" / "bin" / "sh").symlink_to("dash")
    (tree / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc" / "group").write_text("root:x:0:\nadm:x:4:\n")
    # The program as its package puts it there.
    program = tree / "usr" / "bin" / "pstorefs"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    for helper in ("mount.pstorefs", "mount.fuse.pstorefs"):
        (tree / "usr" / "sbin" / helper).symlink_to("../bin/pstorefs")


PROGRAM = """\
#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt")
from pstorefs.cli.pstorefs import main
sys.exit(main())
"""


def _closure() -> set[str]:
    """PACKAGES with all that they depend on, as far as it is installed."""
    shown = _output("dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n")
    depends = dict(line.split("\t", 1) for line in shown.splitlines())
    found: set[str] = set()
    queue = list(PACKAGES)
    while queue:
        package = queue.pop()
        if package in found or package in _WITHOUT or package not in depends:
            continue
        found.add(package)
        queue += re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9+.-]+)", depends[package])
    return found


def _cpio(tree: Path) -> bytes:
    """A directory as an initramfs, not compressed: the guest's processor is slow."""
    names = "".join(f"{path.relative_to(tree)}\n" for path in [tree, *sorted(tree.rglob("*"))])
    command = ["cpio", "--quiet", "--create", "--format=newc", "--owner=0:0"]
    return subprocess.run(
        command, input=names.encode(), stdout=subprocess.PIPE, cwd=tree, check=True
    ).stdout


def _initramfs(kernel: Kernel, job: str, folder: Path) -> Path:
    """The guest's root with this project and the job; the kernel unpacks one after the other."""
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pstorefs", tree / "opt" / "pstorefs", ignore=ignored)
    subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", tree / "opt"], check=True)
    shutil.copy(HERE / "init", tree / "init")
    (tree / "job").write_text(job)
    initramfs = folder / "initramfs"
    initramfs.write_bytes(kernel.root.read_bytes() + _cpio(tree))
    return initramfs


# What outlives a boot


@dataclass(frozen=True)
class Store:
    """Where the kernel keeps records: QEMU's arguments and the kernel's words for it."""

    arguments: tuple[str, ...]
    words: tuple[str, ...] = ()


def _unpacked(name: str, path: Path) -> Path:
    if not path.exists() and name:
        path.write_bytes(lzma.decompress((STORES / f"{name}.xz").read_bytes()))
    return path


def erst(path: Path, contents: str = "") -> Store:
    """ACPI ERST over a file; `contents` names what stores/ has to begin with."""
    _unpacked(contents, path)
    backend = f"memory-backend-file,id=erst,mem-path={path},size=0x100000,share=on"
    return Store(("-object", backend, "-device", "acpi-erst,memdev=erst,record_size=8192"))


OVMF = Path("/usr/share/OVMF")


def efi(variables: Path, contents: str = "") -> Store:
    """EFI variables, empty ones if the file is not there yet and `contents` names no others."""
    _unpacked(contents, variables)
    if not variables.exists():
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
    code = f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"
    drives = ("-drive", code, "-drive", f"if=pflash,format=raw,unit=1,file={variables}")
    return Store(drives, ("efi_pstore.pstore_disable=0", "vm.backend=efi_pstore"))


# The last megabytes but some of the guest's RAM: neither kernel nor initramfs are put there.
_RAM_AT, _RAM_SIZE = 0x6000000, 0x200000


def ramoops(ram: Path, contents: str = "", *, load: bool = True) -> Store:
    """The guest's whole RAM in a file, with a part of it kept for ramoops."""
    if contents:
        with ram.open("wb") as file:
            file.truncate(MEMORY_MB << 20)
            file.seek(_RAM_AT)
            file.write(lzma.decompress((STORES / f"{contents}.xz").read_bytes()))
    backend = f"memory-backend-file,id=ram,mem-path={ram},size={MEMORY_MB}M,share=on"
    words = [
        f"memmap={_RAM_SIZE:#x}${_RAM_AT:#x}",
        f"ramoops.mem_address={_RAM_AT:#x}",
        f"ramoops.mem_size={_RAM_SIZE:#x}",
        "ramoops.record_size=0x4000",
        "ramoops.console_size=0x8000",
        "ramoops.ftrace_size=0x4000",
        "ramoops.pmsg_size=0x4000",
        "ramoops.ecc=1",
    ]
    if load:
        words.append("vm.backend=ramoops")
    return Store(("-object", backend, "-machine", "memory-backend=ram"), tuple(words))


def disk(path: Path, megabytes: int = 600) -> tuple[str, ...]:
    """A disk with an empty ext4, made if it is not there yet: /dev/vda in the guest."""
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", path], check=True)
    drive = f"if=none,id=archive,format=raw,file={path}"
    return ("-drive", drive, "-device", "virtio-blk-pci,drive=archive")


# One boot


@dataclass
class Boot:
    """What a boot left: /out of the guest, its console, and how long it took."""

    out: Path
    console: str = ""
    seconds: float = 0
    status: int | None = None
    arguments: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What the job printed."""
        path = self.out / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, name: str) -> list[str]:
        """The lines of a file in /out."""
        return (self.out / name).read_text(errors="replace").splitlines()

    def explain(self) -> str:
        """For the message of a failed test."""
        return f"--- job\n{self.log}\n--- console\n{self.console[-6000:]}"


def boot(
    kernel: Kernel,
    job: str,
    work: Path,
    store: Store,
    *,
    extra: Sequence[str] = (),
    words: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
    cut_at: str = "",
    seconds: float = BOOT_SECONDS,
) -> Boot:
    """Boot, run a shell script (with -e) in the guest, wait for the machine's end.

    `files`: what lies in /out from the beginning. `cut_at`: the power goes as soon as the guest
    has made this file in /out.
    """
    number = len(list(work.glob("boot*")))
    folder = work / f"boot{number}"
    out = folder / "out"
    out.mkdir(parents=True)
    for name, content in (files or {}).items():
        (out / name).write_bytes(content)
    initramfs = _initramfs(kernel, job, folder)
    result = Boot(out)
    command_line = [
        "console=ttyS0",
        "panic=1",
        *store.words,
        *words,
    ]
    result.arguments = [
        *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2"),
        *("-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{folder}/console"),
        *("-kernel", str(kernel.image), "-initrd", str(initramfs)),
        *("-append", " ".join(command_line)),
        *("-virtfs", f"local,path={out},mount_tag=out,security_model=none"),
        *store.arguments,
        *extra,
    ]
    start = time.monotonic()
    with subprocess.Popen(result.arguments, stdin=subprocess.DEVNULL) as process:
        _wait(process, lambda: bool(cut_at) and (out / cut_at).exists(), start + seconds)
    result.seconds = time.monotonic() - start
    result.console = (folder / "console").read_text(errors="replace")
    if (out / "status").exists():
        result.status = int((out / "status").read_text())
    return result


def _wait(process: subprocess.Popen[bytes], over: Callable[[], bool], end: float) -> None:
    while process.poll() is None:
        if over() or time.monotonic() > end:
            process.kill()
            process.wait()
            return
        time.sleep(0.02)


def niced() -> None:
    """Guests are minutes of full load: others on this machine come first."""
    os.nice(max(0, 10 - os.nice(0)))
