"""Tokens against llama.cpp's own, for the real vocabularies and for each rule of cuts; and vocabularies that
cannot be.
"""

import json
import random
from itertools import product

import pytest

from quantlab.inference.cuts import ALIASES, CUTS
from quantlab.inference.specials import ENDS, PARTS, SHOWN, WITHIN
from quantlab.inference.tokenizer import BYTES, Tokenizer
from quantlab.models.source import BUNDLED, open_model
from tests.inference.files import copied, vocabulary
from tests.inference.llama_oracle import LlamaCpp
from tests.thinned import some

TEXTS = [
    "", " ", "  ", "\n", "\t\n  \r\n", "Hello", " Hello", "Hello  world ",
    "To be, or not to be: that is the question.",
    "I'll we've they'RE don't 'tis O'Neill I'M he'd 'S",
    "x=1;y = 23 + 4567890\nif (x>=y) {return -1.5e-3;}  // über",
    "def f(a, b):\n    return a[0]**2 - b['k']  # ok\n\n\n\tx\n", "2023-11-24 12:34:56.789 ½ ² ٣ Ⅷ 四 １２３",
    "naïve café Straße Ærøskøbing",
    "Привет, мир! Ελληνικά שלום עולם مرحبا بالعالم", "日本語のテキスト。中文字符 한국어",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 ☕️ e\u0301 \u200b\u00a0\u3000\ufeff",
    "a\u0000b\u0001\x7f", "▁under▁score <0x41> <s> </s>",
    "....!!!???--- ***bold*** `code` $\\alpha$ <b>&amp;</b>",
    "CamelCaseHTTPServer_v2 snake_case",
    "<|endoftext|>", "a<|endoftext|>b", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>  <|im_end|> x<|im_",
    "\U0001d54f𝟘",
]


def noise(seed):
    """Characters of many kinds, as nobody writes them."""
    rng = random.Random(seed)
    kinds = ["abcXYZ", " \t\n\r", "0123456789", "'\".,;!?-_", "éßñçøΩЖ", "中日한あ", "👍🏽🇩🇪\u200d",
             "'s'll're", "<|endoftext|>", "مرحبا٣", "ǅǆʰªₐ", "\x00\x07\x1b\x7f\u2028\u00ad", "▁<>/s",
             ["  ", "\n\n\n", " ▁", "<s>", "</s>", "<0x41>", "<|im_end|>", "<end_of_turn>\n", "the ", "HTTP"]]
    return "".join(rng.choice(rng.choice(kinds)) for _ in range(rng.choice((3, 30, 400))))


MANY = TEXTS + [noise(seed) for seed in range(200 - len(TEXTS))]


def same_as_llama_cpp(file, vocab_only=True, texts=MANY):
    """Every text, special tokens parsed or not; the pieces, the ends and the other facts."""
    with open_model(file) as model, LlamaCpp(file, 64, vocab_only) as oracle:
        own = Tokenizer.from_metadata(model.metadata)
        for text in texts:
            for special in (True, False):
                assert own.encode(text, special) == oracle.tokenize(text, special), (text, special)
        assert own.n_vocab == oracle.n_vocab and own.ends == oracle.ends()
        assert own.add_bos == oracle.fact("get_add_bos")
        assert (own.bos, own.eos) == (oracle.fact("bos"), oracle.fact("eos"))
        assert all(own.piece(token) == oracle.piece(token) for token in range(own.n_vocab))
        return own


def test_tiny_has_the_tokens_of_llama_cpp():
    own = same_as_llama_cpp(BUNDLED["tiny"])
    assert all(own.decode(own.encode(text)) == text for text in MANY)


def test_smollm2_has_the_tokens_of_llama_cpp(smollm_f16):
    own = same_as_llama_cpp(smollm_f16)
    assert all(own.decode(own.encode(text)) == text for text in MANY)


