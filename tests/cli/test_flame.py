"""``reqprof flame`` takes what flameprof takes, does the same where that is right, and lets a
program run as Python alone would."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from reqprof.cli import flame, script, single
from tests.cli.making import put, put_foreign, put_rubbish
from tests.conftest import need_module, pstats_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.cli.conftest import Spawn

BUGS = Path(__file__).parents[1] / "data" / "calltree"
LINE = re.compile(r"(\S.*) (\d+)")


def log(text: str) -> dict[str, int]:
    """The lines of folded stacks."""
    found = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, line
        assert match[1] not in found
        found[match[1]] = int(match[2])
    return found


def functions(path: Path) -> set[str]:
    """The places of the frames of a picture: their ``file:line``."""
    titles = [title.text or "" for title in ElementTree.parse(path).iter(f"{SVG}title")]
    lines = [title.split("\n") for title in titles]
    return {parts[1] for parts in lines if len(parts) > 2}


SVG = "{http://www.w3.org/2000/svg}"


def seconds(path: Path) -> float:
    """The self times of a profile added up; an empty one is too little for pstats."""
    if path.name == "empty.prof":
        return 0.0
    table: dict[Any, Any] = {**pstats_table(path)}
    return float(sum(row[2] for row in table.values()))


class TestFiles:
    @pytest.mark.parametrize("path", sorted(BUGS.glob("*.prof")), ids=lambda path: path.stem)
    def test_what_breaks_flameprof_gives_a_picture_and_a_log(
        self, path: Path, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        for name in ("out.svg", "out.log"):
            assert reqprof("flame", path, "-o", name).exit_code == 0
        root = ElementTree.parse(tmp_path / "out.svg").getroot()
        assert root.tag == f"{SVG}svg"
        assert root.get("width") == "1200"
        assert sum(log((tmp_path / "out.log").read_text()).values()) == round(seconds(path) * 1e6)

    def test_options_reach_the_picture(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        path = put_foreign(tmp_path)
        look = ["--width", 700, "--row-height", 31, "--font-size", 9]
        assert reqprof("flame", path, *look, "-o", "a.svg").exit_code == 0
        text = (tmp_path / "a.svg").read_text()
        assert 'width="700"' in text
        assert 'height="30"' in text  # a pixel between rows
        assert "font:9px" in text

    def test_the_multiplier_scales_the_log(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        path = put_foreign(tmp_path)
        found = log(reqprof("flame", path, "--format", "log", "--log-mult", 1000000000).stdout)
        assert sum(found.values()) == round(seconds(path) * 1e9)
        assert reqprof("flame", BUGS / "single.prof", "--format=log", "--log-mult=4").stdout[
            -3:
        ] == (" 2\n")

    def test_the_threshold_is_a_percentage_of_the_whole(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        few = log(reqprof("flame", BUGS / "r12.prof", "--format=log", "--threshold=40").stdout)
        many = log(reqprof("flame", BUGS / "r12.prof", "--format=log", "--threshold=0").stdout)
        assert len(few) < len(many)
        assert sum(few.values()) == sum(many.values())
        assert any(stack.endswith("…") for stack in few)
        assert not any(stack.endswith("…") for stack in many)

    def test_one_of_ours_is_drawn_with_its_facts(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        result = reqprof("flame", put(tmp_path), "-o", "a.svg")
        assert "GET /users/17 -&gt; 200" in (tmp_path / "a.svg").read_text()
        assert re.fullmatch(r"wrote a.svg: \S+ \S+ profiled\n", result.stderr)

    def test_without_a_file_it_goes_to_stdout(self, spawn: Spawn) -> None:
        result = spawn("flame", BUGS / "xss.prof")
        assert ElementTree.fromstring(result.stdout).tag == f"{SVG}svg"
        assert result.stderr == b""

    def test_the_extension_says_the_format_where_nothing_else_does(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        for name, words in (("a.folded", []), ("b.log", []), ("c.txt", ["--format", "log"])):
            reqprof("flame", BUGS / "single.prof", "-o", name, *words)
            assert log((tmp_path / name).read_text()) != {}
        reqprof("flame", BUGS / "single.prof", "-o", "d.log", "--format", "svg")
        assert (tmp_path / "d.log").read_text().startswith("<svg")

    def test_a_picture_never_goes_to_a_terminal(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "reqprof", "flame", str(BUGS / "xss.prof")]
        subprocess.run(
            command, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment, check=True
        )
        os.close(theirs)
        assert os.read(ours, 1000).startswith(b"wrote xss.svg")
        os.close(ours)
        assert (tmp_path / "xss.svg").read_text().startswith("<svg")


class TestBesideFlameprof:
    """The real one, from a table that it can draw."""

    @pytest.fixture(autouse=True)
    def _has_flameprof(self) -> None:
        need_module("flameprof")

    def both(self, spawn: Spawn, tmp_path: Path, *words: object) -> tuple[bytes, bytes]:
        import flameprof

        ours = spawn("flame", *words)
        theirs = subprocess.run(
            [sys.executable, flameprof.__file__, *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert theirs.returncode == ours.returncode == 0, ours.stderr
        return ours.stdout, theirs.stdout

    def test_each_of_its_options_is_known(self) -> None:
        import flameprof

        known = {name for option in flame.command.params for name in option.opts}
        theirs = {
            name for action in flameprof.get_arg_parser()._actions for name in action.option_strings
        }
        assert theirs - {"-h", "--help"} <= known
        for option in flame.command.params:
            action = flameprof.get_arg_parser()._option_string_actions.get(option.opts[-1])
            if action is not None and type(action.default) in (int, float):
                assert option.default == action.default, option.name

    @pytest.mark.parametrize("mult", [1_000_000, 1000])
    def test_its_log_has_the_same_stacks_and_numbers(
        self, mult: int, spawn: Spawn, tmp_path: Path
    ) -> None:
        words = [BUGS / "r1.prof", "--format=log", f"--log-mult={mult}"]
        ours, theirs = (log(text.decode()) for text in self.both(spawn, tmp_path, *words))
        names = {_plain(stack): number for stack, number in ours.items() if number}
        for stack, number in theirs.items():
            place = ";".join(frame.rpartition(":")[2] for frame in stack.split(";"))
            assert abs(names.get(place, 0) - number) <= 1
        assert abs(sum(names.values()) - sum(theirs.values())) <= len(theirs)

    @pytest.mark.parametrize(
        "words",
        [
            ("-r", "args.py", "--", "a", "--b", "-o", "c"),
            ("-r", "args.py", "a", "--b=1"),
            ("-r", "args.py", "--foo", "x"),
            ("--run", "args.py", "-a", "b"),
            ("args.py", "-r", "a"),
            ("-r", "--", "args.py", "a"),
            ("-r", "args.py", "--", "a b", "", "é"),
        ],
    )
    def test_the_script_gets_the_same_arguments(
        self, words: tuple[str, ...], spawn: Spawn, tmp_path: Path
    ) -> None:
        (tmp_path / "args.py").write_text(
            "import sys; open('argv', 'a').write(repr((sys.argv, sys.path[0])) + '\\n')"
        )
        self.both(spawn, tmp_path, "--format", "log", *words)
        first, second = (tmp_path / "argv").read_text().splitlines()
        assert eval(first) == (eval(second)[0], str(tmp_path))

    def test_a_module_gets_the_same_arguments(self, spawn: Spawn, tmp_path: Path) -> None:
        (tmp_path / "tool.py").write_text(
            "import sys; open('argv', 'a').write(repr(sys.argv) + '\\n')"
        )
        import flameprof

        spawn("flame", "-o", "x.svg", "-m", "tool", "--", "a", "-r")
        subprocess.run(
            [sys.executable, flameprof.__file__, "-o", "y.svg", "-m", "tool", "--", "a", "-r"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},  # it lacks the folder at that moment
            check=True,
        )
        first, second = (tmp_path / "argv").read_text().splitlines()
        assert first == second
        assert eval(first) == [str(tmp_path / "tool.py"), "a", "-r"]
        assert (tmp_path / "x.svg").exists()
        assert (tmp_path / "y.svg").exists()


def _plain(stack: str) -> str:
    """A stack as bare names, which flameprof has after file and line, and we have before."""
    return ";".join(frame.partition(" ")[0].rpartition(".")[2] for frame in stack.split(";"))


PROGRAM = '''
"""The program's own."""
import __main__, atexit, multiprocessing, os, pickle, signal, sys, threading, warnings

