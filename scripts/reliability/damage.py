"""Random damage to the bytes of a file, similar to that caused by disks, copies and editors."""


def flip_bits(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(data, rng):
    return data[:rng.randrange(len(data))]


def zero_block(data, rng):
    begin = rng.randrange(len(data))
    size = min(rng.choice([1, 16, 512, 4096]), len(data) - begin)
    return data[:begin] + bytes(size) + data[begin + size:]


def random_block(data, rng):
    begin = rng.randrange(len(data))
    size = min(rng.choice([4, 64, 4096]), len(data) - begin)
    return data[:begin] + rng.randbytes(size) + data[begin + size:]


def insert_bytes(data, rng):
    begin = rng.randrange(len(data) + 1)
    return data[:begin] + rng.randbytes(rng.choice([1, 8, 512])) + data[begin:]


def repeat_block(data, rng):
    begin = rng.randrange(len(data))
    return data[:begin] + data[begin:begin + 512] + data[begin:]


KINDS = [flip_bits, flip_bits, truncate, zero_block, random_block, insert_bytes, repeat_block]


def damaged(data, rng, head=None):
    """Returns a damaged copy of `data` and the kind of damage. Half of the damage is in the first `head` bytes, if given."""
    while True:
        kind = rng.choice(KINDS)
        if head and rng.random() < 0.5:
            changed = kind(data[:head], rng) + data[head:]
        else:
            changed = kind(data, rng)
        if changed != data:
            return changed, kind.__name__
