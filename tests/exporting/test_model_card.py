import json

import pytest

from maskdepth_tf.errors import DataError
from maskdepth_tf.exporting import model_card

RUN = {"data": {"rows": 1500, "splits": {"train": 1200, "test": 300}, "sha256": "ab12"}}
FIGURES = {"mask": {"dice": 0.9}, "depth": {"ssim": 0.60449}}
PLAIN = {"mask": {"dice": 0.5}, "depth": {"ssim": 0.25}}
SCORES = FIGURES | {"splits": {"test": FIGURES | {"baseline": PLAIN}}}


def card(folder, run_dir):
    model_card.write(folder, "office", 48, 1234567, run_dir)
    return (folder / model_card.NAME).read_text()


def test_card_of_a_run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "evaluation.json").write_text(json.dumps(SCORES))
    text = card(tmp_path, tmp_path)
    assert text.startswith("# office\n")
    assert "1,234,567 parameters, squares of 48 pixels" in text
    assert "float32 [B, 48, 48, 1]" in text
    assert "1,500 rows (1,200 train, 300 test)\nwith the fingerprint `ab12`." in text
    lines = [line for line in text.splitlines() if line.startswith("|")][-4:]
    head, rule, network, plain = ([c.strip() for c in x.split("|")] for x in lines)
    assert set(rule) == {"", "---"}
    assert head[1:3] == ["split", "mask soft Dice ↑"]
    assert (
        head.index("depth SSIM ↑") == network.index("0.6045") == plain.index("0.2500")
    )
    assert network[1:4] == ["test", "0.9000", "–"]
    assert plain[1:4] == ["test, no learning", "0.5000", "–"]


@pytest.mark.parametrize("has_folder", [True, False])
def test_card_without_a_run(tmp_path, has_folder):
    text = card(tmp_path, tmp_path if has_folder else None)
    assert "Not known: exported without its run folder." in text
    assert "Not known: exported without a run's `evaluation.json`." in text


def test_damaged_run(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="run.json: must be a JSON object, is not"):
        card(tmp_path, tmp_path)


def test_every_signature_is_in_the_card(tmp_path, exported):
    from tests.support.exported import graph_of

    text = card(tmp_path, None)
    names = {n for n in graph_of(exported[1]).signature_def if n.startswith("serving")}
    assert {name for name in names if f"`{name}`" not in text} == set()
