/** The card of the model that ships with Espalier: what it is, and what it says, asked when it was made. */
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

/** Always the likeliest token goes in circles in a long text. */
const STORIES = { temperature: 0.6, seed: 1 };

export interface CardParts {
  /** Paths. */
  readonly model: string;
  readonly teacher: string;
  /** Conversations to judge both on. */
  readonly chats: string;
  readonly parameters: number;
  readonly format: string;
  /** What it learned from, and with. */
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
  /** Bits per byte of replies. */
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

The model that ships with Espalier, so that there is something to run where there is no network: it holds small talk and
tells small stories, in English, and nothing else. [sapling.gguf](sapling.gguf), ${count(size)} bytes.

| | |
|---|---|
| architecture | llama with biases: 8 layers, width 256, 16 heads of 16, feed-forward 512, tied embedding |
| parameters | ${count(parameters)}, in ${format} |
| tokenizer | its own byte-level BPE of ${count(tokens)} tokens, those of its teacher's 14,019 that its texts need most |
| context | 256 tokens |
| form | \`User: …\\nBot: …<|endoftext|>\`, in its chat template |

## How it was made

\`npx tsx scripts/makeSapling.ts\`, on two cores: its teacher, chat-3m (a GPT-Neo of 3 million parameters), writes
${count(talks)} conversations with itself; stories of TinyStories are told in answer to requests. The teacher, put in Llama's
terms (\`scripts/sapling/asLlama.ts\`), is what it begins as: layer norms become RMS norms, learned positions turns, the
rest of twice the width is there to be learned. Then [recipes/sapling/sapling.json](../recipes/sapling/sapling.json)
trains it on the replies and on TinyStories, on what the teacher thinks of every next token (forward KL divergence), and on
told stories as they are.

Bits per byte over the bot's replies of held-out conversations (SODA; 772 documents, never trained on; \`espalier eval
models/sapling.gguf --text … --separator '"\\n\\n"' --after Bot: --until '<|endoftext|>' --context 256\`):
**${own.toFixed(4)}**, its teacher **${taught.toFixed(4)}**: ${(own / taught).toFixed(3)} times as much.

## What it can do and what it cannot

It says something that fits, most of the time, to one or two sentences of everyday talk, and goes on with a children's story
for some paragraphs. It knows nothing of the world, cannot count, reason or follow instructions, forgets names within a few
sentences, and makes mistakes of grammar. It was not taught to be safe or right: do not let it advise anybody. It is there
to try Espalier with, and for tests.

What it says, unedited and not chosen, as of when it was made: replies with the likeliest token each time, stories with
tokens drawn at temperature ${STORIES.temperature} (seed ${STORIES.seed}).

### Ten replies

${replies.join('\n\n')}

### Five stories

${stories.join('\n\n')}

## Licences and notices

The weights are under the licence of this repository. They were learned from:

- **chat-3m**, the chat model of therezor/cardputer-ai, MIT. It was fine-tuned from roneneldan/TinyStories-Instruct-3M (Eldan
  and Li 2023, arXiv:2305.07759) on a part of **SODA** (Kim et al. 2022, arXiv:2212.10465, CC BY 4.0) and on
  TinyStoriesInstruct (CDLA-Sharing-1.0). Its vocabulary is a part of GPT-2's (OpenAI, MIT).
- **TinyStories** (CDLA-Sharing-1.0, which puts no restrictions on results such as trained models): a sample of 944 kB.
`;
}
