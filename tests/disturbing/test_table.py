from maskdepth_tf.disturbing import table
from tests.support.robustness_figures import cell, result


def test_table_fits_and_says_all():
    made_up = result()
    made_up["kinds"][0]["cells"]["orb_tone_rule"] = [cell(0.99)] * 5
    text = table.table(made_up)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    heads = "IoU by severity 1 2 3 4 5 mean best yardstick"
    assert lines[0].split() == heads.split()
    # Of the longest name, when it is the best.
    assert lines[1].endswith("0.99 ORB + tone + rule")
    (tilt,) = (line for line in lines if line.startswith("perspective, ‰ T "))
    figures = "0.90 0.89 0.88 0.87 0.86  0.88  0.78 rule"
    assert tilt.removeprefix("perspective, ‰ T").strip() == figures
    (network,) = (line for line in lines if line.startswith("network "))
    assert network.split()[1:] == "0.93 0.88 0.50 0.60 – 0.12 1.2% 8.0".split()
    assert "worst cell: JPEG of both, quality, severity 5: IoU 0.12" in lines
    assert "pictures swapped: IoU 0.93" in lines
    hand_held = "taken by hand T (100 pairs): IoU 0.93, best yardstick 0.93 "
    assert lines[-3].startswith(hand_held)
    assert lines[-2:] == [
        "wrong room: AUC 0.987",
        "  1.2% false alarms, 0.0% missed above 30% mismatch",
    ]


def test_kinds_of_fewer_levels_leave_room():
    figures = result()
    kind = figures["kinds"][0]
    kind["cells"] = {key: cells[:1] for key, cells in kind["cells"].items()}
    kind["levels"] = kind["levels"][:1]
    line = table.table(figures).splitlines()[1]
    assert line == f"{'shift, ‰':22} 0.90{'':20}  0.90  0.80 rule"


def test_where_all_rows_show_one_room():
    assert table.table(result(0)).endswith("not measured, all rows show the same one")
