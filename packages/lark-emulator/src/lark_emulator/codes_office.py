"""The codes of the directory, of calendars and of tasks; defined only here and in `codes`."""

from __future__ import annotations

from lark_emulator.codes import Code

# Contact -----------------------------------------------------------------------------------------------
ROOT_DEPARTMENT = Code(40002, "process root dept error")
NO_DEPARTMENT_AUTHORITY = Code(40004, "no dept authority error", 403)
CONTACT_PAGE_SIZE = Code(40011, "page size is invalid")
CONTACT_PAGE_TOKEN = Code(40012, "page token is invalid error")
DEPARTMENT_UNKNOWN = Code(40015, "department not exist")
DEPARTMENT_PARAM = Code(40018, "param error")
DEPARTMENT_MEMBERS = Code(43011, "delete has member dept error")
DEPARTMENT_CHILDREN = Code(43012, "delete has sub dept department error")
DEPARTMENT_ID = Code(43008, "custom dept id invalid error")
DEPARTMENT_ID_TAKEN = Code(43007, "duplicated department custom id error")
DEPARTMENT_NAME_TAKEN = Code(43022, "department name duplicate")
NO_PARENT = Code(44101, "miss parent department id error")
MOBILE_TAKEN = Code(41001, "mobile has already exist error")
EMAIL_TAKEN = Code(41002, "email has already exist error")
NO_NAME = Code(41006, "no user name error")
NO_MOBILE = Code(41010, "no mobile error")
USER_ID_TAKEN = Code(41011, "user id already exist error")
NO_USER_DEPARTMENT = Code(41017, "department is required error")

# Applications and tenants --------------------------------------------------------------------------------
APP_ID_INVALID = Code(210503, "invalid app_id")
NO_SUCH_APP = Code(210504, "no such app in tenant")
APP_INFO_DENIED = Code(210508, "insufficient permission level")
OUTBOUND_PARAM = Code(1810001, "param is invalid")

# Calendars ---------------------------------------------------------------------------------------------
CALENDAR_PARAM = Code(190002, "invalid parameters in request")
CALENDAR_NEEDS_BOT = Code(190007, "app bot_id not found", 404)
CALENDAR_PAGE = Code(190008, "page_token or sync_token expired")
CALENDAR_UNKNOWN = Code(191000, "calendar not found", 404)
CALENDAR_ID = Code(191001, "invalid calendar_id")
CALENDAR_DENIED = Code(191002, "no calendar access_role", 403)
CALENDAR_DELETED = Code(191003, "calendar is deleted", 403)
CALENDAR_TYPE = Code(191004, "invalid calendar type", 403)
EVENT_UNKNOWN = Code(193001, "event not found", 404)
EVENT_DENIED = Code(193002, "no permission to operate event", 403)
EVENT_DELETED = Code(193003, "event is deleted", 403)
ATTENDEE_UNKNOWN = Code(194000, "attendee not found", 404)
ATTENDEE_TYPE = Code(194004, "invalid attendee type")
CALENDAR_USER = Code(195100, "user is dismiss or not exist in the tenant", 404)

# Tasks -------------------------------------------------------------------------------------------------
TASK_PARAM = Code(1470400, "Invalid request parameter")
TASK_DENIED = Code(1470403, "No permission", 403)
TASK_UNKNOWN = Code(1470404, "Resource not found", 404)

# Mail and minutes --------------------------------------------------------------------------------------
MAIL_PARAM = Code(1230001, "param is invalid")
MINUTE_PARAM = Code(2091001, "param is invalid")
MINUTE_UNKNOWN = Code(2091002, "resource not found", 404)
MINUTE_DENIED = Code(2091005, "permission deny", 403)
