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
        "stretch": True,
        "motion_blur": 0.1,
        "close_up": 0.25,
    },
}
"""Name -> what differs from the recipe of the 2020 system."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of a recipe; what is not given stays out of what is parsed."""

    def add(flag, metavar, kind, text) -> None:
        nargs = None if isinstance(metavar, str) else len(metavar)
        options = {"type": kind, "nargs": nargs, "metavar": metavar, "help": text}
        parser.add_argument(flag, default=argparse.SUPPRESS, **options)

    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="reference",
        help="what the other flags start from: reference pastes cut-outs as they are, "
        "realistic is --scale 0.4 0.8 --contact --shadow --match --stretch "
        "--motion-blur 0.1 --close-up 0.25 "
        "(%(default)s)",
    )
    add("--image-size", "PIXELS", int, f"side of the pictures ({Recipe.image_size})")
    text = "longer side of the figure as a share of the picture; "
    text += "without it cut-outs are pasted as they are, none larger than that"
    add("--scale", ("MIN", "MAX"), float, text)
    text = "other framings of each room, nearer, aside or tilted and in other light; "
    text += "half of the rows show one, and these rows only train"
    add("--views", "K", int, text)
    for name, text in (
        ("shadow", "figures throw shadows on the room"),
        ("contact", "figures stand on the floor, larger ones nearer"),
        ("match", "colour and light of figures go towards the room's"),
        ("stretch", "figures are stretched to a square as their room is"),
    ):
        switch, default = argparse.BooleanOptionalAction, argparse.SUPPRESS
        parser.add_argument(f"--{name}", action=switch, default=default, help=text)
    fewest, most = Recipe.figures
    text = "figures in a picture; the mask is of all, the labels name the first "
    add("--figures", ("MIN", "MAX"), int, f"{text}({fewest} {most})")
    for name, text in (
        ("motion_blur", "share of the figures blurred as if they moved"),
        ("wall_shadows", "share of the rows with a lamp's shadows on floor and wall"),
        ("camouflage", "share of the figures nearly as coloured as the room"),
        ("empty", "share of the rows in which nobody stands; their masks are empty"),
        ("close_up", "share of the upright figures near the camera, cut off below"),
    ):
        flag, default = f"--{name.replace('_', '-')}", getattr(Recipe, name)
        add(flag, "SHARE", float, f"{text} ({default})")
    add("--quality", "Q", int, f"JPEG quality ({Recipe.quality})")
    add("--seed", "N", int, f"decides everything ({Recipe.seed})")


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
