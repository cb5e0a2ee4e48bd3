"""Every code the emulator answers with: number, wording, HTTP status; defined only here.

Wording and status are those of Lark's pages. Bitable pages disagree among themselves about the status;
`documented.json` holds what each endpoint's own page says and wins over the status given here.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Code(NamedTuple):
    """One of Lark's error codes."""

    number: int
    msg: str
    status: int = 400


class RefusedError(Exception):
    """The emulated Lark refuses a request.

    Args:
        code: The code of the answer, with its message and HTTP status.
        detail: Text that is appended to the code's own message, as Lark does: `…, ext=detail`.
        error: Members of the answer's `error` object besides `log_id`.
    """

    def __init__(self, code: Code, detail: str = "", *, error: dict[str, Any] | None = None) -> None:
        self.code = code
        self.msg = f"{code.msg}, ext={detail}" if detail else code.msg
        self.error = error or {}
        super().__init__(f"{code.number} {self.msg}")


# Token endpoints ---------------------------------------------------------------------------------------
INVALID_TOKEN_PARAM = Code(10003, "invalid param", 200)
APP_ID_UNAUTHORIZED = Code(10005, "app id unauthorized", 200)
APP_TOKEN_FAILED = Code(10012, "get app access token fail", 200)
TENANT_TOKEN_FAILED = Code(10013, "get tenant access token fail", 200)
APP_ID_NOT_EXISTS = Code(10014, "app id not exists", 200)
APP_SECRET_INVALID = Code(10014, "app secret invalid", 200)
APP_UNAUTHORIZED = Code(10014, "app unauthorized", 200)
TICKET_RESEND_FAILED = Code(10016, "app resend fail", 200)

# Long connection ---------------------------------------------------------------------------------------
CONNECTION_FORBIDDEN = Code(403, "forbidden", 200)
CONNECTION_AUTH_FAILED = Code(514, "auth failed", 200)
CONNECTION_NO_CREDENTIAL = Code(1000040344, "app_id or app_secret is missing", 200)
CONNECTION_BAD_CREDENTIAL = Code(1000040345, "app_id or app_secret is invalid", 200)
CONNECTIONS_EXCEEDED = Code(1000040350, "the number of connections exceeded the limit", 200)

TROUBLE_PAGES = "https://open.feishu.cn/document/uAjLw4CM/ugTN1YjL4UTN24CO1UjN/trouble-shooting/"
SEE_PAGE = f"Refer to the documentation to fix the error: {TROUBLE_PAGES}"

# Gateway -----------------------------------------------------------------------------------------------
MISSING_TOKEN = Code(
    99991661,
    "Missing access token for authorization. Please make a request with token attached.",
)
INVALID_TOKEN = Code(
    99991663,
    "Invalid access token for authorization. Please make a request with token attached.",
)
APP_NOT_IN_USE = Code(99991662, "app not in use")
INVALID_APP_TOKEN = Code(99991664, "invalid app token")
INVALID_USER_TOKEN = Code(
    99991668,
    "Invalid access token for authorization. Please make a request with token attached.",
)
USER_TOKEN_UNSUPPORTED = Code(99991668, "user access token not support")
TENANT_TOKEN_UNSUPPORTED = Code(99991663, "tenant access token not support")
USER_TOKEN_EXPIRED = Code(99991677, "user access token expired")
USER_SCOPE_MISSING = Code(
    99991679,
    "Unauthorized. You do not have permission to perform the requested operation on the resource. Please "
    "request user re-authorization and try again. required one of these privileges under the user identity",
)
TOKEN_PREFIX = Code(99991671, "Invalid access token: it must start with t- or u-")
MISSING_SCOPE = Code(99991672, "Access denied. One of the following scopes is required")
APP_NOT_INSTALLED = Code(99991673, "unauthorized app")
RATE_LIMITED = Code(99991400, "request trigger frequency limit", 429)
FIELD_VALIDATION = Code(99992402, "field validation failed")
OPEN_ID_NOT_EXISTED = Code(99992351, "these open ids not existed")
MESSAGE_ID_NOT_EXISTED = Code(99992354, "this open message id not existed")
USER_ID_NOT_EXISTED = Code(99992360, "these ids not existed")
UNION_ID_NOT_EXISTED = Code(99992363, "these ids not existed")
OTHER_APPS_OPEN_ID = Code(99992361, "open_id cross app")

# Bots --------------------------------------------------------------------------------------------------
APP_WITHOUT_BOT = Code(11205, "app do not have bot", 200)

