"""What a client can do, by area. Each line binds one operation of `lark_provider.api` for both clients."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from lark_provider.api import bot, contact, messaging
from lark_provider.api.clouddoc import bitable, bulk, records
from lark_provider.client.bind import Async, Namespace, Sync, call, listing, procedure
from lark_provider.protocol import tokens

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)


class Bot(Namespace[R_co]):
    """`client.bot`: the app's bot."""

    info = call(bot.info)


class StoreApp(Namespace[R_co]):
    """`client.store_app`: what only store (ISV) apps need."""

    keep_ticket = procedure(tokens.keep_ticket)


class Contact(Namespace[R_co]):
    """`client.contact`: people."""

    find_by_email = procedure(contact.find_by_email)
    find_by_mobile = procedure(contact.find_by_mobile)
    get_id = procedure(contact.get_id)
    get_users = procedure(contact.get_users)
    get_user = procedure(contact.get_user)


class Messaging(Namespace[R_co]):
    """`client.messaging`: messages to people and chats."""

    send = call(messaging.send)
    send_text = call(messaging.send_text)
    send_post = call(messaging.send_post)
    send_card = call(messaging.send_card)
    send_image = procedure(messaging.send_image)
    send_file = procedure(messaging.send_file)
    upload_image = procedure(messaging.upload_image)
    upload_file = procedure(messaging.upload_file)
    reply = call(messaging.reply)
    edit = call(messaging.edit)
    update_card = call(messaging.update_card)
    recall = call(messaging.recall)
    get = call(messaging.get)
    list = listing(messaging.list_messages)
    download = call(messaging.download)


class Bitable(Namespace[R_co]):
    """`client.clouddoc.bitable`: bases, tables, fields and records."""

    create_app = call(bitable.create_app)
    create_table = procedure(bitable.create_table)
    create_field = procedure(bitable.create_field)
    list_fields = listing(bitable.list_fields)
    create_record = procedure(records.create_record)
    update_record = procedure(records.update_record)
    delete_record = procedure(records.delete_record)
    search_records = listing(records.search_records)
    bulk_insert = procedure(bulk.bulk_insert)
    bulk_update = procedure(bulk.bulk_update)
    bulk_delete = procedure(bulk.bulk_delete)


class CloudDoc(Namespace[R_co]):
    """`client.clouddoc`: Lark's documents."""

    @cached_property
    def bitable(self) -> Bitable[R_co]:
        """Bases, tables, fields and records."""
        return Bitable(self.runner)
