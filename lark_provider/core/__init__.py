"""Import paths of the deployment guide; see `storage`."""
