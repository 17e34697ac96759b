"""What the page is told of the package."""

import json

from maskdepth_tf.browser import settings
from maskdepth_tf.registration import describing, geometry, light


def test_are_json_and_the_packages_own():
    found = json.loads(json.dumps(settings.of_network(64)))
    assert found["image_size"] == 64
    assert found["geometry"]["TOLERANCES"] == [list(x) for x in geometry.TOLERANCES]
    assert found["light"]["DOUBT"] == light.DOUBT
    assert found["describing"]["MISMATCH"] == describing.MISMATCH
    (kernel, bias), (last, _) = found["matting"]["layers"]
    assert (len(kernel), len(kernel[0]), len(last)) == (11, len(bias), len(bias))


def test_near_is_bright():
    colours = settings.of_network(64)["depth_colours"]
    assert len(colours) == 256
    assert sum(colours[0][:3]) > sum(colours[-1][:3]) + 200
