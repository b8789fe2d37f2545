/** `espalier package schema`: the JSON Schema of manifests. */
import { Command } from 'commander';
import { manifestSchema } from '../../../package/index.ts';
import { print } from '../../output.ts';

export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema of package manifests.')
    .action(() => print(JSON.stringify(manifestSchema(), null, 2)));
}