class Thing:
    pass

def work(number):
    return sum(range(number))

def elsewhere():
    work(10)

def facts():
    names = sorted(name for name in vars() if name.startswith("__"))
    return [sys.argv, sys.path[0], __name__, __doc__, __file__, __package__, __spec__ is None,
            type(__loader__).__name__, __builtins__.__name__, __main__.Thing is Thing,
            type(pickle.loads(pickle.dumps(Thing()))) is Thing, sys.flags, sys.warnoptions,
            [name for name in sys.modules if name.split(".")[0] in ("click", "rich")],
            threading.active_count(), sys.stdin.read()]

def do(what):
    if what == "facts": print(facts())
    if what == "return": work(10)
    if what == "raise": raise ValueError("of the program")
    if what == "chain":
        try: 1 / 0
        except ZeroDivisionError as error: raise KeyError("é") from error
    if what == "eval": eval("1 / 0")
    if what == "none": sys.exit()
    if what == "status": sys.exit(7)
    if what == "text": sys.exit("gone")
    if what == "interrupt": raise KeyboardInterrupt
    if what == "signal": os.kill(os.getpid(), signal.SIGINT)
    if what == "hook":
        sys.excepthook = lambda *error: print("own hook", error[0].__name__, file=sys.stderr)
        raise ValueError
    if what == "atexit":
        atexit.register(lambda: print("at exit", pickle.loads(pickle.dumps(Thing())) is not None))
        raise ValueError
    if what == "thread":
        thread = threading.Thread(target=elsewhere)
        thread.start()
        work(100_000)  # long enough for a line of the log, whose unit is a microsecond
    if what == "fork":
        sys.stdout.flush()
        if os.fork(): os.wait()
        print("parent" if what == "x" else "both")
    if what == "spawn":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(work, [4, 5]))
    if what == "cprofile":
        import cProfile, pstats
        profile = cProfile.Profile()
        profile.runcall(work, 10)
        print(sorted(name for _, _, name in pstats.Stats(profile).stats))
    if what == "trace":
        lines = []
        sys.settrace(lambda frame, event, _: lines.append(event))
        work(10)
        sys.settrace(None)
        print(len(lines))

