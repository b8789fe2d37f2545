"""
Makes huggingFace.golden.gz: small tokenizers of every kind with every part of a tokenizer.json, trained by Hugging Face's
`tokenizers` on the texts below, and what it makes of random texts and ids. Needs tokenizers 0.23 and sentencepiece.

    python test/tokenizers/makeHuggingFaceGolden.py test/tokenizers/huggingFace.golden.gz
"""
import gzip
import json
import os
import random
import sys
import tempfile

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders as D, models as M, normalizers as N, pre_tokenizers as P, processors as X, trainers as T

random.seed(5)
corpus = ('The gardener ties young branches to the wall, and every spring she prunes what grows away from it. '
          "It's an old art: pears don't mind, they'd rather grow flat. for (let i = 0; i < 42; i++) sum += x[i] * 3.14; "
          'Der Gärtner bindet junge Äste an die Mauer. Le jardinier taille les poires en été, à côté du mur. '
          'Садовник привязывает молодые ветви к стене. 园丁把嫩枝绑在墙上。庭師は若い枝を壁に結びます。 정원사가 가지를 묶는다. '
          'माली टहनियाँ बाँधता है। البستاني يربط الأغصان. 😀🌳 ').split('. ') * 4
alphabet = sorted(set(''.join(corpus)))
parts = [' ', '  ', '   ', '\n', '\r\n', '\t', '\u00a0', '\u3000', '\u0085', '\ufeff', '\u200b', "'s", "'LL", ' the', 'Hello',
         'camelCase', 'wörld', 'ÀÉ', 'ﬁ', 'Ǆ', 'ſ', 'a\u0308', '\u0301', '7', '42', '1234', '3.14', '½', '²', '١٢', '。', '!!!',
         '==>', '`x`', '_', '$x^2', '</tag>', '园丁', '枝を', '가지', 'माली', 'البستاني', 'Садовник', '𝔘𝔫', '😀', '👨\u200d👩\u200d👧', '▁',
         'Ġ', '<0x41>', '[CLS]', '[SEP]', '[UNK]', '##ing', "don't", 'İ', 'ß', 'Σ', 'e\u0301', '<tool>', ' <tool> ', 'x<tool>y',
         '<|end|>', ' <|end|> ', 'Ⅷ', '\x00', '\x1f', '\u00ad', '\ufffd', '\u088f', '\u1c89', '\U00010d50', '\U00016ea0']


def any_character():
    while True:
        point = random.randrange(random.choice([0x300, 0x3000, 0x10000, 0x2fa20]))
        if not 0xd800 <= point < 0xe000:
            return chr(point)


texts = [''.join(any_character() if random.random() < 0.1 else random.choice(parts) for _ in range(1 + random.randrange(8)))
         for _ in range(70)] + ['', 'pears ' * 3]


def character_map():
    with tempfile.TemporaryDirectory() as folder:
        rules = [('ﬁ', 'fi'), ('\u3000', ' '), ('½', '1⁄2'), ('Ⅷ', 'VIII'), ('\u00ad', ''), ('e\u0301', 'é'), ('\u00a0', ' '), ('\x1f', '')]
        with open(f'{folder}/rules.tsv', 'w') as file:
            for source, target in rules:
                file.write(' '.join('%X' % ord(c) for c in source) + '\t' + ' '.join('%X' % ord(c) for c in target) + '\n')
        with open(f'{folder}/text', 'w') as file:
            file.write('\n'.join(corpus))
        sentencepiece.SentencePieceTrainer.train(
            input=f'{folder}/text', model_prefix=f'{folder}/m', vocab_size=150, normalization_rule_tsv=f'{folder}/rules.tsv',
            hard_vocab_limit=False, minloglevel=2, character_coverage=0.98)
        model = sentencepiece_model_pb2.ModelProto()
        with open(f'{folder}/m.model', 'rb') as file:
            model.ParseFromString(file.read())
        return model.normalizer_spec.precompiled_charsmap


