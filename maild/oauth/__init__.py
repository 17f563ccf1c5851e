"""Access tokens for sources (D7): Microsoft 365, Google, and any provider's refresh token."""
