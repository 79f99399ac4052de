"""``reqprof merge``: many profiles in, one picture, table or profile out."""

from __future__ import annotations

import marshal
import os
import pstats
import stat
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from .making import NOON, put, put_damaged, put_foreign, put_rubbish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from .conftest import Spawn

    Reqprof = Callable[..., Result]


def by_pstats(*paths: Path) -> object:
    """What pstats makes of the files in the order of their names."""
    return pstats.Stats(*sorted(map(str, paths))).stats  # type: ignore[attr-defined]


def same(ours: object, theirs: object) -> bool:
    """Whether two tables are equal to the last bit of every float."""
    return ours == theirs and repr(sorted(ours)) == repr(sorted(theirs))  # type: ignore[call-overload]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven requests with tables of different sizes."""
    for number in range(7):
        put(tmp_path / "profiles", size=5 + 3 * number, start=NOON + number, duration=0.1 * number)
    return tmp_path / "profiles"


@pytest.mark.parametrize("trust", [[], ["--untrusted"]])
def test_the_merged_profile_is_what_pstats_makes_of_the_files(
    reqprof: Reqprof, tmp_path: Path, folder: Path, trust: list[str]
) -> None:
    result = reqprof("merge", "profiles", "--prof", "-o", "all.prof", *trust)

    assert result.exit_code == 0, result.output
    with (tmp_path / "all.prof").open("rb") as file:
        merged = marshal.load(file)
        assert file.read() == b"", "a plain pstats file has nothing behind the table"
    assert same(merged, by_pstats(*folder.iterdir()))
    assert pstats.Stats(str(tmp_path / "all.prof")).total_calls  # type: ignore[attr-defined]
    assert result.stderr == "wrote all.prof: 7 requests\n"


def test_the_order_is_that_of_pstats_even_when_the_first_file_is_bad(
    reqprof: Reqprof, folder: Path
) -> None:
    sound = list(folder.iterdir())
    put_rubbish(folder, "00-first.prof")
    put_rubbish(folder, "zz-last.prof")

    result = reqprof("merge", folder, "--prof")

    assert result.exit_code == 1
    assert same(marshal.loads(result.stdout_bytes), by_pstats(*sound))
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["profiles"],
        ["profiles/"],
        ["profiles/*.prof"],
        ["prof*"],
        ["**/*.prof"],
        ["profiles", "profiles/*.prof", "profiles"],
    ],
)
def test_folders_files_and_globs_each_give_the_same_files_once(
    reqprof: Reqprof, folder: Path, names: list[str]
) -> None:
    result = reqprof("merge", *names, "--prof")

    assert result.exit_code == 0
    assert same(marshal.loads(result.stdout_bytes), by_pstats(*folder.iterdir()))


def test_profiles_of_any_tool_are_merged(reqprof: Reqprof, folder: Path) -> None:
    foreign = put_foreign(folder.parent)

    result = reqprof("merge", foreign, folder, "--prof")

    assert same(marshal.loads(result.stdout_bytes), by_pstats(foreign, *folder.iterdir()))


def test_filters_choose_and_leave_out_what_has_no_facts(reqprof: Reqprof, folder: Path) -> None:
    put_foreign(folder)
    chosen = [path for path in folder.iterdir() if path.name != "foreign.prof"][:0]
    chosen += [put(folder, method="DELETE"), put(folder, method="DELETE")]

    result = reqprof("merge", "--prof", "--method", "delete")

    assert same(marshal.loads(result.stdout_bytes), by_pstats(*chosen))
    assert "left out 1 profile of another tool, which no filter fits: foreign.prof" in result.stderr
    assert result.exit_code == 0


MIXED = ["baseline"] * 3 + ["worst"] * 2 + ["trigger"]


@pytest.mark.parametrize(
    ("kept", "options", "line"),
    [
        (["all"] * 2, [], ""),
        (["baseline"] * 2, [], ""),
        (MIXED, ["--kept", "baseline"], ""),
        (["worst"] * 2, [], "2 of the slowest of their route: not a fair average."),
        (
            MIXED,
            [],
            (
                "3 baseline, 2 of the slowest of their route, 1 asked for: not a fair average;"
                " --kept baseline leaves the rest out."
            ),
        ),
        (
            ["all", "slow", "keep"],
            [],
            "1 kept without a rule, 1 by the app's own rule, 1 over the limit: not a fair average.",
        ),
        (["later"], [], "1 later: not a fair average."),
    ],
)
def test_a_mix_of_what_was_kept_for_different_reasons_says_so(
    reqprof: Reqprof, tmp_path: Path, kept: list[str], options: list[str], line: str
) -> None:
    for reason in kept:
        put(tmp_path / "mixed", kept=reason)

    result = reqprof("merge", "mixed", "--text", *options)

    assert result.exit_code == 0
    told = [said for said in result.stdout.splitlines() if "fair average" in said]
    assert told == ([line] if line else [])


