"""Files that hold rows of a table, on this machine or in any storage that gives binary file objects.

`formats` tells CSV, JSON Lines and Parquet apart; `reading` and `writing` go row by row, so that memory stays
flat; `cells` makes values for Bitable from those of a file, and back.
"""
