"""Rays: what a camera sees of triangles, and what lies between two points.

Depth is distance along the viewing axis (a wall square to the camera has one depth),
as depth cameras measure it, not distance from the camera.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from maskdepth_tf.scenes import materials, shapes

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
        self.scene = EmbreeScene()
        if len(vertices):
            corners = _rays(vertices.reshape(-1, 3))
            faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
            self._mesh = TriangleMesh(self.scene, corners, faces)
        self._is_empty = len(vertices) == 0

    def blocks(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self._is_empty or not len(origins):
            return np.zeros(len(origins), bool)
        rays = _rays(origins), _rays(targets - origins)
        reach = np.full(len(origins), 0.995, np.float32)
        return self.scene.run(*rays, dists=reach, query="OCCLUDED") != -1


def _rays(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def _steps(ramp) -> np.ndarray:
    """Colours [N, 3] of a ramp -> [RAMP_STEPS, 3] between them."""
    stops, steps = np.clip(np.array(ramp, float), 0, 1), np.linspace(0, 1, RAMP_STEPS)
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(steps, at, channel) for channel in stops.T], -1)


def _blend(corners: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return corners[:, 0] * (1 - b - c) + corners[:, 1] * b + corners[:, 2] * c


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

    def take(self, rays: np.ndarray) -> "Hits":
        """What some of the rays met."""
        return Hits(*(column[rays] for column in self))


class Scene:
    """A model ready for rays.

    Attributes:
        centres: float32 [T, 3], of the triangles.
        normals: float32 [T, 3], of the triangles, outward.
        mean_colour: float32 [T, 3], linear, over the texture.
        gloss: float32 [T], strength of highlights.
        emission: float32 [T], multiple of the colour that is given off.
    """

    def __init__(self, model: shapes.Model) -> None:
        counts = [len(part.vertices) for part in model]
        surfaces = [part.material for part in model]
        vertices = np.concatenate([part.vertices for part in model])
        self._normals = np.concatenate([p.normals for p in model]).astype(np.float32)
        self._uv = np.concatenate([p.uv for p in model]).astype(np.float32)
        self._tree = _Tree(vertices)
        self._low, self._high = vertices.min((0, 1)), vertices.max((0, 1))
        panes = np.repeat([material.is_pane for material in surfaces], counts)
        self._blockers = _Tree(vertices[~panes]) if panes.any() else self._tree
        self.centres = vertices.mean(1).astype(np.float32)
        self.normals = shapes.unit(self._normals.mean(1)).astype(np.float32)
        self._material = np.repeat(np.arange(len(model)), counts)
        self._ramps = linear(np.stack([_steps(m.ramp) for m in surfaces])).astype("f4")
        library = materials.library()
        self._tile = np.array([library.tile(m.texture, m.variant) for m in surfaces])
        numbers = [(m.scale, m.noise, m.gloss, m.emission) for m in surfaces]
        self._scale, self._noise, *rest = np.array(numbers, np.float32).T
        self.gloss, self.emission = (column[self._material] for column in rest)
        self.mean_colour = self._ramps.mean(1)[self._material]

    def corners(self) -> np.ndarray:
        """Corners of the box around all triangles, [8, 3]."""
        sides = np.stack([self._low, self._high])
        pick = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
        return sides[pick, np.arange(3)]

    def trace(self, origins: np.ndarray, directions: np.ndarray) -> dict:
        """Follows rays as `cast` does; tells what Embree does.

        Returns:
            `primID`, int [N], number of the triangle, -1 for none, `tfar`, float32 [N],
            depth, and `u`, `v`, `Ng`: where on the triangle, and its normal.
        """
        origins = np.broadcast_to(origins, directions.shape)
        return self._tree.scene.run(_rays(origins), _rays(directions), output=1)

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """Follows rays to the first triangle and looks at what is there.

        Args:
            origins: [N, 3], or [3] for all.
            directions: [N, 3], of any length, which is the unit of `depth`.
        """
        ends = self.trace(origins, directions)
        triangle, b, c = ends["primID"], ends["u"][:, None], ends["v"][:, None]
        facet = shapes.unit(ends["Ng"])
        facet = np.where(shapes.dot(facet, directions)[:, None] > 0, -facet, facet)
        normal = _blend(self._normals[triangle], b, c)
        is_turned = shapes.dot(normal, facet)[:, None] < 0
        reach = np.where(triangle < 0, 0, ends["tfar"])
        return Hits(
            np.where(triangle < 0, np.float32(FAR), ends["tfar"]),
            triangle,
            (origins + directions * reach[:, None]).astype(np.float32),
            shapes.unit(np.where(is_turned, -normal, normal)),
            facet,
            _blend(self._uv[triangle], b, c),
        )

    def blocks(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether anything but panes lies between two points, bool [N]."""
        return self._blockers.blocks(origins, targets)

    def colour(self, hits: Hits, footprint: np.ndarray) -> np.ndarray:
        """Linear colour at hits, float32 [N, 3].

        Args:
            hits: Hits, each on a triangle.
            footprint: float [N], side of what a ray stands for [m].
        """
        material = self._material[hits.triangle]
        scale = self._scale[material]
        tile = self._tile[material]
        uv, size = hits.uv / scale[:, None], footprint / scale
        library = materials.library()
        value = library.sample(tile, uv, size)
        index = (value * (RAMP_STEPS - 1) + 0.5).astype(np.int64)
        colour = self._ramps[material, np.clip(index, 0, RAMP_STEPS - 1)]
        noisy = np.flatnonzero(self._noise[material] > 0)
        if len(noisy):
            strength = self._noise[material[noisy]]

            def read(number: int, zoom: float) -> np.ndarray:
                tiles = np.full(len(noisy), library.tile("noise", number))
                return library.sample(tiles, uv[noisy] * zoom, size[noisy] * zoom)

            # Each channel reads its own tile, a third shared: photographs vary more
            # in brightness than in colour.
            shared = read(0, 1.7)
            for channel in range(3):
                factor = np.exp2(
                    strength * (2.5 * (read(channel, 0.73) + shared) - 2.5)
                )
                colour[noisy, channel] *= factor.astype(np.float32)
            colour = np.minimum(colour, 0.95)
        return colour


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
        """Directions of length 1 forward, through the pixels of a box.

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
        c, r = (axis.ravel()[:, None] for axis in np.meshgrid(columns, rows))
        right, up, forward = self.axes
        x, y = (2 * c / size - 1) * self.slope, (1 - 2 * r / size) * self.slope
        return (x * right + y * up + forward).astype(np.float32)


def pixel_means(values: np.ndarray, height: int, width: int, samples: int):
    """Means over each pixel's rays, [H * s * W * s, C] -> [H, W, C]."""
    shape = (height, samples, width, samples, -1)
    return values.reshape(shape).mean((1, 3))
