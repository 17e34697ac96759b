"""How much masks and depths flicker in videos, beside answers frame by frame.

Rendered clips with truth: a figure that stands, and sways as people do who talk, and
one that walks. dtSSD is the error of the alpha's change from frame to frame, in
percent; flicker is the mean deviation over time of the background's depth.

    python benchmarks/steadiness.py --frames 40 --seeds 4 5

Reference: Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC
2015 (dtSSD).
"""

import argparse

import cv2
import numpy as np

from maskdepth_tf import cli, startup
from maskdepth_tf.draws import Rendered, generator
from maskdepth_tf.scenes import people, shapes
from maskdepth_tf.scenes.stage import Stage

CLIPS = {"stands": (0.004, 1.0), "walks": (0.1, 10.0)}
"""How far a figure goes, in shares of the width, and turns, in degrees, at most."""
SIZE = 256


def film(seed: int, num_frames: int, goes: float, turns: float):
    """A clip: background, and the examples of its frames."""
    stage = Stage(seed, 0, SIZE)
    figure = shapes.compact(people.figure(generator(seed, Rendered.FIGURE, 0)))
    draws = generator(seed, Rendered.SECOND, 0)
    steps = [(goes * np.sin(n / 15), turns * np.sin(n / 20)) for n in range(num_frames)]
    return stage.background(), list(stage.walk(figure, draws, steps))


def answers(network, bg, frames, is_steady: bool):
    """Alphas [F, H, W] and depths [F, S, S] of a clip."""
    from maskdepth_tf.video.following import Follower

    follower = Follower(*network, bg)
    alphas, depths = [], []
    for frame in frames:
        if not is_steady:
            follower.forget()
        answer = follower.answer(follower.see(frame))
        alphas.append(follower.refine(answer)[0])
        depths.append(answer.depth[..., 0])
    return np.stack(alphas), np.stack(depths)


def dtssd(alphas: np.ndarray, truths: np.ndarray) -> float:
    """Root mean square of the error of the change, mean over frames, in percent."""
    change = np.diff(alphas, axis=0) - np.diff(truths, axis=0)
    return 100 * float(np.sqrt(np.square(change).mean((1, 2))).mean())


def iou(alphas: np.ndarray, truths: np.ndarray) -> float:
    """Mean over frames."""
    ours, theirs = alphas >= 0.5, truths >= 0.5
    return float(((ours & theirs).sum((1, 2)) / (ours | theirs).sum((1, 2))).mean())


def lag(alphas: np.ndarray, truths: np.ndarray) -> int:
    """By how many frames the truth must be late to fit best."""
    errors = {
        by: np.abs(alphas[2:-2] - truths[2 - by : len(truths) - 2 - by]).mean()
        for by in (-2, -1, 0, 1, 2)
    }
    return min(errors, key=lambda by: errors[by])


def flicker(depths: np.ndarray, truths: np.ndarray) -> float:
    """Deviation over time of the depth where there never is a figure, in percent."""
    size = depths.shape[2:0:-1]
    # A mean over the area: what is there at all counts.
    ever = cv2.resize(truths.max(axis=0), size, interpolation=cv2.INTER_AREA) > 0
    return 100 * float(depths.std(axis=0)[~ever].mean())


def main() -> None:
    """Prints a line for each clip and way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[4, 5])
    parser.add_argument("--model", default=cli.PRESET)
    args = parser.parse_args()
    startup.load_tensorflow()
    from maskdepth_tf.inference.loading import load_network

    network = load_network(args.model)
    print(f"{'':26}{'dtSSD':>8}{'IoU':>8}{'lag':>5}{'flicker of depth':>18}")
    for name, (goes, turns) in CLIPS.items():
        for seed in args.seeds:
            bg, examples = film(seed, args.frames, goes, turns)
            truths = np.stack([e.mask for e in examples]) / 255
            frames = [e.fg_bg for e in examples]
            for way in ("frame by frame", "steady"):
                alphas, depths = answers(network, bg, frames, way == "steady")
                # Of what hardly moves it tells nothing.
                late = lag(alphas, truths) if name == "walks" else "-"
                print(
                    f"{name + ' ' + str(seed):10}{way:16}{dtssd(alphas, truths):8.3f}"
                    f"{iou(alphas, truths):8.4f}{late:>5}"
                    f"{flicker(depths, truths):18.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
