"""Options: where they may stand, and that every option of every command is what it says."""

import pytest
import typer.main

from mailldap.cli import argv as module
from mailldap.cli.app import build
from mailldap.cli.argv import split
from mailldap.errors import UsageError


def commands(command=None, path: str = ""):
    """Yield (path, command) of every command that does something."""
    command = command or typer.main.get_command(build())
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    for name, child in (children or {}).items():
        yield from commands(child, f"{path} {name}".strip())


def test_split_knows_every_option_of_the_program() -> None:
    """An option that split() does not know would be taken for something else."""
    program = typer.main.get_command(build())
    own = {"--help", "--version", "--install-completion", "--show-completion"}
    for option in program.params:
        for name in set(option.opts) - own:
            front, rest = split([name] if option.is_flag else [name, "value"])
            assert front, name
            assert not rest, name
    local = {
        name
        for _, command in commands()
        for option in command.params
        if option.param_type_name == "option" and not option.is_flag
        for name in option.opts
    }
    assert local == module._LOCAL_WITH_VALUE


def test_no_command_has_an_option_that_is_global() -> None:
    program = typer.main.get_command(build())
    everywhere = {name for option in program.params for name in option.opts}
    for path, command in commands():
        for option in command.params:
            if option.param_type_name == "option":
                assert not set(option.opts) & everywhere, path


@pytest.mark.parametrize(
    ("argv", "front", "rest"),
    [
        (["alias", "list", "-o", "json"], ["-o", "json"], ["alias", "list"]),
        (["alias", "list", "-ojson"], ["-ojson"], ["alias", "list"]),
        (["alias", "-nv", "add", "x"], ["-nv"], ["alias", "add", "x"]),
        (["x", "--output=json"], ["--output=json"], ["x"]),
        (["x", "--", "-n", "-o"], [], ["x", "--", "-n", "-o"]),
        (["x", "--name", "-n", "-n"], ["-n"], ["x", "--name", "-n"]),
        (["x", "--address", "-o.k@x"], [], ["x", "--address", "-o.k@x"]),
        (["lookup", "-"], [], ["lookup", "-"]),
        (["x", "-f", "-c", "-n"], [], ["x", "-f", "-c", "-n"]),
        (["x", "-ZZ", "-Hldap://h"], ["-ZZ", "-Hldap://h"], ["x"]),
        (["x", ""], [], ["x", ""]),
    ],
)
def test_where_options_may_stand(argv: list[str], front: list[str], rest: list[str]) -> None:
    assert split(argv) == (front, rest)


@pytest.mark.parametrize("word", ["-o", "-H", "--schema", "-y"])
def test_a_value_that_is_missing(word: str) -> None:
    with pytest.raises(UsageError, match=f"{word} needs a value"):
        split(["alias", "list", word])


def test_every_command_helps_itself(cli) -> None:
    for path, _ in commands():
        done = cli(*path.split(), "--help")
        assert done.status == 0, path
        assert done.out.startswith(f"Usage: mailldap {path} "), path
        assert "The global options (mailldap --help) may stand here too." in done.out
        assert done.err == ""


def test_one_noun_is_built_as_it_stands_in_the_whole() -> None:
    whole = dict(commands())
    for path, command in whole.items():
        alone = dict(commands(typer.main.get_command(build(path.split()[0]))))
        assert [p.opts for p in alone[path].params] == [p.opts for p in command.params], path


def test_without_a_command_there_is_help_and_no_success(cli) -> None:
    for argv in ((), ("alias",), ("postfix",)):
        done = cli(*argv)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("Usage: mailldap")


def test_empty_names_are_no_settings(example) -> None:
    for option in ("-H", "-b", "-D"):
        done = example(option, "", "alias", "list")
        assert done.status == 2, option
        assert "names nothing" in done.err


