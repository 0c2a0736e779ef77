"""Pages as PDF: whole, the same each time, from nothing but the page, and a reason where none."""

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure
from PIL import Image

from pneumoscope.evaluation.report.views import ErrorsView
from pneumoscope.radiograph import read_radiograph
from pneumoscope.report.estimate import format_number
from pneumoscope.report.gallery import GalleryImage
from pneumoscope.report.html import figure_png
from pneumoscope.report.jupyter import inline_png
from pneumoscope.report.pdf import PdfError, write_pdf
from pneumoscope.support.errors import UnreadableRadiographError

pytestmark = pytest.mark.usefixtures("pango")

PNG = figure_png(Figure(figsize=(1, 1)))
PICTURE = inline_png(PNG)


def pictures(pdf: bytes) -> int:
    return len(re.findall(rb"/Subtype\s*/Image", pdf))


def unpacked(pdf: bytes) -> bytes:
    """Return a PDF's bytes with those of its compressed streams."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return pdf + b"".join(
        zlib.decompressobj().decompress(stream) for stream in streams if stream[0] == 0x78
    )


PAGE = f"<html lang=en><title>A report</title><h1>Lungs</h1><img alt=dot src='{PICTURE}'>"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the PDF of `PAGE`, alone in its folder; read-only."""
    path = tmp_path_factory.mktemp("printed") / "page.pdf"
    write_pdf(PAGE, path)
    return path


def test_a_page_with_its_pictures_becomes_a_pdf(printed: Path) -> None:
    written = printed.read_bytes()
    assert written.startswith(b"%PDF-")
    assert written.rstrip().endswith(b"%%EOF")
    assert pictures(written) > 0
    assert [file.name for file in printed.parent.iterdir()] == ["page.pdf"]


@pytest.mark.parametrize("subsetter", ["harfbuzz", "fonttools"])
def test_the_same_page_gives_the_same_bytes_at_any_time(
    subsetter: str, printed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # WeasyPrint falls back to fontTools where libharfbuzz-subset is not installed.
    lines = ["import os, time", "clock = time.time"]
    lines += ["time.time = lambda: clock() + float(os.environ['SECONDS_LATER'])"]
    if subsetter == "fonttools":
        lines += ["import weasyprint.pdf.fonts", "weasyprint.pdf.fonts.harfbuzz_subset = None"]
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines))
    python_path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", python_path)
    if subsetter == "fonttools":
        monkeypatch.setenv("SECONDS_LATER", "0")
        write_pdf(PAGE, tmp_path / "now.pdf")
        printed = tmp_path / "now.pdf"
    monkeypatch.setenv("SECONDS_LATER", "1000")
    write_pdf(PAGE, tmp_path / "later.pdf")
    assert (tmp_path / "later.pdf").read_bytes() == printed.read_bytes()


def test_a_screen_reader_finds_headings_and_pictures(printed: Path) -> None:
    objects = unpacked(printed.read_bytes())
    assert b"/StructTreeRoot" in objects
    assert re.search(rb"/S\s*/H1", objects)


def test_nothing_outside_the_page_is_read(
    tmp_path: Path, start_server: Callable[[type[BaseHTTPRequestHandler]], str]
) -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    (tmp_path / "secret.png").write_bytes(PNG)
    addresses = f"{start_server(Handler)}/x.png", (tmp_path / "secret.png").as_uri()
    images = "".join(f"<img alt=x src='{address}'>" for address in addresses)
    write_pdf(f"<p>text</p>{images}", tmp_path / "page.pdf")
    assert asked == []
    assert pictures((tmp_path / "page.pdf").read_bytes()) == 0


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("ImportError('no such package')", r"report\.pdf was not written: WeasyPrint.*pip install"),
        ("OSError('no pango')", r"Pango is not installed.*libpango-1\.0-0 libpangoft2"),
        ("ValueError('a defect')", r"WeasyPrint failed \(ValueError: a defect\).*browser"),
    ],
)
def test_where_none_can_be_printed_the_reason_says_what_to_do(
    failure: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weasyprint.py").write_text(f"raise {failure}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PdfError, match=reason):
        write_pdf("<p>text", tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.usefixtures("printed")
def test_a_truncated_radiograph_is_refused_after_a_pdf_was_printed(tmp_path: Path) -> None:
    # WeasyPrint has Pillow accept such images, in the whole process that imports it.
    Image.radial_gradient("L").save(tmp_path / "whole.jpeg")
    (tmp_path / "half.jpeg").write_bytes((tmp_path / "whole.jpeg").read_bytes()[:-500])
    with pytest.raises(UnreadableRadiographError, match="truncated"):
        read_radiograph(tmp_path / "half.jpeg")


TEXT_AND_PICTURES = """
import sys
from weasyprint import HTML
pages = HTML(string=sys.stdin.read()).render().pages
boxes = [box for page in pages for box in page._page_box.descendants()]
print(
    sum(
        box.element_tag == "img" and box.position_y + box.height <= page.height
        for page in pages
        for box in page._page_box.descendants()
        if hasattr(box, "replacement")
    )
)
print(" ".join(box.text for box in boxes if hasattr(box, "text")))
"""


def test_nothing_behind_pages_or_folds_is_lost() -> None:
    """All pages of a gallery, the data of a figure and folded tables are printed.

    Where the gallery did not break over pages, pictures would lie below the end of one.
    """
    images = [GalleryImage(f"image{number}.png", 0.9, PNG) for number in range(60)]
    others = [(f"other{number}.png", 0.6) for number in range(3)]
    template = Environment(loader=PackageLoader("pneumoscope.report"), autoescape=True).from_string(
        '{% extends "page.html" %}{% from "macros.html" import data_figure, error_gallery %}'
        "{% block content %}{{ error_gallery(errors) }}"
        '{{ data_figure(src, "a curve", "Caption", ("x", "y"), [("0.25", "0.75")]) }}{% endblock %}'
    )
    template.environment.filters |= {"inline_png": inline_png, "number": format_number}
    errors = ErrorsView.of("false_negatives", "it", images, others)
    page = template.render(errors=errors, src=PICTURE)
    assert page.count('type="radio"') == 3  # the screen shows 24 at a time
    done = subprocess.run(
        [sys.executable, "-c", TEXT_AND_PICTURES],
        input=page,
        capture_output=True,
        text=True,
        check=True,
    )
    pictures, text = done.stdout.split("\n", 1)
    assert int(pictures) == 61
    for name in ("image0.png", "image59.png", "other0.png", "other2.png", "0.25", "0.75"):
        assert name in text
    assert "1–24" not in text  # the labels of the pages
