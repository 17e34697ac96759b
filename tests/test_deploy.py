"""The files in deploy/ name what export writes, and nothing that is not there."""

import http.server
import re
import subprocess
import threading

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from maskdepth_tf.exporting import serving_files
from tests.support.paths import ROOT

FLAGS = {
    "batching_parameters_file",
    "enable_batching",
    "enable_grpc_healthcheck_service",
    "enable_model_warmup",
    "model_config_file",
}
"""Of `tensorflow_model_server`, those that we use."""


def load(name):
    return list(yaml.safe_load_all((ROOT / "deploy" / name).read_text()))


def compose():
    (found,) = load("docker-compose.yaml")
    return found["services"]["serving"]


def deployment():
    return load("kubernetes.yaml")[0]["spec"]["template"]["spec"]


def containers():
    """Image, flags and the place of the model folder of each file."""
    service, pod = compose(), deployment()
    (volume,) = service["volumes"]
    (container,) = pod["containers"]
    mount = next(m for m in container["volumeMounts"] if m["name"] == "model")
    return {
        "compose": (service["image"], service["command"], volume["target"]),
        "kubernetes": (container["image"], container["args"], mount["mountPath"]),
    }


@pytest.fixture
def model_config(tmp_path):
    serving_files.write_configs(tmp_path, "maskdepth")
    text = (tmp_path / serving_files.MODELS).read_text()
    parsed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = parsed.model_config_list.config
    return config


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_flags_name_what_is_mounted(where, model_config):
    _, arguments, mounted = containers()[where]
    assert mounted == model_config.base_path
    flags = dict(re.fullmatch("--([a-z_]+)=(.+)", a).groups() for a in arguments)
    assert set(flags) == FLAGS
    assert flags.pop("model_config_file") == f"{mounted}/{serving_files.MODELS}"
    assert (
        flags.pop("batching_parameters_file") == f"{mounted}/{serving_files.BATCHING}"
    )
    assert set(flags.values()) == {"true"}


def test_image_is_the_release_of_the_locked_protos():
    lock = (ROOT / "requirements" / "env.txt").read_text()
    version = re.search(r"^tensorflow-serving-api==(\S+)", lock, re.MULTILINE)[1]
    images = {image for image, _, _ in containers().values()}
    assert images == {f"tensorflow/serving:{version}"}


def test_compose(model_config):
    service = compose()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert f"GET /v1/models/{model_config.name} " in service["healthcheck"]["test"][-1]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    (volume,) = service["volumes"]
    assert volume["read_only"] is True


@pytest.mark.parametrize(("state", "code"), [("AVAILABLE", 0), ("LOADING", 1)])
def test_health_check(state, code):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"state": "%b", "error": ""}' % state.encode())

        def log_message(self, *arguments):
            pass

    _, *command = compose()["healthcheck"]["test"]
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        command[-1] = command[-1].replace("/8501", f"/{server.server_port}")
        assert subprocess.run(command).returncode == code
        thread.join()


def test_kubernetes(model_config):
    pod = deployment()
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe"):
        request = container[probe]["httpGet"]
        assert request["path"] == f"/v1/models/{model_config.name}"
        assert request["port"] in ports
    assert container["livenessProbe"]["grpc"]["port"] == ports["grpc"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    service = load("kubernetes.yaml")[1]["spec"]
    assert {port["targetPort"] for port in service["ports"]} == set(ports)
    assert (
        service["selector"]
        == load("kubernetes.yaml")[0]["spec"]["selector"]["matchLabels"]
    )
