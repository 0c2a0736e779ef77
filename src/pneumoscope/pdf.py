"""Pages as PDF files, printed by WeasyPrint; the HTML stays the page that is complete."""

from pathlib import Path

from pneumoscope.errors import PneumoscopeError
from pneumoscope.files import write_bytes
from pneumoscope.terminal import messages

_PANGO = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""The packages of Debian and Ubuntu with the libraries that WeasyPrint loads."""


class PdfError(PneumoscopeError):
    """No PDF can be written here; the page in HTML has everything."""


def write_pdf(html: str, path: Path) -> None:
    """Print a self-contained page into a PDF file, atomically.

    The same page gives the same bytes, with the same WeasyPrint and fonts. Nothing is fetched:
    pictures must be inline.

    Parameters
    ----------
    html
        The page, as `pneumoscope.page.render_page` gives it.
    path
        Where the file is to appear.

    Raises
    ------
    PdfError
        If WeasyPrint or its system library Pango is not installed; the message says what to do.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "page.pdf"
    >>> write_pdf("<title>Lungs</title><p>Clear.", path)
    >>> path.read_bytes()[:5]
    b'%PDF-'
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except ImportError as error:
        raise _missing(path, "WeasyPrint", "pip install 'pneumoscope[evaluate]'") from error
    except OSError as error:  # the package is there, a library that it loads is not
        raise _missing(path, "Pango", f"apt install {_PANGO}") from error
    inline_only = URLFetcher(allowed_protocols=("data",))
    write_bytes(path, HTML(string=html, url_fetcher=inline_only).write_pdf(pdf_tags=True))


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
