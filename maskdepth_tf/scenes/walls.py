"""Walls with windows, doors, pictures and curtains.

A wall has its own coordinates: `a` along it, seen from inside from left to right,
`z` up, `out` from the wall into the room, all in metres.
"""

from dataclasses import dataclass, field

import numpy as np

from maskdepth_tf.scenes import colours, shapes
from maskdepth_tf.scenes.shapes import Material, Model, quad, vector

Draws = np.random.Generator
Span = tuple[float, float]

RECESS = 0.16
"""How far window panes lie behind the wall [m]."""
CELL = 0.7
"""Side of the cells that light is gathered on [m]."""


@dataclass(frozen=True, eq=False)
class Glazing:
    """What the windows of one room have in common.

    Attributes:
        style: "single", "strip" or "full".
        view: Texture seen through them.
        variant: Which texture of that name.
        ramp: Its colours.
        brightness: Light of the colours' brightest.
        frame: What frames are made of.
        curtain: Material of curtains, None for none.
        blind: Whether blinds cover part of the panes.
    """

    style: str
    view: str
    variant: int
    ramp: np.ndarray
    brightness: float
    frame: Material
    curtain: Material | None
    blind: bool


def glazing(draws: Draws, is_office: bool) -> Glazing:
    """Draws the windows of a room."""
    styles = (
        ("single", "strip", "full", "single")
        if is_office
        else ("single", "single", "full")
    )
    view = str(draws.choice(["skyline", "skyline", "trees", "clouds"]))
    sky = colours.hsv(draws.uniform(0.52, 0.62), draws.uniform(0, 0.45), 1.0)
    ground = colours.hsv(
        draws.uniform(0.05, 0.4), draws.uniform(0.1, 0.5), draws.uniform(0.3, 0.6)
    )
    low = ground if view != "clouds" else sky * 0.8
    ramp = np.stack([low * 0.6, low, 0.5 * (low + sky), sky, np.ones(3)])
    night = draws.random() < 0.08
    brightness = draws.uniform(0.02, 0.06) if night else draws.uniform(1.5, 6)
    frames = [
        (0.95, 0.95, 0.94),
        (0.92, 0.92, 0.92),
        (0.12, 0.12, 0.13),
        (0.5, 0.33, 0.2),
    ]
    curtain = (
        colours.cloth(draws) if draws.random() < (0.15 if is_office else 0.5) else None
    )
    return Glazing(
        str(draws.choice(styles)),
        view,
        int(draws.integers(9)),
        ramp,
        brightness,
        colours.paint(colours.pick(draws, frames), 0.1),
        curtain,
        bool(draws.random() < 0.2),
    )


