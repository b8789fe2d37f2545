#!/usr/bin/env node
/** The command line: `espalier <command>`. */
import { describeError } from './errorLine.ts';
import { Interrupted } from './interrupt.ts';
import { createProgram } from './program.ts';

// the reader closed the pipe, as in `espalier … | head`
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.stderr.write(`espalier: ${describeError(error)}\n`);
  process.exitCode = error instanceof Interrupted ? Interrupted.EXIT_CODE : 1;
}
