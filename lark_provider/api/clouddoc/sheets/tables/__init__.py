"""Tables in spreadsheets: written once, however often the write is killed and repeated."""