# IM: messages ------------------------------------------------------------------------------------------
IM_PARAM = Code(230001, "Your request contains an invalid request parameter")
BOT_NOT_IN_CHAT = Code(230002, "Bot/User can NOT be out of the chat.")
IM_NEEDS_BOT = Code(230006, "Bot ability is not activated.")
RECALL_EXPIRED = Code(230009, "Message has expired when recall message.")
MESSAGE_RECALLED = Code(230011, "The message was withdrawn.")
NOT_SENDER_OF_CARD = Code(230012, "Bot is NOT the sender of the message.")
NO_AVAILABILITY = Code(230013, "Bot has NO availability to this user.")
LACKS_PERMISSION = Code(230027, "Lack of necessary permissions")
NOT_RESOURCE_OWNER = Code(230017, "Bot is NOT the owner of the resource.")
RECEIVER_FREQUENCY = Code(230020, "This operation triggers the frequency limit.")
CONTENT_TOO_LONG = Code(230025, "The length of the message content reaches its limit.")
MAY_NOT_RECALL = Code(230026, "No permission to recall this message.")
UPDATE_EXPIRED = Code(230031, "Message can only be modified within 14 days after sending.")
USER_RESIGNED = Code(230029, "User has resigned.")
RECEIVE_ID_INVALID = Code(230034, "The receive_id is invalid.")
CROSS_TENANT_P2P = Code(230038, "Cross tenant p2p chat operate forbid.")
MESSAGE_TYPE_UNSUPPORTED = Code(230054, "This operation is not supported for this message type.")
UPLOAD_TYPE_MISMATCH = Code(230055, "The type of file upload does not match the type of message being sent.")
NOT_SENDER = Code(230071, "The operator is not the sender of the message.")
EDITED_TOO_OFTEN = Code(230072, "The message has reached the number of times it can be edited.")
CARD_FAILED = Code(230099, "Failed to create card content")
MESSAGE_DELETED = Code(230110, "Action unavailable as the message has been deleted.")

# IM: images and files ----------------------------------------------------------------------------------
UPLOAD_PARAM = Code(234001, "Invalid request param.")
FILE_NOT_IN_MESSAGE = Code(234003, "File not in message.")
APP_NOT_IN_CHAT = Code(234004, "App not in chat.")
UPLOAD_TOO_LARGE = Code(234006, "The file size exceed the max value.")
UPLOAD_NEEDS_BOT = Code(234007, "App does not enable bot feature.")
UPLOAD_EMPTY = Code(234010, "File's size can't be 0.")
NO_IMAGE = Code(234011, "Can't regonnize the image format.")
RESOLUTION_EXCEEDED = Code(234039, "Image resolution exceeds limit.")
RESOURCE_UNSUPPORTED = Code(234043, "Unsupported message type.")

# Delayed update of cards --------------------------------------------------------------------------------
UPDATE_PARAM = Code(10002, "card param validation failed")
UPDATE_FORMAT = Code(11311, "card format invalid")
UPDATE_TOO_LARGE = Code(100000, "card content is too large")
UPDATE_NO_JSON = Code(100030, "the input is not valid json")
UPDATE_RECALLED = Code(200000, "the message has been recalled")
UPDATE_OTHER_APP = Code(200310, "the card was sent by another app")
UPDATE_OPEN_IDS = Code(200320, "open_ids is invalid")
UPDATE_TOKEN_BAD = Code(300020, "the token is invalid")
UPDATE_TOKEN_EXPIRED = Code(300030, "the token has expired")
UPDATE_TOKEN_USED_UP = Code(300040, "the token has been used too many times")
UPDATE_NEEDS_OPEN_IDS = Code(300090, "open_ids is required")

# IM: chats ---------------------------------------------------------------------------------------------
CHAT_PARAM = Code(232001, "Your request contains an invalid request parameter.")
CHAT_ID_INVALID = Code(232006, "Your request specifies a chat_id which is invalid.")
CHAT_DISSOLVED = Code(232009, "Your request specifies a chat which has already been dissolved.")
OPERATOR_NOT_IN_CHAT = Code(232011, "Operator can NOT be out of the chat.")
CHAT_NEEDS_BOT = Code(232025, "Bot ability is not activated.")
NO_VALID_MEMBERS = Code(232027, "There are no valid members in the ID list specified in your request.")
USER_ID_INVALID = Code(232030, "Your request specifies a user_id which is invalid.")
OWNER_ID_INVALID = Code(232035, "Your request specifies an owner_id which is invalid.")
PUBLIC_NAME_EMPTY = Code(232042, "Public group chat's name should not be empty.")
PUBLIC_NAME_SHORT = Code(232020, "Name can NOT be less than two characters for public chats.")
BOT_NOT_FOUND = Code(232021, "Bot can NOT be found.")
UNAVAILABLE_IDS = Code(232043, "Your request contains unavailable ids.")

