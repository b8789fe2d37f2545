/** `espalier chat`: a conversation in turns. */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import {
  type ChatMessage,
  ContextError,
  type GenerateOptions,
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

interface Values extends ModelValues, SamplingOptions {
  readonly tokens?: number;
  readonly system?: string;
}

export function chatCommand(): Command {
  const command = new Command('chat')
    .description('Talks with a model, a line a turn. /reset begins anew, /exit ends; Ctrl-C stops a reply.')
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('-n, --tokens <count>', 'tokens of a reply at most (default: what the context has room for)', number)
    .option('--system <text>', 'what the model is told before the conversation');
  addSamplingOptions(addModelOptions(command), 0.7).action(chat);
  return examples(command, [
    'espalier chat model.gguf',
    'espalier chat model.gguf --system "You answer in one sentence." --temperature 0',
  ]);
}

async function chat(source: string, values: Values): Promise<void> {
  const loading = new AbortController();
  const loaded = onInterrupt(() => loading.abort(new Interrupted()));
  const { model } = await loadWithProgress(source, values, loading.signal);
  loaded();
  try {
    await converse(model.session(), values);
  } finally {
    model.dispose();
  }
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
  // a terminal in line-editing mode tells the interface, otherwise the process is told
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
      note('the conversation begins anew');
    } else if (content !== '') {
      reply = new AbortController();
      messages = await answer(session, [...messages, { role: 'user', content }], {
        ...samplingOf(values),
        maxTokens: values.tokens,
        signal: reply.signal,
      });
      reply = undefined;
    }
    ask();
  }
  lines.close();
  undo();
}

/** Streams a reply. @returns the conversation with it */
async function answer(session: Session, messages: ChatMessage[], options: GenerateOptions): Promise<ChatMessage[]> {
  try {
    const generation = session.generate(messages, options);
    try {
      for await (const { text } of generation) process.stdout.write(text);
    } catch (error) {
      if (!options.signal?.aborted) throw error;
    }
    print('');
    const { text, finishReason } = await generation.result;
    if (finishReason === 'context') note('the context is full: /reset begins anew');
    return [...messages, { role: 'assistant', content: text }];
  } catch (error) {
    // a conversation that has grown too long is not the end of it
    if (!(error instanceof ContextError)) throw error;
    process.stderr.write(`espalier: ${describeError(error)}: /reset begins anew\n`);
    return messages.slice(0, -1);
  }
}
