/** `espalier package`: publishes, signs, installs, updates and rolls back packages of models. */
import { Command } from 'commander';
import { examples } from '../options.ts';
import { importCommand } from './package/import.ts';
import { exportCommand, gcCommand, listCommand, rollbackCommand } from './package/installed.ts';
import { keysCommand } from './package/keys.ts';
import { mergeCommand } from './package/merge.ts';
import { packCommand } from './package/pack.ts';
import { publishCommand } from './package/publish.ts';
import { pullCommand, updateCommand } from './package/pull.ts';
import { schemaCommand } from './package/schema.ts';
import { renewCommand, signCommand } from './package/sign.ts';
import { testCommand } from './package/test.ts';
import { verifyCommand } from './package/verify.ts';

export function packageCommand(): Command {
  const command = new Command('package').description(
    'Publish, sign, install and update models as packages of components.',
  );
  command.addCommand(listCommand(), { isDefault: true });
  const others = [
    packCommand,
    mergeCommand,
    pullCommand,
    updateCommand,
    testCommand,
    rollbackCommand,
    exportCommand,
    gcCommand,
  ];
  const registries = [publishCommand, importCommand, schemaCommand];
  const signing = [keysCommand, signCommand, renewCommand, verifyCommand];
  for (const create of [...others, ...registries, ...signing]) command.addCommand(create());
  return examples(command, [
    'espalier package pack site/ --name story-teller --as 1.0.0 --component base=model.gguf',
    'espalier package keys create keys/',
    'espalier package sign site/ --keys keys/',
    'espalier package pull https://example.com/story-teller/ --dry-run',
    'espalier package update',
    'espalier package rollback story-teller',
  ]);
}
