"""Figures: people, animals and furniture that are put into rooms.

A person's proportions are in units of its height. It looks towards +y.
"""

from dataclasses import dataclass

import numpy as np

from maskdepth_tf.scenes import colours, furniture, seats, shapes, solids
from maskdepth_tf.scenes.shapes import Material, Model, limb, loft, moved

Draws = np.random.Generator

PHOTOGRAPHIC_SHARE = 0.2
"""Share of figures under strong noise in all colours."""


@dataclass(frozen=True, eq=False)
class Clothes:
    """What a person wears, and its skin and hair."""

    skin: Material
    face: Material
    hair: Material
    top: Material
    sleeves: Material
    legs: Material
    shoes: Material
    skirt: float
    short_sleeves: bool
    long_hair: float
    bulk: float


def dress(draws: Draws) -> Clothes:
    """Draws skin, hair and clothes."""
    skin = colours.pick(draws, colours.SKINS)
    hair = colours.pick(draws, colours.HAIRS)
    face = Material(
        [hair * 0.5, skin * [0.85, 0.5, 0.5], skin], "face", int(draws.integers(9))
    )
    cloth = colours.cloth(draws)
    dark = colours.hsv(
        draws.choice([0.6, 0.6, 0.08]), draws.uniform(0, 0.5), draws.uniform(0.06, 0.3)
    )
    kind = draws.random()
    top, sleeves = cloth, cloth
    if kind < 0.3:
        coat = dark if draws.random() < 0.7 else colours.neutral(draws)
        shirt = colours.hsv(0.6, draws.uniform(0, 0.3), 0.93)
        tie = colours.any_colour(draws) if draws.random() < 0.7 else shirt
        top = Material([coat, coat * 0.75, shirt * 0.8, shirt, tie], "suit", 0)
        sleeves = Material(colours.ramp(coat, 0.3), "fabric", 1, 0.3)
    elif kind < 0.6:
        top = Material(
            colours.ramp(colours.any_colour(draws), 0.5),
            "shirt",
            int(draws.integers(9)),
        )
        sleeves = Material(top.ramp, "clouds", 0, 0.4)
    legs = Material(colours.ramp(dark, 0.4), "fabric", 0, 0.3)
    if draws.random() < 0.35:
        legs = colours.cloth(draws, plain=True)
    shoes = (
        colours.leather(draws)
        if draws.random() < 0.7
        else colours.paint(colours.any_colour(draws))
    )
    skirt = draws.uniform(0.2, 0.45) if draws.random() < 0.25 and kind > 0.3 else 0.0
    return Clothes(
        Material(colours.ramp(skin, 0.15), "skin", 0, 0.3, 0.08),
        face,
        Material(colours.ramp(hair, 0.5), "hair", 0, 0.15, 0.15),
        top,
        sleeves,
        legs,
        shoes,
        skirt,
        bool(draws.random() < 0.35 and kind >= 0.3),
        draws.uniform(0.06, 0.22) if draws.random() < 0.45 else 0.0,
        draws.normal(1, 0.1),
    )


@dataclass(frozen=True)
class Pose:
    """Angles in degrees; pairs are left and right.

    Attributes:
        thighs: 0 down, 90 forward.
        knees: 0 straight.
        arms: 0 down, 90 forward.
        spread: Arms away from the body.
        elbows: 0 straight.
        lean: Of the torso, forward.
        head: Turn to the left.
    """

    thighs: tuple[float, float]
    knees: tuple[float, float]
    arms: tuple[float, float]
    spread: tuple[float, float]
    elbows: tuple[float, float]
    lean: float
    head: float


