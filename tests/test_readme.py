"""What the README says exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import reqprof.pytest as plugin
from reqprof.cli import COMMANDS, main
from reqprof.record.options import Options

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> dict[str, click.Command]:
    context = click.Context(group())
    return {name: found for name in COMMANDS if (found := group().get_command(context, name))}


def group() -> click.Group:
    import reqprof.cli

    (found,) = (one for one in vars(reqprof.cli).values() if isinstance(one, click.Group))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_it(name: str) -> None:
    assert f"`reqprof {name}" in README


def test_every_option_of_the_command_it_names_exists() -> None:
    known = {name for command in commands().values() for p in command.params for name in p.opts}
    known |= set(re.findall(r'"(--reqprof-[a-z]+)"', Path(plugin.__file__).read_text()))
    section = README.split("## The command")[1].split("## The files")[0]
    assert set(re.findall(r"--[a-z][a-z-]+", section)) <= known


def test_every_option_of_the_middleware_is_in_its_table() -> None:
    table = README.split("| option |")[1].split("\n\n")[0]
    assert {f"`{name}`" for name in Options.__annotations__} <= set(re.findall(r"`[a-z_]+`", table))


def test_the_files_that_it_points_to_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    for script in re.findall(r"^(scripts/\w+)$", README, re.MULTILINE):
        assert (ROOT / script).exists(), script


def test_the_command_is_there() -> None:
    assert callable(main)
