import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { sharedData } from '../sharedData.ts';
import { espalier, json, scratchFolder, shell, writeTinyModel } from './espalier.ts';

let folder: Awaited<ReturnType<typeof scratchFolder>>;
let model: string;
let text: string;
beforeAll(async () => {
  folder = await scratchFolder();
  model = await writeTinyModel(folder.path('tiny.gguf'));
  text = folder.path('garden.txt');
  await writeFile(text, gardenText);
});
afterAll(() => folder.remove());

describe('run', () => {
  test('streams text to stdout, and prints nothing to stderr without a terminal', async () => {
    const { code, stdout, stderr } = await espalier(['run', model, 'In spring', '-n', '8']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    const { text, ...rest } = await json(['run', model, 'In spring', '-n', '8']);
    expect(stdout).toBe(`${text}\n`);
    expect(rest).toEqual({
      ids: expect.arrayContaining([expect.any(Number)]),
      promptTokens: expect.any(Number),
      tokens: 8,
      prefillTokensPerSecond: expect.any(Number),
      decodeTokensPerSecond: expect.any(Number),
      loadSeconds: expect.any(Number),
      finishReason: 'length',
      seed: expect.any(Number),
    });
  });

  test('reads the prompt from stdin', async () => {
    const piped = await json(['run', model, '-n', '8'], { input: 'In spring' });
    const { ids } = await json(['run', model, 'In spring', '-n', '8']);
    expect(piped.ids).toEqual(ids);
    for (const input of ['In spring\n', 'In spring\r\n', '\uFEFFIn spring\n'])
      expect((await json(['run', model, '-n', '8'], { input })).ids).toEqual(ids);
    const two = await json(['run', model, '-n', '8'], { input: 'In spring\n\n' });
    expect(two.promptTokens).toBeGreaterThan(Number(piped.promptTokens));
  });

  test('reports the seed that repeats a text', async () => {
    const options = ['--temperature', '2', '--top-k', '0', '--top-p', '1', '--min-p', '0', '-n', '12'];
    const first = await json(['run', model, 'In spring', ...options]);
    const again = await json(['run', model, 'In spring', ...options, '--seed', String(first.seed)]);
    expect(again.text).toBe(first.text);
  });

  test('accepts sampling options, and repeats the text for the same seed', async () => {
    const options = ['--temperature', '2', '--top-k', '0', '--top-p', '0.99', '--min-p', '0', '--seed', '3', '-n', '8'];
    const first = await json(['run', model, 'In spring', ...options, '--threads', '1', '--kv', 'f32']);
    const again = await json(['run', model, 'In spring', ...options, '--threads', '1', '--kv', 'f32']);
    expect(again.ids).toEqual(first.ids);
    expect(first.ids).not.toEqual((await json(['run', model, 'In spring', '-n', '8'])).ids);
  });

  test('ends before a stop string', async () => {
    const { text } = await json(['run', model, 'In spring', '-n', '8']);
    const stop = String(text).slice(3, 6);
    const stopped = await json(['run', model, 'In spring', '-n', '8', '--stop', 'unheard of', '--stop', stop]);
    expect(stopped).toMatchObject({ text: String(text).slice(0, String(text).indexOf(stop)), finishReason: 'stop' });
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops it with what it has', async (signal) => {
    let sent = false;
    const { code, stdout, stderr } = await espalier(['run', model, 'In spring', '-n', '2000'], {
      onStdout(_, kill) {
        if (!sent) kill(signal);
        sent = true;
      },
    });
    expect(code).toBe(130);
    expect(stdout.length).toBeGreaterThan(1);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(stderr).toBe('');
  });
});

describe('chat', () => {
  test('answers each line, resets and exits', async () => {
    const chatModel = await writeTinyModel(folder.path('chat.gguf'), { architecture: 'smollm2' });
    const args = ['chat', chatModel, '-n', '6', '--temperature', '0'];
    const { code, stdout, stderr } = await espalier(args, {
      input: 'Hello\n/reset\nHello\n\nAnd now?\n/exit\nnever\n',
    });
    expect([code, stderr]).toEqual([0, '']);
    // replies may contain line breaks
    const reply = (await espalier(args, { input: 'Hello\n' })).stdout;
    expect(stdout.startsWith(reply + reply)).toBe(true);
    expect(stdout.length).toBeGreaterThan(2 * reply.length);
  });

  test('tells its commands, and unknown ones, without asking the model', async () => {
    const { code, stdout, stderr } = await espalier(['chat', model], { input: '/?\n/nosuch\n/exit\n' });
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^\/reset +start a new conversation\n.*\/exit/s);
    expect(stderr).toContain('espalier: unknown command /nosuch: /help lists the commands\n');
  });

  test('a reply does not begin with a blank', async () => {
    const { stdout } = await espalier(['chat', 'models/sapling.gguf', '-n', '8', '--temperature', '0'], {
      input: 'Hello!\n',
    });
    expect(stdout).toMatch(/^\S/);
  });

  test('Ctrl-C stops a reply but not the conversation', async () => {
    let replies = 0;
    const { code, stdout } = await espalier(['chat', model, '-n', '1500', '--temperature', '0'], {
      input: 'Hello\nAgain\n',
      onStdout(_, kill) {
        if (replies++ < 1) kill('SIGINT');
      },
    });
    expect(code).toBe(0);
    expect(stdout.endsWith('\n')).toBe(true);
  });

  test('reports a conversation that outgrows the context, and continues', async () => {
    const { code, stderr } = await espalier(['chat', model, '--context', '48', '-n', '2'], {
      input: `${'long '.repeat(60)}\nHi\n`,
    });
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^espalier: the last exchange and the instructions have \d+ tokens but the context holds 48, of which \d+ are for the reply: \/reset starts a new conversation\n$/,
    );
  });
});

