"""How clients get to the emulator besides plain HTTP on loopback: over TLS, and as a forward proxy."""
