"""What kinds of codes mean, the causes of the codes that people meet most, and exceptions in Chinese."""

from __future__ import annotations

from lark_provider.protocol.codes import Kind

KINDS: dict[Kind, tuple[dict[str, str], str]] = {
    Kind.REFUSED: (
        {"en": "refused, and nothing was done", "zh": "被拒绝，什么都没有执行"},
        "`LarkAPIError`",
    ),
    Kind.TOKEN: (
        {
            "en": "the token was rejected; repeated once with a new one",
            "zh": "token 被拒绝；换新 token 后重试一次",
        },
        "`PermissionDeniedError`",
    ),
    Kind.PERMISSION: (
        {"en": "something is not allowed or not shared", "zh": "没有权限，或没有授权"},
        "`PermissionDeniedError`",
    ),
    Kind.RATE: (
        {"en": "too many requests; repeated after a wait", "zh": "请求过于频繁；等待后自动重试"},
        "`RateLimitError`",
    ),
    Kind.BUSY: (
        {
            "en": "another operation is running; repeated after a wait",
            "zh": "另一个操作正在进行；等待后自动重试",
        },
        "`LarkAPIError`",
    ),
    Kind.AMBIGUOUS: (
        {
            "en": "a server error: it may have been performed; repeated only where that does no harm",
            "zh": "服务端错误：可能已经执行；只有重复无害时才重试",
        },
        "`LarkAPIError`",
    ),
    Kind.REPLAYED: (
        {"en": "the idempotency key was used before", "zh": "幂等键之前用过"},
        "`ConflictError`",
    ),
    Kind.NOT_FOUND: (
        {"en": "what was named does not exist for this app", "zh": "所指对象不存在，或对本应用不存在"},
        "`NotFoundError`",
    ),
    Kind.INVALID: (
        {"en": "the request is invalid", "zh": "请求不合法"},
        "`InvalidRequestError`",
    ),
    Kind.CONFLICT: (
        {"en": "the state of the thing forbids it", "zh": "对象当前的状态不允许"},
        "`ConflictError`",
    ),
    Kind.GONE: (
        {
            "en": "what was named is gone; a repeated removal has succeeded",
            "zh": "所指对象已不存在；重复删除视为成功",
        },
        "`ConflictError`",
    ),
    Kind.DONE: (
        {"en": "nothing to change: a success", "zh": "没有变化：视为成功"},
        "–",
    ),
}
"""Of each kind its meaning, and what is raised after the last attempt."""

CAUSES: dict[int, dict[str, str]] = {
    99991663: {
        "en": "the token was rejected: it expired, or the app's secret was changed",
        "zh": "token 被拒绝：已过期，或应用密钥被更换",
    },
    99991672: {
        "en": "the app lacks a scope; the message and `.scopes` name it",
        "zh": "应用缺少权限；报错文本和 `.scopes` 里写明是哪一个",
    },
    99991673: {
        "en": "the app is not installed in this tenant, or its version was not published",
        "zh": "应用没有安装到该企业，或版本未发布",
    },
    99991400: {
        "en": "too many requests of this app; repeated after the wait that Lark names",
        "zh": "本应用请求过于频繁；按飞书给出的时间等待后重试",
    },
    99991543: {
        "en": "app id and app secret do not belong together",
        "zh": "App ID 与 App Secret 不匹配",
    },
    11232: {"en": "the custom bot sends too fast", "zh": "自定义机器人发送过快"},
    19021: {
        "en": "the signature is wrong, or its time is more than an hour off",
        "zh": "签名错误，或签名时间与飞书相差超过一小时",
    },
    19024: {
        "en": "the bot asks for a keyword, and the message has none of them",
        "zh": "机器人设置了关键词，而消息里一个都没有",
    },
    230002: {
        "en": "the bot is not in the chat, or the id is another chat's",
        "zh": "机器人不在群里，或写成了别的群的 id",
    },
    230006: {
        "en": "the app has no bot, or the version that has it was not published",
        "zh": "应用没有开启机器人能力，或开启后的版本没有发布",
    },
    230013: {
        "en": "the user is outside of the app's availability, or the account is not active",
        "zh": "该用户不在应用的可用范围内，或账号未激活",
    },
    230018: {"en": "only some members may speak in this group", "zh": "该群限制了发言，机器人不能说话"},
    230020: {
        "en": "more than five messages a second to one user or group, from all bots together",
        "zh": "同一用户或群每秒超过 5 条（所有机器人合计）",
    },
    230025: {"en": "the content is too long", "zh": "内容过长"},
    230027: {
        "en": "the app lacks a scope for this kind of message or chat",
        "zh": "应用缺少这类消息或群所需的权限",
    },
    230031: {"en": "the card is more than 14 days old", "zh": "卡片发出已超过 14 天"},
    230034: {
        "en": "there is no such receiver: wrong id, wrong kind of id, or another app's open_id",
        "zh": "没有这个接收者：id 写错、类型不对，或是别的应用的 open_id",
    },
    230099: {"en": "the card's content is invalid", "zh": "卡片内容不合法"},
    41050: {
        "en": "the user or department is outside of what the app may see",
        "zh": "该用户或部门不在应用的通讯录权限范围内",
    },
    1254015: {
        "en": "a value does not have the form of its field's type",
        "zh": "某个值与字段类型的格式不符",
    },
    1254045: {"en": "the table has no field of that name", "zh": "数据表里没有这个名字的字段"},
    1254103: {"en": "the table has as many records as it takes", "zh": "数据表的记录数已达上限"},
    1254291: {
        "en": "two writers write one table at the same time; repeated after a wait",
        "zh": "有两个写入者同时写一张表；等待后自动重试",
    },
    1254302: {
        "en": "the app may not edit the base: it was not shared with the app",
        "zh": "应用没有该多维表格的编辑权限：没有授权给应用",
    },
    1254607: {
        "en": "Bitable has not finished an earlier change; repeated after a wait",
        "zh": "多维表格的上一次变更尚未完成；等待后自动重试",
    },
    91403: {
        "en": "the app may not open the spreadsheet: it was not shared with the app",
        "zh": "应用打不开该电子表格：没有授权给应用",
    },
    1063003: {
        "en": "the person or chat cannot be added: outside of availability, or the bot is not in the chat",
        "zh": "无法添加该协作者：不在可用范围内，或机器人不在该群",
    },
}
"""Where a kind alone would not say what happened."""

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