describe('inspect', () => {
  test('shows metadata, and tensors and graph on request', async () => {
    const short = await json(['inspect', model]);
    expect(short).toMatchObject({
      source: model,
      kind: 'gguf',
      model: { architecture: 'llama' },
      memory: { fits: true },
    });
    expect(short).not.toHaveProperty('tensors');
    const long = await json(['inspect', model, '--tensors', '--graph', '--context', '100']);
    expect(long).toMatchObject({ memory: { context: 100 }, graph: { flopsPerToken: expect.any(Number) } });
    expect(long.tensors).toHaveLength(21);
    const { stdout } = await espalier(['inspect', model, '--tensors', '--graph']);
    expect(stdout).toMatch(/architecture +llama/);
    expect(stdout).toMatch(/blk\.1\.ffn_down\.weight {2}F32 {2}\[256, 512\]/);
    expect(stdout).toMatch(/%\d+ \[T, 256\] rmsNorm/);
  });
});

test('inspect describes a model that cannot run', async () => {
  const path = folder.path('unknown.gguf');
  const bytes = await makeModel({ architecture: 'llama', format: 'F32' });
  // replace the value of general.architecture in the header
  bytes.set(new TextEncoder().encode('lama2'), Buffer.from(bytes.buffer, bytes.byteOffset).indexOf('llama', 0));
  await writeFile(path, bytes);
  const found = await json(['inspect', path]);
  expect(found.problems).toEqual([
    expect.stringMatching(/architecture lama2 is not supported; supported: .*\bllama, /),
  ]);
  expect((await espalier(['inspect', path])).stdout).toMatch(/runs +no: .+lama2/);
});

