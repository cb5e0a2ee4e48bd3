"""The operations of a client, by area. Each line binds one of `lark_provider.api` for both clients.

Those of documents are in `documents`, which a program that sends messages does not load.
"""

from __future__ import annotations

from typing import TypeVar

from lark_provider.api import bot, contact, messaging
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
    send_card_template = CallMethod(messaging.send_card_template)
    send_image = ProcedureMethod(messaging.send_image)
    send_file = ProcedureMethod(messaging.send_file)
    upload_image = ProcedureMethod(messaging.upload_image)
    upload_file = ProcedureMethod(messaging.upload_file)
    reply = CallMethod(messaging.reply)
    edit = CallMethod(messaging.edit)
    update_card = CallMethod(messaging.update_card)
    recall = CallMethod(messaging.recall)
    urgent = ProcedureMethod(messaging.urgent)
    get = CallMethod(messaging.get)
    list = ListingMethod(messaging.list_messages)
    download = CallMethod(messaging.download)
