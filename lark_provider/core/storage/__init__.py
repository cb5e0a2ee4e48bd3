"""Import paths of the deployment guide, re-exports only: the code is in `lark_provider.storage`."""
