"""The README tells the truth: its commands, answers, figures and file tree."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report import END, START, as_markdown, load, with_figures
from tinygrad_edu.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXAMPLES = [block for language, block in BLOCKS if language == "python"]
PLAIN_BLOCKS = [block for language, block in BLOCKS if not language]
PRINTED = re.compile(r"^print\(.*\)  +# (.*)$", re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    ['pip install ".[demo]" && tinygrad-edu demo\n', 'pip install -e ".[test]" && pytest\n'],
)
def test_each_command_stands_alone_in_a_block(command):
    """A reader copies a block whole: nothing else is in it."""
    assert PLAIN_BLOCKS.count(command) == 1


def test_the_examples_print_what_their_comments_say():
    """Run in order in a fresh interpreter, each print gives the answer beside it."""
    source = "\n".join(EXAMPLES)
    expected = PRINTED.findall(source)

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], cwd=ROOT, capture_output=True, text=True
    )

    assert run.stderr == ""
    assert run.stdout.splitlines() == expected
    assert source.count("print(") == len(expected) >= 6


def test_the_readme_is_read_in_one_sitting():
    """At most 200 lines; the tables of promises and of files stand in docs/."""
    assert len(README.splitlines()) <= 200


def test_the_first_example_has_twelve_lines():
    """The heading says so."""
    assert "## In twelve lines" in README
    assert len(EXAMPLES[0].splitlines()) == 12


@pytest.mark.parametrize("name", ["gradients", "draw"])
def test_the_command_line_prints_what_the_readme_shows(name, capsys):
    """The worked neuron and the tree, run with the very words of the README."""
    (block,) = (block for block in PLAIN_BLOCKS if block.startswith(f"$ tinygrad-edu {name}"))
    command, _, shown = block.partition("\n")

    code = main(shlex.split(command)[2:])

    assert code == 0
    assert capsys.readouterr().out == shown
    assert len(shown.splitlines()) > 5


COMMANDS = re.findall(r"(?:^|`|&& |\$ )(tinygrad-edu [^`\n]+)", README, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs(command, tmp_path, monkeypatch, capsys):
    """In an empty folder, as a reader types it."""
    monkeypatch.chdir(tmp_path)

    assert main(shlex.split(command)[1:]) == 0


def test_all_commands_are_found():
    """Those in blocks and those in sentences."""
    words = {command.split()[1] for command in COMMANDS}

    assert words >= {"gradients", "draw", "demo", "train", "diagnose", "course", "worksheet"}


def test_the_figures_are_those_of_the_committed_run():
    """The block between the markers is what ``python -m benchmarks readme`` makes."""
    assert with_figures(README, load()) == README
    assert README.count(START) == README.count(END) == 1


def test_a_figure_typed_by_hand_would_be_noticed():
    """One digit changed in the block is a difference."""
    digit = re.search(r"\d+\.\d ms", as_markdown(load())).group()
    tampered = README.replace(digit, "1.0 ms", 1)

    assert tampered != README
    assert with_figures(tampered, load()) != tampered


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h#][^)]*)\)", README))
def test_links_lead_to_files(link):
    """A relative link names a file of the project."""
    assert (ROOT / link).is_file()
