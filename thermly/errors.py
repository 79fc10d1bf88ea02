"""The closed list of refusals. Domain code raises these and nothing else; what else escapes is `Internal`.

Knows: kinds, their HTTP status, what a caller may be told. Must not know: any dialect's JSON.

    GatewayError
    ├── InvalidRequest      422 or 400, the surface's choice; names the field in `param`
    │   ├── UnsupportedContent   what was asked for cannot be done by the model
    │   └── ContentRefused       the upstream's safety system refused the prompt
    ├── TooLarge            413
    ├── Unauthenticated     401 (403 on /v1/embed)
    ├── InsufficientFunds   402
    ├── PermissionDenied    403
    ├── NotFound            404
    │   └── UnknownModel
    ├── MethodNotAllowed    405
    ├── RateLimited         429, `retry_after_s`
    ├── Internal            500
    ├── UpstreamFailed      502 one upstream failed; another may still answer, `retry_after_s` if it told
    └── Unavailable         503 every candidate failed
        └── ShuttingDown         the gateway stops and has waited for as long as it may
"""


class GatewayError(Exception):
    """A refusal. `message` is shown to the caller; `detail` is for the log only; `headers` go with the answer.
    `request_id` is that of the usage row, where there is one."""

    status = 500
    kind = "internal"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.headers: list[tuple[str, str]] = []
        self.request_id: str | None = None


class InvalidRequest(GatewayError):
    status = 400
    kind = "invalid_request"


class UnsupportedContent(InvalidRequest):
    kind = "unsupported_content"
    code = "unsupported_content"


class ContentRefused(InvalidRequest):
    kind = "content_refused"
    code = "content_policy_violation"


class TooLarge(GatewayError):
    status = 413
    kind = "too_large"
    code = "request_too_large"


class Unauthenticated(GatewayError):
    status = 401
    kind = "unauthenticated"
    code = "invalid_api_key"


class InsufficientFunds(GatewayError):
    status = 402
    kind = "insufficient_funds"
    code = "insufficient_credits"


class PermissionDenied(GatewayError):
    status = 403
    kind = "permission_denied"
    code = "permission_denied"


class NotFound(GatewayError):
    status = 404
    kind = "not_found"
    code = "not_found"


class UnknownModel(NotFound):
    kind = "unknown_model"
    code = "model_not_found"


class MethodNotAllowed(GatewayError):
    status = 405
    kind = "method_not_allowed"
    code = "method_not_allowed"


class RateLimited(GatewayError):
    status = 429
    kind = "rate_limited"
    code = "rate_limit_exceeded"


class Internal(GatewayError):
    status = 500
    kind = "internal"
    code = "internal_error"


class UpstreamFailed(GatewayError):
    status = 502
    kind = "upstream_failed"
    code = "upstream_error"


class Unavailable(GatewayError):
    status = 503
    kind = "unavailable"
    code = "service_unavailable"


class ShuttingDown(Unavailable):
    kind = "shutting_down"
    code = "shutting_down"


def kinds() -> dict[str, type[GatewayError]]:
    """Every kind in the list, for the tables that must be complete."""
    found: dict[str, type[GatewayError]] = {}
    todo: list[type[GatewayError]] = [GatewayError]
    while todo:
        for child in todo.pop().__subclasses__():
            found[child.kind] = child
            todo.append(child)
    return found
