/** Reads the chat templates of a model's files: one, or several by name. */
import type { ChatTemplateSource } from '../tokenizer/chatTemplate.ts';
import type { Folder } from './folder.ts';
import type { GgufValue } from './gguf/write.ts';

const GGUF_KEY = 'tokenizer.chat_template';
const GGUF_NAMES = 'tokenizer.chat_templates';
/** Names of templates besides the default. Tried one by one, because not every folder can be listed. */
const ADDITIONAL = ['tool_use', 'rag'] as const;

/** Reads `chat_template` of tokenizer_config.json: Jinja source, or a list of `{ name, template }`. */
export function chatTemplatesFromConfig(found: unknown): ChatTemplateSource | undefined {
  if (typeof found === 'string') return found;
  if (!Array.isArray(found)) return undefined;
  const named = found.filter((entry) => typeof entry?.name === 'string' && typeof entry.template === 'string');
  return oneOrNamed(Object.fromEntries(named.map(({ name, template }) => [name, template])));
}

/** Reads a folder's chat_template.jinja and the templates in additional_chat_templates/. */
export async function chatTemplatesFromFolder(
  folder: Folder,
  readFile: (folder: Folder, file: string) => Promise<string | undefined>,
): Promise<ChatTemplateSource | undefined> {
  const main = await readFile(folder, 'chat_template.jinja');
  // transformers writes additional templates only next to a default one
  if (main === undefined) return undefined;
  const named: Record<string, string> = { default: main };
  for (const name of ADDITIONAL) {
    const template = await readFile(folder, `additional_chat_templates/${name}.jinja`);
    if (template !== undefined) named[name] = template;
  }
  return oneOrNamed(named);
}

export function chatTemplatesFromGguf(metadata: ReadonlyMap<string, unknown>): ChatTemplateSource | undefined {
  const main = metadata.get(GGUF_KEY);
  const named: Record<string, string> = typeof main === 'string' ? { default: main } : {};
  const names = metadata.get(GGUF_NAMES);
  for (const name of Array.isArray(names) ? names : []) {
    const template = metadata.get(`${GGUF_KEY}.${name}`);
    if (typeof template === 'string') named[name] = template;
  }
  return oneOrNamed(named);
}

export function chatTemplatesToGguf(source: ChatTemplateSource | undefined): [key: string, value: GgufValue][] {
  if (source === undefined) return [];
  if (typeof source === 'string') return [[GGUF_KEY, source]];
  const others = Object.entries(source).filter(([name]) => name !== 'default');
  const entries: [string, GgufValue][] = others.map(([name, template]) => [`${GGUF_KEY}.${name}`, template]);
  if (others.length > 0) entries.unshift([GGUF_NAMES, { type: 'string[]', value: others.map(([name]) => name) }]);
  return source.default === undefined ? entries : [[GGUF_KEY, source.default], ...entries];
}

function oneOrNamed(named: Readonly<Record<string, string>>): ChatTemplateSource | undefined {
  const names = Object.keys(named);
  if (names.length === 0) return undefined;
  return names.length === 1 && names[0] === 'default' ? named.default : named;
}
