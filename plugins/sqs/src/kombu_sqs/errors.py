"""What SQS and its driver raise, as errors of kombu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as DriverConnectionError,
)

from kombu.exceptions import (
    ChannelError,
    ConnectionError,  # noqa: A004
    RecoverableConnectionError,
)
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "AccessDeniedQueueException",
    "DoesNotExistQueueException",
    "InvalidQueueException",
    "MessageTooLarge",
    "UnableToSubscribeQueueToTopicException",
    "UnableToUnsubscribeQueueFromTopicException",
    "UndefinedExchangeException",
    "UndefinedQueueException",
    "is_busy",
    "is_gone",
    "is_lost",
    "translated",
    "undefined",
)

logger = get_logger(__name__)


class UndefinedQueueException(ChannelError):
    """The queue is not one of the option ``predefined_queues``."""

    code = 404


class InvalidQueueException(ChannelError):
    """The queue can't be what its name or its options say."""

    code = 406


class AccessDeniedQueueException(ChannelError):
    """Amazon refuses the access: the key is unknown, or may not do this."""

    code = 403


class DoesNotExistQueueException(ChannelError):
    """There is no such queue at SQS."""

    code = 404


class UndefinedExchangeException(ChannelError):
    """The exchange is not one of the option ``predefined_exchanges``."""

    code = 404


class UnableToSubscribeQueueToTopicException(ChannelError):
    """SNS refuses to send a topic to a queue; for ``except`` only, as topics are not used yet."""


class UnableToUnsubscribeQueueFromTopicException(ChannelError):
    """SNS goes on sending a topic to a queue; for ``except`` only, as topics are not used yet."""


class MessageTooLarge(ChannelError):
    """A message is larger than SQS takes; it was not sent.

    Args:
        queue: The queue that it was for.
        size: How large the text is that it would have been (bytes).
        limit: How large it may be.
    """

    code = 406

    def __init__(self, queue: str, size: int, limit: int) -> None:
        self.queue = queue
        self.size = size
        self.limit = limit
        super().__init__(
            f"PRECONDITION_FAILED - a message for queue {queue!r} is {size} bytes long as text of "
            f"SQS, which takes {limit}. Nothing was sent: store the content elsewhere and send "
            "where it is, compress it, or say by transport_options['max_message_bytes'] what your "
            "queues take",
            None,
            "Basic.publish",
            406,
        )

    def __reduce__(self) -> tuple[type[MessageTooLarge], tuple[str, int, int]]:
        return type(self), (self.queue, self.size, self.limit)


_GONE = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})
_LOST = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
    }
)
_BUSY = frozenset(
    {
        "RequestThrottled",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "KmsThrottled",
        "KMS.ThrottlingException",
        "ServiceUnavailable",
        "InternalError",
        "InternalFailure",
    }
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSecurity",
        "OptInRequired",
    }
)


def code_of(error: Exception) -> str:
    """Amazon's code of an error, empty where it is another kind of error."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def is_gone(error: Exception) -> bool:
    """Whether it says that there is no such queue."""
    return code_of(error) in _GONE


def is_lost(code: str) -> bool:
    """Whether the code of an entry of a batch says that a claim is no more."""
    return code in _LOST


def is_busy(error: Exception | str) -> bool:
    """Whether it is worth another try soon."""
    if isinstance(error, str):
        return error in _BUSY
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code_of(error) in _BUSY or status >= 500


def undefined(queue: str, known: Iterable[str]) -> UndefinedQueueException:
    """The queue is not predefined, and others are."""
    return UndefinedQueueException(
        f"NOT_FOUND - queue {queue!r} is none of the transport option predefined_queues, which "
        f"has {sorted(known)}: add it there with its URL. Nothing else is declared where that "
        "option is given",
        None,
        "Queue.declare",
        404,
    )


def translated(error: Exception, what: str, endpoint: str, key_id: str | None) -> Exception:
    """The error of kombu that says the same; what is none of the driver's is returned as it is.

    Args:
        error: What the driver raised.
        what: What was asked for.
        endpoint: Where.
        key_id: The id of the access key, which is logged where it is refused.
    """
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return ConnectionError(
            f"no credentials for Amazon SQS at {endpoint}: {error}. Give them in the URL, "
            "sqs://KEY_ID:SECRET@, or as boto3 finds them: variables of the environment, a file, "
            "or the role of the machine"
        )
    if isinstance(error, (DriverConnectionError, HTTPClientError)):
        return RecoverableConnectionError(
            f"Amazon SQS at {endpoint} can't be reached, or does not answer ({what}): {error}"
        )
    if isinstance(error, ClientError):
        return _of_amazon(error, what, endpoint, key_id)
    if isinstance(error, BotoCoreError):
        return ChannelError(f"{what}: {error}")
    return error


def _of_amazon(error: ClientError, what: str, endpoint: str, key_id: str | None) -> Exception:
    code = code_of(error)
    text = f"{what}: {code}: {error.response.get('Error', {}).get('Message', '')}"
    if code in _GONE:
        return DoesNotExistQueueException(f"NOT_FOUND - {text}", None, "", 404)
    if code in _DENIED:
        # The id only: the secret is nobody's to read.
        logger.error("Amazon SQS at %s refuses the access key %s: %s", endpoint, key_id, code)
        return AccessDeniedQueueException(
            f"ACCESS_REFUSED - {text} (access key {key_id or 'as boto3 found it'})", None, "", 403
        )
    if is_busy(error):
        return RecoverableConnectionError(f"Amazon SQS at {endpoint} is busy: {text}")
    return ChannelError(f"PRECONDITION_FAILED - {text}", None, "", 406)
