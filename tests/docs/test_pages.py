"""Pages of the documentation: their links, the paths that others name, and their form."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOP = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*TOP, *sorted((CHECKOUT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
SOURCES = ("src", "tests", "benchmarks", "recipes", "frontend/src", "frontend/e2e")
TEXTS = {".py", ".md", ".txt", ".yaml", ".ts", ".tsx", ".css", ".html"}


def name(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def prose(page: Path) -> Iterator[str]:
    """Yield the lines that are neither code nor tables nor comments."""
    fenced = False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not (fenced or line.startswith(("|", "    ", "<!--"))):
            yield line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        generated = "reference/api/" in link or link.endswith("reference/cli.md")
        assert generated or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_are_short(page: Path) -> None:
    assert [line for line in prose(page) if len(line) >= 120 and " " in line.strip()] == []


def test_the_readme_is_short_and_names_its_two_commands() -> None:
    text = TOP[0].read_text()
    assert len(text.splitlines()) <= 120
    assert max(map(len, text.splitlines())) < 120
    assert "\n    make demo\n    make test\n" in text


def test_pages_that_others_name_exist() -> None:
    for folder in SOURCES:
        for file in sorted((CHECKOUT / folder).rglob("*")):
            if file.suffix in TEXTS and "format_2" not in file.parts:  # a bundle of version 0.1.0
                for page in re.findall(r"\bdocs/[\w/.-]+?\.md\b", file.read_text()):
                    assert (CHECKOUT / page).exists(), f"{name(file)} names {page}"