def test_a_request_counts_once_however_many_copies_there_are(
    reqprof: Reqprof, folder: Path
) -> None:
    originals = list(folder.iterdir())
    for number in range(4):
        (folder / f"zz{number}.prof").write_bytes(originals[0].read_bytes())

    result = reqprof("merge", "--prof")

    assert same(marshal.loads(result.stdout_bytes), by_pstats(*originals))
    assert result.stderr == (
        "left out 4 copies of requests already counted: zz0.prof, zz1.prof, zz2.prof and 1 more\n"
    )
    assert result.exit_code == 0


def test_interrupted_profiles_are_left_out(reqprof: Reqprof, folder: Path) -> None:
    sound = list(folder.iterdir())
    put(folder, interrupted=True, name="cut.prof")

    result = reqprof("merge", "--prof")

    assert same(marshal.loads(result.stdout_bytes), by_pstats(*sound))
    assert "left out 1 interrupted profile, whose counts are short: cut.prof" in result.stderr


def test_partial_profiles_count_and_their_number_is_told(reqprof: Reqprof, folder: Path) -> None:
    put(folder, partial=True, name="cut.prof")
    put_foreign(folder)

    result = reqprof("merge", "--prof", "-o", "all.prof")

    merged = marshal.loads((folder.parent / "all.prof").read_bytes())
    assert same(merged, by_pstats(*folder.iterdir()))
    assert result.stderr == "wrote all.prof: 8 requests (1 partial) and 1 profile of other tools\n"


def test_a_picture_of_a_partial_profile_says_so(reqprof: Reqprof, tmp_path: Path) -> None:
    put(tmp_path / "one", partial=True)

    assert reqprof("merge", "one", "--each", "--svg", "-o", "out").exit_code == 0

    (picture,) = (tmp_path / "out").glob("*.svg")
    note = "Partial: it ran on after max_duration, or a pause; the profile holds what was before."
    assert note in picture.read_text()
    assert "<em>partial</em>" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--svg"], "<svg"),
        (["-o", "-"], None),
        ([], None),
        (["--text"], None),
        (["--folded"], None),
        (["--folded", "-o", "-"], None),
        (["--svg", "--renderer", "flameprof"], "<?xml"),
    ],
)
def test_a_format_goes_to_stdout_unless_told_otherwise(
    reqprof: Reqprof, folder: Path, words: list[str], begins: str | None
) -> None:
    result = reqprof("merge", *words)

    assert result.exit_code == 0, result.output
    assert "fib" in result.stdout
    assert result.stdout.startswith(begins or "")
    if "--folded" in words:
        assert all(line.rsplit(" ", 1)[1].isdigit() for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("words", "root"),
    [
        (["-o", "all.svg"], "svg"),
        (["-o", "ALL.SVG"], "svg"),
        (["-o", "picture", "--svg"], "svg"),
        (["-o", "all.txt"], None),
        (["-o", "all.folded"], None),
        (["-o", "all.prof"], None),
        (["-o", "all.svg", "--folded"], None),
        (["-o", "all.svg", "--renderer", "flameprof"], "svg"),
    ],
)
def test_the_extension_picks_the_format_and_a_flag_wins(
    reqprof: Reqprof, folder: Path, tmp_path: Path, words: list[str], root: str | None
) -> None:
    result = reqprof("merge", *words)

    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert result.stderr.endswith(f"wrote {words[1]}: 7 requests\n")
    data = (tmp_path / words[1]).read_bytes()
    assert b"fib" in data
    if root:
        assert ElementTree.fromstring(data).tag.endswith(root)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_picture_says_what_it_is_of(reqprof: Reqprof, tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / "profiles", start=NOON + number, duration=0.2, cost=0.05, status=500)

    picture = reqprof("merge", "profiles/", "--svg", "--status", "5xx").stdout

    assert "profiles/ — 3 requests" in picture
    assert "status 500-599" in picture
    assert "2026-07-01T12:0" in picture
    assert "cprofile, Python 3.11.7" in picture
    assert "about 25.0 % of their time is tracing, an estimate." in picture


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "--row-height", "9"], "--row-height means nothing to text"),
        (["--svg", "--renderer", "flameprof", "--log-mult", "9"], "nothing to svg by flameprof"),
        (["--threshold", "101"], "101.0 is not in the range"),
        (["--threshold", "nan"], "'nan' is no number"),
        (["--svg", "--prof"], "--svg and --prof: give one of them"),
        (["-o", "x.docx"], "x.docx has the extension '.docx', which says no format; use .svg"),
        (["-o", "picture"], "picture has no extension, which says no format; use .svg"),
        (["-o", "."], ". is a folder; name a file, such as profiles.svg"),
        (["--log-mult", "5"], "--log-mult means nothing to text"),
        (
            ["-o", "a.prof", "--renderer", "flameprof"],
            "--renderer flameprof cannot make prof: drop one",
        ),
        (["--each"], "--each makes many files: give it a folder with -o FOLDER"),
        (["--each", "--prof", "-o", "f"], "drop --prof"),
        (["--each", "-o", "out.html"], "out.html is the name of one file; --each needs a folder"),
        (["-o", "profiles/all.prof"], "would lie among the profiles"),
    ],
)
def test_wrong_usage_is_one_line_that_tells_what_to_do(
    reqprof: Reqprof, folder: Path, words: list[str], message: str
) -> None:
    result = reqprof("merge", *words)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_an_input_is_never_overwritten(reqprof: Reqprof, tmp_path: Path) -> None:
    path = put_foreign(tmp_path, "one.prof")
    before = path.read_bytes()
    (tmp_path / "link.prof").symlink_to(path)

    for target in ("one.prof", "./one.prof", "link.prof"):
        result = reqprof("merge", "one.prof", "-o", target)
        assert result.exit_code == 2
        assert f"{target.removeprefix('./')} is one of the profiles to read" in result.stderr
    assert path.read_bytes() == before


