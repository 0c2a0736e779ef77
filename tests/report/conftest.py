"""Report pages of small data, one of each kind, as their commands write them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pneumoscope import cli

from ..conftest import drawn_figures

if TYPE_CHECKING:
    from pneumoscope.training import Run


@pytest.fixture(scope="session")
def pages(
    made_once: Callable[..., Path], phantom_dataset: Path, compact_run: "Run", exported: Path
) -> dict[str, Path]:
    """Return a page of each kind, by name; read-only."""

    def fill(folder: Path) -> None:
        with drawn_figures():
            write_pages(folder, phantom_dataset, compact_run, exported)

    folder = made_once("pages", fill)
    return {
        "report": folder / "out" / "report.html",
        "summary": folder / "summary" / "summary.html",
        "search": folder / "search" / "search.html",
        "evaluation": folder / "evaluation" / "report.html",
        "validation": folder / "validation" / "report.html",
    }


def write_pages(folder: Path, phantom_dataset: Path, run: "Run", bundle: Path) -> None:
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.phantoms.generate import generate_phantoms
    from pneumoscope.dataset.summary.page import write_summary
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import make_recipe
    from pneumoscope.training.search import Search, SearchPlan, write_page
    from pneumoscope.workflows.experiment import run_experiment

    manifest = open_dataset(generate_phantoms(folder / "phantoms", count=40, size=64))
    recipe = make_recipe("model_1", assignments=["image_size=64", "epochs=1"])
    run_experiment(
        manifest, [recipe], folder / "out", ArrayCache(folder / "cache"), min_recall=0.99
    )
    plan = SearchPlan(("compact",), ("image_size=64", "epochs=1"), folds=2)
    search = Search(manifest, plan, folder / "search", ArrayCache(folder / "cache"), resume=False)
    search.run(seconds=600, trials=1)
    write_page(search)
    write_summary(manifest, folder / "summary")
    judge_pages(folder, phantom_dataset, run, bundle)


def judge_pages(folder: Path, phantoms: Path, run: "Run", bundle: Path) -> None:
    """Write the reports of an evaluation, of a bundle and a Run, and of a local validation."""
    images = sorted(phantoms.glob("test/*/*.png"))
    ward, labels = folder / "ward", folder / "labels.csv"
    ward.mkdir()
    lines = [f"{image.name},{image.parent.name},{n % 2}" for n, image in enumerate(images)]
    labels.write_text("\n".join(["file,label,sex", *lines]))
    for image in images:
        (ward / image.name).write_bytes(image.read_bytes())
    (ward / "unlabelled.png").write_bytes(images[0].read_bytes())
    validate = ["validate", "--bundle", bundle, "--labels", labels, "--images", ward]
    commands = (
        ["evaluate", bundle, run.folder, "--data", phantoms, "--out", folder / "evaluation"],
        [*validate, "--out", folder / "validation"],
    )
    for words in commands:
        with pytest.raises(SystemExit, match="0"):
            cli.main([*map(str, words), "--draws", "100"])
