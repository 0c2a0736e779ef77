"""Reference pages made from the code when MkDocs builds the site.

MkDocs calls the functions ``on_...`` of this file (``hooks`` in mkdocs.yml). They add the
command-line reference, the list of the server's routes, and one page for each package, which
mkdocstrings fills. They warn of public names without a docstring and of links to missing files; a
warning ends a strict build. Links to files outside of docs/ become the files' paths.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import griffe
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from pneumoscope.cli import app
from pneumoscope.clinic.api.app import create_routes

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCE = CHECKOUT / "src"
LINK = re.compile(r"(?<!!)\[([^]]*)\]\((\.\./[^)#]+)(#[^)]*)?\)")
ROUTES = "<!-- routes -->"

log = logging.getLogger("mkdocs.hooks.generate")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the packages' pages at the end of the section "Reference"."""
    assert config.nav is not None
    reference = next(item["Reference"] for item in config.nav if "Reference" in item)
    reference.append({"Python packages": [_page_of(package) for package in _packages()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the command-line reference and the packages' pages; warn of missing docstrings."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="pneumoscope")
    commands = get_docs_for_click(
        obj=command, ctx=context, name="pneumoscope", title="Command-line reference"
    )
    files.append(File.generated(config, "reference/cli.md", content=commands))
    for package in _packages():
        files.append(File.generated(config, _page_of(package), content=_package_page(package)))
    for name in _undocumented(griffe.load("pneumoscope", search_paths=[SOURCE])):
        log.warning("public name without a docstring: %s", name)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace links to files outside of docs/ by the files' paths; warn where one is missing."""
    folder = Path(config.docs_dir, page.file.src_uri).parent

    def replace(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        if target.is_relative_to(config.docs_dir):
            return link[0]
        path = target.relative_to(CHECKOUT).as_posix()
        if not target.exists():
            log.warning("%s links to a file that does not exist: %s", page.file.src_uri, path)
        return f"`{path}`" if path in link[1] else f"{link[1]} (`{path}`)"

    return LINK.sub(
        replace, markdown.replace(ROUTES, _routes()) if ROUTES in markdown else markdown
    )


def _routes() -> str:
    """Return a table of the server's routes, as its OpenAPI description lists them."""
    lines = ["| Route | Operation | What it does |", "| --- | --- | --- |"]
    for path, operations in create_routes().openapi()["paths"].items():
        for method, operation in operations.items():
            name, summary = operation["operationId"], operation["summary"]
            lines.append(f"| `{method.upper()} {path}` | `{name}` | {summary} |")
    return "\n".join(lines)


def _packages() -> list[Path]:
    """Return the folders of the packages, each before those inside it."""
    packages = [path.parent for path in (SOURCE / "pneumoscope").rglob("__init__.py")]
    return sorted(package for package in packages if "migrations" not in package.parts)


def _page_of(package: Path) -> str:
    return f"reference/api/{_dotted(package)}.md"


def _package_page(package: Path) -> str:
    modules = [path for path in sorted(package.glob("*.py")) if not path.name.startswith("_")]
    contents = [f"# `{_dotted(package)}`", f"::: {_dotted(package)}\n    options:\n"]
    contents[1] += "      members: false\n      show_root_heading: false\n"
    contents += [f"::: {_dotted(module.with_suffix(''))}" for module in modules]
    return "\n\n".join(contents)


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).parts)


def _undocumented(item: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Yield the public modules, classes and functions inside an object that have no docstring."""
    for member in item.members.values():
        if member.is_alias or member.is_special or not member.is_public:
            continue
        if not member.is_attribute and not member.has_docstring:
            yield member.path
        if not member.is_function:
            yield from _undocumented(member)
