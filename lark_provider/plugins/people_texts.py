"""What people read when they link their account, or may not act; in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

from lark_provider.protocol.language import LocalizedText
from lark_provider.storage.link_codes import CODE_MINUTES

REFUSALS: Mapping[str, LocalizedText] = {
    "unlinked": {
        "zh": "请先关联您的 Airflow 账号，然后再点击一次。链接仅供您本人使用一次，"
        f"{CODE_MINUTES} 分钟内有效。",
        "en": "Link your Airflow account first, then click again. The link is for you alone, works once and "
        f"ends after {CODE_MINUTES} minutes.",
    },
    "no_page": {
        "zh": "您的飞书账号尚未关联 Airflow 账号，请联系 Airflow 管理员。",
        "en": "Your Lark account is not linked to an Airflow account. Ask an administrator of Airflow.",
    },
    "foreign_tenant": {
        "zh": "您不属于此应用所在的企业，不能在 Airflow 中操作。",
        "en": "You do not belong to the organization of this app and cannot act in Airflow.",
    },
    "left": {
        "zh": "飞书显示您的账号已被冻结、您已离开所在企业，或您的账号不在此应用的通讯录权限范围内。",
        "en": "Lark reports that your account is frozen, has left the organization, or is outside this app's "
        "contact scope.",
    },
    "no_user": {
        "zh": "为您配置的 Airflow 用户不存在或已停用，请联系 Airflow 管理员。",
        "en": "The Airflow user configured for you does not exist or is not active. Ask an administrator of "
        "Airflow.",
    },
    "unsupported": {
        "zh": "此 Airflow 的认证管理器不支持在飞书中操作，请在 Airflow 网页界面中操作。",
        "en": "The auth manager of this Airflow does not support acting from Lark. Use the Airflow web UI.",
    },
    "app_disabled": {
        "zh": "此应用已被管理员停用，不能再用它在 Airflow 中操作。请在 Airflow 网页界面中操作。",
        "en": "An administrator has disabled this app, so it cannot act in Airflow any more. Use the Airflow "
        "web UI.",
    },
    "unavailable": {
        "zh": "暂时无法确认您的身份，系统将自动重试此次点击。",
        "en": "Your identity cannot be verified right now. The click will be retried automatically.",
    },
}
"""Why a click was refused, for its card."""

PAGE: Mapping[str, LocalizedText] = {
    "title": {"zh": "关联飞书与 Airflow", "en": "Link Lark and Airflow"},
    "lark": {"zh": "飞书", "en": "Lark"},
    "airflow": {"zh": "Airflow 用户", "en": "Airflow user"},
    "explain": {
        "zh": "确认后，此飞书账号在卡片上的点击将以该 Airflow 用户的身份和权限执行。",
        "en": "Once you confirm, clicks of this Lark account on cards act as this Airflow user, with the "
        "user's rights.",
    },
    "warn": {
        "zh": "仅当该飞书账号属于您本人，且您刚刚在飞书中点击过卡片时才确认。"
        "如果链接是别人发给您的，请关闭此页。",
        "en": "Confirm only if this Lark account is yours and you have just clicked a card in Lark. If "
        "another person sent you the link, close this page.",
    },
    "replaces": {
        "zh": "该飞书账号当前关联的 Airflow 用户将被替换：",
        "en": "It replaces the Airflow user to which this Lark account is linked now: ",
    },
    "confirm": {"zh": "确认关联", "en": "Link"},
    "login": {"zh": "登录 Airflow", "en": "Log in to Airflow"},
    "done_title": {"zh": "关联成功", "en": "Linked"},
    "done": {
        "zh": "请回到飞书，再次点击卡片上的按钮。管理员可以随时撤销此关联。",
        "en": "Go back to Lark and click the button on the card again. An administrator can revoke the link "
        "at any time.",
    },
    "no_code": {
        "zh": "此链接无效。请在飞书中再次点击卡片上的按钮，获取新的链接。",
        "en": "This link is not valid. Click the button on the card in Lark again for a new one.",
    },
    "used": {
        "zh": "此链接已被使用过。如果您尚未关联，请在飞书中再次点击卡片上的按钮，获取新的链接。",
        "en": "This link was used already. If you are not linked yet, click the button on the card in Lark "
        "again for a new one.",
    },
    "expired": {
        "zh": f"此链接已过期（有效期 {CODE_MINUTES} 分钟）。请在飞书中再次点击卡片上的按钮，获取新的链接。",
        "en": f"This link has expired after {CODE_MINUTES} minutes. Click the button on the card in Lark "
        "again for a new one.",
    },
    "session": {
        "zh": "您的 Airflow 登录已失效。请重新登录后再试。",
        "en": "Your Airflow session is not valid. Log in and try again.",
    },
    "changed": {
        "zh": "未能确认此请求来自本页面，或您的登录已变化。未关联任何账号，请检查后再次确认。",
        "en": "The request did not come from this page, or your session has changed. Nothing was linked. "
        "Check the page and confirm again.",
    },
    "foreign_origin": {
        "zh": "请求来自其他网站，已拒绝。未关联任何账号。",
        "en": "The request came from another site and was refused. Nothing was linked.",
    },
    "too_large": {"zh": "请求过大，已拒绝。", "en": "The request is too large and was refused."},
    "no_account": {
        "zh": "您登录的 Airflow 用户不存在或已停用，请联系 Airflow 管理员。",
        "en": "Your Airflow user does not exist any more or is not active. Ask an administrator of Airflow.",
    },
    "unsupported": REFUSALS["unsupported"],
    "left": REFUSALS["left"],
    "app_disabled": REFUSALS["app_disabled"],
    "unavailable": {
        "zh": "暂时无法处理，请稍后刷新页面重试。",
        "en": "It cannot be done at the moment. Reload the page in a minute.",
    },
}
"""The page for linking."""
