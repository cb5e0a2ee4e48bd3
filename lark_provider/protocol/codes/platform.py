"""Codes of the gateway, of tokens, custom bots, native approvals, calendars and the directory."""

from __future__ import annotations

from lark_provider.protocol.codes.kinds import SCOPE, WAIT, Code, CodeKind

_PEOPLE = "widen the range of people and departments that the app may see, in the console"
_CALENDAR = "take the calendar's id from its settings: it ends with @group.calendar.feishu.cn"

TOKENS: dict[int, Code] = {
    10005: Code(
        CodeKind.PERMISSION,
        "name tenant_key= for a store (ISV) app, and none for a custom app: each has endpoints of its own",
    ),
    10012: Code(
        CodeKind.PERMISSION,
        "let Lark's app_ticket events reach this app's callbacks, or wait for the next one",
    ),
    10013: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    10014: Code(CodeKind.PERMISSION, "check app id and app secret, and that the app is enabled"),
    10015: Code(CodeKind.PERMISSION, "check app id and app secret, and that the app is enabled"),
    10016: Code(CodeKind.PERMISSION, "leave tenant_key= out: a custom app has no app_ticket"),
}
"""Codes of the endpoints for tokens and tickets, which also answer 10003."""

PLATFORM: dict[int, Code] = {
    # the gateway, for any endpoint
    99991661: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991663: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991664: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991665: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991671: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991668: Code(CodeKind.PERMISSION, "let the user sign in again"),
    99991677: Code(CodeKind.PERMISSION, "let the user sign in again"),
    99991679: Code(CodeKind.PERMISSION, "let the user grant the new scopes"),
    99991672: Code(CodeKind.PERMISSION, SCOPE),
    99991676: Code(CodeKind.PERMISSION, SCOPE),
    99991662: Code(CodeKind.PERMISSION, "enable the app in the admin console"),
    99991673: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    99991401: Code(CodeKind.PERMISSION, "add this machine's address to the app's IP allow-list"),
    99991403: Code(CodeKind.PERMISSION, "raise the tenant's monthly API quota, or wait for the next month"),
    99991543: Code(CodeKind.PERMISSION, "check app id and app secret"),
    99991400: Code(CodeKind.RATE, WAIT),
    99992402: Code(CodeKind.INVALID, "correct the fields named"),
    9499: Code(CodeKind.INVALID, "correct the request; a custom bot also says so when written to too fast"),
    10002: Code(CodeKind.INVALID, "correct the request"),
    10003: Code(CodeKind.INVALID, "correct the request"),
    # the endpoints of tokens
    **TOKENS,
    # custom bots
    11232: Code(CodeKind.RATE, "send more slowly: a custom bot takes 100 messages a minute and 5 a second"),
    11246: Code(CodeKind.INVALID, "check the card; the message names the element that Lark does not accept"),
    19001: Code(CodeKind.NOT_FOUND, "check the webhook URL against the one in the group's bot settings"),
    19021: Code(
        CodeKind.PERMISSION, "check the bot's signing secret, and that this machine's clock is right"
    ),
    19022: Code(CodeKind.PERMISSION, "add this machine's address to the bot's IP allow-list"),
    19024: Code(CodeKind.INVALID, "put one of the bot's keywords into the message"),
    # native approvals
    1390001: Code(
        CodeKind.INVALID,
        "correct the field whose id the message names; a field that has no value must be left out whole",
    ),
    60006: Code(CodeKind.INVALID, "correct the field whose id the message names"),
    1390002: Code(CodeKind.NOT_FOUND, "take the approval_code from the definition's page (definitionCode=…)"),
    1390003: Code(CodeKind.NOT_FOUND, "check the instance_code; this tenant has no such instance"),
    1390004: Code(
        CodeKind.NOT_FOUND, "check the user's id and its kind; open_ids are valid for one app only"
    ),
    1390007: Code(CodeKind.CONFLICT, "go on: it was subscribed, or unsubscribed, before"),
    1390009: Code(
        CodeKind.PERMISSION, "check that the definition allows it, and that the task is this person's"
    ),
    1390010: Code(CodeKind.CONFLICT, "read the instance: the task was handled, or never was one of it"),
    1390013: Code(
        CodeKind.INVALID, "use another definition: a request cannot start an approval with a free process"
    ),
    1390015: Code(CodeKind.CONFLICT, "let the definition's administrator enable it"),
    1390016: Code(CodeKind.CONFLICT, "use another definition: this one was deleted"),
    1390018: Code(CodeKind.PERMISSION, "let the person act in Lark: the approval needs a signature by hand"),
    1395001: Code(CodeKind.AMBIGUOUS, "check the form; if it is right, wait and call again"),
    60009: Code(
        CodeKind.PERMISSION, "grant the app access to this definition's data in the approval console"
    ),
    60012: Code(CodeKind.CONFLICT, "read the instance that has this uuid"),
    # calendars
    190002: Code(CodeKind.INVALID, "correct the parameter named"),
    190003: Code(CodeKind.AMBIGUOUS, WAIT),
    190004: Code(CodeKind.RATE, WAIT),
    190005: Code(CodeKind.RATE, WAIT),
    190006: Code(CodeKind.PERMISSION, SCOPE),
    190007: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    190010: Code(CodeKind.RATE, WAIT),
    190014: Code(CodeKind.INVALID, "correct the parameter named"),
    191000: Code(CodeKind.NOT_FOUND, _CALENDAR),
    191001: Code(CodeKind.INVALID, _CALENDAR),
    191002: Code(
        CodeKind.PERMISSION, "share the calendar with the app's bot, so that it may read all details"
    ),
    191003: Code(CodeKind.NOT_FOUND, "use another calendar: this one was deleted"),
    193000: Code(CodeKind.INVALID, "check the event's id"),
    193001: Code(CodeKind.NOT_FOUND, "check the event's id; this calendar has no such event"),
    193002: Code(
        CodeKind.PERMISSION,
        "let the app organize the event, or invite it to an event whose guests see each other; the titles of "
        "events need neither",
    ),
    193003: Code(CodeKind.NOT_FOUND, "use another event: this one was deleted"),
    # people
    40001: Code(CodeKind.INVALID, "correct the parameter named"),
    40003: Code(CodeKind.AMBIGUOUS, WAIT),
    40004: Code(CodeKind.PERMISSION, _PEOPLE),
    40011: Code(CodeKind.INVALID, "ask for pages of the size that the endpoint takes"),
    40012: Code(CodeKind.INVALID, "take the page token from the answer before"),
    41012: Code(CodeKind.NOT_FOUND, "check the user id, and that its kind is the one named"),
    41050: Code(CodeKind.PERMISSION, _PEOPLE),
    11205: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    **{
        code: Code(CodeKind.NOT_FOUND, "check the id: it is unknown to this app or tenant")
        for code in range(99992351, 99992382)
    },
}
