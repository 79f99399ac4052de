"""The ``reqprof`` command: one module per subcommand, found here, loaded when it is called."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from reqprof.cli import ending

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHONS_THRESHOLDS = gc.get_threshold()
"""Of the garbage collection, before :func:`main` sets its own."""

COMMANDS = {
    "run": "Serve an app on this machine, and profile each request.",
    "slowest": "Rank the requests, worst first, those without a profile too.",
    "show": "Show one request: its facts, then its functions as pstats prints them.",
    "merge": "Add many profiles up into one picture, table or profile.",
    "token": "Print a token with which a request asks for its own profile.",
    "status": "Show what each process that writes to a folder does, and what goes wrong.",
    "arm": "Have running processes profile the next requests like this, and list them.",
    "pause": "Have every process that writes to a folder stop profiling.",
    "resume": "Have the processes that were paused profile again.",
    "check": "Read every profile of a folder whole, and name those that are damaged.",
    "ship": "Upload finished profiles and tallies to a store of objects, in bundles.",
    "prune": "Delete profiles from a folder until what is left fits.",
    "reindex": "Make the index of a folder anew from its profiles.",
    "flame": "Draw one profile, or a program's run, with the options of flameprof.",
}
"""Each subcommand with the first line of its module's docstring, so that help loads no module."""


class Commands(click.Group):
    """A group that imports a subcommand only to run it, and ends with our exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a person needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The ``command`` of the module with that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"reqprof.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands in ``reqprof --help``."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; a reader who has gone away ends it quietly."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would make it 1, which means a bad file here
            raise click.exceptions.Exit(ending.PIPE_CLOSED) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click does it, but every error ends in one line and a status of errors.py."""
        call = super().main
        if not standalone_mode:
            return call(args, prog_name, complete_var, standalone_mode=False, **extra)
        return ending.end(
            ending.run(lambda: call(args, prog_name, complete_var, standalone_mode=False, **extra))
        )


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _tell_version(ctx) if wanted else None,
    help="Show the version and exit.",
)
def cli() -> None:
    """Which requests are slow, and where did their time go?

    Reads the profiles that reqprof's middleware leaves in a folder, and those of any other tool
    that writes cProfile's files.

    Exit status: 0 done, 1 something could not be read (it is named, the rest is done), 2 wrong
    usage, 3 nothing there: no such file, folder or request, an empty folder, no match.
    """


def _tell_version(ctx: click.Context) -> None:
    # From the package itself, not from what is installed: a checkout runs uninstalled.
    from reqprof import __version__

    click.echo(f"reqprof {__version__}")
    ctx.exit()


def main() -> None:
    """Run the command with the arguments of the process; does not return."""
    # Reading makes many objects and hardly any garbage; looking for it takes a tenth of the time.
    gc.set_threshold(50_000, 20, 100)
    cli.main(prog_name="reqprof")
