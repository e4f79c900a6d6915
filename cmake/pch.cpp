// Translation unit that builds the precompiled header; every other target reuses that header.
