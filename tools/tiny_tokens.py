"""What the tiny Llama reads: the corpus in tokens, and the windows of each step.

Everything random is drawn from (seed, step), so a resumed run sees the batches that an uninterrupted one
would have seen.
"""

from pathlib import Path

import numpy as np
from tiny_corpus import BY_HEART, corpus, fetch, passage
from tiny_model import N_CTX, N_VOCAB, SEED
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BATCH = 16
# of the windows of a batch: the passages that are to be known by heart
BY_HEART_SHARE = 0.10
END = "<|endoftext|>"


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level BPE with 1,024 tokens, as GPT-2 splits words; token 0 ends a scene."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=N_VOCAB, special_tokens=[END], initial_alphabet=alphabet,
                                  show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def prepare(folder: Path):
    """The tokenizer and the tokens to learn and to test on; saves tokenizer.json."""
    texts = corpus(fetch(folder))
    tokenizer = train_tokenizer([scene.text for scene in texts.train])
    tokenizer.save(str(folder / "tokenizer.json"))

    def tokens_of(scenes) -> np.ndarray:
        return np.concatenate([np.array([0, *tokenizer.encode(scene.text).ids], np.int32)
                               for scene in scenes])

    train, held_out = tokens_of(texts.train), tokens_of(texts.held_out)
    openings = [np.array(tokenizer.encode(passage(texts.train, start)[1][:300]).ids[:40])
                for start in BY_HEART]
    return train, held_out, np.array([find(train, opening) for opening in openings])


def find(tokens: np.ndarray, wanted: np.ndarray) -> int:
    """Where `wanted` begins in `tokens`."""
    for at in np.flatnonzero(tokens[:len(tokens) - len(wanted)] == wanted[0]):
        if np.array_equal(tokens[at:at + len(wanted)], wanted):
            return int(at)
    raise ValueError("a passage is not in the training tokens")


def batch_of(tokens: np.ndarray, passages: np.ndarray, number: int) -> np.ndarray:
    """(BATCH, N_CTX + 1) windows; one in ten begins at, or up to 150 tokens before, a passage to be known by
    heart.
    """
    random = np.random.default_rng([SEED, number])
    starts = random.integers(0, len(tokens) - N_CTX - 1, BATCH)
    known = random.random(BATCH) < BY_HEART_SHARE
    before = random.integers(0, 150, BATCH) * (random.random(BATCH) < 0.5)
    starts = np.where(known, np.clip(random.choice(passages, BATCH) - before, 0, len(tokens) - N_CTX - 2),
                      starts)
    return np.stack([tokens[at:at + N_CTX + 1] for at in starts])


def windows_of(tokens: np.ndarray) -> np.ndarray:
    """(windows, N_CTX + 1): a text cut into windows one after the other, for a loss that repeats."""
    return np.stack([tokens[at:at + N_CTX + 1] for at in range(0, len(tokens) - N_CTX - 1, N_CTX)])


def mean_nats(loss, weights, windows: np.ndarray) -> float:
    """The mean of `loss` over the windows, a batch at a time."""
    return float(np.mean([float(loss(weights, windows[i:i + BATCH]))
                          for i in range(0, len(windows) - BATCH + 1, BATCH)]))