def stand(draws: Draws) -> Pose:
    """Standing or walking."""
    stride = draws.uniform(5, 28) if draws.random() < 0.4 else draws.uniform(0, 5)
    swing = stride * draws.uniform(0.5, 1.2)
    elbows = draws.uniform(5, 40, 2)
    arms = np.array([-swing, swing])
    spread = draws.uniform(4, 16, 2)
    for side in (0, 1):
        kind = draws.random()
        if kind < 0.18:
            arms[side], elbows[side] = draws.uniform(20, 60), draws.uniform(60, 115)
        elif kind < 0.25:
            spread[side], elbows[side] = 32, 105
        elif kind < 0.3:
            arms[side], elbows[side] = draws.uniform(70, 150), draws.uniform(0, 60)
    bend = draws.uniform(0, 12)
    return Pose(
        (stride, -stride),
        (bend, bend + stride * 0.7),
        tuple(arms),
        tuple(spread),
        tuple(elbows),
        draws.uniform(-2, 8),
        draws.normal(0, 20),
    )


def sit(draws: Draws) -> Pose:
    """Sitting on a chair."""
    return Pose(
        (draws.uniform(80, 92), draws.uniform(80, 92)),
        (draws.uniform(70, 100), draws.uniform(70, 100)),
        tuple(draws.uniform(15, 50, 2)),
        tuple(draws.uniform(5, 20, 2)),
        tuple(draws.uniform(30, 100, 2)),
        draws.uniform(-8, 15),
        draws.normal(0, 20),
    )


def body(clothes: Clothes, pose: Pose) -> Model:
    """A person of height 1 with its hips at z = 0.52; feet may not reach z = 0."""
    b = clothes.bulk
    hip = shapes.vector(0, 0, 0.52)
    model = _legs(clothes, pose, hip)
    rings = [
        (-0.035, 0.075, 0.052),
        (0.0, 0.092, 0.064),
        (0.05, 0.092, 0.062),
        (0.12, 0.080, 0.054),
        (0.19, 0.092, 0.062),
        (0.25, 0.100, 0.060),
        (0.29, 0.100, 0.050),
        (0.315, 0.068, 0.040),
        (0.33, 0.036, 0.032),
    ]
    path = [(0, 0, z) for z, _, _ in rings]
    radii = [(x * b, y * b) for _, x, y in rings]
    upper = loft(path, radii, clothes.top, 16, fit=True)
    for side, sign in enumerate((-1, 1)):
        upper += _arm(clothes, pose, side, sign)
    upper += limb([(0, -0.005, 0.31), (0, 0.005, 0.37)], [0.03, 0.028], clothes.skin)
    upper += moved(_head(clothes), (0, 0.008, 0.415), shapes.turn_z(pose.head))
    return model + moved(upper, hip, shapes.turn_x(-pose.lean))


def _bent(start, forward, aside, length) -> np.ndarray:
    """End of a bone that hangs down, turned forward and aside [degrees]."""
    way = np.einsum("ij,j->i", shapes.turn_x(forward), [0, 0, -1.0])
    c, s = np.cos(np.radians(aside)), np.sin(np.radians(aside))
    return start + length * shapes.vector(way[0] * c - way[2] * s, way[1], way[2] * c)


def _legs(clothes: Clothes, pose: Pose, hip: np.ndarray) -> Model:
    b, model = clothes.bulk, []
    ends = []
    for side, sign in enumerate((-1, 1)):
        top = hip + shapes.vector(sign * 0.045 * b, 0, -0.01)
        knee = _bent(top, pose.thighs[side], sign * 2, 0.245)
        shin = pose.thighs[side] - pose.knees[side]
        ankle = _bent(knee, shin, 0, 0.235)
        skin = clothes.skin if clothes.skirt else clothes.legs
        points = [top, top * 0.5 + knee * 0.5, knee, knee * 0.6 + ankle * 0.4, ankle]
        widths = [
            0.056 * b,
            0.049 * b,
            0.036,
            0.036,
            0.027 if not clothes.skirt else 0.02,
        ]
        model += limb(points, widths, skin, 10)
        foot = ankle + shapes.vector(0, 0.045, -0.018)
        shoe = shapes.ellipsoid((0, 0, 0), (0.026, 0.075, 0.022), clothes.shoes, 10)
        model += moved(shoe, foot, shapes.turn_x(min(0, shin)))
        ends.append(knee)
    if clothes.skirt:
        middle = (ends[0] + ends[1]) / 2
        low = hip + (middle - hip) * clothes.skirt / 0.25
        wide = 0.1 + 0.12 * clothes.skirt
        model += loft(
            [low, (low + hip) / 2, hip + [0, 0, 0.05]],
            [(wide * b, wide * 0.8), (0.105 * b, 0.08), (0.09 * b, 0.062)],
            clothes.legs,
            16,
        )
    return model