# Custom bots -------------------------------------------------------------------------------------------
WEBHOOK_BAD_REQUEST = Code(9499, "Bad Request", 200)
WEBHOOK_MSG_TYPE = Code(19002, "params error, msg_type need", 200)
WEBHOOK_CARD = Code(11246, "card content failed", 200)
WEBHOOK_FREQUENCY = Code(11232, "frequency limited", 200)
WEBHOOK_UNKNOWN = Code(19001, "param invalid: incoming webhook access token invalid", 200)
WEBHOOK_SIGNATURE = Code(19021, "sign match fail or timestamp is not within one hour from current time", 200)
WEBHOOK_KEYWORD = Code(19024, "Key Words Not Found", 200)

# Bitable -----------------------------------------------------------------------------------------------
WRONG_JSON = Code(1254000, "WrongRequestJson", 200)
WRONG_BODY = Code(1254001, "WrongRequestBody", 200)
EMPTY_VALUE = Code(1254007, "EmptyValue", 200)
PAGE_SIZE = Code(1254011, "Page size must greater than 0.", 400)
FIELD_NOT_SUPPORTED = Code(1254012, "NotSupportFieldOrView", 400)
TABLE_NAME_DUPLICATED = Code(1254013, "TableNameDuplicated", 200)
FIELD_NAME_DUPLICATED = Code(1254014, "FieldNameDuplicated", 200)
FIELD_TYPES_MISMATCH = Code(1254015, "Field types do not match.", 400)
INVALID_SORT = Code(1254016, "InvalidSort", 200)
INVALID_FILTER = Code(1254018, "InvalidFilter", 200)
INVALID_VIEW_TYPE = Code(1254019, "InvalidViewType", 400)
VIEW_NAME_DUPLICATED = Code(1254020, "ViewNameDuplicated", 400)
EMPTY_VIEW_NAME = Code(1254021, "EmptyViewName", 400)
INVALID_VIEW_NAME = Code(1254022, "InvalidViewName", 400)
LAST_VIEW = Code(1254023, "LastViewDeleteForbidden", 200)
INVALID_FIELD_NAMES = Code(1254024, "InvalidFieldNames", 200)
EMPTY_OPTION_NAME = Code(1254026, "EmptyOptionName", 200)
EMPTY_FIELD_NAME = Code(1254028, "EmptyFieldName", 400)
INVALID_PAGE_TOKEN = Code(1254030, "InvalidPageToken", 400)
TOO_LARGE_RESPONSE = Code(1254030, "TooLargeResponse", 200)
INVALID_APP_NAME = Code(1254031, "InvalidAppName", 400)
LAST_TABLE = Code(1254034, "The last table cannot be deleted.", 403)
INVALID_CLIENT_TOKEN = Code(
    1254037, "Invalid client token, make sure that it complies with the specification.", 400
)
BASE_NOT_FOUND = Code(1254040, "BaseTokenNotFound", 200)
TABLE_NOT_FOUND = Code(1254041, "TableIdNotFound", 200)
VIEW_NOT_FOUND = Code(1254042, "ViewIdNotFound", 200)
RECORD_NOT_FOUND = Code(1254043, "RecordIdNotFound", 200)
FIELD_NOT_FOUND = Code(1254044, "FieldIdNotFound", 200)
FIELD_NAME_NOT_FOUND = Code(1254045, "FieldNameNotFound", 200)
PRIMARY_FIELD = Code(1254046, "The Primary Field cannot be deleted.", 200)
TEXT_CONV = Code(1254060, "TextFieldConvFail", 200)
NUMBER_CONV = Code(1254061, "NumberFieldConvFail", 200)
SINGLE_SELECT_CONV = Code(1254062, "SingleSelectFieldConvFail", 200)
MULTI_SELECT_CONV = Code(1254063, "MultiSelectFieldConvFail", 200)
DATE_CONV = Code(1254064, "DatetimeFieldConvFail", 200)
CHECKBOX_CONV = Code(1254065, "CheckboxFieldConvFail", 200)
USER_CONV = Code(1254066, "UserFieldConvFail", 200)
LINK_CONV = Code(1254067, "LinkFieldConvFail", 200)
URL_CONV = Code(1254068, "URLFieldConvFail", 200)
ATTACHMENT_CONV = Code(1254069, "AttachFieldConvFail", 200)
PHONE_CONV = Code(1254072, "Failed to convert phone field, please make sure it is correct.", 200)
DUPLEX_LINK_CONV = Code(1254074, "DuplexLinkFieldConvFail", 200)
SINGLE_SELECT_PROPERTY = Code(1254082, "SingleSelectFieldPropertyError", 400)
MULTI_SELECT_PROPERTY = Code(1254083, "MultiSelectFieldPropertyError", 400)
LINK_PROPERTY = Code(1254089, "LinkFieldPropertyError", 400)
TABLES_EXCEEDED = Code(1254100, "TableExceedLimit", 200)
VIEWS_EXCEEDED = Code(1254101, "ViewExceedLimit", 200)
RECORDS_EXCEEDED = Code(1254103, "RecordExceedLimit", 200)
BATCH_EXCEEDED = Code(1254104, "RecordAddOnceExceedLimit", 200)
COLUMNS_EXCEEDED = Code(1254105, "ColumnExceedLimit", 200)
FILTER_TOO_LONG = Code(1254107, "The filter is too long.", 200)
SORT_TOO_LONG = Code(1254108, "The sort is too long.", 200)
CELL_TOO_LARGE = Code(1254130, "TooLargeCell", 200)
TOO_MANY_REQUESTS = Code(1254290, "TooManyRequest", 200)
WRITE_CONFLICT = Code(1254291, "Write conflict", 200)
PERMISSION_DENIED = Code(1254302, "Permission denied.", 403)
ATTACHMENT_FOREIGN = Code(1254303, "The attachment does not belong to this base.", 200)
FOLDER_DENIED = Code(1254701, "DriveNodePermNotAllow", 403)
FOLDER_NOT_FOUND = Code(1254702, "DriveNodeNotExist", 404)
DATA_NOT_CHANGE = Code(1254606, "DataNotChange", 200)
DATA_NOT_READY = Code(1254607, "Data not ready, please try again later", 400)
SAME_REQUEST = Code(1254608, "Same API requests are submitted repeatedly.", 403)
TIMEOUT = Code(1255040, "Request timed out, please try again later", 504)
CLIENT_TOKEN_CONFLICT = Code(
    1255006, "Client token conflict, please generate a new client token and try again.", 400
)

