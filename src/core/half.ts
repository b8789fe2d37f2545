/** Conversion between f32, half floats (IEEE 754 binary16) and bfloat16. */

const bits = new DataView(new ArrayBuffer(4));

/** Values of all half floats: looking one up takes a tenth of the time of computing it. Filled at the first use. */
let floats: Float32Array | undefined;

/** Converts binary16 to a number. @param half 0 … 0xffff */
export function halfToFloat(half: number): number {
  floats ??= Float32Array.from({ length: 65_536 }, (_, each) => computed(each));
  return floats[half];
}

function computed(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** Converts a number to binary16, rounding to nearest even. Values beyond 65504 become infinity. */
export function floatToHalf(value: number): number {
  bits.setFloat32(0, value);
  const x = bits.getUint32(0);
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // subnormal half: a multiple of 2^-24
    bits.setUint32(0, magnitude);
    return sign | roundHalfEven(bits.getFloat32(0) * 2 ** 24);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Converts bfloat16 to a number. */
export function bfloat16ToFloat(value: number): number {
  bits.setUint32(0, value << 16);
  return bits.getFloat32(0);
}

/** Converts a number to bfloat16, rounding to nearest even. */
export function floatToBfloat16(value: number): number {
  bits.setFloat32(0, value);
  const x = bits.getUint32(0);
  if ((x & 0x7fffffff) > 0x7f800000) return (x >>> 16) | 0x40;
  return ((x + 0x7fff + ((x >>> 16) & 1)) >>> 16) & 0xffff;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}
