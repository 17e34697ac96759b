"""How sharp masks are at a picture's own size, and what making them so costs.

    python benchmarks/matting.py --workdir RUN --sources DIR ... [--pairs 100]
    python benchmarks/matting.py --workdir RUN --sources DIR ... --fit FILE

RUN was trained on composed sets, and --sources are the folders that they were made of:
from their cut-outs and rooms, at their own size, pairs of 1280x960 are made with true
alpha, with noise, JPEG, and a background that moved and changed its light a little.
Only rooms and cut-outs are used that the run never saw.

MAD, MSE (x 1000), Grad and Conn (/ 1000) are those of BackgroundMattingV2, of the
network's mask stretched, a guided filter, and the matting of `inference.matting`.

--fit makes the perceptron of the matting from the rooms and cut-outs that the run was
trained on, and as many of its own rows, and writes FILE. --sizes: squares, in pixels,
that the network is shown in turn, those of training if none is named.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

from maskdepth_tf import config, files, startup

SIZE = (960, 1280)
FIT_SIZES = ((224, 224), (360, 480), (480, 640), (960, 1280))
FIT_PIXELS = 3000
"""Pixels of one pair that are fitted on."""
UNITS = 32
EPOCHS = 20
TWO_MEGAPIXELS = (1224, 1632)
GUIDE = (21, 1e-4)
"""Window in pixels and softness of the guided filter."""


def names_of(labels_path, split, rows):
    """Names of the source files of rooms and cut-outs, of a side of the split."""
    root = Path(labels_path).parent
    sources = {}
    for path in [root, *root.iterdir()]:
        if (path / files.MANIFEST).is_file():
            manifest = json.loads((path / files.MANIFEST).read_text())
            prefix = "" if path == root else f"{path.name}/"
            for name, entry in manifest.get("sources", {}).items():
                sources[prefix + name] = entry["name"]
    chosen = [rows[number] for number in split]
    return tuple(
        sorted({sources[name] for name in names if name in sources})
        for names in ([row.bg for row in chosen], [row.fg for row in chosen])
    )


def read(folders, name):
    """A picture as float32, RGB or RGBA."""
    for folder in folders:
        if (path := Path(folder, name)).is_file():
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            order = [2, 1, 0, 3][: pixels.shape[2]]
            return pixels[..., order].astype(np.float32)
    raise SystemExit(f"{name}: must lie in one of --sources")


def covered(room, size):
    """A room enlarged until it covers a picture, and cut."""
    height, width = size
    scale = max(height / room.shape[0], width / room.shape[1])
    shape = (round(room.shape[1] * scale) + 1, round(room.shape[0] * scale) + 1)
    room = cv2.resize(room[..., :3], shape, interpolation=cv2.INTER_CUBIC)
    return room[:height, :width].clip(0, 255)


def compose(room, cutout, size, draws):
    """A pair with true alpha: bg and fg_bg, uint8 [H, W, 3], and alpha [H, W]."""
    height, width = size
    room = covered(room, size)
    scale = height * draws.uniform(0.4, 1.3) / max(cutout.shape[:2])
    cutout = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    left = int(draws.uniform(-0.2, 0.8) * width)
    top = int(draws.uniform(0.0, 0.5) * height)
    # From the cut-out's pixels to the picture's; what sticks out is clipped.
    move = np.float32([[1, 0, left], [0, 1, top]])
    layer = cv2.warpAffine(cutout.clip(0, 255), move, (width, height))
    alpha = layer[..., 3:] / 255
    picture = alpha * layer[..., :3] + (1 - alpha) * room
    if draws.random() < 0.5:
        turn = cv2.getRotationMatrix2D(
            (width / 2, height / 2), draws.uniform(-0.5, 0.5), draws.uniform(0.99, 1.01)
        )
        turn[:, 2] += draws.uniform(-0.01, 0.01, 2) * width
        room = cv2.warpAffine(
            room,
            turn,
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        room = room * draws.uniform(0.8, 1.2)
    noise, quality = draws.uniform(0, 4), int(draws.integers(50, 96))

    def taken(pixels):
        pixels = pixels + draws.normal(0, noise, pixels.shape)
        data = cv2.imencode(
            ".jpg",
            np.rint(pixels.clip(0, 255)).astype(np.uint8)[..., ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, quality],
        )[1]
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

    return taken(room), taken(picture), alpha[..., 0]


def read_row(root, row):
    """A pair of the labelled set with its alpha, as `compose` makes them."""
    from maskdepth_tf.images import preprocessing

    bg, picture = (
        preprocessing.read_rgb(Path(root, name)) for name in (row.bg, row.fg_bg)
    )
    return bg, picture, preprocessing.read_mask(Path(root, row.mask))[..., 0] / 255


class Network:
    """A run's network on squares of `size` pixels, and what the matting takes of it."""

    def __init__(self, path, size):
        import tensorflow as tf

        from maskdepth_tf.inference import graph
        from maskdepth_tf.network import model
        from maskdepth_tf.training import checkpoints

        network = model.resized(checkpoints.load_model(path), size)
        self._answer = tf.function(
            lambda pictures: network(pictures, training=False), autograph=False
        )
        self._size = size
        _, self._register = graph.graphs(size)

    def pair(self, bg, fg_bg):
        """A pair of any size as `matting.Pair`."""
        import tensorflow as tf

        from maskdepth_tf.images import preprocessing
        from maskdepth_tf.inference import matting

        small = [
            tf.round(preprocessing.resize(pixels, self._size))[tf.newaxis]
            for pixels in (bg, fg_bg)
        ]
        found = self._register(*small, tf.ones([1]))
        outputs = self._answer({"bg": found.bg, "fg_bg": small[1]})
        mask = tf.sigmoid(outputs["mask"])
        light = (part[0] for part in found.light)
        return matting.Pair(bg, fg_bg, small[1][0], mask[0], found.warp[0], *light)


