import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.reports import page
from tests.support import pages

EMPTY = {
    "name": "a",
    "gaps": [],
    "run": {},
    "command": "",
    "duration": "",
    "config": "",
    "splits": [],
    "rules": {},
    "parameters": 0,
    "epochs": [],
    "metrics": [],
    "seconds": "",
    "best": None,
    "pictures": {},
    "at": lambda *_: None,
}


def render(**values):
    return page.render("run_report.html", **EMPTY | values)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"])))
@settings(deadline=None, max_examples=25)
def test_text_and_attributes_never_become_markup(text):
    tree = pages.parse(render(config=f"{text}.", pictures={text: b"\x89PNG"}))
    assert tree.find(".//pre").findtext("code") == f"{text}."
    assert [image.get("alt") for image in tree.iter("img")] == [text]


def test_a_picture_carries_its_bytes():
    tree = pages.parse(render(pictures={"curves": b"\x89PNG"}))
    assert tree.find(".//img").get("src") == "data:image/png;base64,iVBORw=="


def test_a_page_asks_for_nothing_and_suits_light_dark_and_phones():
    text = render(name="a < b")
    tree = pages.parse(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert tree.findtext("head/title") == "a < b: mask and depth"
    assert "prefers-color-scheme: dark" in tree.findtext("head/style")
    metas = {meta.get("name", meta.get("http-equiv")) for meta in tree.iter("meta")}
    assert {"viewport", "Content-Security-Policy"} <= metas
    assert pages.addresses(text) == []


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="is undefined"):
        page.render("run_report.html")


def test_texts_that_are_no_pages_are_not_escaped():
    values = {"name": "a & b", "version": "1", "size": 48, "parameters": 1234}
    text = page.render("model_card.md", **values, run={}, scores={}, metrics=[])
    assert text.startswith("# a & b\n")
    assert "1,234 parameters" in text


@pytest.mark.parametrize("value", [None, "", "x", [], {}, "nan", float("inf"), 10**400])
def test_what_is_no_number_is_a_dash(value):
    assert page.number_text(value) == "–"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_floats_and_their_text(value):
    assert page.number(value) == value
    assert page.number(repr(value)) == value
