"""What an SDK makes of a refusal; prints the class of the exception and the status."""

import os
import sys

import openai
import portkey_ai

client = (openai.OpenAI(api_key=os.environ["CUSTOMER_KEY"], base_url=os.environ["GATEWAY_URL"],
                        max_retries=0)
          if sys.argv[1] == "openai" else
          portkey_ai.Portkey(api_key=os.environ["CUSTOMER_KEY"],
                             base_url=os.environ["GATEWAY_URL"]))
try:
    client.chat.completions.create(model="@mock/gpt-4o-mini",
                                   messages=[{"role": "user", "content": "hi"}])
    print("answered")
except Exception as error:  # the class is what is asked for
    print(type(error).__name__, getattr(error, "status_code", None))
