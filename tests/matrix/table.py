"""The matrix as a table: ``python -m tests.matrix.table NAME=JUNIT_FILE...`` (scripts/matrix)."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.matrix.loops import LOOPS

OUTCOMES = ("passed", "failed", "skipped")


class Column:
    """What one Python's run of the tests came to."""

    def __init__(self, name: str, report: Path) -> None:
        self.name = name
        self.counts: Counter[tuple[str, str]] = Counter()  # by loop and outcome
        self.failed: list[str] = []
        self.reasons: Counter[str] = Counter()
        for case in ElementTree.parse(report).iter("testcase"):
            self._add(case)

    def _add(self, case: ElementTree.Element) -> None:
        name = case.get("name", "")
        skipped = case.find("skipped")
        broken = case.find("failure") is not None or case.find("error") is not None
        outcome = "failed" if broken else "passed" if skipped is None else "skipped"
        self.counts[_loop(name), outcome] += 1
        if broken:
            self.failed.append(name)
        if skipped is not None:
            self.reasons[skipped.get("message", "")] += 1


def _loop(name: str) -> str:
    """The loop that a test's parameters name: the longest, as some names begin like others."""
    words = re.split(r"[\[\]]", name)[1:2]
    named = [loop for loop in LOOPS for word in words if f"-{loop}-" in f"-{word}-"]
    return max(named, key=len, default="")


def main(arguments: list[str]) -> int:
    """Print the table; 1 where a test failed, or none passed."""
    columns = [
        Column(name, Path(report)) for name, report in (each.split("=", 1) for each in arguments)
    ]
    print("passed / failed / skipped")
    print(f"{'':14}" + "".join(f"{column.name:>16}" for column in columns))
    for loop in LOOPS:
        cells = (" / ".join(str(column.counts[loop, o]) for o in OUTCOMES) for column in columns)
        print(f"{loop:14}" + "".join(f"{cell:>16}" for cell in cells))
    for column in columns:
        for reason, count in column.reasons.most_common():
            print(f"{column.name}: {count} skipped: {reason}")
        for name in column.failed:
            print(f"{column.name}: FAILED {name}")
    passed = all(
        any(column.counts[loop, "passed"] for loop in LOOPS) and not column.failed
        for column in columns
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
