"""Files that hold rows of a table, on this machine or in any storage that provides binary file objects.

`formats` distinguishes CSV, JSON Lines and Parquet; `reading` and `writing` work row by row, so that memory
use is constant; `cells` converts values of a file to those of Bitable, and back.
"""
