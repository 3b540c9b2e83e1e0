"""The quiz of lesson 10: a question for each other lesson, from 00 to the last.

Numbers in the answers are computed where they stand, from the tables that the lessons use, so that a lesson
and its question cannot come apart.
"""

from ..basics.sample import sample_weights
from ..exhibits.types import mix
from ..formats.table import FORMATS
from ..inference.compare import recorded_quality
from ..inference.recorded_methods import recorded_methods
from ..memory.cards import GPUS
from ..memory.kv_cache import kv_cache_bytes
from ..memory.speed import expected_speed
from ..models.catalog import MODELS
from ..models.recipes import tensor_list
from ..words import GIB
from .answers_models import error_of_the_rule
from .quiz import Question, Quiz


def final_quiz() -> Quiz:
    """The quiz of lesson 10: a question for each of the other lessons, a score, an explanation behind every
    option, and the ledger of all lessons.
    """
    return Quiz([*_on_weights(), *_on_files(), *_on_practice(), *_on_formats(), *_on_running(), *_beyond()], "")


def _on_weights() -> list[Question]:
    q4_0, one = FORMATS["Q4_0"], sample_weights().reshape(-1, 32)[0]
    step = abs(one).max() / 7
    return [
        Question("What does quantizing a weight store?", [
            ("a float with fewer digits",
             "FP16 and BF16 do that: they are still floats. Quantizing drops the exponent of each weight."),
            ("a small whole number, and a scale that it shares with others",
             "Yes: weight = scale × whole number. The exponent is in the scale now. (Lesson 00)"),
            ("an index into a list of all weights",
             "Codebook formats come close to this, but their list has 16 to 2,048 entries, not all weights."),
        ], 1),
        Question(f"The scale of a block is {step:.3f}. How far from its old value can a weight of the block "
                 "end up, if it is between two levels?", [
            (f"at most {step / 2:.4f}, half a scale",
             "Yes: it goes to the nearer of two levels, and they are one scale apart. (Lesson 01)"),
            (f"at most {step:.3f}, a whole scale", "Then it would not have gone to the nearer level."),
            ("any distance away", "Rounding moves a weight to the nearest level, and no further."),
        ], 0),
        Question("One scale for a whole tensor, and one weight 50 times larger than the rest. "
                 "What happens?", [
            ("only that weight is stored badly",
             "It is the only one that is stored well: the scale was made for it."),
            ("the file grows", "The size does not depend on the values at all."),
            ("nearly all other weights become zero",
             "Yes: one step of the scale is larger than they are. Blocks keep that harm local. (Lesson 02)"),
        ], 2),
        Question("Where do you find what a model file is made of?", [
            ("in the header of the GGUF file: a name, a shape and a type for each tensor",
             "Yes, and it can be read without loading a single weight. (Lesson 03)"),
            ("in its tag", "The tag is a name somebody gave. It is usually right; the file always is."),
            ("only its maker knows", "The file says all of it: lesson 03 reads it byte by byte."),
        ], 0),
        Question("How many bits does a weight take in Q4_0?", [
            ("4", "The scale is missing: 16 bits for every 32 weights."),
            (f"{q4_0.bpw:g}", f"Yes: {q4_0.type_size} bytes for {q4_0.block_size} weights. (Lesson 04)"),
            ("5", "That would be a scale for every 16 weights."),
        ], 1),
    ]


def _on_files() -> list[Question]:
    tensors, bits = tensor_list("llama-3.1-8b", "Q4_K_M"), mix("llama-3.1-8b", "Q4_K_M").bpw
    raised = tensors[(tensors.role == "attn_v") & (tensors.type == "Q6_K")]
    short, long = (f"{-100 * error_of_the_rule('q4_K_M', n_ctx):.0f} %" for n_ctx in (2048, 131072))
    return [
        Question(f"A Q4_K_M file of Llama-3.1-8B takes {bits:.2f} bits per weight, Q4_K alone "
                 f"{FORMATS['Q4_K'].bpw:g}. What does the M raise?", [
            ("all attention tensors, to 5 bits", "Some tables say so; no file looks like this."),
            (f"attn_v and ffn_down, in {len(raised)} of 32 layers, to Q6_K",
             "Yes. And the output tensor is Q6_K in every K-quant. (Lesson 05)"),
            ("nothing: M is the size of the model",
             "The model's size is in the tag before it, such as 8b. S and M are recipes."),
        ], 1),
        Question("What is the rule of thumb (billions of parameters × GB per billion × 1.2) good for?", [
            ("for every context: its 1.2 pays for the conversation",
             "The 1.2 only pays for the bits per weight that the rule leaves out. The conversation is not in "
             "it."),
            (f"for a chat of 2,048 tokens, where it is {short} too low on average",
             f"Yes. At 131,072 tokens it is {long} too low: it does not know the KV cache. (Lesson 06)"),
            ("for nothing", f"For a short chat it is near: {short} too low on average over seven models."),
        ], 1),
    ]


def _on_practice() -> list[Question]:
    return [
        Question("On ten questions one file gets 7 right, the other 5. Which is better?", [
            ("the first", "Two equal models are as far apart as this in half of all such contests."),
            ("they are equal", "Ten questions cannot show that either: a real difference can hide."),
            ("cannot tell yet",
             "Yes. More prompts would tell, or a measure that uses every token: the KL divergence. "
             "(Lesson 07)"),
        ], 2),
        Question("Which quantization should you use?", [
            ("always Q4_K_M", "A good first try. Then check memory (06) and your own prompts (07)."),
            ("the largest that fits",
             "It leaves no room for a longer context, and it is slower: every token reads all its bytes."),
            ("start with Q4_K_M, see what fits, and let your own prompts decide",
             "Yes. That is this workbook in a line. (Lesson 08)"),
        ], 2),
        Question("You want a Q4_K_M file of a model. What do you start from?", [
            ("the largest file that somebody else has quantized",
             "What its first rounding lost does not come back, whatever its size."),
            ("the maker's 16-bit weights",
             "Yes: then each weight is rounded once, from its true value. (Lesson 09)"),
            ("a Q4_0 file: it has 4 bits already",
             "Then each weight is rounded twice, and the first rounding cannot be undone."),
        ], 1),
    ]