def guided(stretched, picture):
    """A guided filter of the stretched mask, by the picture's grey."""
    window, softness = GUIDE
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    box = lambda x: cv2.boxFilter(x, -1, (window, window))  # noqa: E731
    mean, value = box(grey), box(stretched)
    slope = (box(grey * stretched) - mean * value) / (box(grey**2) - mean**2 + softness)
    return np.clip(box(slope) * grey + box(value - slope * mean), 0, 1)


def gradient(alpha):
    """Length of the gradient, by a Gaussian's derivatives of sigma 1.4."""
    sigma = 1.4
    reach = int(
        np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * 0.01)))
    )
    line = np.arange(-reach, reach + 1)
    smooth = np.exp(-(line**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    kernel = np.outer(smooth, -line * smooth / sigma**2)
    kernel /= np.sqrt((kernel**2).sum())
    along = [
        cv2.filter2D(alpha, -1, k, borderType=cv2.BORDER_REPLICATE)
        for k in (kernel, kernel.T)
    ]
    return np.hypot(*along)


def connectivity(found, truth):
    """BackgroundMattingV2's Conn: sums of what is cut off from the common part."""
    step, last = 0.1, np.full(truth.shape, -1.0)
    for low, high in zip(
        np.arange(0, 1, step), np.arange(step, 1 + step, step), strict=False
    ):
        both = ((found >= high) & (truth >= high)).astype(np.uint8)
        count, parts, about, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        largest = 1 + np.argmax(about[1:, cv2.CC_STAT_AREA]) if count > 1 else -1
        last[(last == -1) & (parts != largest)] = low
    last[last == -1] = 1
    off = [value - last for value in (found, truth)]
    share = [1 - part * (part >= 0.15) for part in off]
    return float(np.abs(share[0] - share[1]).sum() / 1000)


def score(found, truth):
    """IoU, MAD, MSE, Grad, Conn of one alpha."""
    marked, is_front = found >= 0.5, truth >= 0.5
    union = (marked | is_front).sum()
    iou = (marked & is_front).sum() / union if union else 1.0
    error = found - truth
    grad = ((gradient(found) - gradient(truth)) ** 2).sum() / 1000
    figures = (iou, 1000 * np.abs(error).mean(), 1000 * (error**2).mean(), grad)
    return (*figures, connectivity(found, truth))


def measure(network, make, count):
    """Prints the table of all ways."""
    import tensorflow as tf

    from maskdepth_tf.inference import matting
    from maskdepth_tf.network import answers

    refine = tf.function(matting.refine, autograph=False, reduce_retracing=True)
    table = {}
    for number in range(count):
        bg, picture, truth = make(number, SIZE)
        pair = network.pair(bg, picture)
        stretched = answers.stretch(pair.mask, *SIZE).numpy()[..., 0]
        for name, found in (
            ("stretched", stretched),
            ("guided filter", guided(stretched, picture)),
            ("matting", refine(pair)[0].numpy()[..., 0]),
        ):
            table.setdefault(name, []).append(score(found, truth))
    print(f"{count} pairs of {SIZE[1]}x{SIZE[0]}")
    print(
        f"{'':14}"
        + "".join(f"{name:>8}" for name in ("IoU", "MAD", "MSE", "Grad", "Conn"))
    )
    for name, rows in table.items():
        print(
            f"{name:14}" + "".join(f"{value:8.3f}" for value in np.mean(rows, axis=0))
        )
    bg, picture, _ = make(0, TWO_MEGAPIXELS)
    pair = network.pair(bg, picture)
    times = {"stretching alone": [], "matting": []}
    stretch = tf.function(answers.stretch, autograph=False)
    for _ in range(10):
        for name, work in (
            ("stretching alone", lambda: stretch(pair.mask, *TWO_MEGAPIXELS)),
            ("matting", lambda: refine(pair)[0]),
        ):
            start = time.perf_counter()
            work().numpy()
            times[name].append(time.perf_counter() - start)
    for name, seconds in times.items():
        print(f"{name}, 2 megapixels: {1000 * np.median(seconds[2:]):.0f} ms")


def fit(networks, make, count, path):
    """Fits the perceptron, and writes it."""
    import keras
    import tensorflow as tf

    from maskdepth_tf.inference import matting

    def traced():
        return tf.function(matting.find_edges, autograph=False, reduce_retracing=True)

    finds = [traced() for _ in networks]  # their squares differ
    features, truths = [], []
    for number in range(count):
        bg, picture, truth = make(number)
        which = number // 2 % len(networks)
        edges = finds[which](networks[which].pair(bg, picture))
        draws = np.random.default_rng(number)
        chosen = draws.permutation(len(edges.flat))[:FIT_PIXELS]
        features.append(edges.features.numpy().T[chosen])
        truths.append(truth.ravel()[edges.flat.numpy()[chosen]])
    features, truths = np.concatenate(features), np.concatenate(truths)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((features.shape[1],))
    hidden = keras.layers.Dense(UNITS, "relu")(inputs)
    net = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))
    steps = EPOCHS * len(features) // 4096
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    net.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    net.fit(features, truths, batch_size=4096, epochs=EPOCHS, verbose=2)
    weights = [np.round(w, 4).tolist() for w in net.get_weights()]
    text = json.dumps([weights[i : i + 2] for i in range(0, len(weights), 2)])
    files.write_atomically(path, (text + "\n").encode())
    print(f"wrote {path}, of {len(features):,} pixels")