# Contact -----------------------------------------------------------------------------------------------
CONTACT_PARAM = Code(40001, "param error")
USER_ID_INVALID_ERROR = Code(41012, "user id invalid error")
NO_USER_AUTHORITY = Code(41050, "no user authority")
USER_CHANGE_DENIED = Code(41050, "no user authority error")
USER_DELETION_DENIED = Code(41050, "no user authority error", 403)

# Wiki --------------------------------------------------------------------------------------------------
WIKI_PARAM = Code(131002, "param err")
WIKI_NOT_FOUND = Code(131005, "not found")
WIKI_DENIED = Code(131006, "permission denied")
WIKI_LIMIT = Code(131003, "out of limit")
WIKI_DOC_TYPE = Code(131010, "doc type is deprecated, please use docx.")
WIKI_SEARCH_PARAM = Code(10001, "invalid param", 200)

# Spreadsheets: the codes of v2; those of v3 are 1,220,000 higher --------------------------------------------
SHEET_NO_JSON = Code(90201, "request body is not a valid json")
SHEET_RANGE = Code(90202, "validate RangeValue fail")
SHEET_BODY = Code(90204, "wrong request body")
SHEET_USER = Code(90205, "wrong user id")
SHEET_ID_EMPTY = Code(90206, "empty sheetId")
SHEET_TITLE_EMPTY = Code(90207, "sheet title is empty")
SHEET_TITLE_EXISTS = Code(90210, "sheet title already exists")
SHEET_DENIED = Code(90213, "no permission", 403)
SPREADSHEET_NOT_FOUND = Code(90214, "spreadsheet is not found")
SHEET_NOT_FOUND = Code(90215, "sheetId not found")
SHEET_UNCHANGED = Code(90216, "nothing to change")
SHEET_TOO_MANY = Code(90217, "too many request")
SHEET_LOCKED = Code(90218, "cell is locked")
SHEET_CELLS_EXCEEDED = Code(90219, "too many cells")
SHEET_ANSWER_TOO_LARGE = Code(90221, "the response is too large")
SHEET_CELL_TOO_LARGE = Code(90222, "the content of a cell is too large")
SHEET_DIMENSION = Code(90223, "wrong index of rows or columns")
SHEET_LIMIT = Code(90226, "exceeded the limit")
SHEET_REQUEST_TOO_LARGE = Code(90227, "the request is too large")
SHEET_URL_PARAM = Code(90229, "wrong parameter in the URL")
SHEET_CONDITIONAL_FORMAT = Code(90230, "wrong conditional format")
SHEET_UNFINISHED = Code(90235, "the previous operation is not finished, try again later")
SHEET_FILTER_EXISTS = Code(90236, "the filter exists already")
SHEET_VIEW_ID = Code(90237, "wrong filter view id")
SHEET_VIEW_EXISTS = Code(90238, "the filter view id exists already")
SHEET_VIEW_NAME = Code(90239, "wrong filter view name")
SHEET_VIEW_NAME_EXISTS = Code(90240, "the filter view name exists already")
SHEET_VIEW_LIMIT = Code(90241, "too many filter views")
SHEET_IMAGE_ID = Code(90243, "wrong float image id")
SHEET_IMAGE_EXISTS = Code(90244, "the float image id exists already")
SHEET_IMAGE_TOKEN = Code(90245, "wrong float image token")
SHEET_IMAGE_VALUE = Code(90246, "wrong size or offset of a float image")
SHEET_IMAGE_LIMIT = Code(90247, "too many images")
SHEET_FILTER_VALUE = Code(90248, "wrong value of a filter")
SHEET_DELETED = Code(90249, "the spreadsheet was deleted")
SHEET_TITLE_REJECTED = Code(90250, "the title is not allowed")
SHEET_PARAM = Code(90251, "wrong parameter")
NEVER_SHARED = Code(91403, "Forbidden", 403)

