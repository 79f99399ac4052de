"""What an sdist and its wheels hold: ``python check_contents.py SDIST WHEEL...``.

The sdist must hold every source of the checkout, and a wheel the package, the exact engine, the
licence and nothing else. On Linux auditwheel tells which libraries the engine needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"LICENSE", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}
BUILT = re.compile(r"__pycache__|\.egg-info|\.so$|\.pyd$")  # which a checkout may hold too
ENGINE = re.compile(r"reqprof/_exact\.[^/]*(so|pyd)")
SYSTEM_LIBRARIES = {"libc.so.6", "libpthread.so.0"}  # versioned symbols of others would show


def expect(right: bool, what: str) -> None:
    """Raise SystemExit, saying ``what`` is not as it should be, unless it is."""
    if not right:
        raise SystemExit(f"check_contents: {what}")


def expect_same(found: Iterable[str], wanted: Iterable[str], where: str) -> None:
    """Raise SystemExit with what is missing and what is too much, unless they are the same."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    expect(not missing, f"{where} lacks {', '.join(missing)}")
    expect(not extra, f"{where} should not hold {', '.join(extra)}")


def sdist_files(path: Path) -> dict[str, bytes]:
    """The files of an sdist by their path below its one folder."""
    with tarfile.open(path) as archive:
        opened = ((member.name, archive.extractfile(member)) for member in archive)
        return {name.partition("/")[2]: file.read() for name, file in opened if file is not None}


def check_sdist(files: dict[str, bytes]) -> None:
    """It holds all that a wheel is made of, as it stands in the checkout."""
    sources = (path for path in (ROOT / "src").rglob("*") if path.is_file())
    wanted = {path.relative_to(ROOT).as_posix() for path in sources} | NEEDED
    wanted = {name for name in wanted if not BUILT.search(name)}
    held = {name for name in files if name.startswith("src/") and ".egg-info/" not in name}
    expect_same(held | (NEEDED & files.keys()), wanted, "the sdist")
    for name in wanted - {"setup.cfg"}:  # to which setuptools adds a section
        expect(files[name] == (ROOT / name).read_bytes(), f"the sdist has another {name}")


def check_wheel(path: Path, files: dict[str, bytes]) -> str:
    """What a wheel from that sdist holds; a line about it."""
    _, version, python, _, platform = path.stem.split("-")
    info = f"reqprof-{version}.dist-info/"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        licence = wheel.read(info + "licenses/LICENSE")
        commands = wheel.read(info + "entry_points.txt").decode()
        metadata = BytesParser().parsebytes(wheel.read(info + "METADATA"))
    engines = [name for name in names if ENGINE.fullmatch(name)]
    expect(len(engines) == 1, f"{path.name} holds {len(engines)} exact engines")
    package = {name.removeprefix("src/") for name in files if name.startswith("src/reqprof/")}
    held = {name for name in names if not name.startswith(info)} - set(engines)
    expect_same(held, package, path.name)
    expect(licence == files["LICENSE"], f"{path.name} has another licence")
    expect("reqprof = reqprof.cli:main" in commands, f"{path.name} has no command")

    short = f"{python[2]}.{python[3:]}"
    classifiers = metadata.get_all("Classifier", [])
    expect(metadata["Version"] == version, f"{path.name} says version {metadata['Version']}")
    expect(metadata["License-Expression"] == "MIT", f"{path.name} does not say its licence")
    expect(metadata["Requires-Python"] == ">=3.11", f"{path.name} has another Requires-Python")
    expect(
        f"Programming Language :: Python :: {short}" in classifiers,
        f"{path.name} has no classifier for Python {short}",
    )
    fits = f", could be {audited(path)}" if "linux" in platform else ""
    return f"{path.name}: {len(names)} files{fits}"


def audited(path: Path) -> str:
    """The widest platform tag that a wheel for Linux could carry."""
    command = [sys.executable, "-m", "auditwheel", "show", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, f"auditwheel: {done.stderr}")
    told = json.loads(done.stdout)
    needs = set(told["versioned_symbols"]) | set(told["external_libs"])
    expect(needs <= SYSTEM_LIBRARIES, f"{path.name} needs {', '.join(sorted(needs))}")
    return str(told["overall_tag"])


def main(sdist: str, *wheels: str) -> None:
    """Check them all; raises SystemExit with what is not right."""
    files = sdist_files(Path(sdist))
    check_sdist(files)
    for wheel in wheels:
        print(check_wheel(Path(wheel), files))


if __name__ == "__main__":
    main(*sys.argv[1:])
