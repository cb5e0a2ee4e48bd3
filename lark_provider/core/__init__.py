"""Where the outside world is touched: settings, HTTP, the token cache."""
