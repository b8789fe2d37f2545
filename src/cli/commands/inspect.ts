/** `espalier inspect`: shows what a model's files contain. */
import { Command } from 'commander';
import { type Inspection, inspect } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples, number } from '../options.ts';
import { bytesForPeople, print, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface Values {
  readonly tensors?: boolean;
  readonly graph?: boolean;
  readonly context?: number;
  readonly json?: boolean;
}

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description("Show a model's metadata, tensors, graph and memory needs without loading it.")
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('--tensors', 'list all tensors')
    .option('--graph', 'list the nodes of the graph with their cost per token')
    .option('--context <tokens>', 'context length for the memory estimate', number)
    .option('--json', 'print one JSON object on the last line')
    .action(show);
  return examples(command, ['espalier inspect model.gguf', 'espalier inspect model.gguf --tensors --graph']);
}

async function show(source: string, values: Values): Promise<void> {
  const progress = progressBar();
  const { onProgress } = progress;
  const found = await inspect(source, { context: values.context, signal: interruptSignal(), onProgress }).finally(
    progress.stop,
  );
  const tensors = values.tensors ? found.tensors : undefined;
  const graph = values.graph ? found.graph : undefined;
  if (values.json) {
    printJson({ ...found, tensors, graph });
    return;
  }
  printSummary(found);
  print('');
  printFields(Object.fromEntries(Object.entries(found.metadata).map(([key, value]) => [key, excerpt(value)])));
  if (tensors) print('');
  for (const { name, format, shape, byteLength } of tensors ?? [])
    print(`${name}  ${format}  [${shape.join(', ')}]  ${bytesForPeople(byteLength)}`);
  if (!graph) return;
  print(`\n${graph.nodes}`);
  const read = bytesForPeople(graph.bytesPerToken);
  print(`cost per token: ${(graph.flopsPerToken / 1e6).toFixed(1)} Mflop, ${read} read`);
}

function printSummary(found: Inspection): void {
  const { source, byteLength, tensors, model, memory, problems } = found;
  const file = bytesForPeople(byteLength);
  if (model && memory) printModel(found, model, memory);
  else if (tensors.length > 0) printFields({ source, runs: verdict(problems), file, tensors: tensors.length });
  else printFields({ source, file, contains: 'a vocabulary, no tensors', tokenizes: verdict(problems) });
}

/** Says whether the model runs on this device, and what it lacks or needs if not. */
function verdict(problems: readonly string[], memory?: Inspection['memory']): string {
  if (problems.length > 0) return `no: ${problems.join('; ')}`;
  if (!memory || memory.fits) return 'yes';
  const [needed, free] = [memory.totalBytes, memory.availableBytes].map(bytesForPeople);
  return `not here: it needs ${needed} of memory, and ${free} are available`;
}

function printModel(
  { source, tensors, problems, embedder }: Inspection,
  model: NonNullable<Inspection['model']>,
  memory: NonNullable<Inspection['memory']>,
): void {
  const formats = Object.entries(model.formats).map(([name, count]) => `${name} ×${count}`);
  const { weightBytes, storedBytes, cacheBytes, activationBytes, totalBytes, availableBytes, context } = memory;
  const parts = [weightBytes, cacheBytes, activationBytes].map(bytesForPeople);
  printFields({
    source,
    runs: verdict(problems, memory),
    name: model.name,
    architecture: model.architecture,
    parameters: model.parameters.toLocaleString('en-US'),
    file: bytesForPeople(model.byteLength),
    tensors: `${tensors.length}: ${formats.join(', ')}`,
    'trained context': model.trainedContext,
    vocabulary: model.vocabulary,
    'chat template': model.chatTemplate ? 'in the file' : 'none; a plain default is used',
    embeds: embedder && embedderText(embedder),
    memory: `${bytesForPeople(totalBytes)} for ${context} tokens: weights ${parts[0]}, cache ${parts[1]}, activations ${parts[2]}`,
    'left in the file': storedBytes > 0 ? `${bytesForPeople(storedBytes)} of embeddings, read row by row` : undefined,
    available: bytesForPeople(availableBytes),
  });
}

/** Settings of an embedder in one line. */
function embedderText(embedder: NonNullable<Inspection['embedder']>): string {
  const { pooling, unpooled, normalize, dense = [], prompts = {}, defaultPrompt, maxLength, ranking } = embedder;
  const names = Object.keys(prompts).map((name) => (name === defaultPrompt ? `${name} (default)` : name));
  const parts = [
    ranking ? 'reranker' : unpooled ? 'without pooling: choose one' : `pooling ${pooling ?? 'mean'}`,
    ...dense.map(([outputs, inputs]) => `dense ${inputs} → ${outputs}`),
    ...(normalize ? ['normalized'] : []),
    ...(maxLength === undefined ? [] : [`at most ${maxLength} tokens`]),
    ...(names.length > 0 ? [`prompts ${names.join(', ')}`] : []),
  ];
  return parts.join(', ');
}

function excerpt(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const line = text.replaceAll('\n', '\\n');
  return line.length > 100 ? `${line.slice(0, 97)}…` : line;
}
