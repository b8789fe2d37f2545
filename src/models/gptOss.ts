/** gpt-oss: attention sinks, every second layer local, experts with a clamped activation and biases. OpenAI 2025 (arXiv 2508.10925). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const gptOss: Architecture = {
  name: 'gpt-oss',
  models: 'gpt-oss',
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: 2, required: !model.fromFolder });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localScaling: true }),
    );
    return {
      feedForwardNorm: () => 'post_attention_norm',
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        sinks: true,
      },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, {
        activation: 'swigluOai',
        gating: 'softmaxOfChosen',
        normalize: false,
        bias: 'optional',
      }),
      tied: false,
    };
  }),
};