describe('tokenize', () => {
  test('shows ids and pieces', async () => {
    const { ids, pieces } = await json(['tokenize', model, 'the tree']);
    expect(ids).toHaveLength((pieces as string[]).length);
    expect((pieces as string[]).join('')).toBe('<s> the tree');
    expect((await json(['tokenize', model, 'the tree', '--no-bos'])).ids).toEqual((ids as number[]).slice(1));
  });

  test('reads a file or stdin', async () => {
    const { ids } = await json(['tokenize', model, '--file', text]);
    expect((ids as number[]).length).toBeGreaterThan(500);
    expect((await json(['tokenize', model], { input: gardenText })).ids).toEqual(ids);
  });

  const vocabulary = sharedData('tokenizers/llama.cpp-vocabs/ggml-vocab-gpt-2.gguf');
  test.skipIf(!vocabulary)('takes a file with a vocabulary only', async () => {
    expect((await json(['tokenize', vocabulary!, 'Hello world'])).ids).toEqual([15496, 995]);
    const { code, stderr } = await espalier(['run', vocabulary!, 'Hello']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/contains only a vocabulary and no tensors/);
    expect((await espalier(['inspect', vocabulary!])).stdout).toMatch(/a vocabulary, no tensors/);
  });

  const huggingFace = sharedData('tokenizers/smollm/tokenizer.json');
  test.skipIf(!huggingFace)('takes a tokenizer.json', async () => {
    expect(await json(['tokenize', huggingFace!, 'Hello'])).toEqual({ ids: [19556], pieces: ['Hello'] });
  });
});

describe('eval', () => {
  test('shows perplexity, and the KL divergence from a reference', async () => {
    const quantized = await writeTinyModel(folder.path('q4.gguf'), { format: 'Q4_0' });
    const alone = await json(['eval', quantized, '--text', text, '--context', '64', '--max-tokens', '200']);
    expect(alone).toEqual({
      tokens: 3 * 31,
      nll: expect.any(Number),
      perplexity: Math.exp(Number(alone.nll)),
      bitsPerByte: expect.any(Number),
    });
    const compared = await json([
      'eval',
      quantized,
      '--reference',
      model,
      '--text',
      text,
      '--context',
      '64',
      '--all',
      '--max-tokens',
      '200',
    ]);
    expect(compared).toMatchObject({
      tokens: 3 * 63 + 7,
      kld: { mean: expect.any(Number), sigma: expect.any(Number), p99: expect.any(Number) },
      top1: expect.any(Number),
    });
  });
});

test('bench shows medians', async () => {
  const found = await json(['bench', model, '--prefill', '16', '--decode', '4', '--runs', '2', '--threads', '1']);
  expect(found).toEqual({
    prefillTokensPerSecond: expect.any(Number),
    decodeTokensPerSecond: expect.any(Number),
    loadSeconds: expect.any(Number),
    peakMemoryBytes: expect.any(Number),
    weightBytesPerSecond: expect.any(Number),
    backend: 'wasm',
    variant: expect.any(String),
    threads: 1,
    decodeThreads: 1,
    limits: [],
  });
});

describe('start', () => {
  test('introduces Espalier and lets the shipped model write', async () => {
    const { code, stdout } = await espalier(['start']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Espalier runs large language models on the user's own device.+This is sapling \(llama, 6\.6 million/s,
    );
    expect(stdout).toMatch(
      /> Hey, how are you\?\n\w.+tokens, [\d,]+ tokens\/s.+Once upon a time.+tokens, [\d,]+ tokens\/s/s,
    );
    expect(stdout).toContain('npx espalier chat models/sapling.gguf');
  });

  test('lets any model write', async () => {
    const { code, stdout } = await espalier(['start', '--model', model]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Once upon a time.+tokens, [\d,]+ tokens\/s/s);
  });
});

