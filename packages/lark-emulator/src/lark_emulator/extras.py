"""What only an extra of the distribution installs."""

from __future__ import annotations


class MissingExtraError(ValueError):
    """A feature needs an extra that is not installed; the text names the feature and the command."""


def require_cryptography(feature: str) -> None:
    """Check that what encrypts and signs is installed.

    Args:
        feature: What needs it, as the beginning of the error's sentence.

    Raises:
        MissingExtraError: The package `cryptography` cannot be imported.
    """
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtraError(
            f"{feature} needs the package cryptography, which is not installed. Next: "
            "pip install 'lark-emulator[tls]'"
        ) from None
