"""Notebooks of the documentation: they run on phantoms, and their output is not committed.

The code cells run in one namespace of this process. A notebook uses nothing of a kernel, so neither
Jupyter nor its kernel is needed here.
"""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscope.evaluation.acceptance import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((CHECKOUT / "docs" / "notebooks").glob("*.ipynb"))
PACKAGE = CHECKOUT / "examples" / "own_network"


def name(notebook: Path) -> str:
    return notebook.stem


def cells(notebook: Path, kind: str = "code") -> list[dict]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def run(notebook: str, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """Run the code cells of a notebook in a folder, and return their names."""
    patch.chdir(folder)
    patch.setenv("MPLBACKEND", "Agg")
    path = CHECKOUT / "docs" / "notebooks" / f"{notebook}.ipynb"
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(path), start=1):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    return names


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_no_output_is_committed(notebook: Path) -> None:
    assert cells(notebook)
    for cell in cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_its_links_lead_to_files(notebook: Path) -> None:
    for cell in cells(notebook, "markdown"):
        for part in "".join(cell["source"]).split("](")[1:]:
            target = part.partition(")")[0]
            assert target.startswith("https://") or (notebook.parent / target).exists()


def test_the_page_lists_every_notebook() -> None:
    page = (CHECKOUT / "docs" / "how-to" / "notebooks.md").read_text()
    assert all(f"(../notebooks/{notebook.name})" in page for notebook in NOTEBOOKS)


def test_the_mount_sinai_notebook_has_ten_cells_and_shows_both_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = "mount_sinai_in_ten_cells"
    assert len(cells(CHECKOUT / "docs" / "notebooks" / f"{notebook}.ipynb")) == 10
    names = run(notebook, tmp_path, monkeypatch)
    assert [model.name for model in names["result"].models] == ["model_1", "model_4"]
    printed = capsys.readouterr().out
    assert "recall" in printed
    assert "[0.992]" in printed  # the notebook's recall of model_1
    assert "the notebook chose model_5" in printed


def test_a_local_validation_ends_in_a_verdict(
    tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_BUNDLE", str(exported))
    validation = run("validate_locally", tmp_path, monkeypatch)["validation"]
    assert isinstance(validation.acceptance.outcome, Outcome)
    assert len(validation.local.predictions.files) > 20


def test_a_network_of_one_s_own_is_trained_and_evaluated(
    tmp_path: Path, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    groups = {
        group.removeprefix("pneumoscope."): functions
        for group, functions in project["entry-points"].items()
    }
    source = (PACKAGE / "own_network.py").read_text()
    install(project["name"], project["version"], "own_network", source, **groups)
    evaluation = run("own_network", tmp_path, monkeypatch)["evaluation"]
    assert list(evaluation.metrics) == ["specificity_at_95"]
