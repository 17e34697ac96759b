"""Trains one network again and again, each time with one thing changed.

    python -m benchmarks.trained_alike losses --output DIR
    python -m benchmarks.trained_alike disturbances --output DIR [--seed 1]

All begin with `configs/quickstart.yaml`, on its rendered rooms, for --epochs epochs.
`losses` changes the pair of losses (`configs/losses/`), `disturbances` leaves out one
disturbance of training, or adds one. A line each: scores of the rows whose rooms and
figures are unseen, IoU by kind of disturbance at severity 3, the share that is marked
with nobody there, and processor seconds. DIR/STUDY.png shows what each answers. What is
done is not done again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WHOLE = "all of it"
GROUPS = ("geometry", "light", "sensor", "scene")
"""Groups of disturbances, as `disturbing.kinds` has them."""
SEVERITY = 3
SIDE, SHOWN = 96, 3
"""Side of pictures, in pixels, and unseen rows that are drawn."""
CHANGES = {
    "no move": ["camera.move_probability=0"],
    "no light": ["camera.light_probability=0"],
    "no blur": ["camera.blur_probability=0"],
    "no noise": ["camera.noise_probability=0"],
    "JPEG once more": ["camera.compression_probability=0.4"],
    "no shadow": ["scene.shadow_probability=0"],
    "no thing moved": ["scene.thing_probability=0"],
    "no camouflage": ["scene.camouflage_probability=0"],
    "none of them": [
        *(f"camera.{name}_probability=0" for name in ("move", "light", "blur")),
        "camera.noise_probability=0",
        *(f"scene.{name}_probability=0" for name in ("shadow", "thing", "camouflage")),
    ],
}
"""Name -> what it changes of the config."""


def variants(study):
    """Name -> flags of `train`."""
    if study == "losses":
        files = sorted((ROOT / "configs/losses").glob("*.yaml"))
        pairs = {path.stem: ["--config", str(path)] for path in files}
        return {"quickstart's own": [], **pairs}
    sets = {name: flags_of(values) for name, values in CHANGES.items()}
    return {WHOLE: [], **sets}


def flags_of(values):
    """What --set takes."""
    return [flag for value in values for flag in ("--set", value)]


def run(*arguments):
    """Runs a command of the package; processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "maskdepth_tf", *arguments]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train(folder, flags, args):
    """Trains and measures one variant, unless it is there; its figures."""
    target = folder / "figures.json"
    if not target.exists():
        values = [f"training.epochs={args.epochs}", f"seed={args.seed}"]
        values += [f"optimizer.drop_epochs={max(1, args.epochs // 3)}"]
        place = ["--workdir", str(folder)]
        command = ["train", "--config", "quickstart", *flags, *flags_of(values)]
        seconds = run(*command, *place, "--resume")
        run("robustness", *place, "--rows", str(args.rows))
        scores = json.loads((folder / "evaluation.json").read_bytes())
        measured = json.loads((folder / "robustness.json").read_bytes())
        figures = figures_of(scores, measured) | {"CPU s": seconds}
        target.write_text(json.dumps(figures))
    return json.loads(target.read_bytes())


def figures_of(scores, measured):
    """What the table holds: name -> figure."""
    severe = {group: [] for group in GROUPS}
    for kind in measured["kinds"]:
        if kind["group"] in severe:
            cell = kind["cells"]["network"][SEVERITY - 1]
            severe[kind["group"]].append(cell["iou"])
    return {
        "Dice": scores["mask"]["dice_hard"],
        "SSIM": scores["depth"]["ssim"],
        "delta1": scores["depth"]["delta1"],
        "clean": measured["clean"]["network"]["iou"],
        **{group: sum(values) / len(values) for group, values in severe.items()},
        "nobody": measured["methods"]["network"]["nobody_marked"],
    }


def draw(folders, path):
    """Draws what every variant answers to the same unseen rows."""
    from maskdepth_tf import startup

    startup.load_tensorflow()
    from maskdepth_tf import config
    from maskdepth_tf.images import encoding
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input import pipeline, splits
    from maskdepth_tf.reports import sheet
    from maskdepth_tf.training import batches

    settings = config.load_config([next(iter(folders.values())) / "config.yaml"])
    data = batches.open_data(settings)
    ids = splits.spread(data.split["test"], SHOWN)
    inputs, targets = pipeline.split_example(data.examples.load(ids))

    def row(name, masks, depths):
        cells = []
        for mask, depth in zip(masks, depths, strict=True):
            cells += [sheet.mask_to_grey(mask), sheet.depth_to_color(depth)]
        return sheet.Row(cells, [name])

    def squeeze(pixels):
        return np.asarray(pixels)[..., 0]

    pictures = []
    for bg, fg_bg in zip(*(inputs[name] for name in ("bg", "fg_bg")), strict=True):
        pictures += [np.asarray(bg, np.uint8), np.asarray(fg_bg, np.uint8)]
    rows = [sheet.Row(pictures, ["background and picture"])]
    rows.append(row("truth", squeeze(targets["mask"]), squeeze(targets["depth"])))
    for name, folder in folders.items():
        answers = scoring.load_scorable(folder).outputs(inputs)
        masks = 1 / (1 + np.exp(-squeeze(answers["mask"])))
        rows.append(row(name, masks, squeeze(answers["depth"])))
    pixels = sheet.draw(rows, ("mask", "depth") * SHOWN, SIDE)
    path.write_bytes(encoding.encode_png(pixels))
    print(f"look at  {path}")


def main():
    """Trains all variants and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", choices=("losses", "disturbances"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50, help="of robustness")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.output = args.output.absolute()
    args.output.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.chdir(args.output)  # the config makes its rooms there
    folders = {}
    for number, (name, flags) in enumerate(variants(args.study).items()):
        folder = args.output / f"{args.study}_{args.seed}" / name.replace(" ", "_")
        figures = train(folder, flags, args)
        folders[name] = folder
        if not number:
            print(f"| {'changed':20} | {' | '.join(figures)} |")
            print("|---|" + "---|" * len(figures))
        cells = " | ".join(f"{value:.3f}" for value in figures.values())
        print(f"| {name:20} | {cells} |", flush=True)
    draw(folders, args.output / f"{args.study}.png")


if __name__ == "__main__":
    main()
