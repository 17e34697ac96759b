"""gRPC alone: tensors and replies that other servers send."""

import itertools

import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from maskdepth_tf.clients import grpc_messages
from maskdepth_tf.clients.grpc_client import GrpcClient
from maskdepth_tf.errors import ServerError
from tests.support.exported import BG, FG_BG
from tests.support.fixed_replies import grpc_server
from tests.support.servers import PATIENCE


def reply_with(**outputs):
    reply = predict_pb2.PredictResponse()
    for name, change in outputs.items():
        change(reply.outputs[name])
    return reply.SerializeToString()


def floats(*values, shape):
    def change(tensor):
        tensor.dtype = 1
        tensor.float_val.extend(values)
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)

    return change


def test_both_ways_to_write_a_tensor():
    """TF Serving lists floats, where our server has their bytes."""
    one = floats(0.1, 0.2, shape=(1, 1, 2, 1))
    with (
        grpc_server(reply_with(mask=one, depth=one)) as (address, _),
        GrpcClient(address, timeout=PATIENCE) as asker,
    ):
        mask = asker.predict_arrays(BG[:1], FG_BG[:1])["mask"]
    np.testing.assert_array_equal(mask, np.float32([[[[0.1], [0.2]]]]))


@pytest.mark.parametrize(
    "reply",
    [
        b"\xff",
        reply_with(),
        reply_with(mask=floats(1, shape=(1, 2)), depth=floats(1, shape=(1, 1))),
        reply_with(mask=floats(1, 2, shape=(2, 1)), depth=floats(1, 2, shape=(2, 1))),
        reply_with(mask=lambda t: setattr(t, "dtype", 3), depth=lambda t: None),
    ],
    ids=itertools.count(),  # protobuf writes maps in no fixed order
)
def test_grpc_replies_of_something_else(reply):
    with (
        grpc_server(reply) as (address, _),
        GrpcClient(address, timeout=PATIENCE) as asker,
    ):
        message = f"^{address}: the reply is none of a server of maskdepth: "
        with pytest.raises(ServerError, match=message):
            asker.predict_arrays(BG[:1], FG_BG[:1])


def test_states_are_those_of_tf_serving():
    kinds = get_model_status_pb2.ModelVersionStatus.State
    expected = {number: name for name, number in kinds.items() if number}
    assert grpc_messages.STATES == expected
