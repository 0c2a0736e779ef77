"""The project's own words: names that were given up do not come back, and prose keeps its rules."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "pneumoscope"


def words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


GIVEN_UP_FILES = words(
    "adjusted average callbacks described graph guards holding",
    "judgement_json judging learning local machine machines",
    "perturb protocol quotas recorded reliability seen shifted start",
    "turns usefulness vault verdict verification",
)
"""Modules that have the field's own terms now, such as `rate_limits` for ``quotas``."""

GIVEN_UP_NAMES = words(
    "administrates admit Answer arrived Begun came_out come_back deal_machines Described",
    "Evidence Figure follow holder holders Kept leave Look machine_strata",
    "machine_weights may NoteRefusals on_hub on_vgg16 Original PatientProtocol Recalibration",
    "Reliability Said slowly takes TellBrowsers Turns Vault Verdict weigh What",
)
"""Functions and classes that have the field's own terms now, such as `compare_models`."""

GIVEN_UP_CONSTANTS = re.compile(
    r"_?((LONGEST|SHORTEST|FEWEST|LEAST|MOST|LARGEST|SMALLEST|WITHIN|BEFORE|LOOKS|ALIKE)(_.*)?"
    r"|IN_ALL|UNUSED_FOR)"
)
"""Constants that lack a noun or a unit: MAX_PASSWORD_LENGTH says what LONGEST does not."""

GIVEN_UP_SETTINGS = ("tones", "frame", "border", "erase", "mix", "rise", "machines")
"""Settings of version 1 of the recipe."""

RIDDLE = re.compile(r"(What|Who|Whose|Of|By|As|That|Where|How)\b")
"""How a docstring does not begin: with the standard term or a verb instead."""


def python_files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def place(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(file)))


Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(file: Path) -> Iterator[Defined]:
    return (node for node in nodes(file) if isinstance(node, Defined))


def constants(file: Path) -> Iterator[ast.Name]:
    for node in tree(file).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (part for target in targets for part in ast.walk(target)):
                if isinstance(name, ast.Name):
                    yield name


def loop_names(file: Path) -> Iterator[ast.Name]:
    for node in nodes(file):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            for name in ast.walk(node.target):
                if isinstance(name, ast.Name):
                    yield name


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_files_have_the_terms_of_the_field(folder: str) -> None:
    names = {file: file.stem.removeprefix("test_") for file in python_files(folder)}
    assert [str(file) for file, name in names.items() if name in GIVEN_UP_FILES] == []


def test_functions_and_classes_have_the_terms_of_the_field() -> None:
    found = [
        f"{place(file, node)} {node.name}"
        for file in python_files("src", "tests")
        for node in definitions(file)
        if node.name in GIVEN_UP_NAMES
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "given_up"),
    [
        ("reader/reading.py", "find"),
        ("reader/reader.py", "look"),
        ("evaluation/**/*.py", "judge Judgement"),
        ("evaluation/statistics/drift.py", "compare"),
        ("validation/stress/*.py", "inspect Inspection"),
        ("clinic/worklist/judgements.py", "standing"),
        ("clinic/identity/sign_in.py", "compare confirm"),
        ("clinic/identity/single_sign_on.py", "start"),
        ("clinic/api/routes/*.py", "show give given note listed open_ who"),
    ],
)
def test_words_of_several_meanings_are_given_up_where_they_stood(
    module: str, given_up: str
) -> None:
    files = sorted(PACKAGE.glob(module))
    assert files
    names = {node.name for file in files for node in definitions(file)}
    assert names.isdisjoint(words(given_up))


def test_constants_have_a_noun_and_a_unit() -> None:
    found = [
        f"{place(file, name)} {name.id}"
        for file in python_files("src")
        for name in constants(file)
        if GIVEN_UP_CONSTANTS.fullmatch(name.id)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_a_loop_names_what_it_goes_through(folder: str) -> None:
    found = [
        place(file, name)
        for file in python_files(folder)
        for name in loop_names(file)
        if name.id == "one"
    ]
    assert found == []


def test_a_docstring_begins_with_a_term_or_a_verb() -> None:
    found = []
    for file in python_files("src"):
        for node in (tree(file), *definitions(file)):
            text = ast.get_docstring(node) or ""
            found += [f"{place(file, node)} {text.splitlines()[0]}"] if RIDDLE.match(text) else []
    assert found == []


def test_the_recipe_has_no_setting_of_its_first_version() -> None:
    recipe = (PACKAGE / "training" / "recipe.py").read_text(encoding="utf-8")
    fields = re.findall(r"^    (\w+): ", recipe, re.MULTILINE)
    assert fields
    assert set(fields).isdisjoint(GIVEN_UP_SETTINGS)


def test_the_documents_name_nothing_that_was_given_up() -> None:
    names = "|".join(sorted({*GIVEN_UP_NAMES, *(f"{file}.py" for file in GIVEN_UP_FILES)}))
    mentioned = re.compile(rf"`(?:[\w.]+[./])?({names})(?:\(.*?\))?`")
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found = [
        f"{page.relative_to(ROOT)} {match.group(0)}"
        for page in pages
        for match in mentioned.finditer(page.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_page_has_no_loop_over_one() -> None:
    files = [
        *(ROOT / "frontend" / "src").rglob("*.ts*"),
        *(ROOT / "frontend" / "e2e").rglob("*.ts"),
    ]
    assert files
    pattern = re.compile(r"\((?:const )?one\)? =>|const one of |\bone =>")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