def main():
    """Fits or measures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--sources", nargs="+", required=True)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--fit", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int)
    args = parser.parse_args()
    startup.load_tensorflow()
    from maskdepth_tf.training import batches

    path = Path(args.workdir) / "config.yaml"
    settings = config.load_config([path], ["data.memory_gb=0"])
    data = batches.open_data(settings)
    side = "train" if args.fit else "test"
    rooms, cutouts = names_of(
        settings.data.labels, data.split[side], data.examples.rows
    )
    print(f"{side}: {len(rooms)} rooms, {len(cutouts)} cut-outs")
    sizes = args.sizes or [settings.data.image_size]
    networks = [Network(args.workdir, size) for size in sizes]

    def make(number, size):
        draws = np.random.default_rng((number, len(side)))
        room = read(args.sources, rooms[draws.integers(len(rooms))])
        cutout = read(args.sources, cutouts[draws.integers(len(cutouts))])
        return compose(room, cutout, size, draws)

    if args.fit:
        rows, root = data.split["train"], data.examples.root

        def make_any(number):
            if number % 2:
                row = np.random.default_rng(number).choice(rows)
                return read_row(root, data.examples.rows[row])
            return make(number, FIT_SIZES[number // 4 % len(FIT_SIZES)])

        fit(networks, make_any, args.pairs, args.fit)
    else:
        for network in networks:
            measure(network, make, args.pairs)


if __name__ == "__main__":
    main()
