"""Probes of token requests, and of reading people."""

from __future__ import annotations

from lark_provider.verify.probe import ProbeSteps, ProbeTarget, Reply, Request, UnexpectedError, choose, probe

_TOKEN = "/auth/v3/tenant_access_token"  # noqa: S105 - a path
_BAD_FORM, _OTHER_KIND, _UNAUTHORIZED = 10003, 10005, 10014
_NOBODY = "ou_00000000000000000000000000000000"


def _make_token_body(target: ProbeTarget, secret: str, **more: str) -> dict[str, str]:
    return {"app_id": target.app_id, "app_secret": secret, **more}


def _probe_wrong_secret_status(target: ProbeTarget) -> ProbeSteps:
    body = _make_token_body(target, "wrong")
    reply = yield Request("POST", f"{_TOKEN}/internal", body, authorized=False, private=True)
    return _get_refusal_status(reply)


def _get_refusal_status(reply: Reply) -> int:
    if not reply.code:
        raise UnexpectedError("the request was not refused")
    return reply.status


def _probe_form_token_requests(target: ProbeTarget) -> ProbeSteps:
    form = _make_token_body(target, target.app_secret)
    reply = yield Request("POST", f"{_TOKEN}/internal", form=form, authorized=False, private=True)
    return choose(reply, {0: "accepted", _BAD_FORM: "refused"})


def _probe_app_type_mismatch(target: ProbeTarget) -> ProbeSteps:
    body = _make_token_body(target, target.app_secret, app_ticket="none")
    where = "/auth/v3/app_access_token"
    reply = yield Request("POST", where, body, authorized=False, private=True)
    return choose(reply, {_OTHER_KIND: "10005", _UNAUTHORIZED: "10014"})


def _probe_unknown_user_ids(_: ProbeTarget) -> ProbeSteps:
    reply = yield Request("GET", f"/contact/v3/users/{_NOBODY}", params={"user_id_type": "open_id"})
    return choose(reply, {99992351: "gateway", 41012: "endpoint"})


def _probe_card_update_status(_: ProbeTarget) -> ProbeSteps:
    card = {"elements": [{"tag": "hr"}]}
    reply = yield Request("POST", "/interactive/v1/card/update", {"token": "c-none", "card": card})
    return str(_get_refusal_status(reply))


PROBES = (
    probe(
        "wrong_secret_status",
        "The HTTP status of a token request with a wrong secret.",
        answers=(200, 400),
        calls=1,
        run=_probe_wrong_secret_status,
    ),
    probe(
        "form_token_requests",
        "Whether token endpoints take form-encoded bodies.",
        answers=("accepted", "refused"),
        calls=1,
        run=_probe_form_token_requests,
    ),
    probe(
        "app_type_mismatch",
        "What a custom app gets at the token endpoint of store apps.",
        answers=("10005", "10014"),
        calls=1,
        run=_probe_app_type_mismatch,
    ),
    probe(
        "unknown_user_ids",
        "Whether the gateway or the endpoint refuses the id of an unknown person.",
        answers=("gateway", "endpoint"),
        calls=1,
        run=_probe_unknown_user_ids,
    ),
    probe(
        "card_update_status",
        "The HTTP status of what interactive/v1/card/update refuses.",
        answers=("400", "200"),
        calls=1,
        run=_probe_card_update_status,
    ),
)