def _arm(clothes: Clothes, pose: Pose, side: int, sign: int) -> Model:
    shoulder = shapes.vector(sign * 0.094 * clothes.bulk, 0, 0.262)
    aside = sign * pose.spread[side]
    elbow = _bent(shoulder, pose.arms[side], aside, 0.165)
    inward = aside * (1 - pose.elbows[side] / 60)
    wrist = _bent(elbow, pose.arms[side] + pose.elbows[side], inward, 0.14)
    hand = wrist + 0.035 * shapes.unit(wrist - elbow)
    lower = clothes.skin if clothes.short_sleeves else clothes.sleeves
    model = limb(
        [shoulder, (shoulder + elbow) / 2, elbow],
        [0.035, 0.031, 0.026],
        clothes.sleeves,
    )
    model += limb([elbow, wrist], [0.025, 0.019], lower)
    return model + limb([wrist, hand], [0.015, 0.018], clothes.skin, 8)


def _head(clothes: Clothes) -> Model:
    """Around its own middle, 0.065 above and below."""
    rings = [
        (-0.068, 0.012, 0.016),
        (-0.062, 0.024, 0.03),
        (-0.045, 0.034, 0.043),
        (-0.015, 0.042, 0.05),
        (0.015, 0.045, 0.053),
        (0.04, 0.041, 0.049),
        (0.058, 0.026, 0.034),
        (0.066, 0.001, 0.001),
    ]
    path = [(0, 0.012 if z < -0.04 else 0, z) for z, _, _ in rings]
    model = loft(path, [(x, y) for _, x, y in rings], clothes.face, 16, fit=True)
    nose = shapes.ellipsoid((0, 0.052, -0.01), (0.007, 0.012, 0.012), clothes.skin, 6)
    hair = moved(
        shapes.ellipsoid((0, 0, 0), (0.05, 0.056, 0.052), clothes.hair, 14),
        (0, -0.013, 0.024),
        shapes.turn_x(18),
    )
    if clothes.long_hair:
        low = -clothes.long_hair
        path = [
            (0, -0.03, 0.05),
            (0, -0.035, 0),
            (0, -0.04, low * 0.6),
            (0, -0.045, low),
        ]
        hair += loft(
            path,
            [(0.03, 0.02), (0.052, 0.035), (0.056, 0.03), (0.045, 0.012)],
            clothes.hair,
            12,
        )
    return model + nose + hair


def person(draws: Draws) -> Model:
    """A standing person, sometimes with a bag."""
    height = np.clip(draws.normal(1.71, 0.1), 1.45, 2.0)
    if draws.random() < 0.08:
        height = draws.uniform(1.0, 1.4)
    model = body(dress(draws), stand(draws))
    model = moved(model, scale=height)
    if draws.random() < 0.15:
        bag = colours.leather(draws)
        model += moved(
            solids.cushion(0, 0, 0, 0.36, 0.12, 0.28, bag), (0.3, 0.05, 0.35)
        )
    return _on_floor(model)


def seated(draws: Draws) -> Model:
    """A person on a chair."""
    height = draws.normal(1.71, 0.08)
    make = seats.office_chair if draws.random() < 0.6 else seats.chair
    seat = make(draws)
    model = moved(body(dress(draws), sit(draws)), scale=height)
    lift = 0.5 + 0.05 * height - 0.52 * height
    return _on_floor(seat + moved(model, (0, -0.08, lift)))


