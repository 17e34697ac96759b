"""A self-contained HTML page: escaped elements, one style, no script, no request.

The style follows the reader's light or dark preference and the width of the screen.
"""

import base64
import html

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1d232c;
  --faint: #5d6675; --line: #dfe3e9; --accent: #0b62a8; --good: #0b7a4b;
  --good-paper: #e4f4ec; --bad: #b04a00; --bad-paper: #fdf0e3; }
@media (prefers-color-scheme: dark) { :root { --paper: #101318; --card: #181c23;
  --ink: #e5e9ef; --faint: #9aa4b2; --line: #2b313b; --accent: #6cb4f2;
  --good: #5fd39f; --good-paper: #14302a; --bad: #f2a365; --bad-paper: #3a2717; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 44px 0 12px; font-size: 1.25rem; }
h3 { margin: 24px 0 8px; font-size: 1rem; }
p { margin: 8px 0; max-width: 75ch; }
.faint { color: var(--faint); }
.card, .tiles > div { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.card { padding: 16px 20px; }
.notice { border-left: 4px solid var(--bad); margin-top: 20px; }
.tiles { display: grid; gap: 12px; margin-top: 20px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tiles > div { padding: 14px 16px; }
.tiles strong { display: block; font-size: 1.9rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tiles span { display: block; font-size: .85rem; }
.tiles .even { color: var(--faint); }
.good { color: var(--good); }
.bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
figcaption, .note { color: var(--faint); font-size: .9rem; max-width: 85ch; }
.note { margin: 0 0 12px; }
.card + .card { margin-top: 12px; }
th, td { padding: 6px 10px; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: normal; }
thead th { border-bottom: 1px solid var(--line); vertical-align: bottom;
  font-size: .9rem; font-weight: 600; }
thead small { display: block; color: var(--faint); font-weight: normal; }
tbody { border-bottom: 1px solid var(--line); }
tbody:last-child { border-bottom: 0; }
tr.rule, tr.rule th { color: var(--faint); }
tr.rule th { padding-left: 26px; }
tr.network th { font-weight: 600; }
td.good { background: var(--good-paper); font-weight: 700; }
td.bad { background: var(--bad-paper); font-weight: 700; }
ul { padding-left: 22px; margin: 8px 0; max-width: 85ch; }
li { margin: 6px 0; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr;
  gap: 6px 22px; margin: 0; }
dt { color: var(--faint); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code, pre { font: .88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 12px 0 0; overflow-x: auto; }
figure { margin: 0; padding: 14px; }
figure img { display: block; width: 100%; min-width: 760px; height: auto;
  border-radius: 4px; }
figcaption { margin-top: 10px; }
summary { cursor: pointer; color: var(--accent); }
details[open] > summary { margin-bottom: 8px; }
@media (prefers-color-scheme: dark) {
  img.drawing { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; } }
@media (max-width: 640px) { main { padding: 20px 14px 48px; }
  .card { padding: 12px 14px; } figure { padding: 10px; }
  h1 { font-size: 1.5rem; } .tiles { grid-template-columns: 1fr 1fr; }
  .tiles strong { font-size: 1.5rem; } th, td { padding: 6px 8px; font-size: .88rem; }
  td:first-child, th:first-child { position: sticky; left: 0; padding-left: 0;
    background: var(--card); white-space: normal; }
  tr.rule th { padding-left: 12px; } figure img { min-width: 640px; }
  dl { grid-template-columns: 1fr; gap: 2px; } dd { margin-bottom: 10px; } }
@media print { body { background: none; } figure img { min-width: 0; }
  figure, table { break-inside: avoid; } }
"""

# Nothing is fetched, even if a name in the data were taken for markup after all.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_VOID = ("img", "meta")


class Html(str):
    """Markup, as opposed to text that must still be escaped."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Html:
    """An element; text is escaped unless it is `Html`.

    Args:
        name: Name of the element.
        *children: Text and elements in it.
        **attributes: Its attributes; a trailing underscore is dropped, the others
            become hyphens.

    Returns:
        The markup.

    Example:
    >>> element("p", "a < b", element("b", "c"), class_="faint")
    '<p class="faint">a &lt; b<b>c</b></p>'
    """
    opening = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{opening}>")
    content = "".join(
        child if isinstance(child, Html) else html.escape(child) for child in children
    )
    return Html(f"<{opening}>{content}</{name}>")


def png(data: bytes, description: str, **attributes: str) -> Html:
    """An image that carries its own bytes.

    Args:
        data: A PNG file.
        description: Said in place of the picture to who cannot see it.
        **attributes: As in `element`.

    Returns:
        The markup.
    """
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    return element("img", src=source, alt=description, **attributes)


def definitions(pairs: dict[str, str]) -> Html:
    """A list of terms with what each is; what is empty is left out."""
    parts = []
    for term, value in pairs.items():
        if value:
            parts += [element("dt", term), element("dd", value)]
    return element("dl", *parts)


def document(title: str, *content: str) -> str:
    """A whole page.

    Args:
        title: Shown by the browser.
        *content: What the page holds.

    Returns:
        HTML that needs no other file.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(_STYLE)),
    )
    body = element("body", element("main", *content))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"
