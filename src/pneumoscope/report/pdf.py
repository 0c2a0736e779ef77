"""PDF files of HTML pages, printed by WeasyPrint; the HTML page remains the complete one."""

import os
import subprocess
import sys
from pathlib import Path

from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import messages

_PANGO = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""Packages of Debian and Ubuntu with the libraries that WeasyPrint loads."""

_NO_WEASYPRINT, _NO_PANGO = 3, 4
"""Exit status of the printing process where one of them is missing."""


class PdfError(PneumoscopeError):
    """PDF could not be written; the HTML page has everything."""


def write_pdf(html: str, path: Path) -> None:
    """Print a self-contained page of `render_page` into a PDF file, atomically.

    The same page gives the same bytes, with the same WeasyPrint and fonts. Nothing is fetched:
    images must be inline. It is printed in a separate process, because WeasyPrint makes Pillow
    accept truncated images for the rest of the process's life, and a truncated radiograph must
    never be read.

    Raises
    ------
    PdfError
        If WeasyPrint or its system library Pango is not installed, or it fails; the message says
        what to do.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> write_pdf("<title>Lungs</title><p>Clear.", Path("page.pdf"))  # doctest: +SKIP
    """
    done = subprocess.run(
        [sys.executable, "-m", "pneumoscope.report.pdf"],
        input=html.encode(),
        capture_output=True,
        # Where HarfBuzz's subsetter is missing, fontTools writes the time into each font.
        env={"SOURCE_DATE_EPOCH": "0", **os.environ},
    )
    match done.returncode:
        case 0:
            write_bytes(path, done.stdout)
        case code if code == _NO_WEASYPRINT:
            raise _missing(path, "WeasyPrint", "pip install 'pneumoscope[evaluate]'")
        case code if code == _NO_PANGO:
            raise _missing(path, "Pango", f"apt install {_PANGO}")
        case _:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise PdfError(
                f"{path} was not written: WeasyPrint failed ({last}); the page in HTML has "
                "everything, and a browser can print it"
            )


def write_pdf_if_possible(html: str, path: Path) -> None:
    """Write the PDF as `write_pdf` does, or print why there is none; the HTML page exists."""
    try:
        write_pdf(html, path)
    except PdfError as error:
        messages.print(str(error))


def _missing(path: Path, software: str, command: str) -> PdfError:
    return PdfError(
        f"{path} was not written: {software} is not installed, and the page in HTML has "
        f"everything; for a PDF: {command}"
    )


def _print() -> int:
    """Print the page from standard input to standard output, in the process of `write_pdf`."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError:
        return _NO_WEASYPRINT
    except OSError:  # the package is installed, a library that it loads is not
        return _NO_PANGO
    inline_only = URLFetcher(allowed_protocols=("data",))
    page = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=inline_only)
    sys.stdout.buffer.write(page.write_pdf(pdf_tags=True))
    return 0


if __name__ == "__main__":
    sys.exit(_print())
