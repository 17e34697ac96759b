import base64
import html.parser
import re

from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.reports import page


class Parsed(html.parser.HTMLParser):
    """Names of the elements, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.names, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)

    def handle_data(self, data):
        self.text += data


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_text_and_attributes_never_become_markup(text):
    parsed = Parsed(page.element("p", text, title=text))
    assert parsed.names == ["p"]
    assert parsed.text == text


def test_elements_are_not_escaped_twice():
    inner = page.element("b", "&")
    assert page.element("p", "<", inner) == "<p>&lt;<b>&amp;</b></p>"


def test_joined_markup_is_text_again():
    # What a string method returns is escaped: forgetting `Html` shows, and is safe.
    assert (
        page.element("p", page.element("b").strip() + "")
        == "<p>&lt;b&gt;&lt;/b&gt;</p>"
    )


def test_png_carries_its_bytes():
    markup = page.png(b"\x89PNG", 'a "grid"', class_="drawing")
    encoded = base64.b64encode(b"\x89PNG").decode()
    assert markup == (
        f'<img src="data:image/png;base64,{encoded}" alt="a &quot;grid&quot;" '
        'class="drawing">'
    )


def test_definitions_leave_out_what_is_empty():
    markup = page.definitions({"a": "1", "b": "", "c": page.element("i", "3")})
    assert markup == "<dl><dt>a</dt><dd>1</dd><dt>c</dt><dd><i>3</i></dd></dl>"


def test_document_asks_for_nothing_and_suits_light_dark_and_phones():
    text = page.document("a < b", page.element("p", "hello"))
    assert text.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset=')
    assert "<title>a &lt; b</title>" in text
    assert "<main><p>hello</p></main>" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
