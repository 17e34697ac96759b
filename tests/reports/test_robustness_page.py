import numpy as np

from maskdepth_tf.reports import robustness_page
from maskdepth_tf.reports.robustness_page import Shown
from tests.support import pages
from tests.support.robustness_figures import METHODS, result

RGB, GREY = np.full((16, 16, 3), 90, np.uint8), np.full((16, 16), 255, np.uint8)
SHOWN = [Shown("gain: 0.6", 5, 0.25, 17, 0.2, RGB, RGB, GREY, GREY)]


def written(figures, shown=SHOWN):
    return robustness_page.render(figures, shown, "a < b", "network", METHODS[1:])


def test_the_page_asks_for_nothing_and_escapes_names():
    text = written(result())
    tree = pages.parse(text)
    assert tree.findtext("head/title") == "a < b: robustness"
    assert pages.addresses(text) == []


def test_every_kind_has_its_row():
    figures = result()
    kinds = pages.table(next(pages.parse(written(figures)).iter("table")))
    assert kinds[0][:7] == ["disturbance", "1", "2", "3", "4", "5", "CE ↓"]
    assert len(kinds) == 1 + len(figures["kinds"])
    assert kinds[4][:7] == "perspective, ‰ T|0.90|0.89|0.88|0.87|0.86|0.50".split("|")
    assert kinds[4][7:] == ["0.78", "0.68", "0.58", "0.48", "0.85", "0.90"]


def test_cells_are_marked_against_the_best_yardstick_of_that_cell():
    figures = result()
    cells = figures["kinds"][0]["cells"]
    cells["mog2"][1] = cells["mog2"][1] | {"iou": 0.95}
    cells["rule"][2] = cells["network"][2]
    table = next(pages.parse(written(figures)).iter("table"))
    marks = [cell.get("class") for cell in table.find("tbody/tr").findall("td")[:4]]
    assert marks == ["good", "bad", "", "good"]


def test_kinds_of_fewer_levels_leave_room():
    figures = result()
    kind = figures["kinds"][0]
    kind["cells"] = {key: cells[:1] for key, cells in kind["cells"].items()}
    kind |= {"levels": [1], "oracle": kind["oracle"][:1], "depth_ssim": [None]}
    row = pages.table(next(pages.parse(written(figures)).iter("table")))[1]
    assert row[:7] == ["shift, ‰", "0.90", "", "", "", "", "0.50"]
    assert row[-1] == "–"


def test_worst_cells_have_four_pictures():
    tree = pages.parse(written(result()))
    (figure,) = tree.iter("figure")
    captions = [image.get("alt") for image in figure.iter("img")]
    assert captions == ["background", "picture", "truth", "answer"]
    assert pages.texts(figure, "figcaption") == [
        "gain: 0.6 (severity 5). Mean IoU of the cell 0.250, of row 17 0.200."
    ]


def test_a_set_of_one_room_says_so():
    words = pages.words(pages.parse(written(result(0))))
    assert "No wrong rooms: all rows show the same one." in words
