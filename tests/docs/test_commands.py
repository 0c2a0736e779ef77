"""Commands and settings that the documentation shows exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pneumoscope.cli import app
from pneumoscope.training import Recipe, make_recipe
from pneumoscope.training.recipe import Augmentation

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
ROOT = typer.main.get_command(app)
SHOWN = re.compile(r"^ {4}(pneumoscope .*?[^\\])$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def shown_commands(page: Path) -> Iterator[list[str]]:
    for text in SHOWN.findall(page.read_text()):
        yield shlex.split(text.replace("\\\n", " "), comments=True)[1:]


def options_of(command: object) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def all_options(command: object) -> set[str]:
    inner = getattr(command, "commands", {}).values()
    return options_of(command).union(*map(all_options, inner))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    for words in shown_commands(page):
        command = ROOT
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        general = words[:1] in (["COMMAND"], ["--help"])
        assert general or command is not ROOT, words
        unknown = {word for word in words if word.startswith("--")} - options_of(command)
        assert unknown <= {"--help"}, f"{command.name}: {unknown}"
        needed = [parameter.opts for parameter in command.params if parameter.required]
        options = [names for names in needed if names[0].startswith("-") and not general]
        assert all(set(names) & set(words) for names in options), f"{command.name}: {options}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_that_are_named_exist(page: Path) -> None:
    for code in re.findall(r"`([^`]+)`", page.read_text()):
        if code.startswith(("--", "pneumoscope ", *(f"{command} " for command in ROOT.commands))):
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", code))
            assert named <= all_options(ROOT) | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_that_are_shown_exist(page: Path) -> None:
    for setting in re.findall(r"--set ([a-z0-9_.]+=[\w.-]+)", page.read_text()):
        make_recipe("compact", assignments=[setting])


def test_the_recipes_page_lists_every_setting() -> None:
    text = (CHECKOUT / "docs" / "reference" / "recipe.md").read_text()
    rows = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    listed = {setting for row in rows for setting in re.findall(r"`(\w+)`", row)}
    settings = set(Recipe.model_fields) - {"format", "model"}
    assert listed == settings | set(Augmentation.model_fields)
