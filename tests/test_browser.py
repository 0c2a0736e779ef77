"""The pages in a real browser: every picture decodes, nothing is cut off on a phone, it prints."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROBE = """
<script>
addEventListener("load", () => {
  const pictures = [...document.images];
  document.title = "PROBE" + JSON.stringify({
    pictures: pictures.length,
    broken: pictures.filter(picture => !picture.naturalWidth).length,
    requests: performance.getEntriesByType("resource")
      .filter(entry => !entry.name.startsWith("data:")).length,
    overflow: document.documentElement.scrollWidth - innerWidth,
  });
});
</script>
"""


@pytest.fixture(scope="module")
def chromium(
    require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> list:
    profile = tmp_path_factory.mktemp("profile")
    return [
        *(require_program("chromium"), "--headless", "--no-sandbox", "--disable-gpu"),
        *("--no-first-run", f"--user-data-dir={profile}", "--virtual-time-budget=5000"),
    ]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from pneumoscope.cache import ArrayCache
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.phantoms import generate_phantoms
    from pneumoscope.dataset.summary import summarise
    from pneumoscope.experiment import run_experiment
    from pneumoscope.training import make_recipe
    from pneumoscope.training.search import Search
    from pneumoscope.training.search_page import PAGE, write_page
    from pneumoscope.training.search_plan import Plan

    folder = tmp_path_factory.mktemp("pages")
    manifest = open_dataset(generate_phantoms(folder / "phantoms", count=40, size=64))
    recipe = make_recipe("model_1", assignments=["image_size=64", "epochs=1"])
    run_experiment(
        manifest, [recipe], folder / "out", ArrayCache(folder / "cache"), min_recall=0.99
    )
    plan = Plan(("compact",), ("image_size=64", "epochs=1"), folds=2)
    search = Search(manifest, plan, folder / "search", ArrayCache(folder / "cache"), resume=False)
    search.run(seconds=600, trials=1)
    write_page(search)
    return {
        "report": folder / "out" / "report.html",
        "summary": summarise(manifest, folder / "summary"),
        "search": search.out / PAGE,
    }


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("name", "pictures"), [("report", 5), ("summary", 5), ("search", 2)])
def test_page_is_whole(
    chromium: list, pages: dict[str, Path], tmp_path: Path, name: str, pictures: int, width: int
) -> None:
    copy = tmp_path / "page.html"
    copy.write_text(pages[name].read_text() + PROBE)
    done = subprocess.run(
        [*chromium, f"--window-size={width},900", "--dump-dom", copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(re.search(r"<title>PROBE(\{.*?\})</title>", done.stdout)[1])
    assert found["pictures"] >= pictures
    assert found["broken"] == 0
    assert found["requests"] == 0
    assert found["overflow"] <= 0


def test_report_prints(chromium: list, pages: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    subprocess.run(
        [*chromium, f"--print-to-pdf={target}", pages["report"].as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert target.read_bytes().startswith(b"%PDF")
    assert target.stat().st_size > 50_000
