/** Addresses of the control block. kernels/parts/control.ts defines the layout. */
export const CONTROL = 65536;
/** First address that programs may use. */
export const FIRST_FREE = CONTROL + 4096;
export const COMMAND_BYTES = 128;
export const CONTROL_WORDS = 20;

/** Words of the control block. */
export const word = {
  step: 0,
  phase: 2,
  program: 4,
  commands: 5,
  T: 6,
  positions: 7,
  R: 8,
  stop: 9,
  patient: 10,
  trace: 11,
  sequences: 12,
  count: 13,
  kv: 14,
  wide: 15,
  S: 16,
  pages: 17,
  oneStream: 18,
  failed: 19,
} as const;
