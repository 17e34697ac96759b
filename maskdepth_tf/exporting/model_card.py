"""The model card: what an exported network is, takes and answers, and where it ends."""

from pathlib import Path

from maskdepth_tf import __version__, files

NAME = "MODEL_CARD.md"
_OUTPUTS = ("mask", "depth")

_TEXT = """# {name}

From a picture of a scene (`bg`) and one of the same scene with something in front
(`fg_bg`) this network tells where the foreground is and how far everything is.
{parameters:,} parameters, squares of {size} pixels; exported by maskdepth_tf {version}.

## Signatures

| signature | takes | answers |
|---|---|---|
| `serving_default` | `bg_bytes`, `fg_bg_bytes`: string [B], encoded pictures of any size | `mask`, `depth`: float32 [B, {size}, {size}, 1] |
| `serving_full_size` | the same; all `fg_bg` of a batch of one size, H x W | `mask`, `depth`: float32 [B, H, W, 1] |
| `serving_png` | the same; any mix of sizes | `mask_png_bytes`, `depth_png_bytes`, `cutout_png_bytes`: string [B], PNGs as large as `fg_bg` |
| `serving_arrays` | `bg`, `fg_bg`: float32 [B, {size}, {size}, 3], 0 to 255 | as `serving_default` |
| `serving_uint8` | the same as uint8 | as `serving_default` |

## Conventions

- Encoded: JPEG, PNG, GIF, BMP or WebP, sRGB, turned as its EXIF says; transparent parts
  are white. Each picture is stretched to the network's square whatever its shape.
- `mask` is the probability of foreground, 0 to 1; 0.5 is the threshold of the figures.
- `depth` is relative to its own picture: 0 is its nearest point, 1 its farthest. It has no
  unit and says nothing across pictures.
- The PNGs: `mask` 8-bit grey (255 is foreground), `depth` 16-bit grey (65535 is far),
  `cutout` RGBA, `fg_bg` with the mask as alpha.

## Training data

{data}

## Figures

{figures}

## Limits

- Both pictures must come from one camera that did not move, with one exposure; a moved
  camera, changed light or a shadow counts as foreground.
- Nothing finer than the {size} pixel square is resolved; larger answers are smooth.
- Depth is as good as the depth maps that it was trained with. Not for measuring, nor for
  anything that safety depends on.
"""  # noqa: E501  rows of tables


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
    text = _TEXT.format(
        name=name,
        version=__version__,
        size=image_size,
        parameters=num_parameters,
        data=_data(run),
        figures=_figures(scores),
    )
    Path(folder, NAME).write_text(text, encoding="utf-8", errors="replace")


def _read(run_dir, file) -> dict:
    path = Path(run_dir or "", file)
    if run_dir is None or not path.is_file():
        return {}
    return files.parse_json(path.read_bytes(), path)


def _data(run) -> str:
    if not run:
        return "Not known: exported without its run folder."
    data = run["data"]
    sides = ", ".join(f"{rows:,} {side}" for side, rows in data["splits"].items())
    return f"{data['rows']:,} rows ({sides})\nwith the fingerprint `{data['sha256']}`."


def _figures(scores) -> str:
    if not scores:
        return "Not known: exported without a run's `evaluation.json`."
    header = [f"{output} {name}" for output in _OUTPUTS for name in scores[output]]
    rows = [["split", *header], ["---"] * (1 + len(header))]
    for side, found in scores["splits"].items():
        for label, part in ((side, found), (f"{side}, no learning", found["baseline"])):
            values = [v for output in _OUTPUTS for v in part[output].values()]
            rows.append([label, *(f"{value:.4f}" for value in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
