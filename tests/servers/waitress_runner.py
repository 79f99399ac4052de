"""``python -m tests.servers.waitress_runner FD module:app``: waitress on an inherited socket."""

from __future__ import annotations

import importlib
import socket
import sys

import waitress


def main(number: str, name: str) -> None:
    module, _, attribute = name.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    listener = socket.socket(fileno=int(number))
    waitress.serve(app, sockets=[listener], threads=8)


if __name__ == "__main__":
    main(*sys.argv[1:])
