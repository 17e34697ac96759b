"""Opens the live page: mask and depth of what your camera sees, in your browser.

The network runs in the page; the server only sends it, to this machine alone. Step out
of the frame, let the page take the background, and step back in. Two pictures or a
video file do as well.
"""

import contextlib
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

from maskdepth_tf import cli, startup
from maskdepth_tf.browser import litert, page_server
from maskdepth_tf.errors import StateError, UsageError

if TYPE_CHECKING:
    import keras

PORT = 8510
SIDE = 128
"""Most pixels on a side of what the network sees; 192 take twice the time."""


def main(argv: list[str] | None = None) -> int | None:
    """Serves the page until SIGINT or SIGTERM."""
    args = make_parser().parse_args(argv)
    if missing := litert.missing():
        raise StateError(
            f"LiteRT.js, which runs the network in the page, is not there: "
            f"{', '.join(missing)}; fetch it: python -m maskdepth_tf.browser.litert"
        )
    # A port that is taken is said at once: what follows takes seconds.
    try:
        server = page_server.PageServer(args.port)
    except OSError as error:
        text = f"--port must be free. Received: {args.port}: {error.strerror}"
        raise UsageError(text) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"preparing {args.model}", file=sys.stderr, flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        startup.load_tensorflow()
        from maskdepth_tf.training import checkpoints

        provide(server, checkpoints.load_model(args.model))
        print(f"open  http://{page_server.HOST}:{server.server_port}/", flush=True)
        print("Ctrl-C ends it", file=sys.stderr, flush=True)
        server.serve_forever()
    return 0


def provide(server: page_server.PageServer, model: "keras.Model") -> None:
    """Gives a server the page and a network, as `model.resnet_unet` builds it."""
    from maskdepth_tf.browser import settings
    from maskdepth_tf.inference import graph

    model = network_of_page(model)
    inference = graph.of_model(model)

    def answer(bg, fg_bg):
        found = inference.network(*(x[None].astype("float32") for x in (bg, fg_bg)))
        return found["mask"][0].numpy(), found["depth"][0].numpy()

    side = inference.image_size
    files = page_server.files_of_page()
    files["settings.json"] = page_server.settings_file(settings.of_network(side))
    files["network.tflite"] = page_server.pack("network.tflite", to_litert(model))
    server.provide(files, side, answer)


def network_of_page(model: "keras.Model") -> "keras.Model":
    """The network for squares that a page can answer 30 times a second."""
    from maskdepth_tf.network import model as networks

    stride = networks.stride_of(model)
    side = max(SIDE // stride, 1) * stride
    return networks.resized(model, side) if model.inputs[0].shape[1] > side else model


def to_litert(model: "keras.Model") -> bytes:
    """The network as LiteRT has it, of backgrounds that fit their pictures.

    It has two signatures, with the same weights: `whole` answers mask and depth, `mask`
    the mask alone, in two thirds of the time.
    """
    import tensorflow as tf

    from maskdepth_tf.inference import graph

    network, size = graph.of_model(model).network, model.inputs[0].shape[1]
    pictures = [
        tf.TensorSpec([1, size, size, 3], tf.float32, name) for name in ("bg", "fg_bg")
    ]
    root = tf.train.Checkpoint()
    root.variables = [variable.value for variable in model.variables]
    signatures = {
        "whole": tf.function(network, pictures, autograph=False),
        "mask": tf.function(
            lambda bg, fg_bg: {"mask": network(bg, fg_bg)["mask"]},
            pictures,
            autograph=False,
        ),
    }
    with (
        tempfile.TemporaryDirectory(prefix="maskdepth_") as folder,
        startup.quietly(),
    ):
        tf.saved_model.save(root, folder, signatures=signatures)
        return tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[*signatures]
        ).convert()


def make_parser() -> cli.Parser:
    """The command's flags."""
    parser = cli.Parser("live", __doc__, "--port 8510")
    text = "run folder, .keras file, or a preset that comes with the package"
    parser.add("--model", "PATH", text, default=cli.PRESET)
    port = cli.number(int, 0, 65535)
    parser.add("--port", "N", "port; 0 picks a free one", type=port, default=PORT)
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main))
