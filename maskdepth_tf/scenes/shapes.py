"""Triangles: the few shapes that all rooms and figures are built from.

A model is a list of parts, each a bag of triangles of one material. Normals point
out of solids and into rooms.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Material:
    """What a surface looks like.

    Attributes:
        ramp: Colours that texture values 0 to 1 pick, evenly spaced; sRGB.
        texture: Name of a texture.
        variant: Which texture of that name; any number, taken modulo.
        scale: Metres (or whatever the part's uv counts) a tile covers.
        gloss: Strength of the lights' highlights.
        emission: Light given off, as a multiple of the colour.
        noise: Strength of noise in all colours, as a photographed cloth has.
        is_pane: Whether light passes: windows cast no shadow.
    """

    ramp: ArrayLike
    texture: str = "plain"
    variant: int = 0
    scale: float = 1.0
    gloss: float = 0.0
    emission: float = 0.0
    noise: float = 0.0
    is_pane: bool = False


class Part(NamedTuple):
    """Triangles of one material.

    Attributes:
        vertices: float [T, 3, 3], corners of each triangle [m].
        normals: float [T, 3, 3], unit normals at the corners.
        uv: float [T, 3, 2], place on the texture [m unless said otherwise].
        material: What all of them are made of.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    material: Material


Model = list[Part]
Draws = np.random.Generator


def vector(*numbers: float) -> np.ndarray:
    """float64 [len(numbers)]."""
    return np.array(numbers, np.float64)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[..., 3] and [..., 3] -> [...]; sums of three are slow in NumPy's own way."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[..., 3] and [..., 3] -> [..., 3]; a tenth of the time of `np.cross`."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def length(v: np.ndarray) -> np.ndarray:
    """Lengths: [..., 3] -> [...]."""
    return np.sqrt(dot(v, v))


def unit(v: np.ndarray) -> np.ndarray:
    """[..., 3] -> [..., 3] of length 1; zeros stay zeros."""
    return v / np.maximum(length(v), 1e-12)[..., None]


def _triangles(grid: np.ndarray) -> np.ndarray:
    """[R, C, K], values on a grid -> [2 (R-1) (C-1), 3, K], two triangles a cell."""
    a, b = grid[:-1, :-1], grid[:-1, 1:]
    c, d = grid[1:, 1:], grid[1:, :-1]
    return np.stack([a, b, c, a, c, d], 2).reshape(-1, 3, grid.shape[2])


def quad(
    corner: np.ndarray,
    edge_u: np.ndarray,
    edge_v: np.ndarray,
    material: Material,
    step: float | None = None,
    fit: bool = False,
) -> Part:
    """A parallelogram; its normal is `edge_u` x `edge_v`.

    Args:
        corner: Where it starts.
        edge_u: First side.
        edge_v: Second side.
        material: What it is made of.
        step: Longest side of its cells [m]; one cell if None. Light is gathered cell
            by cell, so large surfaces need some.
        fit: Whether uv runs from 0 to 1 instead of in metres.
    """
    lengths = float(length(edge_u)), float(length(edge_v))
    counts = [1 if step is None else max(1, int(np.ceil(s / step))) for s in lengths]
    u, v = (np.linspace(0, 1, count + 1) for count in counts)
    uv = np.stack(np.meshgrid(u, v), -1)
    points = corner + uv[..., :1] * edge_u + uv[..., 1:] * edge_v
    uv = uv * (1.0 if fit else np.array(lengths))
    vertices = _triangles(points)
    normals = np.broadcast_to(unit(cross(edge_u, edge_v)), vertices.shape)
    return Part(vertices, normals, _triangles(uv), material)


def box(low: ArrayLike, high: ArrayLike, material: Material) -> Model:
    """A box between two opposite corners; grain runs up its sides."""
    a, size = np.asarray(low, float), np.asarray(high, float) - np.asarray(low, float)
    # A room has a hundred of these: all are one box, moved and stretched.
    vertices, normals, uv, uv_axes = _unit_box()
    return [Part(a + vertices * size, normals, uv * size[uv_axes], material)]


@functools.cache
def _unit_box() -> tuple[np.ndarray, ...]:
    """Vertices, normals and uv of a cube of side 1, and the axes that uv runs along."""
    x, y, z = np.eye(3)
    zero = np.zeros(3)
    faces = [(zero, y, x), (z, x, y), (zero, x, z)]
    faces += [(x + y, -x, z), (y, -y, z), (x, y, z)]
    cube = merge([quad(c, u, v, Material([])) for c, u, v in faces], Material([]))
    axes = [[np.flatnonzero(edge)[0] for edge in edges] for _, *edges in faces]
    return *cube[:3], np.repeat(axes, 6, axis=0).reshape(12, 3, 2)


def block(foot: ArrayLike, size: ArrayLike, material: Material) -> Model:
    """A box by the middle of its underside and its size."""
    low = np.asarray(foot, float) - np.multiply(size, [0.5, 0.5, 0])
    return box(low, low + size, material)


def cushion(foot: ArrayLike, size: ArrayLike, material: Material) -> Model:
    """A block with rounded edges."""
    middle, extent = np.asarray(foot, float), np.asarray(size, float)
    path = middle + np.outer((0, 0.06, 0.3, 0.7, 0.94, 1), [0, 0, extent[2]])
    # An ellipse cut off at all four sides is a rounded rectangle.
    radii = 0.69 * np.outer([0.9, 0.97, 1, 1, 0.97, 0.88], extent[:2])
    (part,) = loft(path, list(radii), material, 20)
    vertices, half = part.vertices.copy(), extent[:2] / 2
    low, high = middle[:2] - half, middle[:2] + half
    vertices[..., :2] = np.clip(vertices[..., :2], low, high)
    return [part._replace(vertices=vertices)]


def merge(parts: Sequence[Part], material: Material) -> Part:
    """One part of all triangles, all of one material."""
    columns = zip(*(part[:3] for part in parts), strict=True)
    vertices, normals, uv = (np.concatenate(column) for column in columns)
    return Part(vertices, normals, uv, material)


def _frame(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit axes across a path at each of its points, [K, 3] each."""
    tangent = unit(np.gradient(path, axis=0))
    overall = unit(path[-1] - path[0])
    reference = vector(0, 1, 0) if abs(overall[1]) < 0.8 else vector(0, 0, -1)
    across = unit(cross(reference, tangent))
    return across, cross(tangent, across)


def loft(
    path: ArrayLike, radii: Sequence, material: Material, segments=10, fit=False
) -> Model:
    """A skin over ellipses along a path: limbs, torsos, cushions, poles.

    Args:
        path: Centres of the ellipses, [K, 3], K >= 2.
        radii: Half-widths, (along x, along y) for an upright path; a number for a
            circle.
        material: What it is made of.
        segments: Sides around.
        fit: Whether uv runs from 0 to 1, u around from +x over +y, v along the path.
    """
    centres = np.asarray(path, float)
    widths = np.array([np.broadcast_to(r, 2) for r in radii], float)
    across, upright = _frame(centres)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    offsets = c * (widths[:, :1] * across)[:, None]
    offsets = offsets + s * (widths[:, 1:] * upright)[:, None]
    points = centres[:, None] + offsets
    along = np.concatenate([[0], np.cumsum(length(np.diff(centres, axis=0)))])
    normals = _loft_normals(points, offsets)
    around = angle / (2 * np.pi) if fit else angle * widths.mean()
    along = along / along[-1] if fit else along
    uv = np.stack(np.meshgrid(around, along), -1)
    skin = Part(_triangles(points), _triangles(normals), _triangles(uv), material)
    caps = [
        _cap(points[k], centres[k], centres[k] - centres[o], material)
        for k, o in ((0, 1), (-1, -2))
        if widths[k].min() > 1e-3
    ]
    return [merge([skin, *caps], material)]


def _loft_normals(points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    around = np.roll(points[:, :-1], -1, 1) - np.roll(points[:, :-1], 1, 1)
    around = np.concatenate([around, around[:, :1]], 1)
    along = np.gradient(points, axis=0)
    normals = unit(cross(around, along))
    inward = (dot(normals, offsets) < 0)[..., None]
    return np.where(inward, -normals, normals)


def _cap(ring: np.ndarray, centre: np.ndarray, outward: np.ndarray, material) -> Part:
    a, b = ring[:-1], ring[1:]
    vertices = np.stack([np.broadcast_to(centre, a.shape), a, b], 1)
    normals = np.broadcast_to(unit(outward), vertices.shape)
    return Part(vertices, normals, vertices[..., :2] * 1.0, material)


def ellipsoid(
    centre: ArrayLike, radii: ArrayLike, material: Material, segments: int = 12
) -> Model:
    """An ellipsoid with half-axes `radii` along x, y and z."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 3)
    width, depth, height = np.asarray(radii, float)
    path = np.asarray(centre, float) + np.outer(np.sin(angle), [0, 0, height])
    rings = np.outer(np.maximum(np.cos(angle), 1e-4), [width, depth])
    return loft(path, list(rings), material, segments)


def limb(
    points: ArrayLike, radii: Sequence[float], material: Material, segments: int = 9
) -> Model:
    """A rounded tube through points, with a half-ball at both ends."""
    path, radii = np.asarray(points, float), list(radii)
    first, last = unit(path[1] - path[0]), unit(path[-1] - path[-2])
    start = [path[0] - first * radii[0], path[0] - first * radii[0] * 0.7]
    end = [path[-1] + last * radii[-1] * 0.7, path[-1] + last * radii[-1]]
    rings = [1e-4, radii[0] * 0.7, *radii, radii[-1] * 0.7, 1e-4]
    return loft([*start, *path, *end], rings, material, segments)


def turn_z(degrees: float) -> np.ndarray:
    """[3, 3], rotation about the upright axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def turn_x(degrees: float) -> np.ndarray:
    """[3, 3], rotation about x: positive lifts +y."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def moved(
    model: Model, offset: ArrayLike = (0, 0, 0), rotation=None, scale=1.0
) -> Model:
    """The model scaled, then rotated (by [3, 3]), then shifted."""
    rotation = np.eye(3) if rotation is None else rotation

    def turned(vectors: np.ndarray) -> np.ndarray:
        # einsum, not matmul: its sums do not depend on the number of threads.
        return np.einsum("tij,kj->tik", vectors, rotation)

    return [
        Part(turned(v * scale) + np.asarray(offset), turned(n), uv, material)
        for v, n, uv, material in model
    ]


def compact(model: Model) -> Model:
    """The model with one part a material, in single precision."""
    materials = {id(part.material): part.material for part in model}
    merged = []
    for key, material in materials.items():
        part = merge([p for p in model if id(p.material) == key], material)
        vertices, normals, uv = (c.astype(np.float32) for c in part[:3])
        merged.append(Part(vertices, normals, uv, material))
    return merged


def bounds(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of the box around a model, [3] each."""
    points = np.concatenate([part.vertices.reshape(-1, 3) for part in model])
    return points.min(0), points.max(0)
