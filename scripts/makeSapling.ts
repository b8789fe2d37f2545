/**
 * Makes the model that ships with Espalier, in less than two hours on two cores. An interrupted run continues where it stopped.
 *
 *   npx tsx scripts/makeSapling.ts [--threads 2]
 *
 * It reads ../shared/data, as the recipe does.
 * 1. The teacher writes conversations with itself. Stories become conversations too.
 * 2. The teacher's tokenizer is reduced, and its GPT-Neo weights are converted to a Llama.
 * 3. recipes/sapling/sapling.json trains the result on both texts and on the teacher's distributions.
 * Intermediate files are in runs/sapling. The model and its card are written to models/.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { openCheckpoint } from '../src/formats/open.ts';
import { load } from '../src/index.ts';
import { createTokenizer } from '../src/tokenizer/tokenizer.ts';
import { shrinkBpe } from '../src/tokenizer/training/shrinkBpe.ts';
import { checkpointFolder } from '../src/train/checkpoint/folder.node.ts';
import { generateCorpus, type LogLine, readRecipe, train } from '../src/train/index.ts';
import { writeModel } from '../src/train/result.ts';
import { asLlama } from './sapling/asLlama.ts';
import { modelCard } from './sapling/card.ts';
import { toldStories } from './sapling/toldStories.ts';

const TALKS = 12_288;
const TOKENS = 5120;
/** Number of conversations used to measure the teacher's residual stream. */
const SEEN = 1200;
const SEPARATOR = '~~~~';
const FORMAT = 'Q4_K';
const runs = 'runs/sapling';
const recipePath = 'recipes/sapling/sapling.json';

const shared = '../shared/data';
const teacher = `${shared}/weights/chat-3m`;
const stories = `${shared}/text/tinystories/tiny_stories-944k.txt`;
const chats = `${shared}/text/chat/soda-tinystories-chat_val.txt`;
const folder = checkpointFolder(runs);

const { values } = parseArgs({ options: { threads: { type: 'string', default: '2' } } });
const threads = Number(values.threads);
await mkdir(runs, { recursive: true });

const writer = await load(teacher, { threads });
await generateCorpus(writer, {
  prompts: ['User:'],
  turnPrefixes: ['\nBot:', '<|endoftext|>\nUser:'],
  maxTurns: 6,
  stop: '\n',
  maxTokens: 200,
  // slightly below 1, so that the conversation does not continue from unlikely tokens
  temperature: 0.9,
  separator: SEPARATOR,
  batch: 256,
  count: TALKS,
  output: `${runs}/talks.txt`,
  onProgress: ({ texts, count }) => console.log(`${texts} of ${count} conversations`),
});
writer.dispose();
const talks = (await readFile(`${runs}/talks.txt`, 'utf8')).split(`\n${SEPARATOR}\n`).filter((talk) => talk !== '');
const told = await readFile(stories, 'utf8');
await writeFile(`${runs}/told.txt`, toldStories(told).join(`\n${SEPARATOR}\n`));

if (!(await folder.list()).includes('start.gguf')) {
  const checkpoint = await openCheckpoint(teacher);
  const tokenizer = await shrinkBpe(checkpoint.tokenizer!, [...talks, told], { size: TOKENS });
  const { encode } = createTokenizer(checkpoint.tokenizer!);
  const texts = talks.slice(0, SEEN).map((talk) => encode(`${talk}<|endoftext|>`, { addBos: false }).slice(0, 256));
  const contents = await asLlama(checkpoint, { tokenizer, texts, threads });
  await checkpoint.close();
  await folder.replace('start.gguf', (sink) => writeGguf(sink, contents));
}

const onLine = (line: LogLine) => {
  if (line.kind === 'step' && line.step % 100 === 0) console.log(`step ${line.step}: loss ${line.loss.toFixed(3)}`);
  if (line.kind === 'evaluation') console.log(`step ${line.step}: held-out loss ${line.loss.toFixed(4)}`);
};
const { output, parameters } = await train(recipePath, { threads, resume: true, onLine });

const { recipe } = await readRecipe(recipePath);
const checkpoint = await openCheckpoint(output);
const model = 'sapling.gguf';
await writeModel(
  checkpointFolder('models'),
  model,
  { ...recipe, output: { ...recipe.output, format: FORMAT } },
  { checkpoint, weight: () => undefined },
);
await checkpoint.close();
const card = await modelCard({
  ...{ model: `models/${model}`, teacher, chats: await readFile(chats, 'utf8') },
  ...{ parameters, format: FORMAT, talks: TALKS, tokens: TOKENS },
});
await writeFile('models/README.md', card);
