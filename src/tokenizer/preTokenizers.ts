/**
 * The pre-tokenizers that GGUF files name in `tokenizer.ggml.pre`. To add one, add an entry; each pattern splits the
 * pieces of the one before it. The patterns are those of llama.cpp (src/llama-vocab.cpp), where they are written for
 * speed otherwise than in the model's tokenizer.json they are here as llama.cpp has them.
 */
export interface NamedPreTokenizer {
  /** In the dialect of `pattern/parse.ts`. */
  readonly patterns: readonly string[];
  /** A word that is a token is not split (ignore_merges). */
  readonly ignoreMerges?: boolean;
  /** Default of addBos, if the file does not set it. */
  readonly addBos?: boolean;
}

const { raw } = String;

const gpt2 = raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const contraction = raw`'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]`;
const space = raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const letters = raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const symbols = raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const symbolsOrSlash = raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`;
const llama3 = `(?:${contraction})|${letters}|${raw`\p{N}{1,3}`}|${symbols}|${space}`;
const qwen2 = `(?:${contraction})|${letters}|${raw`\p{N}`}|${symbols}|${space}`;
const upper = raw`[\p{L}&&[^a-z]]`;
const lower = raw`[\p{L}&&[^A-Z]]`;
const lead = raw`[^\r\n\p{L}\p{N}]?`;
/** The same with combining marks among the letters. */
const upperMarked = raw`[[\p{L}\p{M}]&&[^a-z]]`;
const lowerMarked = raw`[[\p{L}\p{M}]&&[^A-Z]]`;
/** Words by their case, with marks: capitals and then small letters, or capitals. */
const cased = [
  raw`${lead}[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:${contraction})?`,
  raw`${lead}[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:${contraction})?`,
].join('|');
const asciiSymbol = raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~]`;
/** Words up to a space or a mark of a sentence, in several scripts. */
const bloom = raw` ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+`;
/** The cased letters of Unicode 12 or so, as DeepSeek's tokenizer.json spells them out. */
const casedLetters = [
  raw`A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373`,
  raw`\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481`,
  raw`\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b`,
  raw`\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b`,
  raw`\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb`,
  raw`\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128`,
  raw`\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4`,
  raw`\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf`,
  raw`\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}`,
  raw`\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}`,
].join('');

const table: readonly (readonly [names: string, entry: NamedPreTokenizer])[] = [
  [
    'gpt-2 phi-2 mpt olmo jais mellum modern-bert exaone4 trillion granite-docling gigachat a.x-4.0 roberta-bpe jina-v1-en ' +
      'jina-v2-code jina-v2-de jina-v2-es jina-de jina-es',
    { patterns: [gpt2] },
  ],
  ['starcoder refact command-r smollm codeshell exaone minerva-7b mellum2', { patterns: [raw`\p{N}`, gpt2] }],
  [
    'llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    { patterns: [llama3], ignoreMerges: true, addBos: true },
  ],
  ['dbrx smaug-bpe chatglm-bpe', { patterns: [llama3] }],
  ['glm4', { patterns: [llama3], ignoreMerges: true }],
  ['minicpm5', { patterns: [raw`\p{N}{1,3}`, qwen2.replace(raw`|\p{N}|`, raw`|\p{N}+|`)], ignoreMerges: true }],
  [
    'jais-2',
    {
      patterns: [
        llama3.replace(
          raw`\s+(?!\S)|\s+`,
          [512, 256, 128, 64, 32, 16, 8, 4, '1,2'].map((count) => raw`\s{${count}}(?!\S)|`).join('') + raw`\s`,
        ),
      ],
    },
  ],
  ['qwen2 deepseek-r1-qwen megrez stablelm2 hunyuan grok-2 kormo f2llmv2 solar-open', { patterns: [qwen2] }],
  [
    'qwen35',
    {
      patterns: [
        `(?:${contraction})|${raw`[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`}|${space}`,
      ],
    },
  ],
  [
    'tekken',
    {
      patterns: [`${lead}${upper}*${lower}+|${lead}${upper}+${lower}*|${raw`\p{N}`}|${symbolsOrSlash}|${space}`],
      ignoreMerges: true,
      addBos: true,
    },
  ],
  [
    'gpt-4o llama4 kanana2 minimax-m2',
    {
      patterns: [
        `${lead}${upper}*${lower}+(?:${contraction})?|${lead}${upper}+${lower}*(?:${contraction})?|${raw`\p{N}{1,3}`}|${symbolsOrSlash}|${space}`,
      ],
    },
  ],
  [
    'deepseek-llm',
    {
      patterns: [
        raw`[\r\n]`,
        raw`\s?[${casedLetters}]+`,
        raw`\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+`,
        raw`\s+$`,
        raw`[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+`,
        raw`\p{N}+`,
      ],
    },
  ],
  [
    'deepseek-coder',
    {
      patterns: [
        raw`[\r\n]`,
        raw`\s?\p{L}+`,
        raw`\s?\p{P}+`,
        raw`[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+`,
        raw`\p{N}`,
      ],
    },
  ],
  [
    'deepseek-v3 hunyuan-dense joyai-llm',
    {
      patterns: [
        raw`\p{N}{1,3}`,
        raw`[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+`,
        raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
      ],
    },
  ],
  ['falcon', { patterns: [raw`[\p{P}\$\+<=>\^~\|${'`'}]+`, gpt2, '[0-9][0-9][0-9]'] }],
  [
    'bailingmoe bailingmoe2 llada-moe',
    { patterns: [raw`'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|${letters}|\p{N}|${symbols}|\s*[\r\n]|\s+(?!\S)|\s+`] },
  ],
  ['seed-coder', { patterns: [raw`(?:${contraction})|${letters}|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|${space}`] }],
  [
    'spark2_5',
    {
      patterns: [
        raw`\p{N}{1,3}`,
        raw`[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+`,
        raw`${asciiSymbol}[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+`,
        raw`\p{N}`,
      ],
    },
  ],
  [
    'youtu',
    {
      patterns: [
        raw`[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+`,
        `${cased}|${raw`\p{N}`}|${symbolsOrSlash}|${space}`,
      ],
      ignoreMerges: true,
    },
  ],
  ['bloom gpt3-finnish poro-chat', { patterns: [bloom] }],
  ['viking', { patterns: [bloom, raw`\p{N}`] }],
  [
    'exaone-moe',
    {
      patterns: [
        raw`(?:${contraction})|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`,
      ],
    },
  ],
  [
    'granite-embed-multi-97m',
    {
      patterns: [
        `${lead}${upperMarked}*${lowerMarked}+(?:${contraction})?|${lead}${upperMarked}+${lowerMarked}*(?:${contraction})?|${raw`\p{N}{1,3}`}|${symbolsOrSlash}|${space}`,
      ],
      ignoreMerges: true,
    },
  ],
  [
    'kimi-k2',
    {
      patterns: [
        raw`\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+(?:${contraction})?|\p{N}{1,3}|${symbols}|${space}`,
      ],
    },
  ],
  ['default', { patterns: [raw`[\p{P}\$\+<=>\^~\|]+`, gpt2, raw`\p{N}+`, '[0-9][0-9][0-9]'] }],
];

/** Pre-tokenizers by their name in the file. */
export const preTokenizers: ReadonlyMap<string, NamedPreTokenizer> = new Map(
  table.flatMap(([names, entry]) => names.split(' ').map((name) => [name, entry] as const)),
);
