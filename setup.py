"""The exact engine, which is optional: without a compiler reqprof installs without it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("src") / "exact"
FLAGS = {"msvc": ["/std:c11"]}
MISSING = "reqprof: the exact engine was not built, for want of a C compiler that works; requests "
MISSING += "will be recorded by cProfile"
REQUIRE = "REQPROF_REQUIRE_EXACT"
REQUIRED = os.environ.get(REQUIRE, "") not in ("", "0")


class BuildExact(build_ext):
    """Builds it, or says in one line that it could not be; REQPROF_REQUIRE_EXACT=1 makes it fail.

    For a wheel that is published must not lack it only because it did not build that day.
    """

    def build_extension(self, ext: Extension) -> None:
        ext.extra_compile_args = FLAGS.get(self.compiler.compiler_type, ["-std=c11"])
        try:
            super().build_extension(ext)
        except Exception:
            told = f"reqprof: the exact engine was not built, and {REQUIRE} is set"
            sys.stderr.write((told if REQUIRED else MISSING) + "\n")
            raise


setup(
    ext_modules=[
        Extension(
            "reqprof._exact",
            sources=sorted(map(str, FOLDER.glob("*.c"))),
            depends=sorted(map(str, FOLDER.glob("*.h"))),
            optional=not REQUIRED,
        )
    ],
    cmdclass={"build_ext": BuildExact},
)
