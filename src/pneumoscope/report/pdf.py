"""Pages as PDF files, printed by WeasyPrint; the HTML stays the page that is complete."""

import os
import subprocess
import sys
from pathlib import Path

from pneumoscope.support.errors import PneumoscopeError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import messages

_PANGO = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""The packages of Debian and Ubuntu with the libraries that WeasyPrint loads."""

_NO_WEASYPRINT, _NO_PANGO = 3, 4
"""How the printing process ends where one of them is missing."""


class PdfError(PneumoscopeError):
    """No PDF can be written here; the page in HTML has everything."""


def write_pdf(html: str, path: Path) -> None:
    """Print a self-contained page into a PDF file, atomically.

    The same page gives the same bytes, with the same WeasyPrint and fonts. Nothing is fetched:
    pictures must be inline. It is printed in a process of its own, because WeasyPrint has Pillow
    accept truncated images for as long as a process lives, and a radiograph cut off in the middle
    must never be read as whole.

    Parameters
    ----------
    html
        The page, as `pneumoscope.report.html.render_page` gives it.
    path
        Where the file is to appear.

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


def print_pdf(html: str, path: Path) -> None:
    """Write the PDF as `write_pdf` does, or say why there is none: the page in HTML is there."""
    try:
        write_pdf(html, path)
    except PdfError as error:
        messages.print(str(error))


def _missing(path: Path, what: str, cure: str) -> PdfError:
    return PdfError(
        f"{path} was not written: {what} is not installed, and the page in HTML has everything; "
        f"for a PDF: {cure}"
    )


def _print() -> int:
    """Print the page of standard input to standard output; the process of `write_pdf`."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError:
        return _NO_WEASYPRINT
    except OSError:  # the package is there, a library that it loads is not
        return _NO_PANGO
    inline_only = URLFetcher(allowed_protocols=("data",))
    page = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=inline_only)
    sys.stdout.buffer.write(page.write_pdf(pdf_tags=True))
    return 0


if __name__ == "__main__":
    sys.exit(_print())
