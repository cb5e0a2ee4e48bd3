"""Native approvals: `/open-apis/approval/v4`."""
