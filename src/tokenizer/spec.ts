/** Everything a tokenizer is made of, whatever file it came from. Filled in by `formats/`. */
export interface TokenizerSpec {
  /** 'bpe': byte-level BPE with merges. 'spm': SentencePiece-style BPE by scores, with byte fallback. */
  readonly kind: 'bpe' | 'spm';
}
