/** `espalier chat`: a conversation in turns. */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import {
  type ChatMessage,
  ContextError,
  type GenerateOptions,
  type Model,
  type SamplingOptions,
  type Session,
} from '../../index.ts';
import { describeError } from '../errorLine.ts';
import { Interrupted, onInterrupt } from '../interrupt.ts';
import {
  addModelOptions,
  addSamplingOptions,
  examples,
  loadWithProgress,
  type ModelValues,
  number,
  samplingOf,
} from '../options.ts';
import { note, print } from '../output.ts';
import { templateVariable } from '../templateVariable.ts';

interface Values extends ModelValues, SamplingOptions {
  readonly tokens?: number;
  readonly system?: string;
  readonly var?: Readonly<Record<string, unknown>>;
}

const help = `/reset  start a new conversation
/help   show this help (also /?)
/exit   leave the chat (also Ctrl-D)
Ctrl-C stops a reply.`;

export function chatCommand(): Command {
  const command = new Command('chat')
    .description('Chat with a model, one message per line. /help lists the commands.')
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('-n, --tokens <count>', 'maximum tokens per reply (default: the rest of the context)', number)
    .option('--system <text>', 'instructions for the model')
    .option(
      '--var <name=value>',
      'variable of the chat template, e.g. enable_thinking=false; repeatable',
      templateVariable,
    );
  addSamplingOptions(addModelOptions(command), 0.7).action(chat);
  return examples(command, [
    'espalier chat model.gguf',
    'espalier chat model.gguf --system "You answer in one sentence." --temperature 0',
    'espalier chat qwen3.gguf --var enable_thinking=false',
  ]);
}

async function chat(source: string, values: Values): Promise<void> {
  const loading = new AbortController();
  const loaded = onInterrupt(() => loading.abort(new Interrupted()));
  const { model } = await loadWithProgress(source, values, loading.signal);
  loaded();
  try {
    greet(model, source);
    await converse(model.session(), values);
  } finally {
    model.dispose();
  }
}

function greet({ summary }: Model, source: string): void {
  note(`This is ${summary.name ?? source}. Write a message and press Enter.`);
  note('/reset starts a new conversation, /exit leaves the chat, /? shows all commands.');
  if (!summary.chatTemplate) note('The model has no chat template, so the format of ChatML is used.');
}

async function converse(session: Session, values: Values): Promise<void> {
  const opening: readonly ChatMessage[] = values.system ? [{ role: 'system', content: values.system }] : [];
  let messages = [...opening];
  let reply: AbortController | undefined;
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: '> ',
    terminal: process.stdin.isTTY,
  });
  const interrupt = (signal: NodeJS.Signals = 'SIGINT') => {
    if (signal === 'SIGTERM' || !reply) lines.close();
    reply?.abort(new Interrupted());
  };
  // in line-editing mode the readline interface gets Ctrl+C, otherwise the process does
  lines.on('SIGINT', interrupt);
  const undo = onInterrupt(interrupt);
  const ask = () => process.stdin.isTTY && lines.prompt();
  ask();
  for await (const line of lines) {
    const content = line.trim();
    if (content === '/exit') break;
    if (content === '/reset') {
      messages = [...opening];
      session.reset();
      note('This is a new conversation.');
    } else if (isCommand(content)) {
      const known = content === '/help' || content === '/?';
      process.stderr.write(known ? `${help}\n` : `espalier: unknown command ${content}: /help lists the commands\n`);
    } else if (content !== '') {
      reply = new AbortController();
      messages = await answer(session, [...messages, { role: 'user', content }], {
        ...samplingOf(values),
        maxTokens: values.tokens,
        templateVariables: values.var,
        overflow: 'dropOldest',
        signal: reply.signal,
      });
      reply = undefined;
    }
    ask();
  }
  lines.close();
  undo();
}

/** A slash and one word. Paths and the like are messages. */
function isCommand(line: string): boolean {
  return /^\/(\?|[a-z]+)$/i.test(line);
}

/** Streams a reply. @returns the conversation with it */
async function answer(session: Session, messages: ChatMessage[], options: GenerateOptions): Promise<ChatMessage[]> {
  try {
    const generation = session.generate(messages, options);
    let begun = false;
    try {
      for await (const { text } of generation) {
        // many models begin a reply with a space
        process.stdout.write(begun ? text : text.trimStart());
        begun ||= text.trim() !== '';
      }
    } catch (error) {
      if (!options.signal?.aborted) throw error;
    }
    print('');
    const { text, finishReason, droppedMessages } = await generation.result;
    if (finishReason === 'context') note('The context is full: /reset starts a new conversation.');
    const kept = withoutDropped(messages, droppedMessages);
    if (kept.length < messages.length)
      note(`The context is full, so the oldest ${droppedMessages} messages are forgotten.`);
    return [...kept, { role: 'assistant', content: text }];
  } catch (error) {
    // a message that is too long is not the end of the conversation
    if (!(error instanceof ContextError)) throw error;
    process.stderr.write(`espalier: ${describeError(error)}: /reset starts a new conversation\n`);
    return messages.slice(0, -1);
  }
}

/** Messages that the model does not see any more are not kept either; the instructions stay. */
function withoutDropped(messages: readonly ChatMessage[], count: number): ChatMessage[] {
  const first = messages.findIndex(({ role }) => role !== 'system');
  return [...messages.slice(0, first), ...messages.slice(first + count)];
}
