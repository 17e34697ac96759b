"""Servers of fixed replies, right or wrong, for clients."""

import contextlib
import http.server
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from tensorflow_serving.apis import get_model_status_pb2


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def rest_server(*replies, port=0):
    """A server of replies, (status, body, *headers), the last again and again."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers))
            # What is not read would reset the connection.
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, *headers = replies[min(len(asked), len(replies)) - 1]
            self.send_response(status)
            for name, value in (("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def grpc_server(*replies, port=0):
    """As `rest_server`: codes, or bytes."""
    asked = []

    def answer(request, context):
        asked.append(request)
        reply = replies[min(len(asked), len(replies)) - 1]
        if isinstance(reply, grpc.StatusCode):
            context.abort(reply, "said so")
        return reply

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(answer)

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, [Handler()])
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield f"127.0.0.1:{port}", asked
        server.stop(0).wait()


STATUS = json.dumps(
    {
        "model_version_status": [
            {
                "version": "2",
                "state": "END",
                "status": {"error_code": "UNKNOWN", "error_message": "bad"},
            }
        ]
    }
).encode()


GRPC_STATUS = get_model_status_pb2.GetModelStatusResponse(
    model_version_status=[
        {"version": 2, "state": 50, "status": {"error_message": "bad"}}
    ]
).SerializeToString()
