/** Measures what making a model smaller costs. See `about`. */
import { parseArgs } from 'node:util';
import { machineFacts } from './machine.ts';
import { benchAutoRound } from './shape/autoRound.ts';
import { benchLoads } from './shape/loads.ts';
import { benchMixedBits } from './shape/mixedBits.ts';
import { benchQuality } from './shape/quality.ts';
import { benchRepeat } from './shape/repeat.ts';
import { benchRotate } from './shape/rotate.ts';
import { Setting } from './shape/setting.ts';
import { benchSparsity } from './shape/sparsity.ts';
import { benchStructured } from './shape/structured.ts';
import { benchCalibration, benchSpeed } from './shape/times.ts';

const about = `npx tsx bench/shape.ts [TYPE …] [--only PART] [options]

Parts:
  quality   KL divergence of quantized files beside llama.cpp's with an importance matrix of the same text, at the same bytes.
            Types (default: Q4_0 Q4_K_M Q3_K_M Q2_K); "Q4_K_M:pure" is one format throughout. Bars: 0.6 × (Q4_0), 0.7 × (others);
            0.8 × with --calibrate
  tuned     the same with scales that are trained afterwards (--steps), or the weights behind the integers (--weights). Bar: 0.45 ×
  autoround  quality with trained scales (--steps) beside AutoRound's files (--python FILE with auto-round, --iterations of its
            rounding; default: 200). Types (default: Q4_0 Q4_K_M Q3_K_M Q2_K_S). Bar: 1.0 ×
  mixed     mixed bits at the bytes of a type: the share of the way to the next larger one. Bar: 45%
  sparsity  Wanda and SparseGPT beside magnitude pruning. Bars: the papers' ratios, which need a model of their kind; with --python FILE that
            has llmcompressor: the ratios of its files
  structured  fewer neurons and heads (--keep-neurons, --keep-heads), and fewer blocks, recovered by --steps of distillation.
            Bars: −15% time, +3% loss
  rotate    pure types with and without a rotated residual stream, plain and with calibration. Types (default: Q4_0 Q3_K_M Q2_K).
            Bar: less divergence
  repeat    the same recipe twice, and killed and resumed: the same bytes (needs npm run prepare)
  loads     every kind of file in llama.cpp (npm ci --prefix bench/peers): it loads, and has our distribution. Names of kinds limit it
  speed     a 1B F16 file beside llama-quantize. Types (default: Q4_0, plain; Q3_K_M and Q4_K_M by importance). Bars: 0.8, 1.5 ×
  solve     OBS on --layers blocks of a 0.5B model with 128 × 512 tokens. Bars: 30 minutes, 3 GB
The KL divergence of a file is computed exactly (weights dequantized to F32), on text that is not the calibration text.

  --model FILE        source (default: the included model); its channels are permuted first, so that no block lies on the grid of
                      its own quantization
  --text FILE         its start calibrates, its last tenth is evaluated (default: TinyStories of ../shared/data)
  --calibrate FILE    another text for calibration
  --window N          tokens per window (default: 256)   --windows N   windows (default: 256)
  --tokens N          tokens to evaluate (default: 8448) --threads N   (default: 2)
  --steps N           updates of tuned, autoround and structured (default: 195, which is 199,680 tokens)
  --keep-neurons SHARE  (default: 0.875)                 --keep-heads SHARE  (default: 0.75)
  --rate N            learning rate of structured (default: 0.0003)
  --layers N          (default: 2)                       --rounds N    of speed (default: 2)
  --kills N           of repeat (default: 4)
Files that a run has made in runs/shape are not made again: remove them to measure anew. The last line is JSON.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: 'quality' },
    model: { type: 'string', default: 'models/sapling.gguf' },
    text: { type: 'string', default: '../shared/data/text/tinystories/tiny_stories-944k.txt' },
    calibrate: { type: 'string' },
    window: { type: 'string', default: '256' },
    windows: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '8448' },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: '195' },
    weights: { type: 'boolean' },
    'keep-neurons': { type: 'string', default: '0.875' },
    'keep-heads': { type: 'string', default: '0.75' },
    rate: { type: 'string', default: '0.0003' },
    layers: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '2' },
    kills: { type: 'string', default: '4' },
    python: { type: 'string' },
    iterations: { type: 'string', default: '200' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(about);
  process.exit();
}
const number = (
  name: 'window' | 'windows' | 'tokens' | 'threads' | 'steps' | 'layers' | 'rounds' | 'kills' | 'iterations',
) => Number(values[name]);
const threads = number('threads');
const setting = () =>
  Setting.create({
    ...{ model: values.model, text: values.text, calibrate: values.calibrate, threads },
    ...{ window: number('window'), windows: number('windows'), tokens: number('tokens') },
  });
const types = positionals.length > 0 ? positionals : ['Q4_0', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];

const parts: Readonly<Record<string, () => Promise<object>>> = {
  quality: async () => benchQuality(await setting(), types),
  tuned: async () => benchQuality(await setting(), types, number('steps'), values.weights ? 'weights' : 'scales'),
  autoround: async () => {
    const wanted = positionals.length > 0 ? positionals : ['Q4_0', 'Q4_K_M', 'Q3_K_M', 'Q2_K_S'];
    return benchAutoRound(await setting(), wanted, values.python ?? 'python3', number('iterations'), number('steps'));
  },
  mixed: async () => benchMixedBits(await setting(), positionals),
  sparsity: async () => benchSparsity(await setting(), values.python),
  structured: async () =>
    benchStructured(
      await setting(),
      { keepNeurons: Number(values['keep-neurons']), keepHeads: Number(values['keep-heads']) },
      number('steps'),
      Number(values.rate),
    ),
  rotate: async () => benchRotate(await setting(), positionals.length > 0 ? positionals : ['Q4_0', 'Q3_K_M', 'Q2_K']),
  repeat: async () => benchRepeat(await setting(), number('kills')),
  loads: async () => benchLoads(await setting(), positionals),
  speed: () => benchSpeed(positionals, threads, number('rounds')),
  solve: () => benchCalibration(values.text, number('layers'), threads),
};
const run = parts[values.only];
if (!run) throw new Error(`there is no part ${values.only}: ${Object.keys(parts).join(', ')}`);
const machine = await machineFacts(process.execPath);
console.log(
  Object.entries(machine)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n'),
);
const found = await run();
console.log(JSON.stringify({ machine, part: values.only, options: values, found }));
