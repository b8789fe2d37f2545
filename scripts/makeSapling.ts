/**
 * Makes the model that ships with Espalier, on two cores in less than two hours; run again, it goes on where it was cut.
 *
 *   npx tsx scripts/makeSapling.ts [--shared ../shared/data] [--threads 2]
 *
 * Its teacher writes conversations with itself; stories are told in conversations too; then recipes/sapling/sapling.json
 * trains on both and on what the teacher thinks of every token. Everything is kept in runs/sapling. At the end the model
 * and its card are written to models/.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/formats/open.ts';
import { load } from '../src/index.ts';
import { checkpointFolder } from '../src/train/checkpoint/folder.node.ts';
import { generateCorpus, type LogLine, readRecipe, train } from '../src/train/index.ts';
import { writeModel } from '../src/train/result.ts';
import { modelCard } from './sapling/card.ts';
import { toldStories } from './sapling/toldStories.ts';

const TALKS = 8192;
const SEPARATOR = '~~~~';
const runs = 'runs/sapling';
const recipePath = 'recipes/sapling/sapling.json';

const { values } = parseArgs({
  options: { shared: { type: 'string', default: '../shared/data' }, threads: { type: 'string', default: '2' } },
});
const threads = Number(values.threads);
const path = (name: string) => `${values.shared}/${name}`;
const teacher = path('weights/chat-3m');
const stories = path('text/tinystories/tiny_stories-944k.txt');
const chats = path('text/chat/soda-tinystories-chat_val.txt');

await mkdir(runs, { recursive: true });

const writer = await load(teacher, { threads });
await generateCorpus(writer, {
  prompts: ['User:'],
  follow: ['\nBot:', '<|endoftext|>\nUser:'],
  parts: 4,
  stop: '\n',
  tokens: 120,
  // a little below what the teacher is, as its own worst guesses are not what it should go on from
  temperature: 0.9,
  separator: SEPARATOR,
  batch: 256,
  count: TALKS,
  output: `${runs}/talks.txt`,
  onProgress: ({ texts, count }) => console.log(`${texts} of ${count} conversations`),
});
writer.dispose();

await writeFile(`${runs}/told.txt`, toldStories(await readFile(stories, 'utf8')).join(`\n${SEPARATOR}\n`));

const onLine = (line: LogLine) => {
  if (line.kind === 'step' && line.step % 100 === 0) console.log(`step ${line.step}: loss ${line.loss.toFixed(3)}`);
  if (line.kind === 'evaluation') console.log(`step ${line.step}: held-out loss ${line.loss.toFixed(4)}`);
};
const { output, parameters } = await train(recipePath, { threads, resume: true, onLine });

const folder = checkpointFolder('models');
const { recipe } = await readRecipe(recipePath);
const checkpoint = await openCheckpoint(output);
await writeModel(
  folder,
  'sapling-Q8_0.gguf',
  { ...recipe, output: { ...recipe.output, format: 'Q8_0' } },
  { checkpoint, weight: () => undefined },
);
await checkpoint.close();
const model = 'models/sapling-Q8_0.gguf';
await writeFile(
  'models/README.md',
  await modelCard({ model, teacher, chats: await readFile(chats, 'utf8'), parameters }),
);
