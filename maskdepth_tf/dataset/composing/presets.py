"""The flags of a recipe, and the recipes that have a name."""

import argparse
import dataclasses

from maskdepth_tf.dataset.composing.recipe import Recipe

FIELDS = {field.name for field in dataclasses.fields(Recipe)}
PRESETS: dict[str, dict] = {
    "reference": {},
    "realistic": {
        "scale": (0.4, 0.8),
        "shadow": True,
        "contact": True,
        "match": True,
        "motion_blur": 0.1,
    },
}
"""Name -> what differs from the recipe of the 2020 system."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of a recipe; what is not given stays out of what is parsed."""

    def add(flag: str, text: str, **options) -> None:
        parser.add_argument(flag, default=argparse.SUPPRESS, help=text, **options)

    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="reference",
        help="what the other flags start from: reference pastes cut-outs as they are, "
        "realistic is --scale 0.4 0.8 --contact --shadow --match --motion-blur 0.1 "
        "(%(default)s)",
    )
    size = f"side of the pictures ({Recipe.image_size})"
    add("--image-size", size, type=int, metavar="PIXELS")
    add(
        "--scale",
        "longer side of the figure as a share of the picture; "
        "without it cut-outs are pasted as they are",
        type=float,
        nargs=2,
        metavar=("MIN", "MAX"),
    )
    add(
        "--views",
        "other framings of each room, nearer, aside or tilted and in other light; "
        "half of the rows show one, and these rows only train",
        type=int,
        metavar="K",
    )
    for name, text in (
        ("shadow", "figures throw shadows on the room"),
        ("contact", "figures stand on the floor, larger ones nearer"),
        ("match", "colour and light of figures go towards the room's"),
    ):
        add(f"--{name}", text, action=argparse.BooleanOptionalAction)
    add(
        "--figures",
        "figures in a picture; the mask is of all, the labels name the first "
        f"({Recipe.figures[0]} {Recipe.figures[1]})",
        type=int,
        nargs=2,
        metavar=("MIN", "MAX"),
    )
    add(
        "--motion-blur",
        f"share of the figures blurred as if they moved ({Recipe.motion_blur})",
        type=float,
        metavar="SHARE",
    )
    add("--quality", f"JPEG quality ({Recipe.quality})", type=int, metavar="Q")
    add("--seed", f"decides everything ({Recipe.seed})", type=int, metavar="N")


def from_arguments(args: argparse.Namespace) -> Recipe:
    """The recipe of parsed flags: what is given goes over the preset.

    Raises:
        UsageError: A value is out of its range.
    """
    options = {key: value for key, value in vars(args).items() if key in FIELDS}
    values = PRESETS[args.preset] | options
    for pair in ("scale", "figures"):
        if pair in options:
            values[pair] = tuple(options[pair])
    return Recipe(**values)
