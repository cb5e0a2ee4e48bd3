"""Lark's answer codes and what each means for the caller.

A code that is not listed here is an ordinary refusal. HTTP statuses say little: Bitable answers most failures
with 200, and IM answers all of them with 400.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class CodeKind(enum.Enum):
    """What a code says about the request."""

    REFUSED = enum.auto()
    """Not done; nothing more is known."""
    TOKEN = enum.auto()
    """Not done, because the token was rejected; one retry with a new token."""
    RATE = enum.auto()
    """Not done, because of a rate limit; the same request will succeed after a wait."""
    BUSY = enum.auto()
    """Not done, because another operation is running; the same request may succeed after a wait."""
    AMBIGUOUS = enum.auto()
    """A server error after which the request may have been performed: retried only if idempotent."""
    REPLAYED = enum.auto()
    """The idempotency token was used before: probably by an earlier attempt if one got no answer, and by
    another write if this is the first attempt."""
    GONE = enum.auto()
    """The thing named no longer exists; a repeated removal has succeeded."""
    UNCHANGED = enum.auto()
    """Nothing to change: a success."""
    NOT_EMULATED = enum.auto()
    """Lark has the endpoint, but the local Lark does not."""
    PERMISSION = enum.auto()
    NOT_FOUND = enum.auto()
    INVALID = enum.auto()
    CONFLICT = enum.auto()


class Code(NamedTuple):
    """What a code means.

    Attributes:
        kind: Its kind.
        step: The next step to show along with Lark's own message.
        wait: Seconds to wait at least before a retry, where Lark says how long the reason can last.
    """

    kind: CodeKind
    step: str
    wait: float | None = None


REPLAYED = frozenset({1254608, 1255006})
"""Codes for a `client_token` that was used before; they do not tell whether the write happened."""
_PEOPLE = "widen the range of people and departments that the app may see, in the console"
_WAIT = "wait and call again, or send less at a time"
_SCOPE = "ask the tenant's admin to grant the scope in the developer console and publish the app"
_CHAT = "add the bot to the chat, or check that the chat id is right"
_SHARE = "share the document with the app (… → more → add document app) with edit rights"
_RECEIVER = "check the receiver id and its type; open_ids are valid for one app only"
_BITABLE_ID = "check app_token and table_id; a wiki link's token is not an app_token"
_FIELD = "check the field names with list_fields; they match exactly, blanks and case included"
_VALUE = "write the value in the shape of its field type, or let the client convert it"
_CARD = "check the card in Lark's card builder; 'ErrCode' in the text says what is wrong with it"
_SHEET = "check the sheet's id or title with list_sheets; an id is not the title that people see"
_SPREADSHEET = "check the spreadsheet's token; pass a wiki link whole, not the token inside it"
_CALENDAR = "take the calendar's id from its settings: it ends with @group.calendar.feishu.cn"
_ATTACHMENT = "upload the attachment for this base before writing it"
_LIMIT = "stay within the limit named and split the request"
_CARD_LOCKED = Code(
    CodeKind.BUSY, "call again once the click on the card is answered, which takes 3 s at most", wait=0.75
)
"""Five retries, as many as there are, outlast the 3 s."""
_LOCK = "card action is lock"
"""Lark's text for it where messages are updated: 11310, its code in 230099, is that of limits, too."""

