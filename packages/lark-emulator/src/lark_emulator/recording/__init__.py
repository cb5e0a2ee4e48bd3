"""Recording a real tenant: its answers become stubs, without credentials and without people."""
