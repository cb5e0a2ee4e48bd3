"""Messages that are recorded first and delivered then, by whichever process can.

`recording` writes a message, or an event of a DAG run, into the database. `Deliverer` brings what is due to
Lark; the process that recorded it, `OutboxRunner` in the bridge and the pump, and `lark-provider outbox run`
use it. `storage.outbox` says how several of them share the rows.
"""
