"""The codes of what can be done with messages, chats and card entities; defined only here and in `codes`."""

from __future__ import annotations

from lark_emulator.codes import Code

# Reactions ---------------------------------------------------------------------------------------------
REACTION_TYPE = Code(231001, "reaction type is invalid.")
REACTION_MESSAGE = Code(231003, "The message is not found, maybe not exist or deleted.")
REACTION_NOT_OWN = Code(231007, "The operator has no permission to delete this reaction.")
REACTION_NO_ACCESS = Code(231008, "The operator has no access to the message.")
REACTION_ELSEWHERE = Code(231010, "The reaction does not belong to the message.")
REACTION_ID = Code(231011, "The request has an invalid reaction_id.")
REACTION_PAGE = Code(231012, "The request has an invalid pageToken.")

# Forwarding --------------------------------------------------------------------------------------------
NO_THREAD = Code(230019, "The thread does NOT exist.")
NOT_FORWARDABLE = Code(230061, "The message type does not support forwarding.")
FORWARD_INVALID = Code(230064, "The message to be forwarded is invalid.")
FORWARD_ALL_INVALID = Code(230064, "All messages to be forwarded are invalid.")
FORWARD_THREAD_INVALID = Code(230064, "The thread to be forwarded is invalid.")
FORWARD_RECALLED = Code(230065, "The message to be forwarded has been recalled.")
FORWARD_ALL_RECALLED = Code(230065, "All messages to be forwarded have been recalled.")
FORWARD_MIXED = Code(230067, "The source of the messages to be merged and forwarded are not in compliance.")
FORWARD_CHATS = Code(230069, "Does not support forwarding messages from different groups.")

# Urgent messages, who has read them, bubbles ---------------------------------------------------------------
URGENT_UNREAD = Code(230023, "The user has too many unread urgent messages.")
URGENT_QUOTA = Code(230024, "Reach the upper limit of urgent message.")
IM_NO_PERMISSION = Code(230027, "Lack of necessary permissions.")
READERS_EXPIRED = Code(230033, "Get the reading status must be done within 7 days after the message is sent.")
URGENT_REFUSED = Code(230052, "Can not urgent this message.")
FOLLOW_UP_EXPIRED = Code(230002, "expired message.")
FOLLOW_UP_P2P = Code(230003, "only support p2p chat.")
FOLLOW_UP_LATEST = Code(230006, "only support latest message.")
FOLLOW_UP_INVALID = Code(230007, "invalid follow up.")
FOLLOW_UP_EXISTS = Code(230008, "follow up already exist.")

# Pins --------------------------------------------------------------------------------------------------
PIN_REFUSED = Code(230046, "No Permission to Pin/Unpin messages in the chat.")
PIN_FREQUENCY = Code(230047, "Pin/Unpin message trigger message_id limit.")

# Uploads -----------------------------------------------------------------------------------------------
NOT_UPLOADER = Code(234008, "The app is not the resource sender")

# Chats -------------------------------------------------------------------------------------------------
CHAT_EDIT_REFUSED = Code(
    232002, "No Permission: Only chat owner or admin can edit chat information in the current situation."
)
CHAT_TYPE = Code(232008, "Your request specifies a chat whose type is NOT supported currently.")
OWNER_OUTSIDE = Code(232012, "New chat owner can NOT be out of the chat.")
MEMBERS_REFUSED = Code(
    232014, "The token used in the request does NOT have the permissions necessary to complete the request."
)
CHAT_EDIT_PARTS = Code(232016, "Non-chat-owner or Non-chat-admin can only edit certain parts.")
NOT_OWNER = Code(
    232017,
    "No Permission: If the operator is NOT owner or creator with the scope, the operator can NOT complete "
    "the request.",
)
P2P_LINK = Code(232062, "P2P chat cannot be share link.")
JOIN_APPROVAL = Code(
    232075,
    "The public group needs to apply to join, and users or bots are not allowed to actively join the group.",
)
OWNER_KICKED = Code(232076, "Can't kick chat owner.")

# Messages to many ----------------------------------------------------------------------------------------
BATCH_MESSAGE = Code(10002, "Create or send message fail.", 200)
BATCH_PARAM = Code(10003, "Invalid parameter.", 200)
BATCH_CONTENT = Code(11246, "Create message content fail.", 200)
BATCH_ID = Code(230030, "The message id is invalid, record not found.")

# Card entities -------------------------------------------------------------------------------------------
ENTITY_PARAM = Code(10002, "Your request contains an invalid request parameter")
ENTITY_FAILED = Code(200220, "Failed to generate card content")
ENTITY_UNKNOWN = Code(200740, "The card entity does not exist")
ENTITY_EXPIRED = Code(200750, "The card entity has expired")
ENTITY_UUID = Code(200770, "UUID conflict")
ENTITY_LOCKED = Code(200810, "The card is in an ongoing interaction and cannot be updated")
STREAMING_TIMEOUT = Code(200850, "Card streaming timeout")
ENTITY_TOO_LARGE = Code(200860, "Card content exceeds limit.")
REPLACE_FAILED = Code(300121, "Failed to replace element")
CONFIG_FAILED = Code(300122, "Failed to update card configuration")
ENTITY_NOT_SHARED = Code(300302, "update_multi property is false")
ENTITY_SCHEMA = Code(300303, "Only schema 2.0 is supported")
ENTITY_ELEMENTS = Code(300305, "The number of card components exceeds 200")
ENTITY_EMPTY = Code(300307, "The card DSL is empty")
STREAMING_CLOSED = Code(300309, "Card streaming closed")
ONLY_TEXT = Code(300310, "Only update text")
ENTITY_DENIED = Code(300311, "The current application does not have permission to update/use this card")
TAG_CHANGED = Code(300312, "Unable to update element tag")
ELEMENT_FAILED = Code(300313, "Failed to update element properties")
DELETE_FAILED = Code(300314, "Failed to delete element")
ADD_FAILED = Code(300315, "Failed to add element")
SEQUENCE = Code(300317, "The sequence number for operating on the card did not increment consecutively")
