/** The list of commands. To add one, add its file and a line here. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { cacheCommand } from './commands/cache.ts';
import { chatCommand } from './commands/chat.ts';
import { compareCommand } from './commands/compare.ts';
import { deviceCommand } from './commands/device.ts';
import { embedCommand } from './commands/embed.ts';
import { evalCommand } from './commands/eval.ts';
import { exitCommand } from './commands/exit.ts';
import { federateCommand } from './commands/federate.ts';
import { generateCorpusCommand } from './commands/generateCorpus.ts';
import { imatrixCommand } from './commands/imatrix.ts';
import { inspectCommand } from './commands/inspect.ts';
import { testCommand } from './commands/package/test.ts';
import { verifyCommand } from './commands/package/verify.ts';
import { packageCommand } from './commands/package.ts';
import { pruneCommand } from './commands/prune.ts';
import { quantizeCommand } from './commands/quantize.ts';
import { rankCommand } from './commands/rank.ts';
import { runCommand } from './commands/run.ts';
import { searchCommand } from './commands/search.ts';
import { shapeCommand } from './commands/shape.ts';
import { sortNeuronsCommand } from './commands/sortNeurons.ts';
import { startCommand } from './commands/start.ts';
import { tokenizeCommand } from './commands/tokenize.ts';
import { trainCommand } from './commands/train.ts';
import { oneLine } from './errorLine.ts';
import { examples } from './options.ts';
import { packageFile } from './packageFile.ts';

const commands = [
  runCommand,
  chatCommand,
  inspectCommand,
  tokenizeCommand,
  embedCommand,
  rankCommand,
  evalCommand,
  benchCommand,
  deviceCommand,
  trainCommand,
  generateCorpusCommand,
  federateCommand,
  startCommand,
  cacheCommand,
  packageCommand,
  testCommand,
  verifyCommand,
  quantizeCommand,
  pruneCommand,
  shapeCommand,
  sortNeuronsCommand,
  imatrixCommand,
  compareCommand,
  exitCommand,
  searchCommand,
];

export function createProgram(): Command {
  const program = new Command('espalier')
    .description('Run, train and quantize language models on the device, from GGUF files and Hugging Face folders.')
    .version(version(), '-V, --version')
    // the process ends by itself, so that what was written is written or fails
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`espalier: ${oneLine(text.replace(/^error: /, ''))}\n`) });
  for (const create of commands) program.addCommand(create().copyInheritedSettings(program));
  return examples(program, ['espalier run model.gguf "Once upon a time" -n 100', 'espalier help eval']);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  return (manifest as { readonly version: string }).version;
}
