"""Chat completions, whole and streamed, by the SDK named first; prints what came as JSON."""

import json
import os
import sys

MODEL = "@mock/gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Say something."}]


def client_of(sdk):
    if sdk == "openai":
        from openai import OpenAI
        return OpenAI(api_key=os.environ["CUSTOMER_KEY"], base_url=os.environ["GATEWAY_URL"],
                      max_retries=0)
    from portkey_ai import Portkey
    return Portkey(api_key=os.environ["CUSTOMER_KEY"], base_url=os.environ["GATEWAY_URL"])


def main():
    chat = client_of(sys.argv[1]).chat.completions
    whole = chat.create(model=MODEL, messages=MESSAGES, max_tokens=20)
    text, usage, finish = "", None, None
    for chunk in chat.create(model=MODEL, messages=MESSAGES, max_tokens=20, stream=True,
                             stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    print(json.dumps({
        "whole": whole.choices[0].message.content,
        "tokens": whole.usage.completion_tokens,
        "streamed": text,
        "streamed_tokens": usage.completion_tokens,
        "finish": finish,
    }))


main()
