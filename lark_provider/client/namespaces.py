"""The operations of a client, by area. Each line binds one of `lark_provider.api` for both clients."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from lark_provider.api import bot, contact, messaging
from lark_provider.api.clouddoc import bitable, bulk, records
from lark_provider.api.clouddoc.sync import procedure
from lark_provider.client.bind import Async, CallMethod, ListingMethod, Namespace, ProcedureMethod, Sync
from lark_provider.protocol import tokens

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Bot(Namespace[R_co]):
    """`client.bot`: the app's bot."""

    info = CallMethod(bot.info)


class StoreApp(Namespace[R_co]):
    """`client.store_app`: what only store (ISV) apps need."""

    keep_ticket = ProcedureMethod(tokens.keep_ticket)


class Contact(Namespace[R_co]):
    """`client.contact`: people."""

    find_by_email = ProcedureMethod(contact.find_by_email)
    find_by_mobile = ProcedureMethod(contact.find_by_mobile)
    get_id = ProcedureMethod(contact.get_id)
    get_users = ProcedureMethod(contact.get_users)
    get_user = ProcedureMethod(contact.get_user)


class Messaging(Namespace[R_co]):
    """`client.messaging`: messages to people and chats."""

    send = CallMethod(messaging.send)
    send_text = CallMethod(messaging.send_text)
    send_post = CallMethod(messaging.send_post)
    send_card = CallMethod(messaging.send_card)
    send_image = ProcedureMethod(messaging.send_image)
    send_file = ProcedureMethod(messaging.send_file)
    upload_image = ProcedureMethod(messaging.upload_image)
    upload_file = ProcedureMethod(messaging.upload_file)
    reply = CallMethod(messaging.reply)
    edit = CallMethod(messaging.edit)
    update_card = CallMethod(messaging.update_card)
    recall = CallMethod(messaging.recall)
    get = CallMethod(messaging.get)
    list = ListingMethod(messaging.list_messages)
    download = CallMethod(messaging.download)


class Bitable(Namespace[R_co]):
    """`client.clouddoc.bitable`: bases, tables, fields and records."""

    create_app = CallMethod(bitable.create_app)
    create_table = ProcedureMethod(bitable.create_table)
    create_field = ProcedureMethod(bitable.create_field)
    list_fields = ListingMethod(bitable.list_fields)
    create_record = ProcedureMethod(records.create_record)
    update_record = ProcedureMethod(records.update_record)
    delete_record = ProcedureMethod(records.delete_record)
    search_records = ListingMethod(records.search_records)
    bulk_insert = ProcedureMethod(bulk.bulk_insert)
    bulk_update = ProcedureMethod(bulk.bulk_update)
    bulk_delete = ProcedureMethod(bulk.bulk_delete)
    sync = ProcedureMethod(procedure.sync)


class CloudDoc(Namespace[R_co]):
    """`client.clouddoc`: Lark's documents."""

    @cached_property
    def bitable(self) -> Bitable[R_co]:
        """Bases, tables, fields and records."""
        return Bitable(self.runner)
