"""What a network answers frame after frame, with what it knows of the one before.

Registration starts from the frame before (`registering.register`), so that a camera
that stands still stays still and one that moves is followed. Answers are steadied, see
`steadying`.

Shapes: H and W a frame's size, S the side of the network's square.
"""

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import cv2
import numpy as np
import tensorflow as tf

from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import matting
from maskdepth_tf.network import answers
from maskdepth_tf.registration import registering
from maskdepth_tf.video.steadying import Steadier


@dataclass(frozen=True)
class Seen:
    """A frame, and the background brought onto it.

    Attributes:
        pixels: uint8 [H, W, 3], the frame.
        shown: float32 [1, S, S, 3], as the network sees it.
        registered: How the background was brought onto it.
    """

    pixels: np.ndarray
    shown: tf.Tensor
    registered: registering.Registered


@dataclass(frozen=True)
class Answer:
    """What is known of a frame.

    Attributes:
        seen: The frame.
        mask: float32 [S, S, 1], 0 to 1.
        depth: float32 [S, S, 1], 0 near and 1 far; None if nobody asked for it.
        mismatch: `comparing.mismatch`, 0 to 1.
        kept: float32 [S, S], share of the alpha before that is kept.
        before: Will hold the alpha before, float32 [H, W]; None if it is the first.
        alpha: Will hold its own alpha.
    """

    seen: Seen
    mask: np.ndarray
    depth: np.ndarray | None
    mismatch: float
    kept: np.ndarray
    before: Future | None
    alpha: Future = field(default_factory=Future)


class Follower:
    """A network and the background of what it follows.

    A frame is seen, answered and refined, each in the order of the frames; one may be
    seen while the one before is answered, in another thread.

    Args:
        network: As `loading.load_network` gives it; so the next.
        side: S.
        bg: uint8 [H', W', 3], the scene alone.
        refines: Whether all answers will be refined, or none.
        has_depth: Whether answers have a depth; without, they take less time.
    """

    def __init__(
        self,
        network: Callable[..., dict],
        side: int,
        bg: np.ndarray,
        refines: bool = True,
        has_depth: bool = True,
    ) -> None:
        self._network = _part(network, side, has_depth)
        self._see, self._follow, self._refine = _graphs(side)
        self._bg = tf.constant(bg)
        self._seen_bg = self._see(self._bg)
        self._refines = refines
        self.forget()

    def forget(self) -> None:
        """Takes the next frame for the first one."""
        self._warp: tf.Tensor | None = None
        self._answered: Seen | None = None
        self._alpha: Future | None = None
        self._steadier = Steadier()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What it knows of the last frame that it answered.

        Another that gets it goes on as this one. Waits until that frame is refined.
        """
        if self._answered is None:
            return {}
        own = {"warp": self._answered.registered.warp.numpy()}
        if self._alpha is not None:
            own["alpha"] = self._alpha.result()
        return {f"own_{name}": value for name, value in own.items()} | {
            f"steady_{name}": value for name, value in self._steadier.state.items()
        }

    @state.setter
    def state(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._warp = tf.constant(arrays["own_warp"])
        if "own_alpha" in arrays:
            self._alpha = Future()
            self._alpha.set_result(arrays["own_alpha"])
        self._steadier.state = {
            name.removeprefix("steady_"): value
            for name, value in arrays.items()
            if name.startswith("steady_")
        }

    def see(self, pixels: np.ndarray) -> Seen:
        """Brings the background onto the next frame, uint8 [H, W, 3]."""
        shown = self._see(tf.constant(pixels))
        height, width = pixels.shape[:2]
        arguments = (self._seen_bg, shown, self._warp, tf.constant([width / height]))
        # The first, once: as a graph it would take 80 MB.
        register = registering.register if self._warp is None else self._follow
        found = register(*arguments)
        self._warp = found.warp
        return Seen(pixels, shown, found)

    def answer(self, seen: Seen) -> Answer:
        """Answers for the next frame that was seen."""
        found, shown = seen.registered, seen.shown
        outputs = self._network(found.bg, shown)
        mask, *depth = (
            outputs[name][0].numpy() for name in ("mask", "depth") if name in outputs
        )
        steady = self._steadier.steady(
            shown[0].numpy(), mask, depth[0] if depth else None, found.warp[0].numpy()
        )
        mismatch = float(outputs["background_mismatch"][0])
        answer = Answer(
            seen, steady.mask, steady.depth, mismatch, steady.kept, self._alpha
        )
        self._answered = seen
        self._alpha = answer.alpha if self._refines else None
        return answer

    def refine(self, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
        """Alpha, float32 [H, W], and colours, uint8 [H, W, 3], of the foreground.

        Answers of several frames may be refined at once, in threads that begin them in
        order: each waits for the one before.
        """
        try:
            alpha, foreground = self._matted(answer)
            if answer.before is not None:
                height, width = alpha.shape
                kept = cv2.resize(answer.kept, (width, height))
                alpha += kept * (answer.before.result() - alpha)
        except BaseException as error:
            answer.alpha.set_exception(error)
            raise
        answer.alpha.set_result(alpha)
        return alpha, foreground

    def _matted(self, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
        seen, found = answer.seen, answer.seen.registered
        pair = matting.Pair(
            self._bg,
            tf.constant(seen.pixels),
            seen.shown[0],
            tf.constant(answer.mask),
            found.warp[0],
            found.light.curves[0],
            found.light.gain[0],
        )
        alpha, foreground = matting.put_edges(self._refine(pair), seen.pixels)
        return alpha[..., 0], foreground

    def stretch(self, answer: Answer) -> np.ndarray:
        """Depth at the frame's size, float32 [H, W, 1]: `answers.stretch`."""
        size = answer.seen.pixels.shape[:2]
        return _stretch(tf.constant(answer.depth), *map(tf.constant, size)).numpy()


def _part(network, side: int, has_depth: bool) -> Callable[..., dict]:
    """The network, or what the mask alone needs of it: two thirds of the time."""
    if has_depth:
        return network
    square = tf.TensorSpec([1, side, side, 3], tf.float32)

    def without_depth(bg, fg_bg):
        outputs = network(bg, fg_bg)
        return {name: outputs[name] for name in ("mask", "background_mismatch")}

    return tf.function(without_depth, [square, square], autograph=False)


_stretch = tf.function(answers.stretch, autograph=False)


@functools.cache
def _graphs(side: int) -> tuple[Callable, Callable, Callable]:
    """What a follower does again and again, for frames of any size.

    Returns:
        From uint8 [H, W, 3] to what the network sees; `registering.register`;
        `matting.refine_edges`.
    """

    def spec(*shape: int) -> tf.TensorSpec:
        return tf.TensorSpec(shape, tf.float32)

    def see(frame: tf.Tensor) -> tf.Tensor:
        return tf.round(preprocessing.resize(frame, side))[tf.newaxis]

    small, pixels = spec(1, side, side, 3), tf.TensorSpec([None, None, 3], tf.uint8)
    follow = [small, small, spec(1, 8), spec(1)]
    return (
        tf.function(see, [pixels], autograph=False),
        tf.function(registering.register, follow, autograph=False),
        matting.graphs(side)[1],
    )
