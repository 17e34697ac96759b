"""The model card: what an exported network is, takes and answers, and where it ends."""

from pathlib import Path

from maskdepth_tf import __version__, files
from maskdepth_tf.network import metric_list
from maskdepth_tf.reports import page

NAME = "MODEL_CARD.md"


def write(
    folder: str | Path,
    name: str,
    image_size: int,
    num_parameters: int,
    run_dir: str | Path | None,
) -> None:
    """Writes the card of a model.

    Args:
        folder: Where to.
        name: The model's.
        image_size: Side of its square, in pixels.
        num_parameters: Trainable parameters.
        run_dir: Run folder whose `run.json` and `evaluation.json` it quotes, if they
            are there.

    Raises:
        DataError: If one of them is no JSON object.
    """
    run, scores = (_read(run_dir, file) for file in ("run.json", "evaluation.json"))
    text = page.render(
        "model_card.md",
        name=name,
        version=__version__,
        size=image_size,
        parameters=num_parameters,
        run=run,
        scores=scores,
        metrics=metric_list.METRICS,
    )
    Path(folder, NAME).write_text(text, encoding="utf-8", errors="replace")


def _read(run_dir: str | Path | None, file: str) -> dict:
    path = Path(run_dir or "", file)
    if run_dir is None or not path.is_file():
        return {}
    return files.parse_json(path.read_bytes(), path)
