/**
 * The scales s and mins m of Q4_K's and Q5_K's eight sub-blocks, 6 bits each, in 12 bytes.
 *
 *     bytes 0..3,  byte i: [ s(4+i) high 2 ][ s(i), 6 bits   ]
 *     bytes 4..7,  byte i: [ m(4+i) high 2 ][ m(i), 6 bits   ]
 *     bytes 8..11, byte i: [ m(4+i) low 4  ][ s(4+i), low 4  ]
 */

/** @param at first of the 12 bytes, @param j sub-block 0..7 */
export function readScale(from: Uint8Array, at: number, j: number): number {
  if (j < 4) return from[at + j] & 63;
  return (from[at + 4 + j] & 15) | ((from[at + j - 4] >> 6) << 4);
}

/** @param at first of the 12 bytes, @param j sub-block 0..7 */
export function readMin(from: Uint8Array, at: number, j: number): number {
  if (j < 4) return from[at + 4 + j] & 63;
  return (from[at + 4 + j] >> 4) | ((from[at + j] >> 6) << 4);
}

/** @param at first of the 12 bytes, @param scales, mins integers 0..63 */
export function writeScalesAndMins(to: Uint8Array, at: number, scales: Int8Array, mins: Int8Array): void {
  for (let i = 0; i < 4; i++) {
    to[at + i] = scales[i] | ((scales[4 + i] >> 4) << 6);
    to[at + 4 + i] = mins[i] | ((mins[4 + i] >> 4) << 6);
    to[at + 8 + i] = (scales[4 + i] & 15) | ((mins[4 + i] & 15) << 4);
  }
}
