// The unit that the precompiled header is built with; every other target reuses that header.
