"""Pages and texts from templates: escaped where they are HTML, and asking for nothing.

A page extends `templates/page.html`, which holds the style: it follows the reader's
preference for light or dark and the width of the screen.
"""

import base64
import math
from typing import Any

import jinja2


def render(name: str, /, **values: Any) -> str:
    """Fills in a template.

    Args:
        name: A file of `templates/`; in one that ends in `.html` all values are
            escaped.
        **values: What the template takes.

    Returns:
        The page.

    Raises:
        jinja2.UndefinedError: If a value that the template takes is not given.
    """
    return _ENVIRONMENT.get_template(name).render(values)


def number(value: Any) -> float:
    """Returns a number, or the text of one, as a float; NaN for all else.

    >>> number("0.5"), number(None)
    (0.5, nan)
    """
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def number_text(value: Any, form: str = ".4f") -> str:
    """Writes a number in the given format; a dash for what is none.

    >>> number_text(1234, ",.0f"), number_text("x")
    ('1,234', '–')
    """
    value = number(value)
    return f"{value:{form}}" if math.isfinite(value) else "–"


def _png_source(data: bytes) -> str:
    """Returns the address of an image that is its own bytes."""
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"number": number_text, "png": _png_source}