normalizers = {
    'none': None, 'nfc': N.NFC(), 'nfkc': N.NFKC(), 'bert': N.BertNormalizer(), 'cased': N.BertNormalizer(lowercase=False),
    'accents': N.Sequence([N.NFD(), N.StripAccents()]), 'map': N.Precompiled(character_map()),
    'sequence': N.Sequence([N.Nmt(), N.NFKC(), N.Lowercase(), N.Replace(Regex(' {2,}'), ' '), N.Strip()]),
    'prepend': N.Sequence([N.Prepend('▁'), N.Replace(' ', '▁')]), 'left': N.Strip(left=True, right=False),
    'bytes': N.Sequence([N.NFC(), N.ByteLevel()]),
}
pre_tokenizers = {
    'none': None, 'whitespace': P.Whitespace(), 'space': P.WhitespaceSplit(), 'bert': P.BertPreTokenizer(), 'meta': P.Metaspace(),
    'first': P.Metaspace(prepend_scheme='first'), 'never': P.Metaspace(prepend_scheme='never', split=False),
    'punctuation': P.Sequence([P.Punctuation('merged_with_previous'), P.Digits(True)]), 'digits': P.Digits(False),
    'bytes': P.ByteLevel(add_prefix_space=True),
    'pattern': P.Sequence([P.Split(Regex(r'\s+\w|[^\s]{1,3}'), 'isolated'), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
    'contiguous': P.Split(Regex('[a-z]'), 'contiguous'), 'next': P.Split(' ', 'merged_with_next'),
    'previous': P.Split(Regex('\\s'), 'merged_with_previous'), 'inverted': P.Split(Regex('\\w+'), 'removed', invert=True),
    'delimiter': P.CharDelimiterSplit('e'), 'fixed': P.FixedLength(4),
}
decoders = {
    'none': None, 'bytes': D.ByteLevel(), 'wordpiece': D.WordPiece(), 'plain': D.WordPiece(cleanup=False), 'meta': D.Metaspace(),
    'never': D.Metaspace(prepend_scheme='never'), 'bpe': D.BPEDecoder(), 'ctc': D.CTC(),
    'llama': D.Sequence([D.Replace('▁', ' '), D.ByteFallback(), D.Fuse(), D.Strip(' ', 1, 0)]),
    'fused': D.Sequence([D.ByteFallback(), D.Fuse(), D.Replace('a', 'bb'), D.Strip(' ', 2, 0)]), 'strip': D.Strip('e', 1, 0),
    'regex': D.Sequence([D.Replace(Regex('[a-c]+'), '*'), D.Metaspace()]),
}
processors = {
    'none': None, 'bert': X.BertProcessing(('[SEP]', 1), ('[CLS]', 2)), 'roberta': X.RobertaProcessing(('[SEP]', 1), ('[CLS]', 2)),
    'template': X.TemplateProcessing(single='[CLS] $A [SEP] [SEP]', pair='[CLS] $A [SEP] $B:1 [SEP]:1',
                                     special_tokens=[('[CLS]', 2), ('[SEP]', 1)]),
    'sequence': X.Sequence([X.ByteLevel(trim_offsets=False), X.TemplateProcessing(
        single='$A [SEP]', pair='$A $B', special_tokens=[('[SEP]', 1)])]),
}
special = ['[UNK]', '[SEP]', '[CLS]']
byte_tokens = ['<0x%02X>' % byte for byte in range(256)]
kinds = {
    'bpe': lambda: (M.BPE(unk_token='[UNK]'), T.BpeTrainer(vocab_size=250, special_tokens=special, limit_alphabet=150)),
    'bpe fused': lambda: (M.BPE(unk_token='[UNK]', fuse_unk=True), T.BpeTrainer(vocab_size=150, special_tokens=special, limit_alphabet=50)),
    'bpe no unknown': lambda: (M.BPE(), T.BpeTrainer(vocab_size=150, special_tokens=special, limit_alphabet=50)),
    'bpe bytes': lambda: (M.BPE(unk_token='[UNK]', byte_fallback=True), T.BpeTrainer(
        vocab_size=400, special_tokens=special + byte_tokens, limit_alphabet=60)),
    'bpe suffix': lambda: (M.BPE(unk_token='[UNK]', end_of_word_suffix='</w>'), T.BpeTrainer(
        vocab_size=200, special_tokens=special, end_of_word_suffix='</w>', limit_alphabet=60)),
    'bpe prefix': lambda: (M.BPE(unk_token='[UNK]', continuing_subword_prefix='##'), T.BpeTrainer(
        vocab_size=200, special_tokens=special, continuing_subword_prefix='##', limit_alphabet=60)),
    'wordpiece': lambda: (M.WordPiece(unk_token='[UNK]', max_input_chars_per_word=12), T.WordPieceTrainer(
        vocab_size=250, special_tokens=special, limit_alphabet=100)),
    'wordlevel': lambda: (M.WordLevel(unk_token='[UNK]'), T.WordLevelTrainer(vocab_size=150, special_tokens=special)),
    'unigram': lambda: (M.Unigram(), T.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token='[UNK]', show_progress=False)),
    'unigram bytes': lambda: (M.Unigram(), T.UnigramTrainer(
        vocab_size=450, special_tokens=special + byte_tokens, unk_token='[UNK]', show_progress=False)),
}
combinations = [(kind, *(random.choice(list(each)) for each in (normalizers, pre_tokenizers, decoders, processors)))
                for kind in kinds for _ in range(3)]
combinations += [('bpe', name, 'bert', 'llama', 'none') for name in normalizers]
combinations += [('wordpiece', 'nfkc', name, 'wordpiece', 'template') for name in pre_tokenizers]
combinations += [('bpe bytes', 'prepend', 'none', name, 'bert') for name in decoders]

cases = []
for index, (kind, normalizer, pre_tokenizer, decoder, processor) in enumerate(combinations):
    model, trainer = kinds[kind]()
    tokenizer = Tokenizer(model)
    if normalizers[normalizer]:
        tokenizer.normalizer = normalizers[normalizer]
    if pre_tokenizers[pre_tokenizer]:
        tokenizer.pre_tokenizer = pre_tokenizers[pre_tokenizer]
    tokenizer.train_from_iterator(corpus, trainer)
    if decoders[decoder]:
        tokenizer.decoder = decoders[decoder]
    if processors[processor]:
        tokenizer.post_processor = processors[processor]
    tokenizer.add_tokens([AddedToken('<tool>', normalized=index % 2 == 1, lstrip=index % 3 == 0, rstrip=index % 5 == 0,
                                     single_word=index % 7 == 0)])
    tokenizer.add_special_tokens([AddedToken('<|end|>', special=True, normalized=False, rstrip=index % 3 == 1)])
    text = json.loads(tokenizer.to_str())
    if kind == 'unigram bytes':
        text['model']['byte_fallback'] = True
    tokenizer = Tokenizer.from_str(json.dumps(text))
    rows = []
    for each in texts:
        ids = tokenizer.encode(each).ids
        chosen = [random.randrange(tokenizer.get_vocab_size() + 3) for _ in range(random.randrange(1, 9))]
        rows.append([ids, tokenizer.encode(each, add_special_tokens=False).ids, tokenizer.decode(ids), chosen,
                     tokenizer.decode(chosen), tokenizer.decode(chosen, skip_special_tokens=False)])
    pair = tokenizer.encode('pears grow', 'on the wall')
    cases.append({'name': f'{kind}, {normalizer}, {pre_tokenizer}, {decoder}, {processor}', 'tokenizer': text, 'rows': rows,
                  'pair': [pair.ids, pair.type_ids]})
golden = {'oracle': f'tokenizers {tokenizers.__version__}', 'texts': texts, 'cases': cases}
with gzip.GzipFile(sys.argv[1], 'wb', 9, mtime=0) as file:
    file.write(json.dumps(golden).encode())
print(len(cases), 'tokenizers,', os.path.getsize(sys.argv[1]), 'bytes')