#: Commands that write, each so that it would change something.
WRITES = [
    ("init",),
    ("recipient", "add", "n", "--address", "n@example.com", "--routing", "n@mail1.internal"),
    ("recipient", "set", "jane.doe", "mailQuota=1"),
    ("recipient", "rename", "jane.doe", "jane"),
    ("recipient", "remove", "jane.doe"),
    ("alias", "add", "jane.doe", "new@example.com"),
    ("alias", "remove", "jane.doe", "jd@example.com"),
    ("alias", "move", "jd@example.com", "--to", "john.smith"),
    ("routing", "add", "jane.doe", "new@mail1.internal"),
    ("routing", "remove", "jane.doe", "jane.doe@mail1.internal"),
    ("routing", "set", "jane.doe", "new@mail1.internal"),
    ("import", "ldif", "new.txt"),
    ("postfix", "generate", "all", "--dir", "out"),
    ("postfix", "fix", "pf"),
]


@pytest.mark.parametrize("argv", WRITES, ids=" ".join)
@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_a_dry_run_shows_and_does_nothing(example, tmp_path, argv, output: str) -> None:
    (tmp_path / "new.txt").write_text(
        "dn: ou=x,dc=example,dc=com\nobjectClass: organizationalUnit\n"
    )
    (tmp_path / "pf").mkdir()
    (tmp_path / "pf" / "main.cf").write_text("relayhost = x # comment\n")
    if argv == ("init",):
        (tmp_path / "mailldap.yaml").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = example("-n", "-o", output, *argv)
    assert done.status == 0, done.err
    assert done.out
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("argv", [a for a in WRITES if a[0] in {"recipient", "alias", "routing"}])
def test_the_ldif_of_a_dry_run_does_what_the_command_does(example, tmp_path, argv) -> None:
    directory = tmp_path / "example.ldif"
    before = directory.read_bytes()
    planned = example("-n", *argv).out
    confirmed = (*argv, "--yes") if argv[1] == "remove" and argv[0] == "recipient" else argv
    made = example("-o", "ldif", *confirmed)
    assert made.status == 0, made.err
    wanted = example("export", "ldif").out
    directory.write_bytes(before)
    (tmp_path / "planned.txt").write_text(planned)
    assert example("import", "ldif", "planned.txt").status == 0
    assert example("export", "ldif").out == wanted
    if argv[:2] != ("alias", "move"):  # which may choose another order to keep mail flowing
        assert made.out == planned


@pytest.mark.parametrize("words", [[], ["alias"], ["alias", "add"], ["lookup"]], ids=" ".join)
def test_help_is_a_word_too(cli, words) -> None:
    assert cli("help", *words) == cli(*words, "--help")
    assert cli("-o", "json", "help", *words).out == cli(*words, "--help").out


def test_help_for_what_is_not_there(cli) -> None:
    done = cli("help", "alais")
    assert done.status == 2
    assert "Did you mean 'alias'" in done.err


def test_the_lists_of_commands_are_not_cut_off(cli, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    groups = {"", *(path.rpartition(" ")[0] for path, _ in commands())}
    for group in groups:
        listed = cli(*group.split(), "--help").out.partition("Commands:")[2]
        assert listed
        assert "..." not in listed


@pytest.mark.parametrize("words", [["-w", "geheim"], ["-wgeheim"], ["--password=geheim"]])
def test_a_password_as_an_argument_is_refused_and_not_shown(cli, words) -> None:
    done = cli(*words, "whoami")
    assert done.status == 2
    assert "-y" in done.err
    assert "geheim" not in done.out + done.err


@pytest.mark.parametrize(
    "words",
    [
        ["-H", "", "whoami"],
        ["--profile", "", "whoami"],
        ["resolve", "-c", "", "x"],
        ["sender", "owners", "-c", "", "x"],
    ],
    ids=lambda words: words[0],
)
def test_an_option_with_nothing_in_it_is_refused(cli, words) -> None:
    """As it comes of a shell variable that is not set: the default would be somebody else's."""
    done = cli(*words)
    assert done.status == 2
    assert "'' names nothing" in done.err
