"""The official SDK asks for approvals, decides them and reads them back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

REASON = {"id": "w1", "type": "input", "name": "Reason", "required": True}


def request(sdk: Sdk, name: str, body: Any = None, *, model: str = "", **parts: Any) -> Any:
    """Build a request of approval v4, whose bodies have types such as `InstanceCreate`."""
    builder = getattr(sdk.approval, f"{name}Request").builder()
    for part, value in parts.items():
        getattr(builder, part)(value)
    if body is not None:
        builder.request_body(getattr(sdk.approval, model)(body))
    return builder.build()


def drive(lark: Emulator, sdk: Sdk, client: Any) -> None:
    """Use every endpoint of approvals once."""
    api = client.approval.v4
    code = _definition(sdk, api)
    good(api.approval.subscribe(request(sdk, "SubscribeApproval", approval_code=code)))
    shown = good(api.approval.get(request(sdk, "GetApproval", approval_code=code)))
    assert json.loads(shown.form)[0]["name"] == "Reason"
    assert (shown.approval_name, shown.status) == ("Deploy", "ACTIVE")
    assert [node.node_type for node in shown.node_list] == ["AND"]
    first, second = (_instance(sdk, api, code, uuid) for uuid in ("run-1", "run-2"))
    _decisions(sdk, api, code, first)
    _comments(sdk, api, first)
    names = {"approval_code": code, "instance_code": second, "user_id": "alice"}
    copied = {**names, "cc_user_ids": ["carol"], "comment": "look"}
    good(api.instance.cc(request(sdk, "CcInstance", copied, model="InstanceCc", user_id_type="user_id")))
    cancel = request(sdk, "CancelInstance", names, model="InstanceCancel", user_id_type="user_id")
    good(api.instance.cancel(cancel))
    read = good(api.instance.get(request(sdk, "GetInstance", instance_id="RUN-2")))
    assert (read.instance_code, read.status, read.reverted) == (second, "CANCELED", False)
    _lists(sdk, api, code, [first, second])
    good(api.approval.unsubscribe(request(sdk, "UnsubscribeApproval", approval_code=code)))
    _return_instance(lark, sdk, api, code)


def _definition(sdk: Sdk, api: Any) -> str:
    texts = {"@i18n@name": "Deploy", "@i18n@reason": "Reason", "@i18n@node1": "Lead"}
    body = {
        "approval_name": "@i18n@name",
        "viewers": [{"viewer_type": "TENANT"}],
        "form": {"form_content": json.dumps([REASON | {"name": "@i18n@reason"}])},
        "node_list": [
            {"id": "START"},
            {
                "id": "lead",
                "name": "@i18n@node1",
                "node_type": "AND",
                "approver": [{"type": "Personal", "user_id": user_id} for user_id in ("bob", "carol")],
            },
            {"id": "END"},
        ],
        "settings": {"revert_interval": 3600},
        "i18n_resources": [
            {
                "locale": "en-US",
                "is_default": True,
                "texts": [{"key": key, "value": value} for key, value in texts.items()],
            }
        ],
    }
    response = api.approval.create(request(sdk, "CreateApproval", body, model="ApprovalCreate"))
    return str(good(response).approval_code)


def _form(text: str = "because") -> str:
    return json.dumps([{"id": "w1", "type": "input", "value": text}])


def _instance(sdk: Sdk, api: Any, code: str, uuid: str) -> str:
    body = {"approval_code": code, "user_id": "alice", "form": _form(), "uuid": uuid}
    response = api.instance.create(request(sdk, "CreateInstance", body, model="InstanceCreate"))
    return str(good(response).instance_code)


def _tasks(sdk: Sdk, api: Any, instance: str) -> dict[str, Any]:
    """Return pending tasks by user_id."""
    read = good(api.instance.get(request(sdk, "GetInstance", instance_id=instance)))
    return {task.user_id: task.id for task in read.task_list if task.status == "PENDING"}


def _act(sdk: Sdk, api: Any, name: str, model: str, code: str, instance: str, who: str, **more: Any) -> None:
    body = {
        "approval_code": code,
        "instance_code": instance,
        "user_id": who,
        "task_id": _tasks(sdk, api, instance)[who],
        **more,
    }
    act = getattr(api.task, name)
    good(act(request(sdk, f"{name.capitalize()}Task", body, model=model, user_id_type="user_id")))


def _decisions(sdk: Sdk, api: Any, code: str, instance: str) -> None:
    preview = {"approval_code": code, "user_id": "alice", "form": _form()}
    nodes = good(
        api.instance.preview(
            request(
                sdk, "PreviewInstance", preview, model="PreviewInstanceRequestBody", user_id_type="user_id"
            )
        )
    ).preview_nodes
    assert [node.user_id_list for node in nodes] == [["bob", "carol"]]
    _act(sdk, api, "transfer", "TaskTransfer", code, instance, "carol", transfer_user_id="alice")
    _act(sdk, api, "approve", "TaskApprove", code, instance, "bob", comment="fine")
    assert list(_tasks(sdk, api, instance)) == ["alice"]
    _act(sdk, api, "reject", "TaskApprove", code, instance, "alice", comment="no")
    read = good(api.instance.get(request(sdk, "GetInstance", instance_id=instance)))
    assert read.status == "REJECTED"
    assert [task.status for task in read.task_list] == ["APPROVED", "TRANSFERRED", "REJECTED"]
    assert [entry.type for entry in read.timeline] == ["START", "TRANSFER", "PASS", "REJECT"]
    assert json.loads(read.form)[0] | {"ext": None} == {
        "id": "w1",
        "custom_id": "",
        "name": "Reason",
        "type": "input",
        "ext": None,
        "value": "because",
    }


def _comments(sdk: Sdk, api: Any, instance: str) -> None:
    def add_comment(name: str, **parts: Any) -> Any:
        return request(sdk, name, instance_id=instance, user_id="alice", user_id_type="user_id", **parts)

    body = {"content": json.dumps({"text": "why?", "files": []})}
    create = sdk.approval.CreateInstanceCommentRequest.builder().instance_id(instance).user_id("alice")
    create = create.user_id_type("user_id").request_body(sdk.approval.CommentRequest(body)).build()
    comment_id = good(api.instance_comment.create(create)).comment_id
    (comment,) = good(api.instance_comment.list(add_comment("ListInstanceComment"))).comments
    assert (comment.id, comment.commentator, comment.is_delete) == (comment_id, "alice", 0)
    good(api.instance_comment.delete(add_comment("DeleteInstanceComment", comment_id=comment_id)))
    good(api.instance_comment.remove(add_comment("RemoveInstanceComment")))


def _lists(sdk: Sdk, api: Any, code: str, instances: list[str]) -> None:
    now = int(time.time() * 1000)
    span: dict[str, Any] = {"start_time": now - 3_600_000, "end_time": now + 1000}
    listed = good(api.instance.list(request(sdk, "ListInstance", approval_code=code, page_size=1, **span)))
    assert (listed.instance_code_list, listed.has_more) == (instances[:1], True)
    body = {"approval_code": code, "instance_status": "ALL"}
    results = good(
        api.instance.query(
            request(sdk, "QueryInstance", body, model="InstanceSearch", user_id_type="user_id")
        )
    )
    assert [entry.instance.status for entry in results.instance_list] == ["rejected", "canceled"]


def _return_instance(lark: Emulator, sdk: Sdk, api: Any, code: str) -> None:
    lark.change_approval(code, reject_to_submitter=True)
    instance = _instance(sdk, api, code, "run-3")
    _act(sdk, api, "reject", "TaskApprove", code, instance, "bob")
    _act(sdk, api, "resubmit", "TaskResubmit", code, instance, "alice", form=_form("better"))
    assert set(_tasks(sdk, api, instance)) == {"bob", "carol"}
    back = {
        "user_id": "bob",
        "task_id": int(_tasks(sdk, api, instance)["bob"]),
        "task_def_key_list": ["START"],
    }
    rolled = request(
        sdk, "SpecifiedRollbackInstance", back, model="SpecifiedRollback", user_id_type="user_id"
    )
    good(api.instance.specified_rollback(rolled))
    assert set(_tasks(sdk, api, instance)) == {"alice"}
