"""How apps come to tokens of users: the authorization page, the token endpoints, and who the user is."""
