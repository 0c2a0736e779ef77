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

PROBE = """
<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(fold => fold.open = true);
  const pictures = [...document.images];
  const boxes = [...document.querySelectorAll(".scroll")];
  parent.postMessage("PROBE" + JSON.stringify({
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
  }), "*");
});
</script>
"""

# Headless Chromium has no window below 500 pixels; a frame has any width.
FRAME = """<!doctype html><title></title>
<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>
<script>addEventListener("message", event => document.title = event.data);</script>
"""

AXE = """
<script>
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach(fold => fold.open = true);
  // Before a gradient axe-core checks no contrast; that of scroll boxes only shades their edges.
  document.querySelectorAll(".scroll").forEach(box => box.style.background = "none");
  const found = await axe.run();
  const background = getComputedStyle(document.querySelector("main")).backgroundColor;
  const report = document.createElement("pre");
  report.id = "axe";
  report.textContent = JSON.stringify({
    background: background.match(/[0-9]+/g).map(Number),
    checked: found.passes.map(rule => rule.id),
    problems: found.violations.flatMap(rule => rule.nodes.map(
      node => `${rule.id} (${rule.impact}) at ${node.target}: ${rule.help}. ${node.failureSummary}`
    )),
  });
  document.body.append(report);
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


def dump(chromium: list[str], page: Path, script: str, folder: Path, frame: str = "") -> str:
    """Return a page, or the frame around it, as it is after a script has run in the page."""
    shown = copy = folder / "page.html"
    copy.write_text(page.read_text() + script)
    if frame:
        shown = folder / "frame.html"
        shown.write_text(frame)
    done = subprocess.run(
        [*chromium, "--dump-dom", shown.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def axe() -> str:
    """Return axe-core and what runs it, to be added to a page."""
    source = resources.files("axe_core_python") / "axe.min.js"
    return f"<script>{source.read_text(encoding='utf-8')}</script>{AXE}"


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole(
    chromium: list, pages: dict[str, Path], tmp_path: Path, name: str, width: int
) -> None:
    frame = FRAME.format(width=width)
    dumped = dump([*chromium, "--window-size=1400,1000"], pages[name], PROBE, tmp_path, frame)
    found = json.loads(html.unescape(re.search(r"<title>PROBE(\{.*?\})</title>", dumped)[1]))
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


def axe_report(dumped: str) -> dict:
    return json.loads(html.unescape(re.search(r'<pre id="axe">(.*?)</pre>', dumped)[1]))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
@pytest.mark.parametrize("name", PAGES)
def test_page_breaks_no_rule_of_axe_core(
    chromium: list,
    pages: dict[str, Path],
    axe: str,
    tmp_path: Path,
    name: str,
    width: int,
    scheme: str,
) -> None:
    options = [
        f"--window-size={width},900",
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
    ]
    dumped = dump([*chromium, *options], pages[name], axe, tmp_path)
    found = axe_report(dumped)
    assert {"color-contrast", "image-alt", "page-has-heading-one"} <= set(found["checked"])
    assert (max(found["background"]) < 80) == (scheme == "dark")
    assert found["problems"] == []


def test_axe_core_notices_what_is_wrong(
    chromium: list, pages: dict[str, Path], axe: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.html"
    page = pages["search"].read_text().replace(' alt="', ' data-alt="')
    bad.write_text(page.replace("--ink: #1c2430", "--ink: #c0c0c0"))
    dumped = dump(chromium, bad, axe, tmp_path)
    found = axe_report(dumped)
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
