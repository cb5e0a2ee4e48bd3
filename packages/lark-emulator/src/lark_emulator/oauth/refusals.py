"""The codes of the token endpoints for users, and the two shapes in which they come."""

from __future__ import annotations

from lark_emulator.codes import Code

# `authen/v2/oauth/token`: the page gives code and wording; the word for OAuth clients follows RFC 6749.
INVALID_REQUEST, INVALID_CLIENT, INVALID_GRANT = "invalid_request", "invalid_client", "invalid_grant"
UNAUTHORIZED_CLIENT, INVALID_SCOPE = "unauthorized_client", "invalid_scope"

MISSING = Code(20001, "The request is missing a required parameter.")
SECRET = Code(20002, "The client secret is invalid.")
CODE_UNKNOWN = Code(
    20003,
    "The authorization code is not found. Please note that an authorization code can only be used once.",
)
CODE_EXPIRED = Code(20004, "The authorization code has expired.")
USER_UNKNOWN = Code(20008, "The user does not exist.")
NOT_INSTALLED = Code(20009, "The specified app is not installed.")
NOT_AVAILABLE = Code(20010, "The user does not have permission to use this app.")
OTHER_CLIENT = Code(
    20024, "The provided authorization code or refresh token does not match the provided client ID."
)
REFRESH_UNKNOWN = Code(20026, "The refresh token passed is invalid. Please check the value.")
GRANT_TYPE = Code(20036, "The specified grant_type is not supported.")
REFRESH_EXPIRED = Code(20037, "The refresh token passed has expired. Please generate a new one.")
APP_UNKNOWN = Code(20048, "The specified app does not exist.")
PKCE = Code(20049, "PKCE code challenge failed.")
MALFORMED = Code(20063, "The request is malformed. Please check your request.")
REFRESH_REVOKED = Code(
    20064, "The refresh token has been revoked. Please note that a refresh token can only be used once."
)
CODE_USED = Code(
    20065,
    "The authorization code has been used. Please note that an authorization code can only be used once.",
)
USER_STATUS = Code(20066, "The user status is invalid.")
SCOPES_TWICE = Code(
    20067, "The provided scope list contains duplicate scopes. Please ensure all scopes are unique."
)
SCOPES_NOT_ALLOWED = Code(
    20068,
    "The provided scope list contains scopes that are not permitted. Please ensure all scopes are allowed.",
)
APP_DISABLED = Code(20069, "The specified app is not enabled.")
TWO_METHODS = Code(20070, "Multiple authentication methods were provided. Please only use one to proceed.")
REDIRECT_URI = Code(20071, "The provided redirect URI does not match the one used during authorization.")
REFRESH_USED = Code(
    20073, "The refresh token has been used. Please note that a refresh token can only be used once."
)

#: The `error` of each, where it is not `invalid_grant`.
WORDS = {
    MISSING.number: INVALID_REQUEST,
    MALFORMED.number: INVALID_REQUEST,
    TWO_METHODS.number: INVALID_REQUEST,
    SECRET.number: INVALID_CLIENT,
    APP_UNKNOWN.number: INVALID_CLIENT,
    NOT_INSTALLED.number: UNAUTHORIZED_CLIENT,
    APP_DISABLED.number: UNAUTHORIZED_CLIENT,
    GRANT_TYPE.number: "unsupported_grant_type",
    SCOPES_TWICE.number: INVALID_SCOPE,
    SCOPES_NOT_ALLOWED.number: INVALID_SCOPE,
}

# `authen/v1/…`: Lark's usual envelope in HTTP 200.
OLD_PARAM = Code(20001, "Invalid request. Please check request param", 200)
OLD_TOKEN = Code(20005, "The user access token passed is invalid. Please check the value", 200)
OLD_CODE = Code(20007, "Failed to generate a user access token. Please try again", 200)
OLD_USER = Code(20008, "User not exist", 200)
OLD_RESIGNED = Code(20021, "User resigned", 200)
OLD_FROZEN = Code(20022, "User frozen", 200)
OLD_NOT_JOINED = Code(20023, "User not registered", 200)
OLD_OTHER_APP = Code(
    20024,
    "App id in user_access_token or refresh_token diff with app id in app_access_token or "
    "tenant_access_token. Please keep the app id consistent",
    200,
)
OLD_REFRESH = Code(20026, "The refresh token passed is invalid. Please check the value", 200)
OLD_GRANT_TYPE = Code(20036, "The grant_type passed is not supported", 200)
OLD_REFRESH_EXPIRED = Code(20037, "The refresh token passed has expired. Please generate a new one", 200)
OLD_REFRESH_USED = Code(20038, "The refresh token passed is not found. Please check the value", 200)

# The authorization page.
PAGE_SCOPE = Code(20027, "The app has not applied for these scopes")
PAGE_APP = Code(20028, "Invalid app id")
PAGE_REDIRECT = Code(20029, "Invalid redirect uri")
PAGE_PARAM = Code(20001, "Invalid request. Please check request param")
