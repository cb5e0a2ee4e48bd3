"""Messages that are recorded in the database first, and then delivered by any process that can.

`recording` writes a message, or an event of a DAG run, into the database. `Deliverer` sends to Lark what is
due. It is used by the process that recorded the message, by the bridge, and by `OutboxRunner` in the pump and
in `lark-provider outbox run`. `storage.outbox` says how several of them share the rows.
"""