# Drive -------------------------------------------------------------------------------------------------
MEMBER_PARAM = Code(1063001, "Invalid parameter")
MEMBER_DENIED = Code(1063002, "Permission denied", 403)
MEMBER_NOT_ALLOWED = Code(1063003, "Invalid operation")
MAY_NOT_SHARE = Code(1063004, "User has no share permission", 403)
DOCUMENT_DELETED = Code(1063005, "Resource is deleted", 404)
FILE_PARAM = Code(1061002, "params error.")
FILE_DENIED = Code(1061004, "forbidden.", 403)
FILE_NOT_FOUND = Code(1061003, "not found.", 404)
FILE_DELETED = Code(1061007, "file has been delete.", 404)
FILE_BUSY = Code(1061045, "can retry.")
FOLDER_CHILDREN = Code(1062507, "parent node out of sibling num.")
FOLDER_DEPTH = Code(1062506, "node exceeds the depth limit.")
META_PARAM = Code(970005, "param error")
FILE_PAGE_SIZE = Code(1064001, "page size out of limit.")
FILE_NAME = Code(1061008, "invalid file name.")
UPLOAD_EXPIRED = Code(1061021, "upload id expire.")
PARENT_DELETED = Code(1061041, "parent node has been deleted.")
PARENT_MISSING = Code(1061044, "parent node not exist.")
UPLOAD_USER = Code(1062007, "upload user not match.")
UPLOAD_CHECKSUM = Code(1062008, "checksum param Invalid.")
UPLOAD_SIZE = Code(1062009, "the actual size is inconsistent with the parameter declaration size.")
UPLOAD_BLOCK_MISSING = Code(1062010, "block missing, please upload all blocks.")
UPLOAD_BLOCK_BOUNDS = Code(1062011, "block num out of bounds.")
TASK_DENIED = Code(1069902, "no permission", 403)
TASK_PARAM = Code(1069904, "invalid param")
TASK_FORBIDDEN = Code(1069906, "permission denied", 403)
TASK_NOT_FOUND = Code(1069907, "not found", 404)
TASK_MOUNT = Code(1069908, "mount point not found", 403)
TASK_EXTENSION = Code(1069910, "file extension not match")
TASK_TYPE = Code(1069911, "file type not match")
TASK_FOLDER = Code(1069912, "folder not found")
TASK_UPLOAD_EXPIRED = Code(1069913, "file token expired")
TASK_TOKEN = Code(1069914, "file token invalid")
EXPORT_TYPE = Code(1069918, "file extension and type not match")
SUBSCRIBE_PARAM = Code(1069602, "param error")
SUBSCRIBE_DENIED = Code(1069603, "forbidden", 403)
SUBSCRIBE_NOT_FOUND = Code(1069604, "file not found")
NOT_SUBSCRIBED = Code(1069605, "not subscribed")

