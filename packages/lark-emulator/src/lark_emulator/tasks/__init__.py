"""`/task/v2`: tasks, lists of them, comments."""
