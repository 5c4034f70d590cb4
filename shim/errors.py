"""What can go wrong between a caller and the broker, and whose fault it is.

    ShimError
      RequestInvalid      caller        an option or argument that no worker could accept
      BrokerUrlInvalid    operator      an address this client does not speak
      BrokerUnavailable   environment   retryable; nothing was sent, so surely nothing was written
      BrokerRefused       environment   retryable; the server answered with an error and its code
      PublishUncertain    environment   the connection broke after sending: written or not, the claim tells

Messages name the option, the address or the server's error code. They never contain arguments of a task.
"""

from __future__ import annotations


class ShimError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        code: stable slug for logs and programs.
        hint: what to do about it, or an empty string.
        retryable: whether the same call may succeed later unchanged.
    """

    code = "shim"
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep ``message`` (what and where) and ``hint`` (what to do)."""
        super().__init__(message)
        self.hint = hint


class RequestInvalid(ShimError, ValueError):
    """A request that would kill, block or silence a worker; refused before it is built."""

    code = "request-invalid"


class BrokerUrlInvalid(ShimError, ValueError):
    """A broker or result address that cannot be spoken to."""

    code = "broker-url-invalid"


class BrokerUnavailable(ShimError):
    """No connection could be made; surely nothing was written."""

    code = "broker-unavailable"
    retryable = True


class BrokerRefused(ShimError):
    """The server answered with an error such as OOM, READONLY, NOREPLICAS, LOADING or NOPERM.

    Attributes:
        server_code: first word of the server's answer.
    """

    code = "broker-refused"
    retryable = True

    def __init__(self, message: str, *, server_code: str, hint: str = "") -> None:
        """Keep the server's error code beside the message."""
        super().__init__(message, hint=hint)
        self.server_code = server_code


class PublishUncertain(ShimError):
    """The connection broke after the request was sent; it may have been applied, or may be applied later."""

    code = "publish-uncertain"
    retryable = True
