/** The `post_processor` of a tokenizer.json: special tokens around one text and around two. */
import type { Template, TemplatePart } from '../../tokenizer/spec.ts';
import type { JsonValue } from '../jsonValue.ts';

/** @param count ids are below it @returns undefined if no tokens are added */
export function readPostProcessor(postProcessor: JsonValue, count: number): Template | undefined {
  if (postProcessor.isAbsent()) return undefined;
  const type = postProcessor.get('type').string();
  switch (type) {
    case 'ByteLevel':
      return undefined;
    case 'Sequence': {
      const templates = postProcessor
        .get('processors')
        .list()
        .map((part) => readPostProcessor(part, count))
        .filter((template) => template !== undefined);
      if (templates.length > 1) throw postProcessor.unsupported('several templates', ['one template']);
      return templates[0];
    }
    case 'TemplateProcessing':
      return {
        single: readTemplate(postProcessor, 'single', count),
        pair: postProcessor.get('pair').isAbsent() ? undefined : readTemplate(postProcessor, 'pair', count),
      };
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const sep = readToken(postProcessor.get('sep'), count);
      const cls = readToken(postProcessor.get('cls'), count);
      const roberta = type === 'RobertaProcessing';
      const second = roberta ? 0 : 1;
      const single: TemplatePart[] = [
        { part: cls, type: 0 },
        { part: 'A', type: 0 },
        { part: sep, type: 0 },
      ];
      return {
        single,
        pair: [
          ...single,
          ...(roberta ? [{ part: sep, type: 0 }] : []),
          { part: 'B', type: second },
          { part: sep, type: second },
        ],
      };
    }
    default:
      throw postProcessor.unsupported(type, [
        ...['ByteLevel', 'Sequence', 'TemplateProcessing', 'BertProcessing', 'RobertaProcessing'],
      ]);
  }
}

/** `[text, id]` */
function readToken(token: JsonValue, count: number): number {
  return token.get(1).integer(count);
}

function readTemplate(postProcessor: JsonValue, name: 'single' | 'pair', count: number): TemplatePart[] {
  const template = postProcessor.get(name);
  const parts = template.list().flatMap((part): TemplatePart[] => {
    const sequence = part.get('Sequence');
    if (!sequence.isAbsent())
      return [{ part: sequence.get('id').oneOf(['A', 'B'] as const, 'A'), type: typeOf(sequence) }];
    const special = part.get('SpecialToken');
    const ids = postProcessor.get('special_tokens').get(special.get('id').string()).get('ids').list();
    return ids.map((id) => ({ part: id.integer(count), type: typeOf(special) }));
  });
  const wanted = name === 'single' ? ['A'] : ['A', 'B'];
  for (const text of wanted)
    if (parts.filter(({ part }) => part === text).length !== 1)
      throw template.unsupported('this template', [`one $${text}`]);
  return parts;
}

function typeOf(part: JsonValue): number {
  const type = part.get('type_id');
  return type.isAbsent() ? 0 : type.integer(1 << 16);
}
