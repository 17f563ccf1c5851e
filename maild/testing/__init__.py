"""The test kit that ships."""
