"""Codes of Bitable."""

from __future__ import annotations

from lark_provider.protocol.codes.kinds import LIMIT, SHARE, WAIT, Code, CodeKind

_BITABLE_ID = "check app_token and table_id; a wiki link's token is not an app_token"
_FIELD = "check the field names with list_fields; they match exactly, blanks and case included"
_VALUE = "write the value in the shape of its field type, or let the client convert it"
_ATTACHMENT = "upload the attachment for this base before writing it"

BITABLE: dict[int, Code] = {
    1254000: Code(CodeKind.INVALID, "correct the request"),
    1254001: Code(CodeKind.INVALID, "correct the request"),
    1254002: Code(CodeKind.AMBIGUOUS, WAIT),
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
    1254107: Code(CodeKind.INVALID, LIMIT),
    1254108: Code(CodeKind.INVALID, LIMIT),
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
    1254100: Code(CodeKind.INVALID, LIMIT),
    1254101: Code(CodeKind.INVALID, LIMIT),
    1254102: Code(CodeKind.INVALID, LIMIT),
    1254103: Code(CodeKind.CONFLICT, "delete records, or write into another table: this one is full"),
    1254104: Code(CodeKind.INVALID, LIMIT),
    1254105: Code(CodeKind.INVALID, LIMIT),
    1254106: Code(CodeKind.INVALID, LIMIT),
    1254109: Code(CodeKind.INVALID, "read fewer fields: the table's formulas are too large to be read"),
    1254112: Code(CodeKind.RATE, WAIT),
    1254130: Code(CodeKind.INVALID, "shorten the cell: 100,000 characters at most"),
    1254290: Code(CodeKind.RATE, WAIT),
    1254291: Code(CodeKind.RATE, "let one job write at a time: another writer is busy in this table"),
    1254301: Code(CodeKind.PERMISSION, SHARE + "; its advanced permissions count, too"),
    1254302: Code(CodeKind.PERMISSION, SHARE),
    1254303: Code(CodeKind.PERMISSION, _ATTACHMENT),
    1254304: Code(CodeKind.PERMISSION, SHARE),
    1254306: Code(CodeKind.PERMISSION, "ask the tenant's admin: its plan does not allow it"),
    1254701: Code(CodeKind.PERMISSION, "share the folder with the app, or leave folder_token out"),
    1254702: Code(CodeKind.NOT_FOUND, "check the folder_token"),
    1254800: Code(CodeKind.INVALID, "correct the request"),
    1254606: Code(CodeKind.UNCHANGED, "go on: nothing is left to do"),
    1254607: Code(CodeKind.BUSY, WAIT),
    1254608: Code(
        CodeKind.REPLAYED, "read the table back before writing again: this key was submitted before"
    ),
    1255006: Code(CodeKind.REPLAYED, "write other data under a key of its own: this one was used before"),
    1254200: Code(CodeKind.AMBIGUOUS, WAIT),
    1255040: Code(CodeKind.AMBIGUOUS, WAIT),
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
    **{code: Code(CodeKind.AMBIGUOUS, WAIT) for code in range(1255001, 1255006)},
}
