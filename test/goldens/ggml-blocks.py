"""Makes ggml-blocks.json: ggml's own table of types, decoded blocks, encoded blocks and encoding errors.

    python3 ggml-blocks.py <libggml-base.so> > ggml-blocks.json

The library is llama.cpp's; npm's @node-llama-cpp/linux-x64 has it in bins/linux-x64 (made with 3.22.1).
"""
import base64, ctypes, hashlib, json, random, struct, sys

ggml = ctypes.CDLL(sys.argv[1])
ggml.ggml_type_name.restype = ctypes.c_char_p
ggml.ggml_blck_size.restype = ctypes.c_int64
ggml.ggml_type_size.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p] + [ctypes.c_int64] * 3 + [ctypes.c_char_p]

DECODED = [1, 30, 8, 2, 3, 6, 7, 10, 11, 12, 13, 14, 20, 23, 34, 35, 39, 40, 41, 42, 21, 18, 22, 17, 16, 29, 19]
CODEBOOKS = [16, 17, 22, 18, 21, 19, 29]
SAME_BYTES = [1, 30, 8, 2, 3, 6, 7, 34, 35, 39]
SEARCHED = [10, 11, 12, 13, 14, 20, 23]
SEARCHED_WITH_IMPORTANCE = [2, 3, 6, 7] + SEARCHED + CODEBOOKS
ROW = 1024


def base(data):
    return base64.b64encode(data).decode()


def noise(seed, count):
    """Sums of four uniform integers of 22 bits, exact in f32, mean 0; formats.test.ts has the same."""
    state, values = seed, []
    for _ in range(count):
        total = 0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            total += state >> 10
        values.append((total - 2**23) / 2**22)
    return values


def importances(count):
    """Between 1/64 and 64, uneven; formats.test.ts has the same."""
    return [2.0 ** ((i * 7) % 13 - 6) for i in range(count)]


def floats(values):
    return struct.pack(f'<{len(values)}f', *values)


def name(t):
    return ggml.ggml_type_name(t).decode()


def decode(t, data):
    count = len(data) // ggml.ggml_type_size(t) * ggml.ggml_blck_size(t)
    symbol = {1: 'ggml_fp16_to_fp32_row', 30: 'ggml_bf16_to_fp32_row'}.get(t, 'dequantize_row_' + name(t))
    out = ctypes.create_string_buffer(count * 4)
    function = getattr(ggml, symbol)
    function.argtypes, function.restype = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64], None
    function(data, out, count)
    return out.raw


def encode(t, values, importance=None):
    size = len(values) // ggml.ggml_blck_size(t) * ggml.ggml_type_size(t)
    out = ctypes.create_string_buffer(size)
    # one row's importance serves all rows
    weights = floats(importance) if importance else None
    ggml.ggml_quantize_chunk(t, floats(values), out, 0, len(values) // ROW, ROW, weights)
    return out.raw


def error(t, values, importance=None):
    data = decode(t, encode(t, values, importance))
    decoded = struct.unpack(f'<{len(values)}f', data)
    weights = importance or [1.0] * ROW
    return sum(weights[i % ROW] * (a - b) ** 2 for i, (a, b) in enumerate(zip(values, decoded)))


def random_blocks(t, generator):
    """Two blocks of random bytes without the NaN and infinity that random scales can be."""
    while True:
        data = generator.randbytes(2 * ggml.ggml_type_size(t))
        decoded = struct.unpack(f'<{2 * ggml.ggml_blck_size(t)}f', decode(t, data))
        if all(abs(value) < 1e30 for value in decoded):
            return data


def many_blocks(t):
    """1,024 blocks, in which every vector of a codebook occurs; formats.test.ts makes the same."""
    size, state, data = ggml.ggml_type_size(t), 7, bytearray()
    for _ in range(1024 * size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data.append(state >> 24)
    for block in range(0, len(data), size):
        if name(t) == 'iq1_m':
            for i, nibble in enumerate([0x5, 0x5, 0xE, 0x2]):
                data[block + 49 + 2 * i] = data[block + 49 + 2 * i] & 15 | nibble << 4
        else:
            data[block : block + 2] = [0x55, 0x2E]
    return bytes(data)


generator = random.Random(2024)
row, rows = noise(1, ROW), noise(2, 16 * ROW)
blocks = {name(t): random_blocks(t, generator) for t in DECODED}
json.dump(
    {
        'types': {t: [name(t), ggml.ggml_blck_size(t), ggml.ggml_type_size(t)] for t in range(43) if ggml.ggml_type_size(t) > 0},
        'decoded': {name(t): {'bytes': base(blocks[name(t)]), 'values': base(decode(t, blocks[name(t)]))} for t in DECODED},
        'manyBlocks': {name(t): hashlib.sha256(decode(t, many_blocks(t))).hexdigest() for t in CODEBOOKS},
        'encoded': {name(t): base(encode(t, row)) for t in SAME_BYTES},
        'squaredError': {name(t): error(t, rows) for t in SEARCHED},
        'weightedSquaredError': {name(t): error(t, rows, importances(ROW)) for t in SEARCHED_WITH_IMPORTANCE},
    },
    sys.stdout,
    indent=1,
)
