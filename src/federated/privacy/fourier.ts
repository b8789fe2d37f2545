/** Fast Fourier transform of complex numbers (Cooley and Tukey, radix 2). */

export interface ComplexArray {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}

/** Transforms in place, without scaling. @param inverse n times the inverse transform */
export function fourierTransform({ real, imaginary }: ComplexArray, inverse = false): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  const { cosines, sines } = roots(n);
  for (let half = 1; half < n; half *= 2) {
    const stride = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const cosine = cosines[k * stride];
        const sine = inverse ? -sines[k * stride] : sines[k * stride];
        const [a, b] = [start + k, start + k + half];
        const re = real[b] * cosine - imaginary[b] * sine;
        const im = real[b] * sine + imaginary[b] * cosine;
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}

/** e^(−2πik/n) for k below n / 2. */
function roots(n: number): { readonly cosines: Float64Array; readonly sines: Float64Array } {
  const cosines = new Float64Array(n >> 1);
  const sines = new Float64Array(n >> 1);
  for (let k = 0; k < n >> 1; k++) {
    cosines[k] = Math.cos((2 * Math.PI * k) / n);
    sines[k] = -Math.sin((2 * Math.PI * k) / n);
  }
  return { cosines, sines };
}
