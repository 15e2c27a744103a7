"""Mistakes we made once."""

import json
import threading


def test_a_long_answer_is_not_sent_from_memory_given_back(gateway, mock):
    """The last piece of an answer went out after its buffer had been freed."""
    key = gateway.key(budget_usd=100)
    body = {"model": "@mock/gpt-4o-mini", "max_tokens": 16,
            "messages": [{"role": "user", "content": "hi"}], "user": "mock: body_bytes=300000"}
    broken = []

    def ask():
        for _ in range(20):
            answer = gateway.post(key, body)
            try:
                whole = json.loads(answer.body.decode())
                assert len(answer.body) == 300000 and whole["usage"]["completion_tokens"] == 16
            except (ValueError, AssertionError) as error:
                broken.append(repr(error))
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
