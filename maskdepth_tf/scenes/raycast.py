"""Rays: what a camera sees of triangles, and what lies between two points.

Depth is distance along the viewing axis (a wall square to the camera has one depth),
as depth cameras measure it, not distance from the camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from maskdepth_tf.scenes import shapes, textures

RAMP_STEPS = 32
"""Colours of a material's ramp, as looked up."""
FAR = 1e6
"""Depth of rays that hit nothing [m]."""


def linear(srgb: np.ndarray) -> np.ndarray:
    """SRGB in [0, 1] -> linear light, by the power 2.2."""
    return np.asarray(srgb, np.float64) ** 2.2


class _Tree:
    """Embree's search tree over triangles [T, 3, 3]."""

    def __init__(self, vertices: np.ndarray) -> None:
        self._scene = EmbreeScene()
        if len(vertices):
            corners = np.ascontiguousarray(vertices.reshape(-1, 3), np.float32)
            faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
            self._mesh = TriangleMesh(self._scene, corners, faces)
        self._is_empty = len(vertices) == 0

    def first(self, origins: np.ndarray, directions: np.ndarray) -> dict:
        return self._scene.run(_rays(origins), _rays(directions), output=1)

    def blocks(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self._is_empty or not len(origins):
            return np.zeros(len(origins), bool)
        reach = np.full(len(origins), 0.995, np.float32)
        directions = _rays(targets - origins)
        hits = self._scene.run(
            _rays(origins), directions, dists=reach, query="OCCLUDED"
        )
        return hits != -1


def _rays(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


class Trace(NamedTuple):
    """Where rays end.

    Attributes:
        depth: float32 [N], in lengths of the ray's direction; `FAR` for nothing.
        triangle: int [N]; -1 for nothing.
        b: float32 [N], weight of the triangle's second corner.
        c: float32 [N], weight of the third.
        across: float32 [N, 3], along the triangle's normal.
    """

    depth: np.ndarray
    triangle: np.ndarray
    b: np.ndarray
    c: np.ndarray
    across: np.ndarray

    def take(self, index: np.ndarray) -> "Trace":
        """The ends of some rays."""
        return Trace(*(column[index] for column in self))


class Hits(NamedTuple):
    """What rays met; rows of rays that met nothing hold nothing of use.

    Attributes:
        depth: float32 [N], in lengths of the ray's direction; `FAR` for nothing.
        triangle: int [N]; -1 for nothing.
        position: float32 [N, 3].
        normal: float32 [N, 3], smooth, towards the ray's origin.
        facet: float32 [N, 3], the triangle's own normal, towards the ray's origin.
        uv: float32 [N, 2].
    """

    depth: np.ndarray
    triangle: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    facet: np.ndarray
    uv: np.ndarray


class Scene:
    """A model ready for rays.

    Attributes:
        centres: float32 [T, 3], of the triangles.
        normals: float32 [T, 3], of the triangles, outward.
        mean_colour: float32 [T, 3], linear, over the texture.
        emission: float32 [T], multiple of the colour that is given off.
    """

    def __init__(self, model: shapes.Model) -> None:
        counts = [len(part.vertices) for part in model]
        vertices = np.concatenate([part.vertices for part in model])
        self._normals = np.concatenate([p.normals for p in model]).astype(np.float32)
        self._uv = np.concatenate([p.uv for p in model]).astype(np.float32)
        self.material = np.repeat(np.arange(len(model)), counts)
        self._read_materials([part.material for part in model])
        self._tree = _Tree(vertices)
        self._low, self._high = vertices.min((0, 1)), vertices.max((0, 1))
        panes = np.repeat([part.material.is_pane for part in model], counts)
        self._blockers = _Tree(vertices[~panes]) if panes.any() else self._tree
        self.centres = vertices.mean(1).astype(np.float32)
        self.normals = shapes.unit(self._normals.mean(1)).astype(np.float32)
        self.mean_colour = self._ramps.mean(1)[self.material]
        self.emission = self._emission[self.material]

    def _read_materials(self, materials: Sequence[shapes.Material]) -> None:
        steps = np.linspace(0, 1, RAMP_STEPS)
        ramps = []
        for m in materials:
            stops = np.clip(np.array(m.ramp, float), 0, 1)
            at = np.linspace(0, 1, len(stops))
            ramps.append(np.stack([np.interp(steps, at, c) for c in stops.T], -1))
        self._ramps = linear(np.stack(ramps)).astype(np.float32)
        library = textures.library()

        def tile(m: shapes.Material) -> int:
            ids = library.ids(m.texture)
            return ids[m.variant % len(ids)]

        def column(values) -> np.ndarray:
            return np.array(values, np.float32)

        self._tile = np.array([tile(m) for m in materials])
        self._scale = column([m.scale for m in materials])
        self._noise = column([m.noise for m in materials])
        self.gloss = column([m.gloss for m in materials])
        self.mirror = column([m.mirror for m in materials])
        self._emission = column([m.emission for m in materials])

    def corners(self) -> np.ndarray:
        """Corners of the box around all triangles, [8, 3]."""
        sides = np.stack([self._low, self._high])
        pick = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
        return sides[pick, np.arange(3)]

    def trace(self, origins: np.ndarray, directions: np.ndarray) -> Trace:
        """Follows rays to the first triangle.

        Args:
            origins: [N, 3], or [3] for all.
            directions: [N, 3], of any length, which is the unit of `depth`.
        """
        origins = np.broadcast_to(origins, directions.shape)
        found = self._tree.first(origins, directions)
        triangle = found["primID"]
        depth = np.where(triangle < 0, np.float32(FAR), found["tfar"])
        return Trace(depth, triangle, found["u"], found["v"], found["Ng"])

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """Follows rays to the first triangle and looks at what is there."""
        origins = np.broadcast_to(origins, directions.shape)
        return self.look(self.trace(origins, directions), origins, directions)

    def look(self, trace: Trace, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """What is at the ends of rays."""
        triangle, depth = trace.triangle, trace.depth
        facet = shapes.unit(trace.across)
        behind = shapes.dot(facet, directions) > 0
        facet = np.where(behind[:, None], -facet, facet)
        b, c = trace.b[:, None], trace.c[:, None]
        normal = self._blend(self._normals[triangle], b, c)
        turned = shapes.dot(normal, facet) < 0
        reach = np.where(triangle < 0, 0, depth)[:, None]
        return Hits(
            depth,
            triangle,
            (origins + directions * reach).astype(np.float32),
            shapes.unit(np.where(turned[:, None], -normal, normal)),
            facet,
            self._blend(self._uv[triangle], b, c),
        )

    @staticmethod
    def _blend(corners: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return corners[:, 0] * (1 - b - c) + corners[:, 1] * b + corners[:, 2] * c

    def blocks(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether anything but panes lies between two points, bool [N]."""
        return self._blockers.blocks(origins, targets)

    def colour(self, hits: Hits, footprint: np.ndarray) -> np.ndarray:
        """Linear colour at hits, float32 [N, 3].

        Args:
            hits: Hits, each on a triangle.
            footprint: float [N], side of what a ray stands for [m].
        """
        material = self.material[hits.triangle]
        scale = self._scale[material]
        tile = self._tile[material]
        uv, size = hits.uv / scale[:, None], footprint / scale
        library = textures.library()
        value = library.sample(tile, uv, size)
        index = (value * (RAMP_STEPS - 1) + 0.5).astype(np.int64)
        colour = self._ramps[material, np.clip(index, 0, RAMP_STEPS - 1)]
        noisy = np.flatnonzero(self._noise[material] > 0)
        if len(noisy):
            strength = self._noise[material[noisy]]
            ids = library.ids("noise")
            for channel in range(3):
                # Each channel reads its own tile, a third shared: photographs vary
                # more in brightness than in colour.
                tile = np.full(len(noisy), ids[channel % len(ids)])
                value = library.sample(tile, uv[noisy] * 0.73, size[noisy] * 0.73)
                shared = library.sample(
                    np.full(len(noisy), ids[0]), uv[noisy] * 1.7, size[noisy] * 1.7
                )
                factor = np.exp2(strength * (2.5 * (value + shared) - 2.5))
                colour[noisy, channel] *= factor.astype(np.float32)
            colour = np.minimum(colour, 0.95)
        return colour

    def glow(self, hits: Hits) -> np.ndarray:
        """Multiple of the colour that hits give off, float32 [N]."""
        return self.emission[hits.triangle]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        position: Where it is [m], [3].
        axes: Unit rows right, up, forward, [3, 3].
        slope: Tangent of half the field of view; pictures are square.
    """

    position: np.ndarray
    axes: np.ndarray
    slope: float

    @classmethod
    def looking(
        cls, position, yaw: float, pitch: float, roll: float, field_of_view: float
    ) -> "Camera":
        """A camera by angles, all in degrees.

        Args:
            position: Where it is [m].
            yaw: 0 looks along +y; positive turns left.
            pitch: Positive looks up.
            roll: Positive tilts the picture.
            field_of_view: Between the left and the right edge.
        """
        rolled = np.radians(roll)
        right = shapes.vector(np.cos(rolled), 0, np.sin(rolled))
        up = shapes.vector(-np.sin(rolled), 0, np.cos(rolled))
        axes = np.stack([right, up, shapes.vector(0, 1, 0)])
        turn = np.einsum("ij,jk->ik", shapes.turn_z(yaw), shapes.turn_x(pitch))
        axes = np.einsum("ij,kj->ki", turn, axes)
        slope = float(np.tan(np.radians(field_of_view) / 2))
        return cls(np.asarray(position, float), axes, slope)

    def directions(self, columns: np.ndarray, rows: np.ndarray, size: int):
        """Directions through points of a picture, float32 [N, 3], forward part 1.

        Args:
            columns: [N], 0 at the left edge, `size` at the right one.
            rows: [N], 0 at the upper edge.
            size: Side of the picture [pixels].
        """
        x = (2 * columns / size - 1) * self.slope
        y = (1 - 2 * rows / size) * self.slope
        right, up, forward = self.axes
        d = x[:, None] * right + y[:, None] * up + forward
        return d.astype(np.float32)

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points [N, 3] -> column, row and depth, [N, 3]."""
        local = np.einsum("nj,kj->nk", points - self.position, self.axes)
        depth = np.maximum(local[:, 2], 1e-6)
        column = (local[:, 0] / depth / self.slope + 1) * size / 2
        row = (1 - local[:, 1] / depth / self.slope) * size / 2
        return np.stack([column, row, local[:, 2]], -1)

    def grid(
        self, box: tuple[int, int, int, int], samples: int, size: int
    ) -> np.ndarray:
        """Directions through all pixels of a box, `samples` squared each.

        Args:
            box: Left, top, right, bottom [pixels], the last two excluded.
            samples: Rays along each side of a pixel; 1 is the centre.
            size: Side of the picture [pixels].

        Returns:
            float32 [H * samples * W * samples, 3], row by row.
        """
        left, top, right, bottom = box
        columns = left + (np.arange((right - left) * samples) + 0.5) / samples
        rows = top + (np.arange((bottom - top) * samples) + 0.5) / samples
        c, r = np.meshgrid(columns, rows)
        return self.directions(c.ravel(), r.ravel(), size)


def pixel_means(values: np.ndarray, height: int, width: int, samples: int):
    """Means over each pixel's rays, [H * s * W * s, C] -> [H, W, C]."""
    shape = (height, samples, width, samples, -1)
    return values.reshape(shape).mean((1, 3))
