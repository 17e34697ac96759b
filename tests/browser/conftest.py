"""The live page with the network that comes with the package."""

import functools
from pathlib import Path

import numpy as np
import pytest

from benchmarks import chromium
from maskdepth_tf import cli, live
from maskdepth_tf.browser import page_server
from tests.support import litert_js, page_servers
from tests.support.made_rooms import made_figure, made_room
from tests.support.once import made_once


@functools.cache
def network_of_page():
    """The network that comes with the package, as the page has it."""
    from maskdepth_tf.training import checkpoints

    return live.network_of_page(checkpoints.load_model(cli.PRESET))


@functools.cache
def shipped():
    """The same as a graph."""
    from maskdepth_tf.inference import graph

    return graph.of_model(network_of_page())


@pytest.fixture(scope="session")
def page_files(tmp_path_factory):
    """What the page's server sends, by path."""
    from maskdepth_tf.browser import settings

    litert_js.fetch()

    def make(folder):
        path = folder / "network.tflite"
        path.write_bytes(live.to_litert(network_of_page()))
        return str(path)

    network = Path(made_once(tmp_path_factory, "network", make)).read_bytes()
    files = page_server.files_of_page()
    files["network.tflite"] = page_server.pack("network.tflite", network)
    files["settings.json"] = page_server.settings_file(settings.of_network(live.SIDE))
    return files


@pytest.fixture(scope="session")
def live_server(page_files):
    """A server of the page in a thread."""

    def answer(bg, fg_bg):
        found = shipped().network(*(x[None].astype("float32") for x in (bg, fg_bg)))
        return found["mask"][0].numpy(), found["depth"][0].numpy()

    with page_servers.running(page_files, live.SIDE, answer) as server:
        yield server


@pytest.fixture(scope="session")
def live_url(live_server):
    return f"http://127.0.0.1:{live_server.server_port}/"


@pytest.fixture(scope="session")
def room():
    """An empty room, uint8 [240, 320, 3]."""
    return made_room(3, side=320)[40:280]


@pytest.fixture(scope="session")
def occupied(room):
    """The same with a figure in front."""
    figure = made_figure(5)
    place = room[30:230, 100:220]
    alpha = figure[..., 3:] / 255
    shown = room.copy()
    shown[30:230, 100:220] = np.rint(alpha * figure[..., :3] + (1 - alpha) * place)
    return shown


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Where the camera's film lies; `camera` decides what it is."""
    return tmp_path_factory.mktemp("film") / "film.mjpeg"


@pytest.fixture(scope="module")
def driver():
    """What drives browsers."""
    if chromium.find() is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with chromium.driver() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(driver, film, room):
    """A browser with a camera."""
    chromium.write_film(film, [room])
    with chromium.running(driver, film) as browser:
        yield browser


@pytest.fixture
def camera(film):
    """Sets what the camera shows from the next time on that it is opened."""

    def show(*pictures):
        noise = np.random.default_rng(0)
        frames = [
            np.clip(picture + noise.normal(0, 1, picture.shape), 0, 255).astype("uint8")
            for picture in pictures
        ]
        chromium.write_film(film, frames)

    return show
