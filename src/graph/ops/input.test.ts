import { describe, expect, it } from 'vitest';
import { Graph, type Value } from '../graph.ts';
import { input, inputValues, isInput } from './input.ts';

const registers = { T: 4, P: 0, R: 3, S: 4 };

function numbersOf(node: Value, given: Parameters<typeof inputValues>[1]) {
  if (!isInput(node)) throw new TypeError('no input');
  return inputValues(node, given, registers);
}

describe('inputValues', () => {
  const targets = input(new Graph(), 'targets', 'R', 2, 'i32');
  const weights = input(new Graph(), 'weights', 1, 5, 'f32');

  it('returns the numbers of the step', () => {
    const values = new Int32Array(6);
    expect(numbersOf(targets, { targets: values })).toBe(values);
    expect(numbersOf(weights, { targets: values, weights: new Float32Array(5) })).toHaveLength(5);
  });

  it.each([
    ['no inputs', undefined, 'inputs.targets is missing, expected an Int32Array of 3 × 2'],
    ['other inputs only', { weights: new Float32Array(6) }, 'inputs.targets is missing'],
    [
      'floats instead of integers',
      { targets: new Float32Array(6) },
      'inputs.targets is a Float32Array, expected an Int32Array of 3 × 2',
    ],
    ['too few numbers', { targets: new Int32Array(5) }, 'inputs.targets is 5 numbers, expected an Int32Array of 3 × 2'],
  ])('throws if the step has %s', (_, given, message) => {
    expect(() => numbersOf(targets, given)).toThrow(message);
  });
});