def _on_formats() -> list[Question]:
    sub = FORMATS["Q4_K"]
    return [
        Question("What does an importance matrix change?", [
            ("the size of the file", "The same blocks take the same bytes."),
            ("which errors of the weights are allowed to be large",
             "Yes: weights whose inputs are large are stored more exactly, the others less. (Lesson 11)"),
            ("the type of each tensor", "The mix chooses the types; the matrix only steers the rounding."),
        ], 1),
        Question("How does IQ2_XS store a weight in 2.3 bits?", [
            ("eight weights share one number: an entry in a book of 512 patterns",
             "Yes, with their signs and a scale for each 16. (Lesson 12)"),
            ("it leaves out every other weight",
             "All weights are there; they are chosen in groups of eight."),
            ("it stores three values, −1, 0 and 1",
             "That is a ternary format, such as TQ2_0. It is made for ternary models."),
        ], 0),
        Question("What does a super-block of Q4_K hold besides its 256 codes of four bits?", [
            ("one scale for all of them", "One scale for 256 weights would serve most of them badly."),
            ("eight scales and eight minimums of 6 bits, and two numbers of 16 bits to scale those",
             f"Yes: 8 × 12 + 2 × 16 = 128 bits, half a bit per weight; {sub.bpw:g} in all. (Lesson 15)"),
            ("eight scales of 16 bits", "That would take as many bits, and leave no room for minimums."),
        ], 1),
        Question("A matrix has rows of 576 weights. What does a Q4_K_M file do with it?", [
            ("it fills the rows up to 768", "No file is filled up: 576 weights are stored, no more."),
            ("it takes a type with blocks of 32 in place of the K type",
             "Yes: 576 is no multiple of 256. So Q4_K becomes Q5_0, and the file grows. (Lesson 16)"),
            ("it leaves the matrix in 16 bits", "Only where no type fits; blocks of 32 fit here."),
        ], 1),
    ]


def _on_running() -> list[Question]:
    cache = kv_cache_bytes(MODELS["llama3.1:8b"], 32768) / GIB
    card = GPUS["GeForce RTX 4090"]
    whole = expected_speed("llama3.1:8b", "Q4_K_M", card.bandwidth, n_ctx=8192)
    top = recorded_quality().set_index("ftype").loc["Q4_K_M"]
    return [
        Question("Your model fits, but long chats do not. What grew?", [
            ("the weights", "They are the same from the first token to the last."),
            ("the KV cache: keys and values of every token in the context",
             f"Yes: {cache:.0f} GiB for Llama-3.1-8B at 32,768 tokens. As q8_0 it takes about half. "
             "(Lesson 13)"),
            ("the GGUF file", "Nothing writes to it."),
        ], 1),
        Question("What is the most that a card can write, in tokens a second?", [
            ("its memory bandwidth divided by the bytes that a token reads",
             f"Yes: {card.bandwidth / 1e9:,.0f} GB/s for Q4_K_M of Llama-3.1-8B are at most "
             f"{whole.limit:.0f} tokens a second. (Lesson 14)"),
            ("the number of its compute units", "While one token is written they mostly wait for memory."),
            ("the model's tokens divided by the seconds on a stopwatch",
             "That measures loading and reading the prompt, too, and it is no limit."),
        ], 0),
        Question(f"At Q4_K_M the tiny Llama still recites all {top.passages:.0f} passages. Has nothing "
                 "changed?", [
            ("nothing: it is lossless", "The words are the same. The probabilities behind them are not."),
            (f"much: at {100 * (1 - top.top1):.0f} of 100 places of a new text its likeliest token is "
             "another one",
             "Yes. The divergence shows it long before an answer does. (Lesson 17)"),
            ("it has forgotten the passages, and only seems to know them",
             "It writes them word for word. What moved are the probabilities."),
        ], 1),
    ]


def _beyond() -> list[Question]:
    made = recorded_methods().query("ftype == 'Q4_0' and calibration != 'code'").set_index("method").kld
    return [
        Question("Two Q4_0 files of one model have the same size, and one of them is nearer to the original. "
                 "How can that be?", [
            ("it has more bits where it matters", "Then it would be larger: both have 4.5 bits a weight."),
            ("it cannot be: Q4_0 says how a weight is rounded",
             "Q4_0 says how a weight is stored. Which of the 16 levels it gets, the program chooses."),
            ("its errors were chosen so that they cancel in what the model computes",
             f"Yes: error feedback makes {made.nearest:.3f} nats of the tiny Llama {made.feedback:.3f}. "
             "(Lesson 18)"),
        ], 2),
        Question("A mixture does not fit on your card. What should stay in main memory?", [
            ("whole layers, as many as do not fit",
             "Of a layer a token reads all attention, and slowly there."),
            ("only experts, as llama.cpp's --n-cpu-moe does it",
             "Yes: they are most of the bytes, and a token reads few of them. (Lesson 19)"),
            ("the experts that are not needed", "The next token wakes others, so all must be in memory."),
        ], 1),
    ]
