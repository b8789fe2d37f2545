/** Apertus: norms on heads, xIELU without a gate. Apertus team 2025 (arXiv 2509.14233). */

import { xielu } from '../graph/ops/xielu.ts';
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const apertus: Architecture = {
  name: 'apertus',
  models: 'Apertus',
  build: decoder((model, { headSize, layers }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'both' });
    const [positive, negative, beta, epsilon] = ['alpha_p', 'alpha_n', 'beta', 'eps'].map((key) =>
      model.metadata.globalNumbers(`xielu.${key}`, layers),
    ) as [number[], number[], number[], number[]];
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' } } },
      feedForward: {
        activation: (x, layer, label) =>
          xielu(
            x,
            {
              positive: softplus(positive[layer]),
              negative: beta[layer] + softplus(negative[layer]),
              beta: beta[layer],
              epsilon: epsilon[layer],
            },
            label,
          ),
        gated: false,
      },
      tied: false,
    };
  }),
};

const softplus = (x: number): number => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x);
