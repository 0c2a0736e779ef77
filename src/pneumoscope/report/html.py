"""Self-contained HTML pages: one file that opens anywhere, prints, and loads nothing."""

import io

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pneumoscope.report.estimate import format_number
from pneumoscope.report.jupyter import inline_png
from pneumoscope.report.sections import SECTIONS

_templates = Environment(
    loader=PackageLoader("pneumoscope.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(template: str, **context: object) -> str:
    """Return a template of ``pneumoscope/report/templates`` filled with escaped values.

    A name that the template uses and that is missing here raises `jinja2.UndefinedError`.
    """
    return _templates.get_template(template).render(**context)


def figure_png(figure: Figure, dpi: int = 110) -> bytes:
    r"""Return a figure as PNG bytes.

    Examples
    --------
    >>> figure_png(Figure(figsize=(1, 1)))[:4]
    b'\x89PNG'
    """
    buffer = io.BytesIO()
    figure.set_dpi(dpi)
    # `savefig` draws a figure with a layout twice: it lays out in a first drawing that it discards.
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


_templates.globals["sections"] = SECTIONS
_templates.filters |= {"inline_png": inline_png, "number": format_number}
