#!/usr/bin/env node
/** The command line: `espalier <command>`. */
import { type Command, CommanderError } from 'commander';
import { describeError } from './errorLine.ts';
import { Interrupted } from './interrupt.ts';
import { createProgram } from './program.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // a reader that has had enough (`espalier … | head`) is no error
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`espalier: the output cannot be written: ${error.message}\n`, () => process.exit(1));
});
// nobody is left to tell
process.stderr.on('error', () => {});

const program = createProgram();
let running: Command | undefined;
program.hook('preAction', (_, command) => {
  running = command;
});

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  // commander has shown its help, or what is wrong with the arguments
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`espalier: ${describeError(error, running)}\n`);
    process.exitCode = error instanceof Interrupted ? Interrupted.EXIT_CODE : 1;
  }
}
