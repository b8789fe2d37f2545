/** The figures of inference, with the required ratios. To add one, add an entry. */
import { blockFormats } from '../src/tensor/formats.ts';
import { espalierInChromium, wllama } from './chromium.ts';
import type { Figure } from './contest.ts';
import { espalier, memory, memoryBudget, native, onModel, withoutRelaxedSimd } from './engines.ts';
import { type Inference, inference } from './inference.ts';
import { quarterModel, randomModel, stories } from './models.ts';

const one = espalier(1);
const two = espalier(2);
const either = [one, two];
const llamaCpp = [native(1), native(2)];
const anyMemory = [memory(1), memory(2)];
const baseline = withoutRelaxedSimd(2);
const page = espalierInChromium(2);
const lonePage = espalierInChromium(1);
const peerPage = wllama(2);
const budget = memoryBudget(150e6);

const usual = { prefill: 256, decode: 48, runs: 3 };
const large4 = inference(randomModel('1b', 'Q4_0'), usual);
const largeK = inference(randomModel('1b', 'Q4_K'), usual);
const large8 = inference(randomModel('1b', 'Q8_0'), usual);
const small4 = inference(randomModel('135m', 'Q4_0'), usual);
const smallK = inference(randomModel('135m', 'Q4_K'), usual);
const small8 = inference(randomModel('135m', 'Q8_0'), usual);
const longContext = inference(small4.model, { prefill: 1800, decode: 48, runs: 1 });
const tiny = inference(stories, { prefill: 16, decode: 240, runs: 5 });
const inPage = inference(small4.model, { prefill: 256, decode: 48, runs: 1 });

/** The format that all others are compared with. */
const yardstick = onModel(two, quarterModel('Q4_0'));

const decoding = { reading: 'decodeTokensPerSecond', against: llamaCpp } as const;
const prefilling = { reading: 'prefillTokensPerSecond', against: llamaCpp } as const;

/** Names start with what is measured, so that figures can be selected by prefix. */
export const figures: readonly Figure<Inference>[] = [
  figure('decode-1b-q4_0', 'decode', large4, { ...decoding, ours: [two], must: { atLeast: 1.1 }, aim: 1.5 }),
  figure('decode-1b-q4_k', 'decode', largeK, { ...decoding, ours: [two], must: { atLeast: 1.05 }, aim: 1.5 }),
  figure('decode-1b-q8_0', 'decode', large8, { ...decoding, ours: [two], must: { atLeast: 1.05 }, aim: 1.5 }),
  figure('decode-135m-q4_0', 'decode', small4, { ...decoding, ours: either, must: { atLeast: 1.2 }, aim: 1.6 }),
  figure('decode-135m-q8_0', 'decode', small8, { ...decoding, ours: either, must: { atLeast: 1.1 }, aim: 1.6 }),
  figure('decode-stories260k', 'decode', tiny, { ...decoding, ours: either, must: { atLeast: 3 }, aim: 8 }),
  figure('decode-1800-135m-q4_0', 'decode after 1,800 tokens', longContext, {
    ...decoding,
    ours: either,
    must: { atLeast: 1 },
    aim: 1.5,
  }),
  figure('prefill-1b-q4_0', 'prefill', large4, { ...prefilling, ours: [two], must: { atLeast: 0.45 }, aim: 0.7 }),
  figure('prefill-1b-q4_k', 'prefill', largeK, { ...prefilling, ours: [two], must: { atLeast: 0.45 }, aim: 0.7 }),
  figure('prefill-1b-q8_0', 'prefill', large8, { ...prefilling, ours: [two], must: { atLeast: 0.45 }, aim: 0.7 }),
  figure('prefill-135m-q4_0', 'prefill', small4, { ...prefilling, ours: either, must: { atLeast: 0.5 }, aim: 0.7 }),
  figure('prefill-135m-q4_k', 'prefill', smallK, { ...prefilling, ours: either, must: { atLeast: 0.45 }, aim: 0.7 }),
  figure('prefill-135m-q8_0', 'prefill', small8, { ...prefilling, ours: either, must: { atLeast: 0.45 }, aim: 0.7 }),
  figure('load-1b-q4_0', 'load from the page cache', large4, {
    reading: 'loadSeconds',
    ours: [two],
    against: llamaCpp,
    must: { atMost: 1 },
    aim: 0.6,
  }),
  figure('memory-1b-q4_0', 'peak memory', large4, {
    reading: 'peakMemoryBytes',
    ours: [two],
    against: [budget],
    must: { atMost: 1 },
  }),
  figure('bandwidth-1b-q4_0', 'weights read in decode', large4, {
    reading: 'weightBytesPerSecond',
    ours: [two],
    against: anyMemory,
    must: { atLeast: 0.65 },
    aim: 0.85,
  }),
  figure('baseline-decode-135m-q4_0', 'decode without relaxed SIMD', small4, {
    reading: 'decodeTokensPerSecond',
    ours: [baseline],
    against: [two],
    must: { atLeast: 0.5 },
  }),
  figure('baseline-prefill-135m-q4_0', 'prefill without relaxed SIMD', small4, {
    reading: 'prefillTokensPerSecond',
    ours: [baseline],
    against: [two],
    must: { atLeast: 0.5 },
  }),
  figure('chromium-decode-135m-q4_0', 'decode in Chromium', inPage, {
    reading: 'decodeTokensPerSecond',
    ours: [page],
    against: [peerPage],
    must: { atLeast: 8 },
    aim: 12,
  }),
  figure('chromium-prefill-135m-q4_0', 'prefill in Chromium', inPage, {
    reading: 'prefillTokensPerSecond',
    ours: [page],
    against: [peerPage],
    must: { atLeast: 12 },
    aim: 20,
  }),
  figure('lone-decode-135m-q4_0', 'decode in Chromium without isolation', inPage, {
    reading: 'decodeTokensPerSecond',
    ours: [lonePage],
    against: [page],
    must: { atLeast: 0.5 },
  }),
  figure('lone-prefill-135m-q4_0', 'prefill in Chromium without isolation', inPage, {
    reading: 'prefillTokensPerSecond',
    ours: [lonePage],
    against: [page],
    must: { atLeast: 0.5 },
  }),
  ...blockFormats
    .filter(({ name, decodeOnly }) => name !== 'Q4_0' && !decodeOnly)
    .map(({ name }) => {
      const contest = inference(quarterModel(name), { prefill: 16, decode: 32, runs: 3 });
      return figure(`formats-${name.toLowerCase()}`, 'weights read in decode', contest, {
        reading: 'weightBytesPerSecond',
        ours: [two],
        against: [yardstick],
        must: { atLeast: 0.7 },
      });
    }),
];

type Rest = Omit<Figure<Inference>, 'name' | 'title' | 'contest'>;

function figure(name: string, title: string, contest: Inference, rest: Rest): Figure<Inference> {
  return { name, title: `${title}, ${contest.title}`, contest, ...rest };
}
