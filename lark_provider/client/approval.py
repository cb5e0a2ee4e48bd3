"""`client.approval`: native approvals, bound for both clients; loaded when it is used."""

from __future__ import annotations

from typing import TypeVar

from lark_provider.api.approval import comments, definitions, instances
from lark_provider.client.bind import Async, ListingMethod, Namespace, ProcedureMethod, Sync

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Approval(Namespace[R_co]):
    """`client.approval`: definitions, instances, comments and subscriptions of native approvals."""

    get_definition = ProcedureMethod(definitions.get_definition)
    subscribe = ProcedureMethod(definitions.subscribe)
    unsubscribe = ProcedureMethod(definitions.unsubscribe)
    create_instance = ProcedureMethod(instances.create_instance)
    get_instance = ProcedureMethod(instances.get_instance)
    list_instances = ListingMethod(instances.list_instances)
    cancel_instance = ProcedureMethod(instances.cancel_instance)
    add_comment = ProcedureMethod(comments.add_comment)
    list_comments = ListingMethod(comments.list_comments)
    remove_comment = ProcedureMethod(comments.remove_comment)
