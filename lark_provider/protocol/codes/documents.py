"""Codes of spreadsheets, folders and files, of their permissions and events, and of the wiki."""

from __future__ import annotations

from lark_provider.protocol.codes.kinds import LIMIT, SCOPE, SHARE, WAIT, Code, CodeKind

_SHEET = "check the sheet's id or title with list_sheets; an id is not the title that people see"
_SPREADSHEET = "check the spreadsheet's token; pass a wiki link whole, not the token inside it"

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
    ((203,), CodeKind.AMBIGUOUS, WAIT),
    ((205, 206, 211), CodeKind.INVALID, _SHEET),
    ((207, 250), CodeKind.INVALID, "correct the title: 1 to 100 characters without / \\ ? * [ ] :"),
    ((208, 209, 210), CodeKind.CONFLICT, "choose another title, or use the sheet that has it"),
    ((212, 223, 224), CodeKind.INVALID, "correct the row or column"),
    ((213,), CodeKind.PERMISSION, SHARE),
    ((214,), CodeKind.NOT_FOUND, _SPREADSHEET),
    ((215,), CodeKind.NOT_FOUND, _SHEET),
    ((216,), CodeKind.UNCHANGED, "go on: nothing is left to do"),
    ((217,), CodeKind.RATE, "wait and call again: a spreadsheet takes one writer at a time"),
    ((218,), CodeKind.PERMISSION, "let the owner of the protected cells unlock them, or write elsewhere"),
    ((219,), CodeKind.CONFLICT, "write to another sheet: one takes 5,000,000 cells, empty ones included"),
    ((221,), CodeKind.INVALID, "read fewer cells at a time: an answer takes 10 MB"),
    ((222,), CodeKind.INVALID, "shorten the cell: 50,000 characters at most"),
    ((226,), CodeKind.INVALID, LIMIT),
    ((227,), CodeKind.INVALID, "write fewer cells at a time"),
    ((228, 242), CodeKind.BUSY, "call again later: the spreadsheet is being imported or loaded"),
    ((229, 230, 236, 248, 251), CodeKind.INVALID, "correct the parameter named"),
    ((235,), CodeKind.BUSY, WAIT),
)
"""The last three digits of a code, which v2 puts after 90 and v3 after 1310; its kind, and the next step."""

DOCUMENTS: dict[int, Code] = {
    # sheets: v2 in five digits, v3 in seven
    **{
        code: Code(kind, step)
        for numbers, kind, step in SHEETS
        for number in numbers
        for code in (90_000 + number, 1_310_000 + number)
    },
    91402: Code(CodeKind.NOT_FOUND, _SPREADSHEET),
    91403: Code(CodeKind.PERMISSION, SHARE),
    1310243: Code(CodeKind.NOT_FOUND, "check the id of the floating image"),
    1310244: Code(CodeKind.CONFLICT, "choose another id for the floating image"),
    1310245: Code(CodeKind.INVALID, "correct the floating image: its token, its cell or its size"),
    1310246: Code(CodeKind.INVALID, "correct the floating image: its token, its cell or its size"),
    1310247: Code(CodeKind.INVALID, "use fewer floating images: a spreadsheet takes 4,000 different ones"),
    1310249: Code(CodeKind.NOT_FOUND, "create another spreadsheet: this one was deleted"),
    **{code: Code(CodeKind.AMBIGUOUS, WAIT) for code in (1315201, 1315203, 1315210, *range(95200, 95300))},
    # folders, files and permissions
    1061001: Code(CodeKind.AMBIGUOUS, WAIT),
    1061002: Code(CodeKind.INVALID, "correct the parameters; a token and its type must belong together"),
    1061003: Code(CodeKind.NOT_FOUND, "check the token: there is no such file or folder"),
    1061004: Code(CodeKind.PERMISSION, SHARE),
    1061005: Code(CodeKind.PERMISSION, "check the app's credentials"),
    1061061: Code(CodeKind.PERMISSION, "free storage, or let the tenant's admin buy more: it is used up"),
    1061101: Code(CodeKind.PERMISSION, "free storage, or let the tenant's admin buy more: it is used up"),
    1061007: Code(CodeKind.GONE, "go on: it was deleted already"),
    1061008: Code(
        CodeKind.INVALID, "correct the name: it is empty, too long, or has characters that are not allowed"
    ),
    1061073: Code(CodeKind.PERMISSION, SCOPE),
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
    1063002: Code(CodeKind.PERMISSION, SHARE),
    1063003: Code(
        CodeKind.PERMISSION,
        "make the person part of the app's availability, or add the app's bot to the chat; else the file has "
        "all the members it may, or the tenant's policy forbids it",
    ),
    1063004: Code(CodeKind.PERMISSION, "let the owner allow collaborators to share it, or ask the owner to"),
    1063005: Code(CodeKind.NOT_FOUND, "create another one: it was deleted"),
    1063006: Code(CodeKind.RATE, WAIT),
    1066001: Code(CodeKind.AMBIGUOUS, WAIT),
    1061045: Code(CodeKind.BUSY, WAIT),
    1066002: Code(CodeKind.AMBIGUOUS, WAIT),
    # events of documents
    1064230: Code(CodeKind.BUSY, "call again later: the document is being migrated"),
    1069601: Code(CodeKind.AMBIGUOUS, WAIT),
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
    131001: Code(CodeKind.AMBIGUOUS, WAIT),
    131007: Code(CodeKind.AMBIGUOUS, WAIT),
    131002: Code(CodeKind.INVALID, "correct the parameter named"),
    131005: Code(CodeKind.NOT_FOUND, "check the wiki token"),
    131006: Code(CodeKind.PERMISSION, SHARE),
    131009: Code(CodeKind.BUSY, WAIT),
}
