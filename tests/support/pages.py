"""HTML pages as trees: a page that is not well-formed does not parse."""

import re
import xml.etree.ElementTree as ET


def parse(text):
    """Returns the `html` element of a page."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words(element):
    """Returns all text in an element, with single spaces."""
    return " ".join("".join(element.itertext()).split())


def texts(tree, path):
    """Returns the text of all elements on an XPath."""
    return [words(element) for element in tree.findall(path)]


def table(element):
    """Returns the texts of a table's cells, by rows."""
    return [[words(cell) for cell in row] for row in element.iter("tr")]


def addresses(text):
    """Returns what a page could fetch or lead to, its own images left out."""
    return re.findall(
        r"https?:|href=|<script|<link|@import|url\(|src=\"(?!data:)", text
    )
