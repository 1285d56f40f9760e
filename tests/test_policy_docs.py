"""The documents say what is there: commands and options as `--help` has them, make targets, files and links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policy import ROOT, say

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(counterfactory [^`\n]+)`")
ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "&"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Command:
    """A command as its parser knows it: options, commands below it, and whether `--help` shows it."""

    options: frozenset[str] = frozenset({"--help"})
    below: dict[str, "Command"] = field(default_factory=dict)
    is_hidden: bool = False


def test_commands_in_the_documents_exist_with_their_options():
    program = the_program()
    problems = [f"{where}: {complaint}" for where, line in lines() for complaint in complaints(program, line)]
    assert not problems, say(problems)


def test_every_command_that_help_shows_is_in_the_documents():
    words = {word for _, line in lines() for word in spoken(line)[:1]}
    silent = [name for name, command in the_program().below.items() if not command.is_hidden and name not in words]
    assert not silent, f"no document says how to use: {', '.join(silent)}"


def test_make_targets_in_the_documents_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in documents():
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)|`make ([a-z]+)", path.read_text(), re.MULTILINE):
            assert set(target) - {""} <= targets, f"{path.relative_to(ROOT)}: there is no make {''.join(target)}"


def test_the_continuous_check_runs_the_readme_s_test_command():
    told = [
        line.partition("#")[0].strip()
        for block in FENCE.findall((ROOT / "README.md").read_text())
        for line in block.splitlines()
    ]
    run = (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1]
    assert run == "make test"
    assert run in told, f"README.md does not tell the command that .ci/run runs: {run}"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111, ".ci/run cannot be executed: chmod +x .ci/run"


def test_links_between_documents_lead_somewhere():
    problems = [
        f"{path.relative_to(ROOT)}: {target} is not there"
        for path in documents()
        for target in LINK.findall(path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not problems, say(problems)


def documents() -> list[Path]:
    """All that is written for people."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def lines() -> Iterator[tuple[str, str]]:
    """Each place and command line that the documents show, continued lines joined."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        shown = (line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines())
        for line in [*shown, *INLINE.findall(text)]:
            call = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if call.startswith("counterfactory "):
                yield str(path.relative_to(ROOT)), call


def spoken(line: str) -> list[str]:
    """The words after the program's name, up to where a shell would end the command."""
    words = shlex.split(line, comments=True)[1:]
    end = next((i for i, word in enumerate(words) if word in ENDS), len(words))
    return words[:end]


def complaints(program: Command, line: str) -> list[str]:
    """What a command line names and the program does not have."""
    here, found = program, []
    for word in spoken(line):
        if word.startswith("-"):
            option = word.partition("=")[0]
            found += [] if option in here.options else [f"{line!r}: there is no option {option}"]
        elif here.below:
            if word not in here.below:
                return [f"{line!r}: there is no command {word!r}"]
            here = here.below[word]
    return found


def the_program() -> Command:
    """The command line as typer builds it."""
    from typer.main import get_command

    from counterfactory.cli import app

    return _command(get_command(app))


def _command(parser: Any) -> Command:
    options = {name for parameter in parser.params for name in (*parameter.opts, *parameter.secondary_opts)}
    below = {name: _command(command) for name, command in getattr(parser, "commands", {}).items()}
    return Command(options=frozenset({"--help", *options}), below=below, is_hidden=parser.hidden)


PROGRAM = Command(below={"augment": Command(options=frozenset({"--shots"})), "stress": Command(is_hidden=True)})


def test_an_unknown_command_and_an_unknown_option_are_seen():
    assert complaints(PROGRAM, "counterfactory augmentt photos") == [
        "'counterfactory augmentt photos': there is no command 'augmentt'"
    ]
    assert "no option --shot" in complaints(PROGRAM, "counterfactory augment photos --shot=4")[0]
    assert "no option --fast" in complaints(PROGRAM, "counterfactory --fast augment")[0]


def test_what_follows_the_command_in_a_shell_is_not_its_own():
    assert not complaints(PROGRAM, "counterfactory augment photos --shots 4 | tail --lines 1  # --really")
    assert not complaints(PROGRAM, "counterfactory stress")
