"""A guest in QEMU that runs Debian's kernel, and this machine's Python and programs.

The guest's root is the host's, read-only through 9p, under a tmpfs: nothing has to be installed or
copied into it, and it tries the very packages that the other tests run on. What outlives a boot
lies in files: the store that the firmware keeps, and a disk for the archive.
"""

from __future__ import annotations

import fcntl
import gzip
import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CACHE = ROOT / ".vm-cache"
STORES = HERE / "stores"
MEMORY_MB = 512
# What the initramfs needs before it has a root.
EARLY_MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay")
BOOT_SECONDS = 150


@dataclass(frozen=True)
class Kernel:
    """Debian's kernel for this release, unpacked, with an initramfs made for it."""

    version: str
    image: Path
    modules: Path
    initrd: Path

    @property
    def numbers(self) -> tuple[int, int]:
        """6.1.0-56-amd64: (6, 1)."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.mkdir(exist_ok=True)
    with (path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def debian_kernel() -> Kernel:
    """Fetch, unpack and prepare the kernel that linux-image-amd64 stands for, once."""
    depends = _output("apt-cache", "depends", "linux-image-amd64").split()
    package = next(word for word in depends[1:] if word.startswith("linux-image-"))
    version = package.removeprefix("linux-image-").removesuffix("-unsigned")
    folder = CACHE / package
    with _locked(CACHE):
        if not (folder / "initrd").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
            subprocess.run(download, cwd=folder, check=True)
            (deb,) = folder.glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
            deb.unlink()
            kernel = _at(folder, version)
            subprocess.run(["depmod", "-b", kernel.modules.parents[1], version], check=True)
            _make_initramfs(kernel)
    return _at(folder, version)


def _at(folder: Path, version: str) -> Kernel:
    modules = folder / "lib" / "modules"
    if not modules.exists():
        modules = folder / "usr" / "lib" / "modules"
    return Kernel(version, folder / "boot" / f"vmlinuz-{version}", modules, folder / "initrd")


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _make_initramfs(kernel: Kernel) -> None:
    tree = kernel.initrd.with_name("initramfs")
    for folder in ("bin", "dev", "proc", "modules"):
        (tree / folder).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    assert "statically" in _output("file", "-L", busybox), "busybox-static is needed"
    shutil.copy(busybox, tree / "bin" / "busybox")
    shutil.copy(HERE / "initramfs-init", tree / "init")
    order: list[str] = []
    base = kernel.modules.parents[1]
    for module in EARLY_MODULES:
        shown = _output("modprobe", "-d", str(base), "-S", kernel.version, "--show-depends", module)
        for line in shown.splitlines():
            kind, _, path = line.partition(" ")
            if kind != "insmod":
                continue
            file = Path(path.split()[0])
            name = file.name.partition(".")[0] + ".ko"
            if name not in order:
                order.append(name)
                data = file.read_bytes()
                (tree / "modules" / name).write_bytes(
                    lzma.decompress(data) if file.suffix == ".xz" else data
                )
    (tree / "modules" / "order").write_text("".join(f"{name}\n" for name in order))
    names = "".join(f"{path.relative_to(tree)}\n" for path in [tree, *sorted(tree.rglob("*"))])
    archive = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc"],
        input=names.encode(),
        stdout=subprocess.PIPE,
        cwd=tree,
        check=True,
    ).stdout
    kernel.initrd.write_bytes(gzip.compress(archive, 1))


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


def efi(variables: Path) -> Store:
    """EFI variables, empty ones if the file is not there yet."""
    if not variables.exists():
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
    code = f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"
    drives = ("-drive", code, "-drive", f"if=pflash,format=raw,unit=1,file={variables}")
    return Store(drives, ("efi_pstore.pstore_disable=0", "vm.backend=efi_pstore"))


# The last megabytes but some of the guest's RAM: neither kernel nor initramfs are put there.
_RAM_AT, _RAM_SIZE = 0x6000000, 0x200000


def ramoops(ram: Path, *, load: bool = True) -> Store:
    """The guest's whole RAM in a file, with a part of it kept for ramoops."""
    backend = f"memory-backend-file,id=ram,mem-path={ram},size={MEMORY_MB}M,share=on"
    words = [
        f"memmap={_RAM_SIZE:#x}${_RAM_AT:#x}",
        f"ramoops.mem_address={_RAM_AT:#x}",
        f"ramoops.mem_size={_RAM_SIZE:#x}",
        "ramoops.record_size=0x4000",
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
    cut_at: str = "",
    seconds: float = BOOT_SECONDS,
) -> Boot:
    """Boot, run a shell script (with -e) in the guest, wait for the machine's end.

    `cut_at`: the power goes as soon as the guest has made this file in /out.
    """
    number = len(list(work.glob("boot*")))
    folder = work / f"boot{number}"
    out = folder / "out"
    out.mkdir(parents=True)
    (folder / "job").write_text(job)
    result = Boot(out)
    command_line = [
        "console=ttyS0",
        "panic=1",
        f"vm.modules={kernel.modules}",
        f"vm.init={HERE}/guest-init",
        f"vm.job={folder}/job",
        f"vm.project={ROOT}",
        *store.words,
        *words,
    ]
    result.arguments = [
        *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2"),
        *("-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{folder}/console"),
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initrd)),
        *("-append", " ".join(command_line)),
        *_share("host", "/", "readonly=on,multidevs=remap"),
        *_share("out", str(out)),
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


def _share(tag: str, path: str, more: str = "") -> tuple[str, ...]:
    options = f"local,path={path},mount_tag={tag},security_model=passthrough,{more}".rstrip(",")
    return ("-virtfs", options)


def _wait(process: subprocess.Popen[bytes], over: Callable[[], bool], end: float) -> None:
    while process.poll() is None:
        if over() or time.monotonic() > end:
            process.kill()
            process.wait()
            return
        time.sleep(0.02)


def niced() -> None:
    """Guests are many seconds of full load: others on this machine come first."""
    os.nice(10)
