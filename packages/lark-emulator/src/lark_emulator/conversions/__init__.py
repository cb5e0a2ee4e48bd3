"""Files that become documents, spreadsheets and bases, and the other way round."""
