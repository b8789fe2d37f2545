/**
 * Determines the tokens that end a generation. Files define one or two; others are known by their text, as in llama.cpp
 * (src/llama-vocab.cpp, special_eog_ids).
 */
import type { TokenizerSpec } from './spec.ts';

const names: readonly string[] = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<\uff5cend\u2581of\u2581sentence\uff5c>',
  '[e~[',
  // file separators and padding of code completion models
  '<|fim_pad|>',
  '<fim-pad>',
  '<fim_pad>',
  '<PAD>',
  '[PAD]',
  '<|fim_repo|>',
  '<|repo_name|>',
  '<fim-repo>',
  '<REPO>',
  '<reponame>',
  '<|file_sep|>',
];

/** @param find returns the id of a token by its text */
export function endOfGenerationIds(
  spec: TokenizerSpec,
  find: (text: string) => number | undefined,
): ReadonlySet<number> {
  const ids = new Set<number>();
  const has = (text: string): boolean => ids.has(find(text) ?? -1);
  for (const id of [spec.eos, spec.eot, spec.eom, ...(spec.endOfGeneration ?? []), ...names.map(find)])
    if (id !== undefined) ids.add(id);
  // formats in which <|end|> closes one part of a message, not the message
  const parts = (has('<|return|>') && has('<|call|>')) || ((has('<|call|>') || has('<|calls|>')) && has('<|flush|>'));
  if (parts) ids.delete(find('<|end|>') ?? -1);
  if (has('<|tool_response>')) ids.delete(find('</s>') ?? -1);
  return ids;
}
