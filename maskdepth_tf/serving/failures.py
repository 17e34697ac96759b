"""Why a request is not answered: TF Serving's codes, and a line of ours."""

import re

# A full queue is 503, where TF Serving has 429 for this code and UNAVAILABLE for it.
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "RESOURCE_EXHAUSTED": 503,
    "DEADLINE_EXCEEDED": 504,
}


class ServingError(Exception):
    """A request that is refused or has failed.

    Args:
        code: Name of one of the codes that TensorFlow and gRPC share.
        message: What the client is told.
        http_status: For REST, where it is not that of the code.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status or _HTTP.get(code, 500)


def invalid(message: str) -> ServingError:
    """Makes the error for a request that does not fit."""
    return ServingError("INVALID_ARGUMENT", message)


def from_exception(error: BaseException) -> ServingError:
    """Makes one line of an error of TensorFlow, or of whatever else was called."""
    import tensorflow as tf
    from tensorflow.core.protobuf import error_codes_pb2

    if isinstance(error, ServingError):
        return error
    if isinstance(error, MemoryError):
        return ServingError("RESOURCE_EXHAUSTED", "out of memory")
    if isinstance(error, tf.errors.OpError):
        code = error_codes_pb2.Code.Name(error.error_code)
        return ServingError(code, _reason(error.message))
    return ServingError("INTERNAL", f"{type(error).__name__}: {_reason(str(error))}")


def _reason(text: str) -> str:
    """The line that gives the reason, of TensorFlow's many on where it was."""
    lines = [line.strip() for line in text.splitlines()]
    places = ("Graph execution", "Detected at", "<", "[[")
    reason = next((ln for ln in lines if ln and not ln.startswith(places)), "")
    # Which of the graph's operations it was is of no use to a client.
    reason = reason.split(" [[")[0].split(" [Op:")[0]
    return re.sub(r"^\{\{function_node .*?\}\} ", "", reason)