if __name__ == "__main__":
    do(sys.argv[1])
'''
ENDS = [
    "facts", "return", "raise", "chain", "eval", "none", "status", "text", "interrupt", "signal",
    "hook", "atexit", "thread", "fork", "spawn", "cprofile", "trace",
]  # fmt: skip


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "program.py"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    return path


def alone(tmp_path: Path, environment: dict[str, str], *words: str) -> tuple[int, bytes, bytes]:
    """What Python says and does without us."""
    result = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        input=b"typed",
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


class TestPrograms:
    @pytest.mark.parametrize("how", ["script", "module"])
    @pytest.mark.parametrize("what", ENDS)
    def test_it_runs_and_ends_as_with_python_alone(
        self,
        what: str,
        how: str,
        program: Path,
        tmp_path: Path,
        spawn: Spawn,
        environment: dict[str, str],
    ) -> None:
        """Output, traceback and exit status are the same to the letter, and a picture is drawn."""
        if how == "script":
            words, ours = [str(program)], ["-r", str(program)]
        else:
            words, ours = ["-m", "folder.program"], ["-m", "folder.program"]
        expected = alone(tmp_path, environment, *words, what)
        # Not -o last: what stands after -- is the program's.
        result = spawn("flame", "-o", "out.svg", *ours, "--", what, input=b"typed")
        error = result.stderr
        if what == "cprofile":
            error = error.replace(f"reqprof: {single._TAKEN_OVER}\n".encode(), b"")
        said, _, last = error.rpartition(b"wrote out.svg: ")
        assert (result.returncode, result.stdout, said) == (
            expected[0],
            expected[1],
            _without_runpy(expected[2]),
        )
        assert re.fullmatch(rb"\S+ \S+ profiled\n", last)
        places = functions(tmp_path / "out.svg")
        assert any(place.endswith("folder/program.py:1") for place in places)
        assert not any("reqprof" in place for place in places)

    def test_the_main_thread_alone_is_recorded(
        self, program: Path, tmp_path: Path, spawn: Spawn
    ) -> None:
        result = spawn("flame", "--format=log", "--threshold=0", "-r", program, "thread")
        text = result.stdout.decode()
        assert "program.work" in text
        assert "program.elsewhere" not in text

    @pytest.mark.parametrize(("words", "clock"), [((), "wall"), (("--cpu",), "cpu")])
    def test_the_time_is_by_the_clock_that_was_asked_for(
        self,
        words: tuple[str, ...],
        clock: str,
        program: Path,
        monkeypatch: pytest.MonkeyPatch,
        reqprof: Callable[..., Result],
    ) -> None:
        clocks = []
        run = script.run

        def watched(*call: Any, **how: Any) -> script.Ended:
            ended = run(*call, **how)
            clocks.append(ended.profile and ended.profile.request and ended.profile.request.clock)
            return ended

        monkeypatch.setattr(script, "run", watched)
        assert reqprof("flame", *words, "-o", "out.svg", "-r", program, "return").exit_code == 0
        assert clocks == [clock]

    def test_without_a_file_the_program_writes_to_stderr(
        self, tmp_path: Path, spawn: Spawn
    ) -> None:
        """At the level of the system too: what it starts must not spoil the picture either."""
        (tmp_path / "loud.py").write_text(
            "import os, sys; print('printed'); sys.stdout.flush(); os.system('echo started')"
        )
        result = spawn("flame", "-r", "loud.py")
        assert ElementTree.fromstring(result.stdout).tag == f"{SVG}svg"
        assert result.stderr == b"printed\nstarted\n"

    def test_after_ctrl_c_the_picture_is_whole_on_stdout_too(
        self, program: Path, spawn: Spawn
    ) -> None:
        result = spawn("flame", "--format=log", "--threshold=90", "-r", program, "signal")
        assert result.returncode == -signal.SIGINT
        assert b"KeyboardInterrupt" in result.stderr
        assert "program.<module>" in next(iter(log(result.stdout.decode())))

    def test_what_lies_beside_the_program_is_not_imported_by_us(
        self, program: Path, tmp_path: Path, spawn: Spawn
    ) -> None:
        for name in ("json", "zlib", "secrets", "platform", "marshal", "reqprof", "struct"):
            (program.parent / f"{name}.py").write_text("raise RuntimeError('not asked for')")
        program.write_text("print('fine')")
        result = spawn("flame", "-o", "out.svg", "-r", program)
        assert (result.returncode, result.stdout) == (0, b"fine\n"), result.stderr

    def test_options_of_the_interpreter_reach_the_program(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        (tmp_path / "flags.py").write_text("import sys; print(sys.flags)")
        options = ["-X", "dev", "-B", "-P", "-O"]
        words = ["-m", "reqprof", "flame", "-o", "out.svg", "-r", "flags.py"]
        expected = alone(tmp_path, environment, *options, "flags.py")
        assert alone(tmp_path, environment, *options, *words)[:2] == expected[:2]

    @pytest.mark.parametrize("how", ["os._exit(5)", "os.execlp('true', 'true')"])
    def test_without_a_profile_it_says_so(self, how: str, tmp_path: Path, spawn: Spawn) -> None:
        (tmp_path / "away.py").write_text(f"import os; {how}")
        result = spawn("flame", "-o", "out.svg", "-r", "away.py")
        assert result.returncode == (5 if "exit" in how else 0)
        assert b"reqprof: away.py left no profile" in result.stderr
        assert not (tmp_path / "out.svg").exists()

    def test_rights_given_up_leave_the_program_its_end(self, tmp_path: Path, spawn: Spawn) -> None:
        if os.getuid() != 0:
            pytest.skip("only root can become somebody else")
        (tmp_path / "humble.py").write_text("import os, sys; os.setuid(65534); sys.exit(7)")
        self.check_loss(spawn, tmp_path, "humble.py", "writing it failed: [Errno 13]")

    @pytest.mark.parametrize(
        ("how", "why"),
        [
            ("setrlimit(RLIMIT_NOFILE, (0, 0))", "writing it failed: [Errno 24]"),
            ("setrlimit(RLIMIT_FSIZE, (100, 100))", "writing it failed: [Errno 27]"),
            ("setrlimit(RLIMIT_FSIZE, (0, 0))", "nothing could be written"),
            ("Job.describe = None", "a fault in reqprof: TypeError"),
            ("program.encode = lambda *parts: b'rubbish'", "reading it failed: not a profile"),
        ],
    )
    def test_a_lost_profile_leaves_the_program_its_end(
        self, how: str, why: str, tmp_path: Path, spawn: Spawn
    ) -> None:
        (tmp_path / "lost.py").write_text(
            "import sys\nfrom resource import *\nfrom reqprof import program\n"
            f"from reqprof.record.job import Job\n{how}\nsys.exit(7)\n"
        )
        self.check_loss(spawn, tmp_path, "lost.py", why)

    def check_loss(self, spawn: Spawn, tmp_path: Path, name: str, why: str) -> None:
        result = spawn("flame", "-o", "out.svg", "-r", name)
        begin = f"reqprof: {name} left no profile, so nothing is drawn: "
        (line,) = result.stderr.decode().splitlines()
        assert line.startswith(begin)
        assert why in line
        assert result.returncode == 7
        assert not (tmp_path / "out.svg").exists()

    def test_the_reason_never_gets_into_a_file_of_the_program(
        self, tmp_path: Path, spawn: Spawn
    ) -> None:
        """One that has closed all it does not know, as a daemon does, and opened its own."""
        (tmp_path / "daemon.py").write_text(
            "import os, sys\nfrom reqprof.record.job import Job\nJob.describe = None\n"
            "os.closerange(3, 100)\n"
            "print([os.open('own', os.O_WRONLY | os.O_CREAT) for _ in range(9)])\nsys.exit(7)\n"
        )
        result = spawn("flame", "-o", "out.svg", "-r", "daemon.py")
        assert result.returncode == 7
        assert result.stdout == b"[3, 4, 5, 6, 7, 8, 9, 10, 11]\n"
        assert (tmp_path / "own").read_bytes() == b""
        assert b"daemon.py left no profile" in result.stderr

    def test_half_a_profile_is_none(self, tmp_path: Path, spawn: Spawn) -> None:
        (tmp_path / "half.py").write_text(
            "import os, pathlib\nwrite = pathlib.Path.write_bytes\n"
            "def halved(path, data):\n"
            "    write(path, data[:len(data) // 2])\n    os.kill(os.getpid(), 9)\n"
            "pathlib.Path.write_bytes = halved\n"
        )
        result = spawn("flame", "-o", "out.svg", "-r", "half.py")
        assert result.returncode == -signal.SIGKILL
        assert b"reqprof: half.py left no profile" in result.stderr

    def test_what_cannot_be_recorded_is_not_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reqprof: Callable[..., Result]
    ) -> None:
        (tmp_path / "touch.py").write_text("open('touched', 'w').close()")
        refusing = script._START.replace(
            "main()",
            "from reqprof import program\nfrom reqprof.record.engines import Unavailable\n"
            "def engine(clock): raise Unavailable('failed', 'no engine')\n"
            "program.engine = engine\nmain()",
        )
        monkeypatch.setattr(script, "_START", refusing)
        result = reqprof("flame", "-o", "out.svg", "-r", "touch.py")
        assert result.exit_code == 3
        assert "touch.py was not run, as nothing can be recorded: no engine" in result.stderr
        assert not (tmp_path / "touched").exists()

    def test_killed_it_ends_like_it(self, tmp_path: Path, spawn: Spawn) -> None:
        (tmp_path / "killed.py").write_text("import os; os.kill(os.getpid(), 9)")
        result = spawn("flame", "-r", "killed.py")
        assert result.returncode == -signal.SIGKILL
        assert b"left no profile" in result.stderr

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_signals_are_for_the_program_to_answer(
        self, number: signal.Signals, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        (tmp_path / "served.py").write_text(
            "import signal, sys, time\n"
            "def stop(number, frame):\n    print('stopped by', number)\n    sys.exit(3)\n"
            f"signal.signal({int(number)}, stop)\n"
            "print('ready', flush=True)\n"
            # Not pause(): a signal that came just before it would be answered after it.
            "while True: time.sleep(0.1)\n"
        )
        command = [sys.executable, "-m", "reqprof", "flame", "-o", "out.svg", "-r", "served.py"]
        # Where the tests run in the background, some signals are ignored, and by all they start.
        take = (
            "import os, signal, sys; signal.signal(int(sys.argv[1]), signal.SIG_DFL);"
            " os.execv(sys.argv[2], sys.argv[2:])"
        )
        command = [sys.executable, "-c", take, str(int(number)), *command]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            # All of the group: the program, which would go on alone, has our pipe.
            deadline = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
            deadline.start()
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.read() == f"stopped by {int(number)}\n"
            assert process.wait() == 3
            deadline.cancel()
        assert any("served.py" in place for place in functions(tmp_path / "out.svg"))

    def test_ctrl_c_reaches_the_program_once(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        """The terminal sends it to all that run in the foreground."""
        (tmp_path / "counting.py").write_text(
            "import signal, time\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
            "print('ready', flush=True)\n"
            "came = 0\n"
            "while signal.sigtimedwait([signal.SIGINT], 1 if came else 60): came += 1\n"
            "print('came', came)\n"
        )
        command = [sys.executable, "-m", "reqprof", "flame", "-o", "out.svg", "-r", "counting.py"]
        # In a process of its own, which takes the terminal: a test that forks is warned of threads.
        take = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
            " os.execv(sys.argv[1], sys.argv[1:])"
        )
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", take, *command], cwd=tmp_path, env=environment,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        ) as process:  # fmt: skip
            os.close(theirs)
            shown, typed = b"", 0
            while b"wrote" not in shown:
                shown += os.read(ours, 1000)
                if b"ready" in shown and not typed:
                    typed = os.write(ours, b"\x03")
            assert b"came 1\r\n" in shown
            assert process.wait(60) == 0
        os.close(ours)


def _without_runpy(error: bytes) -> bytes:
    """A traceback less the frames that ``python -m`` itself has there."""
    return re.sub(rb'  File "<frozen runpy>".*\n', b"", error)


class TestErrors:
    @pytest.mark.parametrize(
        ("words", "status", "says"),
        [
            ((), 2, "Missing argument 'STATS'"),
            (("none.prof",), 3, "none.prof: no such file"),
            (("rubbish.prof",), 1, "not a profile"),
            (("folder",), 2, "reqprof merge folder --svg"),
            (("one.prof", "rubbish.prof"), 2, "reqprof merge"),
            (("one.prof", "--bogus"), 2, "no option --bogus"),
            (("--bogus", "one.prof"), 2, "no option --bogus"),
            (("one.prof", "-o", "one.prof"), 2, "one of the profiles to read"),
            (("one.prof", "-o", "folder"), 2, "folder is a folder"),
            (("one.prof", "-o", ""), 2, "names no file"),
            (("one.prof", "-o", "no/where.svg"), 3, "mkdir -p no"),
            (("one.prof", "--format", "png"), 2, "png"),
            (("one.prof", "--width", "0"), 2, "--width"),
            (("one.prof", "--threshold", "101"), 2, "--threshold"),
            (("-r", "-m", "touch.py"), 2, "give one of them"),
            (("-r", "none.py"), 3, "none.py: no such script"),
            (("-r", "folder"), 2, "__main__.py"),
            (("-r", "touch.py", "-o", "no/where.svg"), 3, "mkdir -p no"),
            (("-r", "-o", "touch.py", "touch.py"), 2, "is the script to run"),
            (("-m", "none.such"), 3, "no module 'none.such'"),
            (("-m", "folder"), 3, "no module 'folder.__main__'"),
            (("-m", "sys"), 3, "not written in Python"),
        ],
    )
    def test_one_line_and_a_status_say_what_is_wrong(
        self,
        words: tuple[str, ...],
        status: int,
        says: str,
        tmp_path: Path,
        spawn: Spawn,
    ) -> None:
        put_foreign(tmp_path, "one.prof")
        put_rubbish(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "touch.py").write_text("open('touched', 'w').close()")
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        result = spawn("flame", *words)
        error = result.stderr.decode()
        assert result.returncode == status
        assert says in error
        assert result.stdout == b""
        assert "Traceback" not in error
        assert len([line for line in error.splitlines() if says in line]) == 1
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    def test_a_script_that_is_no_python_shows_its_own_error(
        self, tmp_path: Path, spawn: Spawn, environment: dict[str, str]
    ) -> None:
        (tmp_path / "bad.py").write_text("x = (")
        status, _, error = alone(tmp_path, environment, "bad.py")
        result = spawn("flame", "-r", "bad.py")
        assert result.returncode == status == 1
        assert result.stderr.startswith(error)

    def test_what_only_served_apps_need_is_taken_and_said_to_do_nothing(
        self, tmp_path: Path, reqprof: Callable[..., Result]
    ) -> None:
        words = ["--wsgi-out-dir", "/tmp", "--wsgi-format", "{url}", "--cpu", "-o", "a.svg"]
        result = reqprof("flame", put_foreign(tmp_path), *words)
        assert result.exit_code == 0
        assert "reqprof.launch" in result.stderr
        assert "--cpu does nothing" in result.stderr
