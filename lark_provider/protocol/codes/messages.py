"""Codes of messages, chats, cards, and of their images and files."""

from __future__ import annotations

from lark_provider.protocol.codes.kinds import CHAT, SCOPE, WAIT, Code, CodeKind

_RECEIVER = "check the receiver id and its type; open_ids are valid for one app only"
_CARD = "check the card in Lark's card builder; 'ErrCode' in the text says what is wrong with it"
CARD_LOCKED = Code(
    CodeKind.BUSY, "call again once the click on the card is answered, which takes 3 s at most", wait=0.75
)
"""Five retries, as many as there are, outlast the 3 s."""
LOCK = "card action is lock"
"""Lark's text for it where messages are updated: 11310, its code in 230099, is that of limits, too."""

MESSAGES: dict[int, Code] = {
    230001: Code(CodeKind.INVALID, "correct the parameter named"),
    230002: Code(CodeKind.PERMISSION, CHAT),
    230006: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    230009: Code(CodeKind.CONFLICT, "leave the message: the time for recalling it is over"),
    230011: Code(CodeKind.GONE, "go on: the message was recalled already"),
    230015: Code(
        CodeKind.INVALID, "send the card to a group: with this content it cannot go to a single person"
    ),
    230023: Code(
        CodeKind.CONFLICT,
        "let the person read some of their 200 unread urgent messages, or send without urgency",
    ),
    230024: Code(
        CodeKind.CONFLICT, "let an admin buy more urgent SMS or calls: the tenant's quota is used up"
    ),
    230052: Code(
        CodeKind.PERMISSION, "let everybody in the group make messages urgent, or make the bot an admin of it"
    ),
    230098: Code(CodeKind.CONFLICT, "send a new message: a folded one cannot be made urgent"),
    230033: Code(CodeKind.CONFLICT, "leave it: the readers of a message can be listed for 7 days only"),
    230036: Code(CodeKind.NOT_FOUND, "ask the tenant's admin: the key that encrypts its data was deleted"),
    230050: Code(CodeKind.PERMISSION, "use the app that can see the message"),
    230012: Code(CodeKind.PERMISSION, "use the app that sent the message"),
    230013: Code(
        CodeKind.PERMISSION, "add the user to the app's availability, or check that the account is active"
    ),
    230017: Code(CodeKind.PERMISSION, "upload the resource with this app before sending it"),
    230018: Code(CodeKind.PERMISSION, "let the group's owner allow the bot to speak"),
    230019: Code(CodeKind.NOT_FOUND, "send to the chat instead: the topic does not exist"),
    230020: Code(
        CodeKind.RATE, "send more slowly: a user or group takes 5 messages a second from all bots together"
    ),
    230022: Code(CodeKind.REFUSED, "change the content: it was judged sensitive"),
    230025: Code(CodeKind.INVALID, "shorten the content: text up to 150 KB, post and card up to 30 KB"),
    230026: Code(CodeKind.PERMISSION, "let the sender or a group admin recall it"),
    230027: Code(CodeKind.PERMISSION, SCOPE),
    230028: Code(CodeKind.REFUSED, "change the content: the tenant's data protection refused it"),
    230029: Code(CodeKind.NOT_FOUND, "choose another receiver: this user has left the company"),
    230031: Code(CodeKind.CONFLICT, "send a new card: one can be updated for 14 days"),
    230034: Code(CodeKind.NOT_FOUND, _RECEIVER),
    230035: Code(CodeKind.PERMISSION, "let the group or the user allow messages from this bot"),
    230038: Code(
        CodeKind.PERMISSION,
        "send to a group with this user: one of another tenant cannot be written to directly",
    ),
    230049: Code(CodeKind.BUSY, WAIT),
    230053: Code(CodeKind.PERMISSION, "ask the user to allow the bot again"),
    230054: Code(
        CodeKind.INVALID, "use update_card for a card; other types of message do not take this change"
    ),
    230055: Code(CodeKind.INVALID, "upload the file with the type that the message needs"),
    230071: Code(CodeKind.PERMISSION, "edit it with the app that sent it"),
    230072: Code(CodeKind.CONFLICT, "send a new message: one takes 20 edits"),
    230073: Code(
        CodeKind.PERMISSION,
        "use a group that the bot may see: this one is secret, or hides its thread from the bot",
    ),
    230074: Code(CodeKind.PERMISSION, "send a new message: those of encrypted groups cannot be edited"),
    230075: Code(
        CodeKind.CONFLICT, "send a new message: this one is too old to be edited, or the group is encrypted"
    ),
    230099: Code(CodeKind.INVALID, _CARD),
    200810: CARD_LOCKED,
    230110: Code(CodeKind.GONE, "send a new message: this one was deleted"),
    230111: Code(CodeKind.CONFLICT, "send a new message: this one is about to delete itself"),
    231204: Code(CodeKind.PERMISSION, "use another kind of app: this one may not do it"),
    231203: Code(CodeKind.INVALID, "send another type of message: this kind of chat does not take it"),
    232001: Code(CodeKind.INVALID, "correct the parameter named"),
    232006: Code(CodeKind.NOT_FOUND, CHAT),
    232009: Code(CodeKind.NOT_FOUND, "choose another chat: this one was dissolved"),
    232010: Code(CodeKind.PERMISSION, "choose a chat of the app's own tenant"),
    232011: Code(CodeKind.PERMISSION, CHAT),
    232013: Code(CodeKind.CONFLICT, "remove members, or use another group: this one is full"),
    232014: Code(CodeKind.PERMISSION, CHAT),
    232017: Code(CodeKind.PERMISSION, CHAT),
    232024: Code(CodeKind.PERMISSION, "widen the app's availability: it may not see these people"),
    232033: Code(
        CodeKind.PERMISSION, "use a group of the app's own tenant: this one is shared with another company"
    ),
    232034: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    232043: Code(CodeKind.INVALID, _RECEIVER),
    232019: Code(CodeKind.RATE, WAIT),
    232025: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    **{
        code: Code(
            CodeKind.PERMISSION, "choose another message or receiver: this one cannot be forwarded there"
        )
        for code in range(230061, 230071)
    },
    # images and files
    232096: Code(CodeKind.BUSY, WAIT),
    234001: Code(CodeKind.INVALID, "correct the parameters of the file"),
    234002: Code(CodeKind.PERMISSION, SCOPE),
    234003: Code(CodeKind.NOT_FOUND, "take message_id and file_key from the same message"),
    234004: Code(CodeKind.PERMISSION, CHAT),
    234007: Code(CodeKind.PERMISSION, "turn on the app's bot ability and publish the app"),
    234008: Code(CodeKind.PERMISSION, "use the app that uploaded it"),
    234009: Code(CodeKind.PERMISSION, SCOPE),
    234019: Code(CodeKind.PERMISSION, "install the app in this tenant"),
    234037: Code(CodeKind.INVALID, "download it in Lark: an app can download files of up to 100 MB"),
    234038: Code(
        CodeKind.PERMISSION, "let the group's owner end its restricted mode, which forbids downloads"
    ),
    234039: Code(CodeKind.INVALID, "make the image smaller: GIFs take 2,000 pixels a side, others 12,000"),
    234040: Code(CodeKind.PERMISSION, "choose a message that was sent after the bot joined the chat"),
    234043: Code(
        CodeKind.INVALID,
        "choose another message: cards, stickers and merged forwards hold nothing to download",
    ),
    234006: Code(CodeKind.INVALID, "make the file smaller: images may have 10 MB and files 30 MB"),
    234010: Code(CodeKind.INVALID, "upload a file with content"),
    234011: Code(CodeKind.INVALID, "upload an image in a format that Lark reads, such as PNG or JPEG"),
}