def test_a_result_replaces_an_earlier_one_and_has_usual_rights(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "all.svg"
    target.write_text("older")
    (tmp_path / "link.svg").symlink_to(target)
    old_mask = os.umask(0o022)
    try:
        assert reqprof("merge", "-o", "link.svg").exit_code == 0
    finally:
        os.umask(old_mask)

    assert (tmp_path / "link.svg").is_symlink()
    assert target.read_text().startswith("<")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_device_is_written_to_and_not_replaced(reqprof: Reqprof, folder: Path) -> None:
    assert reqprof("merge", "--svg", "-o", os.devnull).exit_code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116 - os.devnull is no Path


@pytest.mark.parametrize("form", ["nosuch/all.svg", "nosuch/deep/all.prof"])
def test_a_target_in_a_missing_folder_ends_with_3(
    reqprof: Reqprof, folder: Path, form: str
) -> None:
    result = reqprof("merge", "-o", form)

    assert result.exit_code == 3
    assert f"cannot write {form}: No such file or directory; make the folder" in result.stderr
    assert result.stderr.count("\n") == 1


def test_nothing_is_written_when_nothing_can_be_read(reqprof: Reqprof, tmp_path: Path) -> None:
    put_rubbish(tmp_path / "profiles", "a.prof")
    put_damaged(tmp_path / "profiles", "b.prof")

    result = reqprof("merge", "-o", "all.svg")

    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stderr.splitlines()[:2]] == [
        ["reqprof:", "skipped"]
    ] * 2
    assert "can be read" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "all.svg").exists()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["empty"], 3, "no profiles in empty"),
        (["nosuch"], 3, "no file or folder 'nosuch'"),
        (["nosuch/*.prof"], 3, "no file or folder matches 'nosuch/*.prof'"),
        ([""], 3, "no file or folder ''"),
        (
            ["profiles", "--route", "/nosuch"],
            3,
            "none of the 7 profiles in profiles has route /nosuch",
        ),
    ],
)
def test_nothing_to_merge_is_one_clear_line(
    reqprof: Reqprof, folder: Path, words: list[str], status: int, message: str
) -> None:
    (folder.parent / "empty").mkdir()

    result = reqprof("merge", *words)

    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"reqprof: {message}\n"


def test_a_profile_that_is_deleted_meanwhile_is_left_out(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reqprof.cli import gather

    paths = sorted(folder.iterdir())
    find = gather.find

    def find_then_prune(*words: object) -> object:
        found = find(*words)  # type: ignore[arg-type]
        paths[2].unlink()
        return found

    monkeypatch.setattr(gather, "find", find_then_prune)
    result = reqprof("merge", "--prof")

    assert same(marshal.loads(result.stdout_bytes), by_pstats(*folder.iterdir()))
    assert "left out 1 profile that was deleted meanwhile" in result.stderr
    assert result.exit_code == 0


def test_a_merge_never_holds_many_profiles(
    reqprof: Reqprof, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import weakref

    from reqprof.model import Profile
    from reqprof.store import reader

    class Watched(Profile):  # a plain subclass has the weak references that slots leave out
        pass

    seen: list[weakref.ref[Watched]] = []
    most = 0
    read = reader.read

    def watched(path: Path, **options: bool) -> Watched:
        nonlocal most
        profile = read(path, **options)
        copy = Watched(profile.stats, profile.request, profile.path)
        gc.collect()
        seen.append(weakref.ref(copy))
        most = max(most, sum(ref() is not None for ref in seen))
        return copy

    monkeypatch.setattr(reader, "read", watched)
    for words in (["--prof"], ["--svg"], ["--svg", "--renderer", "flameprof"]):
        assert reqprof("merge", *words).exit_code == 0

    assert most <= 3


def test_a_closed_pipe_ends_a_picture_quietly(spawn: Spawn, folder: Path) -> None:
    result = spawn("merge", "--svg")

    assert result.returncode == 0
    assert result.stdout.startswith(b"<")
    assert result.stderr == b""
