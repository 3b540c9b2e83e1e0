"""Chat templates: small Jinja programs in the file that write a conversation as the model was trained to read it.

A template comes from a stranger's file, so it runs in Jinja's sandbox: it can loop and join texts, and reaches nothing else.
Source: the environment that Hugging Face's `apply_chat_template` gives a template.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime


def render(template: str, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool, names: Mapping[str, str]) -> str:
    """The conversation as one text.

    messages: each with "role" and "content".  add_generation_prompt: end where the assistant begins to speak.
    names: texts that a template may ask for: bos_token, eos_token.
    Raises ValueError for messages of another form, for a template that is no Jinja, and for what a template refuses.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    for message in messages:
        if not isinstance(message, Mapping) or not all(isinstance(message.get(key), str) for key in ("role", "content")):
            raise ValueError(f'a message is {{"role": "user", "content": "..."}}, not {str(message)[:80]!r}')
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda words: datetime.now().strftime(words)}
    try:
        return environment.from_string(template).render(messages=list(messages), add_generation_prompt=add_generation_prompt, **names)
    except (TemplateError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"the model's chat template refuses these messages: {error}") from None


def _refuse(words: str):
    from jinja2 import TemplateError

    raise TemplateError(str(words))
