/**
 * Adam (Kingma and Ba 2015) for parameters that keep their magnitude: a step is the learning rate times the parameter's first
 * absolute value. A parameter that is 0 stays so.
 */
const [BETA1, BETA2, EPSILON] = [0.9, 0.99, 1e-12];

export class RelativeAdam {
  readonly #values: Float32Array;
  readonly #size: Float32Array;
  readonly #m: Float32Array;
  readonly #v: Float32Array;
  #step = 0;

  /** @param values changed in place @param common true: all parameters have the mean magnitude, as gains and biases do */
  constructor(values: Float32Array, common: boolean) {
    this.#values = values;
    const mean = values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
    this.#size = values.map((value) => (common ? mean : Math.abs(value)));
    this.#m = new Float32Array(values.length);
    this.#v = new Float32Array(values.length);
  }

  update(gradient: Float32Array, rate: number): void {
    this.#step++;
    const [one, two] = [1 - BETA1 ** this.#step, 1 - BETA2 ** this.#step];
    for (let i = 0; i < gradient.length; i++) {
      const size = this.#size[i];
      if (size === 0) continue;
      // the gradient with respect to the relative change
      const g = gradient[i] * size;
      this.#m[i] = BETA1 * this.#m[i] + (1 - BETA1) * g;
      this.#v[i] = BETA2 * this.#v[i] + (1 - BETA2) * g * g;
      this.#values[i] -= (rate * size * (this.#m[i] / one)) / (Math.sqrt(this.#v[i] / two) + EPSILON);
    }
  }
}
