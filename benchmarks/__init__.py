"""What the client costs, beside the official SDK and beside httpx2 + orjson by hand: `make bench`.

Nothing here passes or fails: times say something only beside other times of the same run, so the table shows
ratios, and the range of each measurement shows how quiet the machine was.
"""