@dataclass(eq=False)
class Wall:
    """One wall of a room.

    Attributes:
        start: Its left lower corner, seen from inside.
        along: Unit vector from left to right.
        length: [m].
        height: [m].
        material: Of the wall itself.
        openings: Windows: (left, right, low, high).
        taken: Spans along the wall where nothing more fits.
        full: Spans where nothing may stand in front.
        panes: (corner, edge_u, edge_v) of panes, shining inward.
    """

    start: np.ndarray
    along: np.ndarray
    length: float
    height: float
    material: Material
    openings: list[tuple[float, float, float, float]] = field(default_factory=list)
    taken: list[Span] = field(default_factory=list)
    full: list[Span] = field(default_factory=list)
    panes: list[tuple] = field(default_factory=list)

    @property
    def inward(self) -> np.ndarray:
        """Unit normal into the room."""
        return shapes.cross(self.along, vector(0, 0, 1))

    def at(self, a: float, z: float, out: float = 0.0) -> np.ndarray:
        """A point by the wall's own coordinates."""
        return self.start + self.along * a + vector(0, 0, z) + self.inward * out

    def block(self, a: Span, z: Span, out: Span, material: Material) -> Model:
        """A box in the wall's own coordinates."""
        first, last = self.at(a[0], z[0], out[0]), self.at(a[1], z[1], out[1])
        return shapes.box(np.minimum(first, last), np.maximum(first, last), material)

    def panel(self, a: Span, z: Span, out: float, material: Material, **how):
        """A rectangle parallel to the wall that faces the room."""
        across = self.along * (a[1] - a[0])
        up = vector(0, 0, z[1] - z[0])
        return quad(self.at(a[0], z[0], out), across, up, material, **how)

    def is_free(self, a: Span) -> bool:
        """Whether nothing hangs or opens there yet."""
        return all(a[1] < low or a[0] > high for low, high in self.taken)

    def turned(self) -> np.ndarray:
        """Rotation that puts a model's back to this wall."""
        x, y = self.inward[:2]
        return shapes.turn_z(float(np.degrees(np.arctan2(-x, y))))

    def surface(self) -> Model:
        """The wall around its openings."""
        xs = sorted({0.0, self.length, *(x for o in self.openings for x in o[:2])})
        zs = sorted({0.0, self.height, *(z for o in self.openings for z in o[2:])})
        model: Model = []
        for a in zip(xs, xs[1:], strict=False):
            for z in zip(zs, zs[1:], strict=False):
                if not any(
                    o[0] <= a[0] and a[1] <= o[1] and o[2] <= z[0] and z[1] <= o[3]
                    for o in self.openings
                ):
                    part = self.panel(a, z, 0.0, self.material, step=CELL)
                    shift = np.array([a[0], z[0]])
                    model.append(part._replace(uv=part.uv + shift))
        return model

    def add_windows(self, draws: Draws, look: Glazing) -> Model:
        """Opens the wall with a row of windows."""
        low, high = (
            draws.uniform(0.75, 1.1),
            min(self.height - 0.2, draws.uniform(2.0, 2.6)),
        )
        width, gap = draws.uniform(0.8, 1.8), draws.uniform(0.3, 1.2)
        if look.style != "single":
            width, gap = draws.uniform(0.9, 1.8), 0.06
            high = self.height - draws.uniform(0.1, 0.4)
            low = 0.06 if look.style == "full" else low
        count = max(1, int((self.length - 0.4) / (width + gap)))
        if look.style == "single":
            count = min(count, int(draws.integers(1, 5)))
        else:
            width = (self.length - 0.4) / count - gap
        left = (self.length - count * (width + gap) + gap) / 2
        model: Model = []
        for k in range(count):
            a = (left + k * (width + gap), left + k * (width + gap) + width)
            model += self._window(draws, a, (low, high), look)
        if look.curtain is not None:
            ends = (left - 0.15, left + count * (width + gap) - gap + 0.15)
            model += self._curtains(draws, ends, high, look.curtain)
        return model

    def _window(self, draws: Draws, a: Span, z: Span, look: Glazing) -> Model:
        self.openings.append((*a, *z))
        self.taken.append((a[0] - 0.1, a[1] + 0.1))
        if z[0] < 0.5:
            self.full.append(a)
        pane = Material(
            look.ramp, look.view, look.variant, emission=look.brightness, is_pane=True
        )
        part = self.panel(a, z, -RECESS, pane, fit=True)
        shift = np.array([a[0] / 4.0, 0.0])
        # One view behind all windows of a wall, 4 m a tile.
        uv = part.uv * [(a[1] - a[0]) / 4.0, 0.9] + shift + [0, 0.05]
        model = [part._replace(uv=uv)]
        across, up = self.along * (a[1] - a[0]), vector(0, 0, z[1] - z[0])
        self.panes.append((self.at(a[0], z[0], -RECESS + 0.01), across, up))
        model += self._reveal(a, z)
        f, out = 0.05, (-RECESS, -RECESS + 0.06)
        sides = [
            ((a[0], a[0] + f), z),
            ((a[1] - f, a[1]), z),
            (a, (z[0], z[0] + f)),
            (a, (z[1] - f, z[1])),
        ]
        if draws.random() < 0.5 or a[1] - a[0] > 1.3:
            middle = (a[0] + a[1]) / 2
            sides.append(((middle - f / 2, middle + f / 2), z))
        if look.style == "single" and draws.random() < 0.4:
            bar = z[0] + 0.68 * (z[1] - z[0])
            sides.append((a, (bar, bar + f)))
        for across_span, up_span in sides:
            model += self.block(across_span, up_span, out, look.frame)
        if z[0] > 0.3:
            sill = (a[0] - 0.05, a[1] + 0.05)
            model += self.block(sill, (z[0] - 0.04, z[0]), (-RECESS, 0.08), look.frame)
            model += self._radiator(draws, a, z[0])
        if look.blind:
            white = Material([(0.55, 0.55, 0.53), (0.95, 0.94, 0.9)], "blinds", 0, 0.9)
            drop = z[1] - draws.uniform(0.15, 0.95) * (z[1] - z[0])
            model.append(self.panel(a, (drop, z[1]), -RECESS + 0.09, white))
        return model

    def _reveal(self, a: Span, z: Span) -> Model:
        """The wall's thickness around a window, facing the opening."""
        back = -self.inward * RECESS
        up, across = vector(0, 0, z[1] - z[0]), self.along * (a[1] - a[0])
        low_left, high_right = self.at(a[0], z[0]), self.at(a[1], z[1])
        sides = [
            (low_left, across, back),
            (low_left, back, up),
            (high_right, -across, back),
            (high_right, back, -up),
        ]
        return [quad(*side, self.material) for side in sides]

    def _radiator(self, draws: Draws, a: Span, sill: float) -> Model:
        if sill < 0.7 or draws.random() < 0.55:
            return []
        white = colours.paint(colours.hsv(0.1, 0.03, 0.92))
        model: Model = []
        for x in np.arange(a[0] + 0.1, a[1] - 0.1, 0.09):
            model += self.block((x, x + 0.06), (0.12, sill - 0.15), (0.03, 0.12), white)
        return model

    def _curtains(
        self, draws: Draws, ends: Span, high: float, cloth: Material
    ) -> Model:
        model: Model = []
        top, low = min(high + 0.15, self.height - 0.02), draws.choice([0.02, 0.02, 0.7])
        for side, edge in ((1, ends[0]), (-1, ends[1])):
            wide = draws.uniform(0.25, 0.6)
            t = np.linspace(0, 1, 17)
            waves = 0.07 + 0.035 * np.sin(2 * np.pi * (4 * t + draws.random()))
            foot = [
                self.at(edge + side * wide * x, low, o)
                for x, o in zip(t, waves, strict=True)
            ]
            for p, q in zip(foot, foot[1:], strict=False):
                p, q = (p, q) if side > 0 else (q, p)
                model.append(quad(p, q - p, vector(0, 0, top - low), cloth))
        return model

    def add_door(self, draws: Draws) -> Model:
        """A door with its frame, where there is room for one."""
        width, high = draws.choice([0.85, 0.95, 1.7]), min(2.1, self.height - 0.1)
        for _ in range(6):
            left = draws.uniform(0.1, max(0.11, self.length - width - 0.1))
            a = (left, left + width)
            if a[1] < self.length and self.is_free(a):
                break
        else:
            return []
        self.taken.append(a)
        self.full.append((a[0] - 0.1, a[1] + 0.1))
        leaf = (
            colours.wood(draws)
            if draws.random() < 0.5
            else colours.paint(colours.wall(draws))
        )
        frame = colours.paint(colours.hsv(0.1, 0.05, draws.choice([0.93, 0.2])))
        model = self.block(a, (0, high), (0, 0.02), leaf)
        f = 0.07
        for span in ((a[0] - f, a[0]), (a[1], a[1] + f)):
            model += self.block(span, (0, high + f), (0, 0.05), frame)
        model += self.block((a[0], a[1]), (high, high + f), (0, 0.05), frame)
        if draws.random() < 0.5:
            dark = colours.paint(
                colours.hsv(0.6, 0.1, draws.uniform(0.2, 0.8)), 0.5, 0.1
            )
            glass = (a[0] + 0.15, a[1] - 0.15)
            model += self.block(glass, (1.0, high - 0.2), (0.02, 0.03), dark)
        grip = (a[1] - 0.14, a[1] - 0.03)
        return model + self.block(grip, (1.0, 1.03), (0.02, 0.07), colours.metal(draws))

    def add_pictures(self, draws: Draws, count: int) -> Model:
        """Pictures, mirrors, boards or a clock, at eye height."""
        model: Model = []
        for _ in range(count):
            width, high = draws.uniform(0.3, 1.3), draws.uniform(0.3, 0.9)
            left = draws.uniform(0.1, max(0.11, self.length - width - 0.1))
            a, low = (left, left + width), draws.uniform(1.25, 1.5)
            if a[1] > self.length or low + high > self.height or not self.is_free(a):
                continue
            self.taken.append((a[0] - 0.1, a[1] + 0.1))
            frame = (
                colours.wood(draws) if draws.random() < 0.5 else colours.plastic(draws)
            )
            model += self.block(a, (low, low + high), (0, 0.03), frame)
            stops = [colours.any_colour(draws) for _ in range(draws.integers(3, 6))]
            name = str(
                draws.choice(
                    ["blocks", "blocks", "trees", "skyline", "clouds", "noise"]
                )
            )
            art = Material(stops, name, int(draws.integers(99)), noise=0.3, mirror=0.02)
            f = draws.uniform(0.01, 0.05)
            inner = (a[0] + f, a[1] - f), (low + f, low + high - f)
            model.append(self.panel(*inner, 0.032, art, fit=True))
        return model

    def skirting(self, draws: Draws, material: Material) -> Model:
        """A low board along the floor, except where windows reach down."""
        if any(o[2] < 0.2 for o in self.openings):
            return []
        return self.block(
            (0, self.length), (0, draws.uniform(0.06, 0.13)), (0, 0.015), material
        )
