/** Writes the card of the model that ships with Espalier, with samples. */
import { stat } from 'node:fs/promises';
import { evaluateText, type GenerateOptions, load, type Model, type Prompt } from '../../src/index.ts';

const greetings = [
  'Hello!',
  'Hey, how are you?',
  'What are you doing today?',
  "I'm so tired. I worked all day.",
  'I lost my dog today.',
  'Can you help me with my homework?',
  "It's my birthday today!",
  'What do you like to eat?',
  'Thank you so much for your help.',
  'I have to go now. See you tomorrow!',
];

const openings = [
  'Once upon a time, there was a little girl named Lily.',
  'Once upon a time, there was a big dog who',
  'One day, a boy named Tim found a red ball',
  'Lily and Ben are friends. They like to play in the park.',
  'There was a little bird who wanted to',
];

/** Stories are sampled, because greedy decoding repeats itself in long texts. */
const STORIES = { temperature: 0.6, seed: 1 };

export interface CardParts {
  /** Paths of the model and its teacher. */
  readonly model: string;
  readonly teacher: string;
  /** Held-out conversations for the evaluation. */
  readonly chats: string;
  readonly parameters: number;
  readonly format: string;
  /** Facts about the training. */
  readonly talks: number;
  readonly tokens: number;
}

export async function modelCard(made: CardParts): Promise<string> {
  const { model: path, teacher, chats } = made;
  const replies = async (model: Model): Promise<number> => {
    const parts = { after: 'Bot:', until: '<|endoftext|>' };
    return (await evaluateText(model, chats, { context: 256, separator: '\n\n', parts })).bitsPerByte;
  };
  const taughtBy = await load(teacher);
  const taught = await replies(taughtBy);
  taughtBy.dispose();
  const model = await load(path);
  const own = await replies(model);
  const talks: string[] = [];
  for (const content of greetings)
    talks.push(`> **${content}**<br>\n> ${await said(model, [{ role: 'user', content }], { temperature: 0 })}`);
  const stories: string[] = [];
  for (const opening of openings)
    stories.push(`> **${opening}**${await said(model, opening, STORIES)}`.replaceAll(/\n+/g, '\n>\n> '));
  model.dispose();
  const { size } = await stat(path);
  return card(made, { size, own, taught, replies: talks, stories });
}

async function said(model: Model, prompt: Prompt, options: GenerateOptions): Promise<string> {
  const session = model.session();
  const { text } = await session.generate(prompt, { maxTokens: 220, ...options }).result;
  session.dispose();
  return typeof prompt === 'string' ? text : text.trim();
}

interface Found {
  readonly size: number;
  /** Bits per byte of the replies. */
  readonly own: number;
  readonly taught: number;
  readonly replies: readonly string[];
  readonly stories: readonly string[];
}

function card(
  { parameters, format, talks, tokens }: CardParts,
  { size, own, taught, replies, stories }: Found,
): string {
  const count = (value: number) => value.toLocaleString('en-US');
  return `# Sapling

The small model that ships with Espalier, so that there is something to run without a network. It makes small talk and
tells small stories in English, and nothing else. [sapling.gguf](sapling.gguf), ${count(size)} bytes.

| | |
|---|---|
| architecture | llama with biases: 8 layers, width 256, 16 heads of 16, feed-forward 512, tied embedding |
| parameters | ${count(parameters)}, in ${format} |
| tokenizer | byte-level BPE of ${count(tokens)} tokens, the most useful ones of its teacher's 14,019 |
| context | 256 tokens |
| prompt format | \`User: …\\nBot: …<|endoftext|>\`, in its chat template |

## How it was made

\`npx tsx scripts/makeSapling.ts\`, on two cores, makes it. Its teacher, chat-3m (a GPT-Neo of 3 million parameters), writes
${count(talks)} conversations with itself, and stories of TinyStories become answers to requests. The starting point is the teacher
converted to a Llama of twice the width (\`scripts/sapling/asLlama.ts\`): layer norms become RMS norms, and learned
positions become rotary ones. Then [recipes/sapling/sapling.json](../recipes/sapling/sapling.json)
trains it on the teacher's next-token distributions (forward KL divergence) for the replies and TinyStories, and on the told
stories as written.

Bits per byte of the bot's replies in held-out conversations (SODA; 772 documents, never trained on; \`espalier eval
models/sapling.gguf --text … --separator '"\\n\\n"' --after Bot: --until '<|endoftext|>' --context 256\`):
**${own.toFixed(4)}**; its teacher: **${taught.toFixed(4)}**: ${(own / taught).toFixed(3)} times as many.

## What it can and cannot do

It usually gives a fitting answer to one or two sentences of everyday talk, and continues a children's story for some
paragraphs. It knows nothing about the world. It cannot count, reason or follow instructions, forgets names within a few
sentences, and makes grammar mistakes. It was not trained to be safe or correct: do not let it advise anybody. It is for
trying Espalier, and for tests.

The samples below are unedited and were not selected. Replies are decoded greedily; stories are sampled at temperature ${STORIES.temperature} (seed ${STORIES.seed}).

### Ten replies

${replies.join('\n\n')}

### Five stories

${stories.join('\n\n')}

## Licences and notices

The weights are under the licence of this repository. The training data:

- **chat-3m**, the chat model of therezor/cardputer-ai, MIT. It was fine-tuned from roneneldan/TinyStories-Instruct-3M (Eldan
  and Li 2023, arXiv:2305.07759) on part of **SODA** (Kim et al. 2022, arXiv:2212.10465, CC BY 4.0) and on
  TinyStoriesInstruct (CDLA-Sharing-1.0). Its vocabulary is part of GPT-2's (OpenAI, MIT).
- **TinyStories** (CDLA-Sharing-1.0, which does not restrict results such as trained models): a sample of 944 kB.
`;
}
