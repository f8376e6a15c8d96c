"""Who may import whom: the floors of the house (CONTRIBUTING.md)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pstorefs.mount.serve import PROGRAMS

PACKAGE = Path(__file__).parents[2] / "pstorefs"
# From the top floor down: a module imports from floors below its own only.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["mount"],
    ["tree"],
    ["control", "report"],
    ["catalog"],
    ["fleet"],
    ["archive"],
    ["dump"],
    ["record"],
    ["source", "oops"],
    ["codecs", "settings", "system"],
    [""],
]
ALLOWED = {
    "pyfuse3": ["mount"],
    "trio": ["mount", "cli"],
    "lz4": ["codecs"],
    "obstore": ["fleet"],
    "zlib_ng": ["codecs"],
    "zstandard": ["codecs"],
}
# Pages that are tables: they grow with what kernels print.
TABLES = ("report_kinds.py", "skip_tables.py")
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    """The name of a module or package directly below pstorefs; empty for pstorefs itself."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> set[str]:
    return imports_of(ast.parse(path.read_text()), path)


def imports_of(tree: ast.AST, path: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            found.add(str(node.module))
    return found


def floor(name: str) -> int:
    (found,) = [number for number, names in enumerate(FLOORS) if name in names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    here = place(path)
    for name in imports(path):
        parts = [*name.split("."), ""]
        there = parts[1] if parts[1] in {place(module) for module in MODULES} else ""
        if parts[0] == "pstorefs" and there != here:
            assert floor(there) > floor(here), f"{here} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        if library in ALLOWED:
            assert place(path) in ALLOWED[library], f"{path} imports {library}"
        else:
            assert library in sys.stdlib_module_names or library == "pstorefs", name


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name == "__init__.py"],
    ids=lambda path: str(path.parent.relative_to(PACKAGE.parent)),
)
def test_no_module_has_the_name_of_what_its_package_offers(path: Path) -> None:
    """The import of a module puts it into its package, in the place of what has that name."""
    tree = ast.parse(path.read_text())
    package = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    offered = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module != package:
            offered |= {alias.asname or alias.name for alias in node.names}
    assert not offered & {module.stem for module in path.parent.glob("*.py")}


def printed(program: str) -> set[str]:
    """The words that a program in Python prints."""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return set(run.stdout.split())


def test_pstorecat_works_without_fuse_and_trio() -> None:
    code = (
        "import sys, pstorefs.cli.pstorecat as cat\n"
        "cat.main(['--help'])\n"
        "bad = {'pyfuse3', 'trio', 'pstorefs.mount.fuse'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_plain_mount_starts_without_commands_and_dumps() -> None:
    """They are 20 modules and 50 ms, and a mount is made while a machine boots."""
    words = "import pstorefs.mount.daemon, sys; print(*sys.modules)"
    late = {"control", "dump", "archive", "oops", "report", "catalog"}
    assert not {f"pstorefs.{name}" for name in late} & printed(words)


def reached(entry: set[str]) -> set[str]:
    """All modules of ours that these can import, at whatever moment."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in MODULES
    }
    found: set[str] = set()
    while entry:
        found |= entry
        entry = {name for each in entry for name in imports_at_run(paths[each])} - found
        entry &= paths.keys()
    return found


def imports_at_run(path: Path) -> set[str]:
    """`imports`, without those that only mypy sees."""
    text = re.sub(r"^if TYPE_CHECKING:\n(?:(?: .*)?\n)+", "", path.read_text(), flags=re.MULTILINE)
    return imports_of(ast.parse(text), path)


def test_what_a_mount_can_import_is_there_before_its_package_is_removed() -> None:
    """Two seconds after its start a mount imports whatever it may still need; no more than that."""
    words = (
        "import sys; from pstorefs.mount import assemble, serve\n"
        "serve.load_the_rest(lambda name: assemble.Records.needs(None, name))\n"
        "print(*sys.modules)"
    )
    loaded = printed(words)
    assert reached({"pstorefs.mount.assemble", "pstorefs.mount.serve"}) <= loaded
    assert not {"sqlite3", "tarfile", "urllib.request", "html", "argparse"} & loaded
    mounts = {f"pstorefs.mount.{path.stem}" for path in (PACKAGE / "mount").glob("[a-z]*.py")}
    # fleet/store.py opens a Sentry for who gives its key: a mount has none.
    beyond = {name for name in reached(mounts) if name.startswith(PROGRAMS)}
    assert beyond <= {"pstorefs.fleet.sentry"}


def test_only_the_fleet_can_reach_a_network() -> None:
    """The journal's socket is AF_UNIX; whatever else opens one is in the fleet's room."""
    network = {"socket", "ssl", "http", "urllib", "asyncio", "ftplib", "smtplib", "xmlrpc"}
    found = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if {name.split(".")[0] for name in imports(path)} & network
    }
    of_this_machine = {"report/journal.py", "mount/background.py", "mount/daemon.py"}
    of_this_machine |= {"fleet/apart.py", "fleet/wire.py", "fleet/worker.py"}  # socketpair(2)
    assert found <= {*of_this_machine, "fleet/sentry.py"}
    obstore = [path for path in MODULES if "obstore" in imports(path)]
    assert [path.name for path in obstore] == ["objects.py"]


def test_a_run_that_has_nothing_to_ship_imports_next_to_nothing() -> None:
    words = (
        "import sys; before = set(sys.modules); from pstorefs.cli.pstorefs import main\n"
        "assert main(['--ship', 'file:///nowhere', '-o', 'archive=/none']) == 0\n"
        "print(*(set(sys.modules) - before))"
    )
    heavy = {"re", "typing", "json", "hashlib", "obstore", "pstorefs.archive.durable", "contextlib"}
    assert not heavy & printed(words)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_fit_a_screen_and_files_are_read_in_one_go(path: Path) -> None:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name
    assert text.count("\n") <= 350 or path.name in TABLES
