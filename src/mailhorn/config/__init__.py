"""Settings, where they are found, and the one place where the parts are put together."""
