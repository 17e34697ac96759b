"""The command as it is called, on a tiny trained run."""

import json
import re
import shutil

import pytest

from maskdepth_tf import cli, robustness
from maskdepth_tf.errors import UsageError
from tests.support import pages


def code(*arguments):
    return cli.run(robustness.main, [str(argument) for argument in arguments])


def test_a_run_on_its_test_side(trained, labels_file, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(trained, run_dir)
    few = ("--rows", 2, "--workers", 1)
    assert code("--workdir", run_dir, *few, "--hand-held", labels_file) == 0
    text = capsys.readouterr().out
    result = json.loads((run_dir / "robustness.json").read_text())
    assert (result["model"], result["rows"]) == (str(run_dir), 2)
    assert len(result["kinds"]) == 16
    assert result["hand_held"]["rows"] == 40
    assert max(map(len, text.splitlines()[:-2])) <= 80
    assert f"wrote {run_dir / 'robustness.json'}" in text
    page = pages.parse((run_dir / "robustness.html").read_text())
    assert pages.words(page.find(".//h1")) == f"Robustness of {run_dir}"


def test_a_model_on_a_labels_file(trained, labels_file, tmp_path, capsys):
    files = ("--json", tmp_path / "a.json", "--output", tmp_path / "a.html")
    model = ("--model", trained / "best.keras", "--workers", 1)
    assert code("--labels", labels_file, *model, "--rows", 1, *files) == 0
    assert f"look at  {tmp_path / 'a.html'}" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["rows"] == 1
    # Nothing is written that was not asked for.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_errors_are_one_line_and_a_code(trained, packed_dir, tmp_path, capsys):
    for expected, message, arguments in (
        (3, "must be a labels file, whose", ("--labels", packed_dir)),
        (3, "none: No such file", ("--labels", tmp_path / "none")),
        (4, "none: a run folder must hold config.", ("--workdir", tmp_path / "none")),
    ):
        model = ("--model", trained) if "--labels" in arguments else ()
        assert code(*arguments, *model) == expected
        error = capsys.readouterr().err
        assert re.match(f"error: .*{message}", error)
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --workdir RUN, or --labels FILE"),
        (["--workdir", "a", "--labels", "b"], "give either --workdir RUN, or --labels"),
        (["--workdir", "a", "--rows", "0"], "--rows must be 1 or more. Received: 0"),
        (
            ["--workdir", "a", "--json", "no/such/x"],
            "the folder of --json must be there. Received: no/such/x",
        ),
        (
            ["--workdir", "a", "--output", "no/such/x"],
            "the folder of --output must be there. Received: no/such/x",
        ),
    ],
)
def test_flags_that_do_not_go_together(arguments, message):
    with pytest.raises(UsageError, match=message):
        robustness.main(arguments)