SHEETS: tuple[tuple[tuple[int, ...], CodeKind, str], ...] = (
    ((201, 204), CodeKind.INVALID, "correct the request's body"),
    (
        (202,),
        CodeKind.INVALID,
        (
            "check that the range lies on the sheet and is as large as the values, and that no text has "
            "control characters; a dropdown on the cells may refuse values, too"
        ),
    ),
    ((203,), CodeKind.AMBIGUOUS, _WAIT),
    ((205, 206, 211), CodeKind.INVALID, _SHEET),
    ((207, 250), CodeKind.INVALID, "correct the title: 1 to 100 characters without / \\ ? * [ ] :"),
    ((208, 209, 210), CodeKind.CONFLICT, "choose another title, or use the sheet that has it"),
    ((212, 223, 224), CodeKind.INVALID, "correct the row or column"),
    ((213,), CodeKind.PERMISSION, _SHARE),
    ((214,), CodeKind.NOT_FOUND, _SPREADSHEET),
    ((215,), CodeKind.NOT_FOUND, _SHEET),
    ((216,), CodeKind.UNCHANGED, "go on: nothing is left to do"),
    ((217,), CodeKind.RATE, "wait and call again: a spreadsheet takes one writer at a time"),
    ((218,), CodeKind.PERMISSION, "let the owner of the protected cells unlock them, or write elsewhere"),
    ((219,), CodeKind.CONFLICT, "write to another sheet: one takes 5,000,000 cells, empty ones included"),
    ((221,), CodeKind.INVALID, "read fewer cells at a time: an answer takes 10 MB"),
    ((222,), CodeKind.INVALID, "shorten the cell: 50,000 characters at most"),
    ((226,), CodeKind.INVALID, _LIMIT),
    ((227,), CodeKind.INVALID, "write fewer cells at a time"),
    ((228, 242), CodeKind.BUSY, "call again later: the spreadsheet is being imported or loaded"),
    ((229, 230, 236, 248, 251), CodeKind.INVALID, "correct the parameter named"),
    ((235,), CodeKind.BUSY, _WAIT),
)
"""The last three digits of a code, which v2 puts after 90 and v3 after 1310; its kind, and the next step."""

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

