"""What kinds of codes mean, and exceptions in Chinese; code_causes.py has the causes of single codes."""

from __future__ import annotations

from lark_provider.protocol.codes import CodeKind

KINDS: dict[CodeKind, tuple[dict[str, str], str]] = {
    CodeKind.REFUSED: (
        {"en": "refused, and nothing was done", "zh": "被拒绝，什么都没有执行"},
        "`LarkAPIError`",
    ),
    CodeKind.TOKEN: (
        {
            "en": "the token was rejected; repeated once with a new one",
            "zh": "token 被拒绝；换新 token 后重试一次",
        },
        "`PermissionDeniedError`",
    ),
    CodeKind.PERMISSION: (
        {"en": "something is not allowed or not shared", "zh": "没有权限，或没有授权"},
        "`PermissionDeniedError`",
    ),
    CodeKind.RATE: (
        {"en": "too many requests; repeated after a wait", "zh": "请求过于频繁；等待后自动重试"},
        "`RateLimitError`",
    ),
    CodeKind.BUSY: (
        {
            "en": "another operation is running; repeated after a wait",
            "zh": "另一个操作正在进行；等待后自动重试",
        },
        "`LarkAPIError`",
    ),
    CodeKind.AMBIGUOUS: (
        {
            "en": "a server error: it may have been performed; repeated only where that does no harm",
            "zh": "服务端错误：可能已经执行；只有重复无害时才重试",
        },
        "`LarkAPIError`",
    ),
    CodeKind.REPLAYED: (
        {"en": "the idempotency key was used before", "zh": "幂等键之前用过"},
        "`ConflictError`",
    ),
    CodeKind.NOT_FOUND: (
        {"en": "what was named does not exist for this app", "zh": "所指对象不存在，或对本应用不存在"},
        "`NotFoundError`",
    ),
    CodeKind.INVALID: (
        {"en": "the request is invalid", "zh": "请求不合法"},
        "`InvalidRequestError`",
    ),
    CodeKind.CONFLICT: (
        {"en": "the state of the thing forbids it", "zh": "对象当前的状态不允许"},
        "`ConflictError`",
    ),
    CodeKind.GONE: (
        {
            "en": "what was named is gone; a repeated removal has succeeded",
            "zh": "所指对象已不存在；重复删除视为成功",
        },
        "`ConflictError`",
    ),
    CodeKind.UNCHANGED: (
        {"en": "nothing to change: a success", "zh": "没有变化：视为成功"},
        "–",
    ),
}
"""Of each kind its meaning, and what is raised after the last attempt."""

EXCEPTIONS = {
    "BrokerError": "RabbitMQ 不可用，或拒绝连接。",
    "BulkOutcomeUnknownError": "批量写入中断，最后一块可能已写入，也可能没有。",
    "BulkWriteError": "批量写入中途停止；原因见 `__cause__`。",
    "CallbackRefusedError": "发到回调地址的请求无法证明来自飞书。",
    "ConfigurationError": "凭证、平台地址或其他配置缺失或不合法。",
    "ConflictError": "对象已存在、期间被修改，或当前状态不允许该请求。",
    "DeadlineExceededError": "在响应到来之前 `deadline` 已到；飞书侧没有任何变更。",
    "DecryptionError": "密文所用的密钥没有配置。同时是 cryptography 的 `InvalidToken`。",
    "InvalidRequestError": "请求本身不合法；`http_status` 为 None 表示没有发出。",
    "LarkAPIError": "飞书拒绝了请求。",
    "LarkError": "本包所有错误的基类。",
    "NotEmulatedError": "飞书有这个接口，本地飞书没有模拟。不会重试。",
    "NotFoundError": "所指的群、用户、多维表格、数据表、字段或接口对本应用不存在。",
    "OutcomeUnknownError": "写请求已发出但响应丢失：可能执行了，也可能没有。",
    "PermissionDeniedError": "应用缺少权限、不在群里，或文档没有授权给它。",
    "RateLimitError": "请求过多，等待并重试后仍然如此。`.retry_after`：飞书给出的秒数（如有）。",
    "StorageError": "数据库不可用、不可写，或迁移版本落后。同时是 SQLAlchemy 的 `OperationalError`。",
    "TokenAcquisitionError": "飞书的 token 接口拒绝了凭证。不会重试：需要人来修正。",
    "TransportError": "没有得到可用的响应。除非子类另有说明，飞书侧没有任何变更。",
}