def pair(draws: Draws) -> Model:
    """Two people side by side."""
    first = moved(person(draws), (-0.33, 0, 0), shapes.turn_z(draws.normal(-15, 30)))
    second = moved(
        person(draws),
        (0.33, draws.normal(0, 0.15), 0),
        shapes.turn_z(draws.normal(15, 30)),
    )
    return first + second


def cleaner(draws: Draws) -> Model:
    """A person beside a trolley, a board or another piece."""
    makers = (furniture.trolley, furniture.board, furniture.plant, furniture.desk)
    piece = makers[draws.integers(len(makers))](draws)
    side = draws.choice([-1, 1])
    return person(draws) + moved(
        piece, (side * 0.85, 0.1, 0), shapes.turn_z(draws.normal(0, 30))
    )


def animal(draws: Draws) -> Model:
    """A dog or cat, standing."""
    coat = colours.pick(draws, [*colours.HAIRS, (0.9, 0.88, 0.85), (0.5, 0.4, 0.3)])
    fur = Material(colours.ramp(coat, 0.6), "hair", int(draws.integers(9)), 0.3)
    dark = colours.paint(coat * 0.35)
    model = limb(
        [(0, -0.28, 0.42), (0, 0, 0.40), (0, 0.25, 0.43)], [0.1, 0.105, 0.12], fur, 12
    )
    for x in (-0.07, 0.07):
        for y in (-0.28, 0.26):
            knee = (x, y + draws.normal(0, 0.04), 0.22)
            foot = (x, knee[1] + draws.normal(0, 0.03), 0.03)
            model += limb([(x, y, 0.4), knee, foot], [0.06, 0.035, 0.028], fur, 8)
    up = draws.uniform(0.5, 0.75)
    model += limb([(0, 0.28, 0.46), (0, 0.42, up)], [0.085, 0.06], fur, 10)
    model += shapes.ellipsoid((0, 0.46, up + 0.02), (0.08, 0.1, 0.08), fur, 12)
    model += limb([(0, 0.52, up), (0, 0.6, up - 0.02)], [0.045, 0.03], fur, 8)
    model += shapes.ellipsoid((0, 0.635, up - 0.01), (0.018, 0.015, 0.015), dark, 8)
    for x in (-0.06, 0.06):
        model += limb(
            [(x, 0.43, up + 0.07), (x * 1.5, 0.42, up + 0.13)], [0.03, 0.012], fur, 6
        )
        model += shapes.ellipsoid(
            (x * 0.6, 0.545, up + 0.045), (0.012, 0.012, 0.012), dark, 6
        )
    tail = [(0, -0.36, 0.46), (0, -0.5, 0.5), (0, -0.58, draws.uniform(0.3, 0.75))]
    model += limb(tail, [0.035, 0.025, 0.015], fur, 8)
    return _on_floor(moved(model, scale=draws.uniform(0.45, 1.2)))


def _on_floor(model: Model) -> Model:
    low, _ = shapes.bounds(model)
    return moved(model, (0, 0, -low[2]))


def figure(draws: Draws) -> Model:
    """Draws a figure: about half are people."""
    kind = draws.random()
    if kind < 0.34:
        model = person(draws)
    elif kind < 0.46:
        model = seated(draws)
    elif kind < 0.52:
        model = pair(draws)
    elif kind < 0.57:
        model = cleaner(draws)
    elif kind < 0.61:
        model = animal(draws)
    else:
        makers = furniture.FIGURES
        model = makers[draws.integers(len(makers))](draws)
    if draws.random() < PHOTOGRAPHIC_SHARE:
        return _photographed(draws, model)
    return model


def _photographed(draws: Draws, model: Model) -> Model:
    """The model under noise, skin and hair apart."""
    noisy: dict[int, Material] = {}
    for part in model:
        material = part.material
        if id(material) not in noisy:
            keeps = material.texture in ("face", "hair", "skin")
            noisy[id(material)] = (
                material if keeps else colours.photographic(draws, material)
            )
    return [part._replace(material=noisy[id(part.material)]) for part in model]
