"""What Lark sends to an app: card callbacks, events, tickets, and the check of the address."""
