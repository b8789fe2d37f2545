/** Measures what quantizing loses, beside llama.cpp's own quantizer. See `about`. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compare, quantize } from '../src/compress/index.ts';
import { machineFacts } from './machine.ts';
import { checkTools, imatrix, quantize as quantizeByPeer } from './peers/llamaQuantize.ts';
import { writePermuted } from './shape/permuted.ts';

const about = `npx tsx bench/shape.ts [TYPE …] [options]

Quantizes a model to each type (default: Q4_0 Q4_K_M Q3_K_M Q2_K; "Q4_K_M:pure" is one format throughout, "Q4_K_M:like" is mixed bits
in as many bytes), by
\`espalier quantize --calibrate\` and by llama-quantize with an importance matrix of the same text (llama-imatrix), and measures the
KL divergence of both from the model, computed exactly (weights dequantized to F32). Evaluation text is never calibration text.

  --model FILE        source (default: the included model); its channels are permuted first, so that no block lies on the grid of
                      its own quantization
  --text FILE         its start calibrates, its last tenth is evaluated (default: TinyStories of ../shared/data)
  --calibrate FILE    another text for calibration
  --window N          tokens per window (default: 256)   --windows N   windows (default: 256)
  --tokens N          tokens to evaluate (default: 8448) --threads N   (default: 2)
The bars: at most 1 KiB more bytes than llama.cpp's, divergence at most 0.6 times (Q4_0), 0.7 times (others) llama.cpp's; 0.8 times
with --calibrate. The last line is JSON.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'models/sapling.gguf' },
    text: { type: 'string', default: '../shared/data/text/tinystories/tiny_stories-944k.txt' },
    calibrate: { type: 'string' },
    window: { type: 'string', default: '256' },
    windows: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '8448' },
    threads: { type: 'string', default: '2' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(about);
  process.exit();
}
checkTools();
const [window, windows, maxTokens, threads] = [values.window, values.windows, values.tokens, values.threads].map(
  Number,
) as [number, number, number, number];
const types = positionals.length > 0 ? positionals : ['Q4_0', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];
const stem = basename(values.model).replace(/\.gguf$/, '');
const folder = resolve('runs/shape', stem);
await mkdir(folder, { recursive: true });
const machine = await machineFacts(process.execPath);
console.log(
  Object.entries(machine)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n'),
);

const source = join(folder, 'permuted-f32.gguf');
if (!existsSync(source)) await writePermuted(values.model, source);
const text = await readFile(values.text, 'utf8');
const cut = Math.floor(0.9 * text.length);
const evaluated = text.slice(cut);
const calibrating = values.calibrate === undefined ? text.slice(0, cut) : await readFile(values.calibrate, 'utf8');
const calibrationFile = join(folder, 'calibration.txt');
await writeFile(calibrationFile, calibrating);
const matrix = join(folder, 'imatrix.gguf');
const matrixSeconds = await imatrix(source, calibrationFile, matrix, { window, windows, threads });

const bars = (type: string): number => (values.calibrate !== undefined ? 0.8 : /^Q4_0/.test(type) ? 0.6 : 0.7);
const rows = [];
for (const named of types) {
  const [type, way] = named.split(':') as [string, string | undefined];
  const pure = way === 'pure';
  const [ours, theirs] = ['espalier', 'llama'].map((who) => join(folder, `${who}-${named.replace(':', '-')}.gguf`)) as [
    string,
    string,
  ];
  const peerSeconds = await quantizeByPeer(source, theirs, { type, imatrix: matrix, pure, threads });
  const { seconds, tensors } = await quantize(source, ours, {
    ...(way === 'like' ? { like: type } : { type, pure }),
    calibration: { text: calibrating, window, windows },
    threads,
  });
  const options = { text: evaluated, context: window, maxTokens, exact: true, speed: false, threads };
  const [, mine, peer] = await compare(source, [ours, theirs], options);
  const ratio = mine!.kld!.mean / peer!.kld!.mean;
  const bytes = [(await stat(ours)).size, (await stat(theirs)).size] as const;
  const methods = new Map<string, number>();
  for (const { method } of tensors) methods.set(String(method), (methods.get(String(method)) ?? 0) + 1);
  const row = {
    type: named,
    tokens: mine!.tokens,
    bytes: bytes[0],
    moreBytes: bytes[0] - bytes[1],
    kld: mine!.kld!.mean,
    sigma: mine!.kld!.sigma,
    top1: mine!.top1,
    perplexityRatio: mine!.perplexityRatio,
    peerKld: peer!.kld!.mean,
    peerSigma: peer!.kld!.sigma,
    peerTop1: peer!.top1,
    ratio,
    bar: bars(type),
    isReached: ratio <= bars(type) && bytes[0] - bytes[1] <= 1024,
    seconds,
    peerSeconds: peerSeconds + matrixSeconds,
    methods: Object.fromEntries(methods),
  };
  rows.push(row);
  console.log(
    `${named.padEnd(12)} ${row.bytes} bytes (${row.moreBytes} more)  KLD ${row.kld.toExponential(3)} ± ${row.sigma.toExponential(1)}, ` +
      `llama.cpp ${row.peerKld.toExponential(3)}: ${ratio.toFixed(3)} × (bar ${row.bar}) ${row.isReached ? 'reached' : 'MISSED'}, ` +
      `${seconds.toFixed(0)} s, llama.cpp ${row.peerSeconds.toFixed(0)} s`,
  );
}
console.log(JSON.stringify({ machine, model: stem, window, windows, calibrate: values.calibrate, rows }));
