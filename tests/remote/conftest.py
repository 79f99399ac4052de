"""Places that profiles are shipped to: of this process, a disk, and an S3 server on loopback."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.conftest import need_module, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    need_module("moto")
    need_module("s3fs")
    with service(_SERVER, tmp_path_factory.mktemp("s3"), **_keys("")) as address:
        yield address


def _keys(server: str) -> dict[str, str]:
    # The keys are those of nobody: the server asks for some, whatever they are.
    named = {"ACCESS_KEY_ID": "nobody", "SECRET_ACCESS_KEY": "none", "DEFAULT_REGION": "us-east-1"}
    keys = {f"AWS_{name}": value for name, value in named.items()}
    return {**keys, "AWS_ENDPOINT_URL": server} if server else keys


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket, which this process and those it starts find by their environment."""
    for name, value in _keys(s3_server).items():
        monkeypatch.setenv(name, value)
    from s3fs import S3FileSystem

    bucket = f"bucket-{next(_numbers)}"
    S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}/profiles"


@pytest.fixture
def memory() -> str:
    """A URL of this process alone."""
    need_module("fsspec")
    return f"memory://{next(_numbers)}/profiles"


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place of each kind."""
    if request.param == "file":
        need_module("fsspec")
        return f"file://{tmp_path}/far/profiles"
    found: str = request.getfixturevalue(request.param)
    return found
