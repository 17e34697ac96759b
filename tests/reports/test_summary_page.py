import numpy as np

from maskdepth_tf.images import encoding
from maskdepth_tf.reports import summary_page
from maskdepth_tf.reports.summary_page import Row
from tests.support import pages

PNG = encoding.encode_png(np.full((2, 3, 3), 90, np.uint8))
ROWS = [
    Row("a", 0.25, [], [], "a_overview.png", b""),
    Row("b", 0.0, ["the mask covers hardly anything"], [], "b_overview.png", PNG),
    Row("c", None, ["c.png: cut off"], [], None, b""),
    Row("d", 0.5, ["odd", "dark"], ["moved", "light"], "d_overview.png", PNG),
]


def tiles(tree):
    """Value and note of each tile, by its title."""
    (box,) = (div for div in tree.iter("div") if div.get("class") == "tiles")
    return {pages.words(tile[0]): [pages.words(x) for x in tile[1:]] for tile in box}


def test_tiles():
    # 4 pictures in 8 s; (25 + 0 + 50) / 3 % of those that could be predicted.
    tree = pages.parse(summary_page.render(ROWS, 8.0))
    assert tree.findtext("head/title") == "4 pictures"
    assert tiles(tree) == {
        "predicted": ["3", "0.5 a second"],
        "unusual": ["3", "to be looked at"],
        "mask covers": ["25.0 %", "in the mean"],
        "corrected": ["1", "camera moved, other light"],
    }


def test_what_earlier_runs_have_tried_is_not_in_the_rate():
    found = tiles(pages.parse(summary_page.render(ROWS, 8.0, num_earlier=2)))
    assert found["predicted"] == ["3", "2 earlier, 0.2 a second"]


def test_what_could_not_be_done_is_first_then_what_has_most_to_be_said_of():
    tree = pages.parse(summary_page.render(ROWS, 8.0))
    unusual, everything = map(pages.table, tree.iter("table"))
    assert unusual == [
        ["picture", "", "mask covers", "what"],
        ["c", "", "–", "c.png: cut off"],
        ["d", "", "50.0 %", "odd; dark"],
        ["b", "", "0.0 %", "the mask covers hardly anything"],
    ]
    assert everything == [
        ["picture", "mask covers", "corrected"],
        ["a", "25.0 %", ""],
        ["b", "0.0 %", ""],
        ["c", "–", ""],
        ["d", "50.0 %", "moved, light"],
    ]
    (details,) = tree.iter("details")
    assert details.get("open") is None


def test_thumbnails_are_in_the_page():
    tree = pages.parse(summary_page.render(ROWS, 8.0))
    images = list(tree.iter("img"))
    names = [image.get("alt") for image in images]
    assert names == ["picture and cut-out of d", "picture and cut-out of b"]
    assert all(i.get("src").startswith("data:image/png;base64,iVBOR") for i in images)


def links(rows):
    return [(a.text, a.get("href")) for a in _parsed(rows).iter("a")]


def _parsed(rows):
    return pages.parse(summary_page.render(rows, 1.0))


def test_names_lead_to_overviews_whatever_is_in_them():
    odd = {
        "<b>&\"'": "%3Cb%3E%26%22%27_overview.png",
        "50% #1?": "50%25%20%231%3F_overview.png",
        "javascript:x": "javascript%3Ax_overview.png",
        "ü": "%C3%BC_overview.png",
        "{{ 7 * 7 }}": "%7B%7B%207%20%2A%207%20%7D%7D_overview.png",
    }
    rows = [Row(name, 0.5, [], [], f"{name}_overview.png", b"") for name in odd]
    assert links(rows) == list(odd.items())
    # A name that is no text is shown as `cli.printable` writes it.
    row = Row("3\\xff", 0.5, [], [], "3\udcff_overview.png", b"")
    assert links([row]) == [("3\\xff", "3%FF_overview.png")]
    assert links([ROWS[2]]) == []


def test_remarks_never_become_markup():
    row = Row("<i>", 0.5, ["<script>x</script>"], ["<b>"], None, PNG)
    tree = _parsed([row])
    assert not [e for e in tree.iter() if e.tag in ("script", "i", "b")]
    unusual, everything = map(pages.table, tree.iter("table"))
    assert unusual[1] == ["<i>", "", "50.0 %", "<script>x</script>"]
    assert everything[1] == ["<i>", "50.0 %", "<b>"]


def test_nothing_unusual():
    tree = _parsed(ROWS[:1])
    assert tiles(tree)["unusual"] == ["0", "nothing to look at"]
    assert tree.findtext("head/title") == "1 pictures"
    assert pages.texts(tree, ".//h2") == ["All"]
    (details,) = tree.iter("details")
    assert details.get("open") is not None


def test_no_picture_at_all():
    # As `--resume` leaves it where everything is there.
    found = tiles(pages.parse(summary_page.render([], 0.0)))
    assert found["mask covers"] == ["–", "in the mean"]
    assert found["predicted"] == ["0", "0.0 a second"]


def test_of_many_the_first_are_shown(monkeypatch):
    monkeypatch.setattr(summary_page, "MOST_SHOWN", 2)
    tree = _parsed(ROWS)
    unusual, everything = map(pages.table, tree.iter("table"))
    assert [row[0] for row in unusual] == ["picture", "c", "d"]
    assert len(everything) == 5
    assert "The first 2 of 3." in pages.words(tree)
    assert tiles(tree)["unusual"][0] == "3"


def test_the_page_asks_for_nothing_but_overviews():
    found = pages.addresses(summary_page.render(ROWS, 8.0))
    assert found == ["href="] * 5
