"""Figures: people and furniture that are put into rooms.

A person's proportions are in units of its height. It looks towards +y. Angles are in
degrees, pairs are left and right.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from maskdepth_tf.scenes import furniture, materials, shapes
from maskdepth_tf.scenes.materials import any_colour, cloth, hsv, ramp
from maskdepth_tf.scenes.shapes import Draws, Material, Model, limb, loft, moved, vector

# Heights of rings, half their widths and half their depths: of a torso from the hip, of
# a head from its middle.
TORSO = np.array(
    [
        [-0.035, 0.0, 0.05, 0.12, 0.19, 0.25, 0.29, 0.315, 0.33],
        [0.075, 0.092, 0.092, 0.08, 0.092, 0.1, 0.1, 0.068, 0.036],
        [0.052, 0.064, 0.062, 0.054, 0.062, 0.06, 0.05, 0.04, 0.032],
    ]
)
HEAD = np.array(
    [
        [-0.068, -0.062, -0.045, -0.015, 0.015, 0.04, 0.058, 0.066],
        [0.012, 0.024, 0.034, 0.042, 0.045, 0.041, 0.026, 0.001],
        [0.016, 0.03, 0.043, 0.05, 0.053, 0.049, 0.034, 0.001],
    ]
)
HIP = vector(0, 0, 0.52)


class Look(NamedTuple):
    """What a person is like and wears; lengths are in heights."""

    skin: Material
    face: Material
    hair: Material
    top: Material
    arms: Material
    legs: Material
    shoes: Material
    skirt: float
    hair_length: float
    bulk: float


def dress(draws: Draws) -> Look:
    """Draws skin, hair and clothes."""
    colour = materials.pick(draws, materials.SKINS)
    hair = materials.pick(draws, materials.HAIRS)
    features = [hair * 0.5, colour * [0.85, 0.5, 0.5], colour]
    skin = Material(ramp(colour, 0.15), "skin", 0, 0.3, 0.08)
    dark = hsv(draws.random(), draws.uniform(0, 0.4), draws.uniform(0.06, 0.3))
    top = cloth(draws)
    arms = skin if draws.random() < 0.35 else top
    skirt = draws.uniform(0.2, 0.45) * (draws.random() < 0.25)
    if draws.random() < 0.3:
        coat = dark if draws.random() < 0.7 else materials.neutral(draws)
        shirt, tie = hsv(0.6, draws.uniform(0, 0.3), 0.93), any_colour(draws)
        top = Material([coat, coat * 0.75, shirt * 0.8, shirt, tie], "suit")
        arms = Material(ramp(coat, 0.3), "fabric", 1, 0.3)
    trousers = Material(ramp(dark), "fabric", 0, 0.3)
    return Look(
        skin,
        Material(features, "face", int(draws.integers(9))),
        Material(ramp(hair), "hair", 0, 0.15, 0.15),
        top,
        arms,
        cloth(draws) if draws.random() < 0.2 else trousers,
        materials.upholstery(draws),
        skirt,
        hair_length=draws.uniform(0.06, 0.22) * (draws.random() < 0.45),
        bulk=draws.normal(1, 0.1),
    )


class Pose(NamedTuple):
    """Angles of limbs: 0 is straight down, 90 forward, and straight at joints."""

    thighs: np.ndarray
    knees: np.ndarray
    arms: np.ndarray
    spread: np.ndarray
    elbows: np.ndarray


def stand(draws: Draws) -> Pose:
    """Draws how a person stands or walks."""
    stride = draws.uniform(5, 28) if draws.random() < 0.4 else draws.uniform(0, 5)
    thighs, bend = np.array([stride, -stride]), draws.uniform(0, 12)
    arms, spread = -thighs * draws.uniform(0.5, 1.2), draws.uniform(4, 16, 2)
    elbows = draws.uniform(5, 40, 2)
    for side in (0, 1):
        gesture = draws.random()
        if gesture < 0.22:
            arms[side], elbows[side] = draws.uniform(20, 90), draws.uniform(30, 115)
        elif gesture < 0.3:
            spread[side], elbows[side] = 32, 105
    return Pose(thighs, np.array([bend, bend + 0.7 * stride]), arms, spread, elbows)


def sit(draws: Draws) -> Pose:
    """Draws how a person sits."""
    low, high = [80, 70, 15, 5, 30], [92, 100, 50, 20, 100]
    return Pose(*np.transpose(draws.uniform(low, high, (2, 5))))


def body(draws: Draws, look: Look, pose: Pose) -> Model:
    """A person of height 1 with its hips at z = 0.52; feet may not reach z = 0."""
    upper = loft(*_rings(TORSO, look.bulk), look.top, 16, fit=True)
    upper += limb([(0, -0.005, 0.31), (0, 0.005, 0.37)], [0.03, 0.028], look.skin)
    turn = shapes.turn_z(draws.normal(0, 20))
    upper += moved(_head(look), (0, 0.008, 0.415), turn)
    legs: Model = []
    for side, sign in enumerate((-1, 1)):
        upper += _arm(look, pose, side, sign)
        legs += _leg(look, pose, side, sign)
    if look.skirt:
        low = _bone(HIP, float(np.mean(pose.thighs)), 0, look.skirt)
        path, wide = [low, (low + HIP) / 2, HIP + [0, 0, 0.05]], 0.1 + 0.12 * look.skirt
        radii = look.bulk * np.outer([wide, 0.105, 0.09], [1, 0.72])
        legs += loft(path, list(radii), look.legs, 16)
    return legs + moved(upper, HIP, shapes.turn_x(-draws.uniform(-4, 10)))


def _rings(table: np.ndarray, bulk: float = 1.0) -> tuple[np.ndarray, list]:
    return np.outer(table[0], [0, 0, 1]), list(table[1:].T * bulk)


def _bone(start: np.ndarray, forward: float, aside: float, length: float):
    """End of a bone that hangs down, turned forward and aside."""
    way = -shapes.turn_x(forward)[:, 2]
    c, s = np.cos(np.radians(aside)), np.sin(np.radians(aside))
    return start + length * vector(way[0] * c - way[2] * s, way[1], way[2] * c)


def _leg(look: Look, pose: Pose, side: int, sign: int) -> Model:
    top = HIP + vector(sign * 0.045 * look.bulk, 0, -0.01)
    knee = _bone(top, pose.thighs[side], sign * 2, 0.245)
    shin = pose.thighs[side] - pose.knees[side]
    ankle = _bone(knee, shin, 0, 0.235)
    points = [top, (top + knee) / 2, knee, knee * 0.6 + ankle * 0.4, ankle]
    radii = [0.056 * look.bulk, 0.049 * look.bulk, 0.036, 0.036, 0.024]
    model = limb(points, radii, look.skin if look.skirt else look.legs)
    shoe = shapes.ellipsoid((0, 0.045, -0.018), (0.026, 0.075, 0.022), look.shoes)
    return model + moved(shoe, ankle, shapes.turn_x(min(0, shin)))


def _arm(look: Look, pose: Pose, side: int, sign: int) -> Model:
    shoulder = vector(sign * 0.094 * look.bulk, 0, 0.262)
    aside, forward = sign * pose.spread[side], pose.arms[side]
    elbow = _bone(shoulder, forward, aside, 0.165)
    inward = aside * (1 - pose.elbows[side] / 60)
    wrist = _bone(elbow, forward + pose.elbows[side], inward, 0.14)
    hand = wrist + 0.035 * shapes.unit(wrist - elbow)
    sleeve = look.top if look.arms is look.skin else look.arms
    upper = [shoulder, (shoulder + elbow) / 2, elbow]
    return [
        *limb(upper, [0.035, 0.031, 0.026], sleeve),
        *limb([elbow, wrist], [0.025, 0.019], look.arms),
        *limb([wrist, hand], [0.015, 0.018], look.skin),
    ]


def _head(look: Look) -> Model:
    """A head around its own middle, 0.065 above and below."""
    model = loft(*_rings(HEAD), look.face, 16, fit=True)
    model += shapes.ellipsoid((0, 0.052, -0.01), (0.007, 0.012, 0.012), look.skin, 6)
    crown = shapes.ellipsoid((0, 0, 0), (0.05, 0.056, 0.052), look.hair, 14)
    model += moved(crown, (0, -0.013, 0.024), shapes.turn_x(18))
    if look.hair_length:
        path = [(0, -0.03, 0.05), (0, -0.035, 0), (0, -0.045, -look.hair_length)]
        radii = [(0.03, 0.02), (0.052, 0.035), (0.048, 0.015)]
        model += loft(path, radii, look.hair, 12)
    return model


def person(draws: Draws) -> Model:
    """Draws a standing person: mostly adults."""
    height = np.clip(draws.normal(1.71, 0.1), 1.45, 2.0)
    if draws.random() < 0.08:
        height = draws.uniform(1.0, 1.4)
    return _on_floor(moved(body(draws, dress(draws), stand(draws)), scale=height))


def seated(draws: Draws) -> Model:
    """Draws a person on a chair."""
    height = draws.normal(1.71, 0.08)
    seat = furniture.piece(draws, "chair, office chair")
    model = moved(body(draws, dress(draws), sit(draws)), scale=height)
    return _on_floor(seat + moved(model, (0, -0.08, 0.5 - 0.47 * height)))


def company(draws: Draws) -> Model:
    """Draws a person beside another, or beside a piece of furniture."""
    if draws.random() < 0.5:
        other, gap = person(draws), 0.6
    else:
        other, gap = furniture.piece(draws, "board, plant, desk"), 1.1
    side, turn = draws.choice([-0.5, 0.5]) * gap, shapes.turn_z(draws.normal(0, 30))
    first = moved(person(draws), (side, 0, 0), turn)
    return first + moved(other, (-side, draws.normal(0, 0.15), 0))


def _on_floor(model: Model) -> Model:
    low, _ = shapes.bounds(model)
    return moved(model, (0, 0, -low[2]))


def figure(draws: Draws) -> Model:
    """Draws a figure: more than half are people, a fifth is as noisy as photographs."""
    if draws.random() < 0.6:
        makers = (person, person, person, seated, company)
        model = makers[draws.integers(len(makers))](draws)
    else:
        model = furniture.piece(draws, furniture.FIGURES)
    return _photographed(draws, model) if draws.random() < 0.2 else model


def _photographed(draws: Draws, model: Model) -> Model:
    """The model under noise, skin and hair apart."""
    surfaces = {id(part.material): part.material for part in model}
    for key, material in surfaces.items():
        if material.texture not in ("face", "hair", "skin"):
            surfaces[key] = replace(material, noise=draws.uniform(0.4, 1.2))
    return [part._replace(material=surfaces[id(part.material)]) for part in model]