describe('errors', () => {
  const commands = ['run', 'chat', 'inspect', 'tokenize', 'eval', 'bench', 'train', 'generate-corpus', 'start'];

  test.each(commands)('%s explains itself, with examples', async (command) => {
    const { code, stdout } = await espalier([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Usage: espalier .+Options:.+Examples:\n {2}\$ espalier /s);
  });

  test.each([
    [['run', 'missing.gguf', 'x'], /missing\.gguf: no such file/],
    [['run'], /missing required argument 'model'/],
    [['walk'], /unknown command 'walk'/],
    [['run', 'm', 'x', '--hop'], /unknown option '--hop'/],
    [['run', 'm', 'x', '--seed', 'x'], /argument 'x' is invalid\. Expected a number/],
    [['run', 'm', 'x', '--kv', 'q1'], /Allowed choices are f32, f16, q8_0/],
    [['eval', 'm'], /required option '--text <path>'/],
    [['eval', 'm', '--text', 'missing.txt'], /missing\.txt: no such file/],
    [['tokenize', 'm', 'x', '--file', 'y'], /--file is y/],
    [['run', 'm', 'x', '--exit-risk', '0.1'], /--exit-risk is 0.1, expected --exit to be set too/],
    [['exit', 'm', 'e', '--prompts', 'package.json'], /--prompts is a file with \d+ prompts, expected at least 302/],
    [['exit', 'm', 'e', '--prompts', 'package.json', '--risk', '2'], /risk is 2, expected a share between 0 and 1/],
  ])('%j: one line and exit code 1', async (args, message) => {
    const { code, stdout, stderr } = await espalier(args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^espalier: .+\n$/);
  });

  test('a file that is not a model is one line and exit code 1', async () => {
    const { code, stderr } = await espalier(['run', text, 'x']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^espalier: .+garden\.txt: begins with .+ neither GGUF nor safetensors\n$/);
  });

  test('a prompt that does not fit is one line and exit code 1, with and without --json', async () => {
    const { code, stdout, stderr } = await espalier(['run', model, '--context', '16', '--json'], { input: gardenText });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^espalier: the prompt has \d+ tokens but the context holds 16\n$/);
  });

  test('options out of range are reported by the API', async () => {
    const { code, stderr } = await espalier(['run', model, 'x', '--top-p', '2']);
    expect([code, stderr]).toEqual([1, 'espalier: topP is 2, expected a number above 0 and at most 1\n']);
    const tokens = await espalier(['run', model, 'x', '-n', '-5']);
    expect(tokens.stderr).toMatch(/^espalier: --tokens is -5, expected a whole number/);
  });

  test.each([
    ['Latin-1', Buffer.from('Caf\xe9 au lait', 'latin1'), /byte 3 \(0xe9\) is not valid UTF-8: .*--encoding/],
    ['UTF-16', Buffer.from('\uFEFFIn spring', 'utf16le'), /is UTF-16LE, not UTF-8: .*--encoding/],
  ])('a text in %s: one line that says where', async (_, bytes, message) => {
    const path = folder.path('text.txt');
    await writeFile(path, bytes);
    for (const args of [
      ['eval', model, '--text', path],
      ['tokenize', model, '--file', path],
      ['generate-corpus', model, '--prompts', path, '--output', folder.path('out.txt'), '--count', '1'],
    ]) {
      const { code, stderr } = await espalier(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/^espalier: .+text\.txt: .+\n$/);
    }
    const piped = await espalier(['tokenize', model], { input: bytes });
    expect([piped.code, piped.stderr]).toEqual([1, expect.stringMatching(message)]);
    const named = await json(['tokenize', model, '--file', path, '--encoding', _ === 'UTF-16' ? 'utf-16' : 'latin1']);
    const [expected] = _ === 'UTF-16' ? ['In spring'] : ['Café au lait'];
    expect(named.ids).toEqual((await json(['tokenize', model, expected])).ids);
  });

  test.skipIf(!existsSync('/dev/full'))('output that cannot be written: one line and exit code 1', async () => {
    for (const args of [`run '${model}' hello -n 4`, `inspect '${model}'`, `tokenize '${model}' hello`, '--help']) {
      const { code, stderr } = await shell(`${args} > /dev/full`);
      // Node 20.0 throws where it writes, so the message lacks the first words
      const told = /^espalier: (the output cannot be written: )?ENOSPC: no space left.*\n$/;
      expect([code, stderr]).toEqual([1, expect.stringMatching(told)]);
    }
  });

  test('a reader that has had enough is no error', async () => {
    const { code, stderr } = await shell(`inspect '${model}' --tensors --graph | head -c 10`);
    expect([code, stderr]).toEqual([0, '']);
  });
});