TABLE: dict[int, Code] = {
    # the gateway, for any endpoint
    99991661: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991663: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991664: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991665: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991671: Code(CodeKind.TOKEN, "check the app's credentials"),
    99991668: Code(CodeKind.PERMISSION, "let the user sign in again"),
    99991677: Code(CodeKind.PERMISSION, "let the user sign in again"),
    99991679: Code(CodeKind.PERMISSION, "let the user grant the new scopes"),
    99991672: Code(CodeKind.PERMISSION, _SCOPE),
    99991676: Code(CodeKind.PERMISSION, _SCOPE),
    99991662: Code(CodeKind.PERMISSION, "enable the app in the admin console"),
    99991673: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    99991401: Code(CodeKind.PERMISSION, "add this machine's address to the app's IP allow-list"),
    99991403: Code(CodeKind.PERMISSION, "raise the tenant's monthly API quota, or wait for the next month"),
    99991543: Code(CodeKind.PERMISSION, "check app id and app secret"),
    99991400: Code(CodeKind.RATE, _WAIT),
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
    190003: Code(CodeKind.AMBIGUOUS, _WAIT),
    190004: Code(CodeKind.RATE, _WAIT),
    190005: Code(CodeKind.RATE, _WAIT),
    190006: Code(CodeKind.PERMISSION, _SCOPE),
    190007: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    190010: Code(CodeKind.RATE, _WAIT),
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
    # IM
    230001: Code(CodeKind.INVALID, "correct the parameter named"),
    230002: Code(CodeKind.PERMISSION, _CHAT),
    230006: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    230009: Code(CodeKind.CONFLICT, "leave the message: the time for recalling it is over"),
    230011: Code(CodeKind.GONE, "go on: the message was recalled already"),
    230015: Code(
        CodeKind.INVALID, "send the card to a group: with this content it cannot go to a single person"
    ),
    230023: Code(
        CodeKind.CONFLICT,
        "let the person read some of their 200 unread urgent messages, or send without urgency",
    ),
    230024: Code(
        CodeKind.CONFLICT, "let an admin buy more urgent SMS or calls: the tenant's quota is used up"
    ),
    230052: Code(
        CodeKind.PERMISSION, "let everybody in the group make messages urgent, or make the bot an admin of it"
    ),
    230098: Code(CodeKind.CONFLICT, "send a new message: a folded one cannot be made urgent"),
    230033: Code(CodeKind.CONFLICT, "leave it: the readers of a message can be listed for 7 days only"),
    230036: Code(CodeKind.NOT_FOUND, "ask the tenant's admin: the key that encrypts its data was deleted"),
    230050: Code(CodeKind.PERMISSION, "use the app that can see the message"),
    230012: Code(CodeKind.PERMISSION, "use the app that sent the message"),
    230013: Code(
        CodeKind.PERMISSION, "add the user to the app's availability, or check that the account is active"
    ),
    230017: Code(CodeKind.PERMISSION, "upload the resource with this app before sending it"),
    230018: Code(CodeKind.PERMISSION, "let the group's owner allow the bot to speak"),
    230019: Code(CodeKind.NOT_FOUND, "send to the chat instead: the topic does not exist"),
    230020: Code(
        CodeKind.RATE, "send more slowly: a user or group takes 5 messages a second from all bots together"
    ),
    230022: Code(CodeKind.REFUSED, "change the content: it was judged sensitive"),
    230025: Code(CodeKind.INVALID, "shorten the content: text up to 150 KB, post and card up to 30 KB"),
    230026: Code(CodeKind.PERMISSION, "let the sender or a group admin recall it"),
    230027: Code(CodeKind.PERMISSION, _SCOPE),
    230028: Code(CodeKind.REFUSED, "change the content: the tenant's data protection refused it"),
    230029: Code(CodeKind.NOT_FOUND, "choose another receiver: this user has left the company"),
    230031: Code(CodeKind.CONFLICT, "send a new card: one can be updated for 14 days"),
    230034: Code(CodeKind.NOT_FOUND, _RECEIVER),
    230035: Code(CodeKind.PERMISSION, "let the group or the user allow messages from this bot"),
    230038: Code(
        CodeKind.PERMISSION,
        "send to a group with this user: one of another tenant cannot be written to directly",
    ),
    230049: Code(CodeKind.BUSY, _WAIT),
    230053: Code(CodeKind.PERMISSION, "ask the user to allow the bot again"),
    230054: Code(
        CodeKind.INVALID, "use update_card for a card; other types of message do not take this change"
    ),
    230055: Code(CodeKind.INVALID, "upload the file with the type that the message needs"),
    230071: Code(CodeKind.PERMISSION, "edit it with the app that sent it"),
    230072: Code(CodeKind.CONFLICT, "send a new message: one takes 20 edits"),
    230073: Code(
        CodeKind.PERMISSION,
        "use a group that the bot may see: this one is secret, or hides its thread from the bot",
    ),
    230074: Code(CodeKind.PERMISSION, "send a new message: those of encrypted groups cannot be edited"),
    230075: Code(
        CodeKind.CONFLICT, "send a new message: this one is too old to be edited, or the group is encrypted"
    ),
    230099: Code(CodeKind.INVALID, _CARD),
    200810: _CARD_LOCKED,
    230110: Code(CodeKind.GONE, "send a new message: this one was deleted"),
    230111: Code(CodeKind.CONFLICT, "send a new message: this one is about to delete itself"),
    231204: Code(CodeKind.PERMISSION, "use another kind of app: this one may not do it"),
    231203: Code(CodeKind.INVALID, "send another type of message: this kind of chat does not take it"),
    232001: Code(CodeKind.INVALID, "correct the parameter named"),
    232006: Code(CodeKind.NOT_FOUND, _CHAT),
    232009: Code(CodeKind.NOT_FOUND, "choose another chat: this one was dissolved"),
    232010: Code(CodeKind.PERMISSION, "choose a chat of the app's own tenant"),
    232011: Code(CodeKind.PERMISSION, _CHAT),
    232013: Code(CodeKind.CONFLICT, "remove members, or use another group: this one is full"),
    232014: Code(CodeKind.PERMISSION, _CHAT),
    232017: Code(CodeKind.PERMISSION, _CHAT),
    232024: Code(CodeKind.PERMISSION, "widen the app's availability: it may not see these people"),
    232033: Code(
        CodeKind.PERMISSION, "use a group of the app's own tenant: this one is shared with another company"
    ),
    232034: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    232043: Code(CodeKind.INVALID, _RECEIVER),
    232019: Code(CodeKind.RATE, _WAIT),
    232025: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    # Bitable
    1254000: Code(CodeKind.INVALID, "correct the request"),
    1254001: Code(CodeKind.INVALID, "correct the request"),
    1254002: Code(CodeKind.AMBIGUOUS, _WAIT),
    1254003: Code(CodeKind.NOT_FOUND, _BITABLE_ID),
    1254004: Code(CodeKind.NOT_FOUND, _BITABLE_ID),
    1254013: Code(CodeKind.CONFLICT, "choose another table name, or use the table that has it"),
    1254014: Code(CodeKind.CONFLICT, "choose another field name, or use the field that has it"),
    1254015: Code(CodeKind.INVALID, _VALUE),
    1254012: Code(
        CodeKind.INVALID, "use a type of field or view that this request accepts; see fields for the types"
    ),
    1254011: Code(CodeKind.INVALID, "ask for pages of at least one"),
    1254027: Code(CodeKind.PERMISSION, _ATTACHMENT),
    1254107: Code(CodeKind.INVALID, _LIMIT),
    1254108: Code(CodeKind.INVALID, _LIMIT),
    1254030: Code(CodeKind.INVALID, "ask for smaller pages"),
    1254034: Code(CodeKind.CONFLICT, "keep one table: a base cannot lose its last one"),
    1254036: Code(CodeKind.BUSY, "call again later: the base is being copied"),
    1254037: Code(CodeKind.INVALID, "pass idempotency_key= instead: a client_token must be a UUIDv4"),
    1254040: Code(CodeKind.NOT_FOUND, _BITABLE_ID),
    1254041: Code(CodeKind.NOT_FOUND, _BITABLE_ID),
    1254042: Code(CodeKind.NOT_FOUND, "check the view id"),
    1254043: Code(CodeKind.NOT_FOUND, "check the record id"),
    1254044: Code(CodeKind.NOT_FOUND, _FIELD),
    1254045: Code(CodeKind.NOT_FOUND, _FIELD),
    1254046: Code(
        CodeKind.CONFLICT, "choose another field: the primary one cannot be deleted and takes few types"
    ),
    1254100: Code(CodeKind.INVALID, _LIMIT),
    1254101: Code(CodeKind.INVALID, _LIMIT),
    1254102: Code(CodeKind.INVALID, _LIMIT),
    1254103: Code(CodeKind.CONFLICT, "delete records, or write into another table: this one is full"),
    1254104: Code(CodeKind.INVALID, _LIMIT),
    1254105: Code(CodeKind.INVALID, _LIMIT),
    1254106: Code(CodeKind.INVALID, _LIMIT),
    1254109: Code(CodeKind.INVALID, "read fewer fields: the table's formulas are too large to be read"),
    1254112: Code(CodeKind.RATE, _WAIT),
    1254130: Code(CodeKind.INVALID, "shorten the cell: 100,000 characters at most"),
    1254290: Code(CodeKind.RATE, _WAIT),
    1254291: Code(CodeKind.RATE, "let one job write at a time: another writer is busy in this table"),
    1254301: Code(CodeKind.PERMISSION, _SHARE + "; its advanced permissions count, too"),
    1254302: Code(CodeKind.PERMISSION, _SHARE),
    1254303: Code(CodeKind.PERMISSION, _ATTACHMENT),
    1254304: Code(CodeKind.PERMISSION, _SHARE),
    1254306: Code(CodeKind.PERMISSION, "ask the tenant's admin: its plan does not allow it"),
    1254701: Code(CodeKind.PERMISSION, "share the folder with the app, or leave folder_token out"),
    1254702: Code(CodeKind.NOT_FOUND, "check the folder_token"),
    1254800: Code(CodeKind.INVALID, "correct the request"),
    1254606: Code(CodeKind.UNCHANGED, "go on: nothing is left to do"),
    1254607: Code(CodeKind.BUSY, _WAIT),
    1254608: Code(
        CodeKind.REPLAYED, "read the table back before writing again: this key was submitted before"
    ),
    1255006: Code(CodeKind.REPLAYED, "write other data under a key of its own: this one was used before"),
    1254200: Code(CodeKind.AMBIGUOUS, _WAIT),
    1255040: Code(CodeKind.AMBIGUOUS, _WAIT),
    # people
    40001: Code(CodeKind.INVALID, "correct the parameter named"),
    40003: Code(CodeKind.AMBIGUOUS, _WAIT),
    40004: Code(CodeKind.PERMISSION, _PEOPLE),
    40011: Code(CodeKind.INVALID, "ask for pages of the size that the endpoint takes"),
    40012: Code(CodeKind.INVALID, "take the page token from the answer before"),
    41012: Code(CodeKind.NOT_FOUND, "check the user id, and that its kind is the one named"),
    41050: Code(CodeKind.PERMISSION, _PEOPLE),
    11205: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    # sheets: v2 in five digits, v3 in seven
    **{
        code: Code(kind, step)
        for numbers, kind, step in SHEETS
        for number in numbers
        for code in (90_000 + number, 1_310_000 + number)
    },
    91402: Code(CodeKind.NOT_FOUND, _SPREADSHEET),
    91403: Code(CodeKind.PERMISSION, _SHARE),
    1310243: Code(CodeKind.NOT_FOUND, "check the id of the floating image"),
    1310244: Code(CodeKind.CONFLICT, "choose another id for the floating image"),
    1310245: Code(CodeKind.INVALID, "correct the floating image: its token, its cell or its size"),
    1310246: Code(CodeKind.INVALID, "correct the floating image: its token, its cell or its size"),
    1310247: Code(CodeKind.INVALID, "use fewer floating images: a spreadsheet takes 4,000 different ones"),
    1310249: Code(CodeKind.NOT_FOUND, "create another spreadsheet: this one was deleted"),
    **{code: Code(CodeKind.AMBIGUOUS, _WAIT) for code in (1315201, 1315203, 1315210, *range(95200, 95300))},
    # folders, files and permissions
    1061001: Code(CodeKind.AMBIGUOUS, _WAIT),
    1061002: Code(CodeKind.INVALID, "correct the parameters; a token and its type must belong together"),
    1061003: Code(CodeKind.NOT_FOUND, "check the token: there is no such file or folder"),
    1061004: Code(CodeKind.PERMISSION, _SHARE),
    1061005: Code(CodeKind.PERMISSION, "check the app's credentials"),
    1061061: Code(CodeKind.PERMISSION, "free storage, or let the tenant's admin buy more: it is used up"),
    1061101: Code(CodeKind.PERMISSION, "free storage, or let the tenant's admin buy more: it is used up"),
    1061007: Code(CodeKind.GONE, "go on: it was deleted already"),
    1061008: Code(
        CodeKind.INVALID, "correct the name: it is empty, too long, or has characters that are not allowed"
    ),
    1061073: Code(CodeKind.PERMISSION, _SCOPE),
    1062501: Code(
        CodeKind.INVALID, "choose another folder: this kind of file cannot be moved or copied there"
    ),
    1062505: Code(CodeKind.CONFLICT, "delete files or folders: the app's space is full (400,000 of them)"),
    1062506: Code(CodeKind.CONFLICT, "use a folder further up: folders may be 15 deep"),
    1062507: Code(
        CodeKind.CONFLICT, "use another folder, such as one a month: one takes 1,500 files and folders"
    ),
    1063001: Code(
        CodeKind.INVALID,
        "check that token and type belong together and that the member exists; an app cannot share with a "
        "department: share with a chat of its people",
    ),
    1063002: Code(CodeKind.PERMISSION, _SHARE),
    1063003: Code(
        CodeKind.PERMISSION,
        "make the person part of the app's availability, or add the app's bot to the chat; else the file has "
        "all the members it may, or the tenant's policy forbids it",
    ),
    1063004: Code(CodeKind.PERMISSION, "let the owner allow collaborators to share it, or ask the owner to"),
    1063005: Code(CodeKind.NOT_FOUND, "create another one: it was deleted"),
    1063006: Code(CodeKind.RATE, _WAIT),
    1066001: Code(CodeKind.AMBIGUOUS, _WAIT),
    # events of documents
    1064230: Code(CodeKind.BUSY, "call again later: the document is being migrated"),
    1069601: Code(CodeKind.AMBIGUOUS, _WAIT),
    1069602: Code(
        CodeKind.INVALID, "check that token and type belong together; a wiki link's token is not one"
    ),
    1069603: Code(
        CodeKind.PERMISSION,
        "let the document's owner add the app with the right to manage it (… → more → add document app), or "
        "transfer it to the app; if the app manages it, the tenant's admin has to turn on access records of "
        "documents",
    ),
    1069604: Code(CodeKind.NOT_FOUND, "check the token: there is no such document"),
    1069605: Code(CodeKind.REFUSED, "subscribe to the document first"),
    # wiki
    131001: Code(CodeKind.AMBIGUOUS, _WAIT),
    131007: Code(CodeKind.AMBIGUOUS, _WAIT),
    131002: Code(CodeKind.INVALID, "correct the parameter named"),
    131005: Code(CodeKind.NOT_FOUND, "check the wiki token"),
    131006: Code(CodeKind.PERMISSION, _SHARE),
    131009: Code(CodeKind.BUSY, _WAIT),
    # images and files
    232096: Code(CodeKind.BUSY, _WAIT),
    234001: Code(CodeKind.INVALID, "correct the parameters of the file"),
    234002: Code(CodeKind.PERMISSION, _SCOPE),
    234003: Code(CodeKind.NOT_FOUND, "take message_id and file_key from the same message"),
    234004: Code(CodeKind.PERMISSION, _CHAT),
    234007: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    234008: Code(CodeKind.PERMISSION, "use the app that uploaded it"),
    234009: Code(CodeKind.PERMISSION, _SCOPE),
    234019: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    234037: Code(CodeKind.INVALID, "download it in Lark: an app can download files of up to 100 MB"),
    234038: Code(
        CodeKind.PERMISSION, "let the group's owner end its restricted mode, which forbids downloads"
    ),
    234039: Code(CodeKind.INVALID, "make the image smaller: GIFs take 2,000 pixels a side, others 12,000"),
    234040: Code(CodeKind.PERMISSION, "choose a message that was sent after the bot joined the chat"),
    234043: Code(
        CodeKind.INVALID,
        "choose another message: cards, stickers and merged forwards hold nothing to download",
    ),
    234006: Code(CodeKind.INVALID, "make the file smaller: images may have 10 MB and files 30 MB"),
    234010: Code(CodeKind.INVALID, "upload a file with content"),
    234011: Code(CodeKind.INVALID, "upload an image in a format that Lark reads, such as PNG or JPEG"),
    1061045: Code(CodeKind.BUSY, _WAIT),
    1066002: Code(CodeKind.AMBIGUOUS, _WAIT),
    **{
        code: Code(CodeKind.NOT_FOUND, "check the id: it is unknown to this app or tenant")
        for code in range(99992351, 99992382)
    },
    **{
        code: Code(
            CodeKind.PERMISSION, "choose another message or receiver: this one cannot be forwarded there"
        )
        for code in range(230061, 230071)
    },
    **{
        code: Code(
            CodeKind.INVALID,
            "correct the name: it is empty, too long, or has characters that are not allowed",
        )
        for code in (1254021, 1254022, 1254026, 1254028, 1254029, 1254031)
    },
    **{code: Code(CodeKind.INVALID, "correct the id named") for code in range(1254005, 1254010)},
    **{
        code: Code(CodeKind.INVALID, _VALUE) for code in (1254010, *range(1254060, 1254070), 1254072, 1254074)
    },
    **{
        code: Code(CodeKind.INVALID, "correct the sort, filter or field names")
        for code in (1254016, 1254018, 1254024)
    },
    **{code: Code(CodeKind.INVALID, "correct the field's property") for code in range(1254080, 1254097)},
    **{code: Code(CodeKind.AMBIGUOUS, _WAIT) for code in range(1255001, 1255006)},
}

_UNKNOWN = Code(
    CodeKind.REFUSED, "look the code up in Lark's documentation; quote the log id to Lark's support"
)


ITEM_GONE = frozenset({1254042, 1254043, 1254044, 230011, 230110, 1061007, 1069605})
"""Codes for what a DELETE names and no longer exists, while its parents do: a view, record, field, message,
file, subscription."""
CARD_GONE = frozenset({230011, 230026, 230031, 230110, 230012, 230071})
"""Codes for a card that can no longer be updated: recalled, deleted, older than 14 days, of another app."""


def get_code(code: int, msg: str = "") -> Code:
    """Return what a code means.

    Args:
        code: The `code` of an answer, not 0.
        msg: Its `msg`, which says why a card was refused.

    Returns:
        Its kind and next step; a plain refusal for a code that is not in the table.
    """
    return _CARD_LOCKED if _LOCK in msg else TABLE.get(code, _UNKNOWN)
