"""`/calendar/v4`: calendars, events, who is invited, who is busy."""
