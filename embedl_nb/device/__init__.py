"""Where models run: addresses, the provider protocol and its registry, and this machine as a device."""
