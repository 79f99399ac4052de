"""The exact engine, which is optional: without a compiler reqprof installs without it."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("src") / "exact"
FLAGS = {"msvc": ["/std:c11"]}
MISSING = "reqprof: the exact engine was not built, for want of a C compiler that works; requests "
MISSING += "will be recorded by cProfile"


class BuildExact(build_ext):
    """Builds it, or says in one line that it could not be."""

    def build_extension(self, ext: Extension) -> None:
        ext.extra_compile_args = FLAGS.get(self.compiler.compiler_type, ["-std=c11"])
        try:
            super().build_extension(ext)
        except Exception:
            sys.stderr.write(MISSING + "\n")
            raise


setup(
    ext_modules=[
        Extension(
            "reqprof._exact",
            sources=sorted(map(str, FOLDER.glob("*.c"))),
            depends=sorted(map(str, FOLDER.glob("*.h"))),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildExact},
)