def trained(specials=()):
    """A byte-level vocabulary trained on these texts without any cuts, so that a merge exists wherever a cut
    may forbid it.
    """
    from tokenizers import Tokenizer as Library
    from tokenizers import models, pre_tokenizers, trainers

    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = [text.replace("<", "") for text in MANY]            # no word is one of the special tokens
    library.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=900, initial_alphabet=sorted(BYTES),
                                                           show_progress=False))
    model = json.loads(library.to_str())["model"]
    words = sorted(model["vocab"], key=model["vocab"].get)
    return [*words, *specials], [" ".join(pair) for pair in model["merges"]], [1] * len(words)


@pytest.mark.parametrize("pre", [*CUTS, *ALIASES])
def test_each_rule_of_cuts_is_that_of_llama_cpp(tmp_path, pre):
    tokens, merges, types = trained(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "Øsk", "日本"])
    file = vocabulary(tmp_path / "v.gguf", tokens, pre=pre, merges=merges, types=[*types, 3, 3, 3, 4, 4],
                      bos=len(types), eos=len(types) + 2)
    same_as_llama_cpp(file, texts=MANY if pre in CUTS else MANY[:60])


NAMES = [
    sorted(ENDS), sorted(SHOWN), *([name] for names in (WITHIN, *PARTS.values()) for name in sorted(names)),
    ["<|end|>", "<|return|>", "<|call|>", *SHOWN], ["<|end|>", "<|flush|>", "<|calls|>"],
    ["<|end|>", "<|return|>"], ["</s>", "<|tool_response>"], ["</s>", "<eos>"],
]


@pytest.mark.parametrize(("names", "kind"), some(product(NAMES, (1, 3, 4)), 2))
def test_special_tokens_are_known_by_their_names(tmp_path, names, kind):
    """Whatever type the file gives them."""
    tokens, merges, types = trained(names)
    file = vocabulary(tmp_path / "v.gguf", tokens, merges=merges, types=[*types, *[kind] * len(names)])
    same_as_llama_cpp(file, texts=[*names, *(f"a {name} \n{name}b" for name in names), *MANY[:10]])


def test_ends_that_the_file_names_are_ends(tmp_path):
    tokens, merges, types = trained(["<stop>", "<|fim_pad|>", "<pad>"])
    file = vocabulary(tmp_path / "v.gguf", tokens, merges=merges, types=[*types, 3, 3, 3],
                      add_eot_token_id=len(types))
    assert len(same_as_llama_cpp(file, texts=MANY[:5]).ends) == 3           # eos too
    file = copied(file, tmp_path / "w.gguf", metadata={"tokenizer.ggml.fim_pad_token_id": len(types) + 2})
    same_as_llama_cpp(file, texts=MANY[:5])


