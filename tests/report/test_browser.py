"""The pages in a real browser: whole on a phone, light and dark, accessible, printed."""

import html
import json
import re
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

PAGES = {"report": 5, "summary": 5, "search": 2, "evaluation": 9, "validation": 6}
"""Each page, and how many pictures it has at least."""

SCHEMES = {"dark": 0, "light": 1}
"""As Chromium numbers them."""

CHECKS = """
<script>
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach(fold => fold.open = true);
  const pictures = [...document.images];
  const boxes = [...document.querySelectorAll(".scroll")];
  const found = {
    pictures: pictures.length,
    broken: pictures.filter(picture => !picture.naturalWidth).length,
    requests: performance.getEntriesByType("resource")
      .filter(entry => !entry.name.startsWith("data:")).length,
    width: innerWidth,
    overflow: document.documentElement.scrollWidth - innerWidth,
    tables: document.querySelectorAll(".scroll table").length,
    loose: document.querySelectorAll("table").length,
    cut: boxes.filter(box => box.scrollWidth > box.clientWidth)
      .map(box => `${box.getAttribute("aria-label")}: ${box.scrollWidth} in ${box.clientWidth}`),
    unmarked: boxes.filter(box => getComputedStyle(box).overflowX !== "auto"
      || !getComputedStyle(box).backgroundAttachment.includes("local")).length,
  };
  // Before a gradient axe-core checks no contrast; that of scroll boxes only shades their edges.
  boxes.forEach(box => box.style.background = "none");
  const axes = await axe.run({resultTypes: ["violations"]});
  const background = getComputedStyle(document.querySelector("main")).backgroundColor;
  found.background = background.match(/[0-9]+/g).map(Number);
  found.checked = axes.passes.map(rule => rule.id);
  found.problems = axes.violations.flatMap(rule => rule.nodes.map(
    node => `${rule.id} (${rule.impact}) at ${node.target}: ${rule.help}. ${node.failureSummary}`
  ));
  parent.postMessage("FOUND" + JSON.stringify(found), "*");
});
</script>
"""

# Headless Chromium has no window below 500 pixels; a frame has any width.
FRAME = """<!doctype html><title></title>
<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>
<script>addEventListener("message", event => document.title = event.data);</script>
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
def axe() -> str:
    """Return axe-core, to be added to a page."""
    source = resources.files("axe_core_python") / "axe.min.js"
    return f"<script>{source.read_text(encoding='utf-8')}</script>"


def check(chromium: list[str], page: Path, axe: str, width: int, folder: Path) -> dict:
    """Return what the checks find in a page that is shown in a frame of a width."""
    (folder / "page.html").write_text(page.read_text() + axe + CHECKS)
    (folder / "frame.html").write_text(FRAME.format(width=width))
    done = subprocess.run(
        [*chromium, "--window-size=1400,1000", "--dump-dom", (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(html.unescape(re.search(r"<title>FOUND(\{.*?\})</title>", done.stdout)[1]))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_breaks_no_rule_of_axe_core(
    chromium: list,
    pages: dict[str, Path],
    axe: str,
    tmp_path: Path,
    name: str,
    width: int,
    scheme: str,
) -> None:
    colours = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    found = check([*chromium, colours], pages[name], axe, width, tmp_path)
    assert found["width"] == width
    assert found["pictures"] >= PAGES[name]
    assert found["broken"] == 0
    assert found["requests"] == 0
    assert found["overflow"] <= 0
    # Every table is in a box of its own, which shows where there is more of it.
    assert found["tables"] == found["loose"] > 0
    assert found["unmarked"] == 0
    # A search's table has a column for each setting that it varies: it may scroll.
    if width == 1200 and name != "search":
        assert found["cut"] == []
    assert {"color-contrast", "image-alt", "page-has-heading-one"} <= set(found["checked"])
    assert (max(found["background"]) < 80) == (scheme == "dark")
    assert found["problems"] == []


def test_axe_core_notices_what_is_wrong(
    chromium: list, pages: dict[str, Path], axe: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.html"
    page = pages["search"].read_text().replace(' alt="', ' data-alt="')
    bad.write_text(page.replace("--ink: #1c2430", "--ink: #c0c0c0"))
    found = check(chromium, bad, axe, 1200, tmp_path)
    rules = {problem.split()[0] for problem in found["problems"]}
    assert {"color-contrast", "image-alt"} <= rules


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
