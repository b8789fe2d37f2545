/** Families whose GGUF files have the rows of queries and keys in the 'interleaved' rotary layout, their folders in 'half'. */

export const isInterleavedInGguf = (name: string): boolean => /^blk\.\d+\.attn_[qk]\./.test(name);
