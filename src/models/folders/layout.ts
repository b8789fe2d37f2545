/** Families whose rotary layout of query and key rows is 'interleaved' in GGUF files and 'half' in folders. */

export const isInterleavedInGguf = (name: string): boolean => /^blk\.\d+\.attn_[qk]\./.test(name);