# Documents (docx) ---------------------------------------------------------------------------------------
DOCX_PARAM = Code(1770001, "invalid param")
DOCX_NOT_FOUND = Code(1770002, "not found", 404)
DOCX_DELETED = Code(1770003, "resource deleted")
DOCX_SCHEMA = Code(1770006, "schema mismatch")
DOCX_COLUMNS = Code(1770010, "too many table column")
DOCX_CELLS = Code(1770011, "too many table cell")
DOCX_GRID_COLUMNS = Code(1770012, "too many grid column")
DOCX_RELATION = Code(1770013, "relation mismatch")
DOCX_PARENT = Code(1770014, "parent children relation mismatch")
DOCX_REPEATED_ID = Code(1770019, "repeated blockID in document")
DOCX_TOO_OLD = Code(1770021, "too old document")
DOCX_PAGE_TOKEN = Code(1770022, "invalid page token")
DOCX_OPERATION = Code(1770024, "invalid operation")
DOCX_OPERATION_BLOCK = Code(1770025, "operation and block not match")
DOCX_ROW_RANGE = Code(1770026, "row operation over range")
DOCX_COLUMN_RANGE = Code(1770027, "column operation over range")
DOCX_NO_CHILDREN = Code(1770028, "block not support create children")
DOCX_NOT_CREATED = Code(1770029, "block not support to create")
DOCX_BAD_PARENT = Code(1770030, "invalid parent children relation")
DOCX_NO_DELETION = Code(1770031, "block not support to delete children")
DOCX_FORBIDDEN = Code(1770032, "forbidden", 403)
DOCX_CONTENT_SIZE = Code(1770033, "content size exceed limit")
DOCX_RESOURCES = Code(1770035, "resource count exceed limit")
DOCX_FOLDER_FULL = Code(1770037, "folder size exceeded limit")
DOCX_FOLDER_NOT_FOUND = Code(1770039, "folder not found")
DOCX_FOLDER_DENIED = Code(1770040, "no folder permission", 403)

# Native approvals --------------------------------------------------------------------------------------
APPROVAL_PARAM = Code(1390001, "param is invalid")
APPROVAL_NOT_FOUND = Code(1390002, "approval code not found")
APPROVAL_INSTANCE_NOT_FOUND = Code(1390003, "instance code not found")
APPROVAL_USER_NOT_FOUND = Code(1390004, "user not found")
APPROVAL_SUBSCRIPTION = Code(1390007, "subscription existed or not existed")
APPROVAL_DENIED = Code(1390009, "operation is not allowed", 403)
APPROVAL_TASK_NOT_FOUND = Code(1390010, "task id not found")
APPROVAL_DISABLED = Code(1390015, "approval is disabled")
APPROVAL_DELETED = Code(1390016, "approval is deleted")
APPROVAL_UUID_USED = Code(60012, "uuid conflict")
APPROVAL_DATA_DENIED = Code(60009, "no permission for the data of this approval")

#: Codes whose answers hold an empty `data`: those of requests without a token, and one of documents.
EMPTY_DATA = frozenset(
    code.number
    for name, code in list(globals().items())
    if name.startswith("WEBHOOK_") or name in ("INVALID_TOKEN_PARAM", "NEVER_SHARED")
)

#: Codes whose HTTP status follows the Bitable pages and `bitable_error_status`.
BITABLE_CODES = range(1254000, 1256000)

_BITABLE = {
    code.number: code
    for code in list(globals().values())
    if isinstance(code, Code) and code.number in BITABLE_CODES
}


#: What the codes of spreadsheets are higher by in v3 than in v2.
SHEETS_V3 = 1_220_000
_SHEETS = {
    code.number: code
    for code in list(globals().values())
    if isinstance(code, Code) and code.number in range(90201, 90300)
}


def find_table_code(number: int) -> Code | None:
    """Return the code of Bitable or of spreadsheets (v2 or v3) that has this number, or None."""
    table_code = _BITABLE.get(number) or _SHEETS.get(number)
    if table_code is None and number - SHEETS_V3 in _SHEETS:
        table_code = _SHEETS[number - SHEETS_V3]._replace(number=number)
    return table_code