def test_phi3_takes_the_spaces_after_its_special_tokens(tmp_path):
    tokens, merges, types = trained(["<|user|>", "<|endoftext|>", "<unk>", "<s>", "</s>", "<|end|>"])
    file = vocabulary(tmp_path / "v.gguf", tokens, merges=merges, types=[*types, 3, 3, 2, 3, 3, 3],
                      add_name="Phi-3 mini")
    texts = [f"a {token} \n b{token}c  {token}" for token in tokens[len(types):]]
    own = same_as_llama_cpp(file, texts=texts)
    assert own.encode("<|user|> \n b") == own.encode("<|user|>b")


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepiece_is_that_of_llama_cpp(tmp_path, prefix):
    """Pieces of words with scores, most characters of them alone too, and a token for each byte that no piece
    covers.
    """
    pieces = ("▁ e t a o b h l r s n d i u ▁t ▁to be ▁be th he ▁th ▁the at ▁that ll lo llo hello "
              "He or ▁or not ▁not ▁▁ é ü qu est ion ▁q H q que 1 2 3 12 123 ▁1 "
              ", . < > / </ <s <0x4 0 x x4 0x4 4 1> 日本 本語")
    words = [*pieces.split(" "), "\n", "\n\n"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    scores = [0.0] * 259 + [-float(i) for i in range(len(words))]
    types = [2, 3, 3] + [6] * 256 + [1] * len(words)
    file = vocabulary(tmp_path / "v.gguf", tokens, model="llama", pre="default", scores=scores, types=types,
                      bos=1, eos=2, add_add_space_prefix=prefix)
    own = same_as_llama_cpp(file)
    assert own.add_bos and own.decode(own.encode("not é 👍")) == (" " if prefix else "") + "not é 👍"


def test_every_byte_has_one_character():
    assert sorted(BYTES.values()) == list(range(256)) and len(BYTES) == 256


def test_the_chat_template_of_the_file_is_used(smollm_f16):
    with open_model(smollm_f16) as model:
        own = Tokenizer.from_metadata(model.metadata)
    text = own.chat([{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi <b>"}])
    assert text == ("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi <b><|im_end|>\n"
                    "<|im_start|>assistant\n")
    assert own.decode(own.encode(text)) == text and own.encode(text)[0] == own.bos


def small(**other):
    return Tokenizer(**{"tokens": ["a", "b", "ab", "<|end|>"], "merges": ["a b"], "types": [1, 1, 1, 3],
                        "eos": 3, **other})


def test_a_template_gets_the_usual_names_and_stays_in_its_sandbox():
    hi = [{"role": "user", "content": "hi"}]
    assert small(chat_template="{{ eos_token }}{{ messages[0] | tojson }}").chat(
        hi) == '<|end|>{"role": "user", "content": "hi"}'
    for template, words in (("{{ raise_exception('no system role') }}", "no system role"),
                            ("{% if %}", "template"), ("{{ messages.__class__.__mro__ }}", "template"),
                            ("{{ 1 / 0 }}", "template"), ("{{ 1 + 'a' }}", "template")):
        with pytest.raises(ValueError, match=words):
            small(chat_template=template).chat(hi)
    for messages in (["hi"], [{"role": "user"}], [{"role": "user", "content": 3}]):
        with pytest.raises(ValueError, match="a message is"):
            small(chat_template="x").chat(messages)
    with pytest.raises(ValueError, match="no chat template"):
        small().chat(hi)


@pytest.mark.parametrize(("other", "words"), [
    ({"pre": "bloom"}, "the pre-tokenizer 'bloom' .* is not known here"),
    ({"pre": None}, "the pre-tokenizer None"),
    ({"model": "bert"}, "of the kind 'bert' .* known are gpt2"),
    ({"types": [1, 1]}, "4 tokens, but tokenizer.ggml.token_type has 2"),
    ({"model": "llama"}, "tokenizer.ggml.scores has 0"),
    ({"eos": 4}, "eos_token_id is 4, outside the vocabulary of 4"),
    ({"bos": -1}, "bos_token_id is -1"),
    ({"bos": "x"}, "bos_token_id is 'x'"),
    ({"tokens": ["a", "b", "ab", "a"]}, "has 'a' more than once"),
    ({"merges": ["a c"]}, "the merge 'a c'"),
    ({"merges": ["ab"]}, "the merge 'ab'"),
    ({"merges": [""]}, "the merge ''"),
])
def test_a_vocabulary_that_cannot_be_is_refused_in_words(other, words):
    with pytest.raises(ValueError, match=words):
        small(**other)


def test_what_cannot_be_encoded_or_decoded_is_refused_in_words():
    for call, words in ((lambda: small().encode(b"a"), "a text is needed to encode, got bytes"),
                        (lambda: small().encode("a\ud83d"), "half a character at 1"),
                        (lambda: small().decode([4]), "token 4 is outside the vocabulary of 4"),
                        (lambda: small().decode([-1]), "token -1"),
                        (lambda: Tokenizer.from_metadata({"tokenizer.ggml.model": "gpt2"}), "no vocabulary")):
        with pytest.raises(ValueError, match=words):
            call()
