"""Cohere behind OpenAI's client: chat, embeddings, rankings, and what they cost; embeddings of Gemini."""

import json

import pytest

import openai
from providers import expect, providers_of, serve

COMMAND = "command-a-03-2025"


@pytest.fixture(scope="module")
def one_provider(pg_cluster):
    with providers_of(pg_cluster, co="cohere", gem="google") as providers:
        yield providers


@pytest.fixture
def cohere(one_provider):
    one_provider.begin()
    return one_provider


@pytest.fixture
def mock(cohere):
    return cohere.mock


def test_openai_client_talks_to_cohere(cohere, mock):
    serve(mock, "cohere.chat.nonstream.json")
    answer = cohere.client(cohere.key(budget_usd="1")).chat.completions.create(
        model=f"@co/{COMMAND}", max_tokens=100, top_p=1, messages=[{"role": "user", "content": "Kyiv?"}])
    assert answer.choices[0].message.content == "Kyiv lies on the Dnipro."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 8)
    head = mock.last()["head"]
    assert head.startswith("POST ") and "/v2/chat HTTP/1.1" in head
    assert "authorization: bearer sk-upstream-secret" in head.lower()
    assert json.loads(mock.last()["body"]) == {"model": COMMAND, "max_tokens": 100, "p": 0.99,
                                               "messages": [{"role": "user", "content": "Kyiv?"}]}
    # What is billed, not what Cohere added to it: 2.5 and 10 dollars per million tokens.
    assert cohere.records("endpoint, input_fresh, output_total, cost_nusd") == [
        ("chatComplete", 9, 8, 9 * 2500 + 8 * 10000)]


@pytest.mark.parametrize("name", ["text", "tools", "usage"])
def test_transcripts_of_cohere_reach_openai_clients(cohere, mock, name):
    want = expect(f"cohere.chat.stream.{name}")
    serve(mock, f"cohere.chat.stream.{name}.sse")
    with cohere.stream(cohere.key(budget_usd="1"), "x", model=f"@co/{COMMAND}",
                       stream_options={"include_usage": True}) as stream:
        events = stream.read_all()
    assert stream.is_done
    assert [e["choices"][0] for e in events if e["choices"]] == [dict(c, logprobs=None) for c in want["openai_chunks"]]
    assert [e["usage"] for e in events if not e["choices"]] == [want["openai_usage"]]
    assert cohere.records("cost_nusd") == [(want["cost_nano_usd"],)]


def test_an_answer_that_broke_is_billed_as_cohere_bills_it(cohere, mock):
    want = expect("cohere.stream.error")
    serve(mock, "cohere.stream.error.sse")
    # It all came at once: nothing was sent yet, so a status tells.
    answer = cohere.post(cohere.key(budget_usd="1"), {"model": f"@co/{COMMAND}", "stream": True, "messages": [
        {"role": "user", "content": "x"}]})
    assert answer.status == 502 and answer.json["error"]["code"] == "upstream_error"
    assert cohere.records("input_fresh, output_total, cost_nusd") == [(9, 1, want["cost_nano_usd"])]


def test_a_refusal_of_cohere_is_told_in_openais_words(cohere, mock):
    serve(mock, "cohere.error.429.json", status=429)
    with pytest.raises(openai.RateLimitError) as refused:
        cohere.client(cohere.key()).chat.completions.create(
            model=f"@co/{COMMAND}", messages=[{"role": "user", "content": "x"}])
    assert refused.value.code == "rate_limit_exceeded" and "Trial key" in str(refused.value)


def test_clients_of_responses_and_messages_reach_cohere(cohere, mock):
    serve(mock, "cohere.chat.nonstream.json")
    answer = cohere.client(cohere.key()).responses.create(model=f"@co/{COMMAND}", input="Kyiv?")
    assert answer.output_text == "Kyiv lies on the Dnipro." and answer.usage.output_tokens == 8
    serve(mock, "cohere.chat.nonstream.json")
    answer = cohere.post(cohere.key(), {"model": f"@co/{COMMAND}", "max_tokens": 9,
                                        "messages": [{"role": "user", "content": "x"}]}, path="/v1/messages")
    assert answer.json["content"][0]["text"] == "Kyiv lies on the Dnipro."


def test_embeddings_of_cohere(cohere, mock):
    client = cohere.client(cohere.key(budget_usd="1"))
    for kind in ("base64", "float"):
        serve(mock, "cohere.embed.json")
        answer = client.embeddings.create(model="@co/embed-v4.0", input="hello", encoding_format=kind, dimensions=256)
        vector = answer.data[0].embedding
        if kind == "float":
            assert vector == [0.01, -0.02]
        else:
            assert vector == "CtcjPArXo7w="
        assert answer.usage.prompt_tokens == 2 and answer.model == "embed-v4.0"
    serve(mock, "cohere.embed.json")
    answer = client.embeddings.create(model="@co/embed-v4.0", input=["hello"])
    assert answer.data[0].embedding == pytest.approx([0.01, -0.02])
    assert "/v2/embed HTTP/1.1" in mock.last()["head"]
    assert json.loads(mock.last()["body"]) == {"model": "embed-v4.0", "texts": ["hello"],
                                               "input_type": "search_document", "embedding_types": ["float"]}
    assert cohere.records("endpoint, input_fresh, cost_nusd") == [("embed", 2, 240)] * 3


def test_a_ranking_is_paid_by_the_unit(cohere, mock):
    serve(mock, "cohere.rerank.json")
    key = cohere.key(budget_usd="1")
    answer = cohere.post(key, {"model": "@co/rerank-v4.0-pro", "query": "q", "documents": ["a", "b", "c", "d"],
                               "top_n": 2}, path="/v1/rerank")
    assert answer.status == 200, answer
    assert answer.json["results"][0] == {"index": 3, "relevance_score": 0.999}
    assert "/v2/rerank HTTP/1.1" in mock.last()["head"]
    assert json.loads(mock.last()["body"]) == {"model": "rerank-v4.0-pro", "query": "q",
                                               "documents": ["a", "b", "c", "d"], "top_n": 2}
    assert cohere.records("endpoint, units, cost_nusd") == [("rerank", 2, 5000000)]
    poor = cohere.post(cohere.key(budget_usd="0.001"), {
        "model": "@co/rerank-v4.0-pro", "query": "q", "documents": ["a"]}, path="/v1/rerank")
    assert poor.status == 412, poor


@pytest.mark.parametrize("path, fields, word", [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "n": 2}, "n: "),
    ("/v1/embeddings", {"input": [1, 2, 3]}, "input: tokens"),
    ("/v1/embeddings", {"input": ["x"] * 97}, "input: at most 96"),
    ("/v1/rerank", {"query": "q", "documents": ["a"], "return_documents": True}, "return_documents")])
def test_what_cohere_has_no_place_for_is_refused_by_name(cohere, mock, path, fields, word):
    answer = cohere.post(cohere.key(budget_usd="1"), {"model": f"@co/{COMMAND}", **fields}, path=path)
    assert answer.status == 400 and word in answer.message, answer
    assert mock.stats()["requests"] == 0 and not cohere.slots()


def test_embeddings_of_gemini(cohere, mock):
    mock.script(times=1, body=json.dumps({"embeddings": [{"values": [0.5, -1]}, {"values": [0.25, 2]}]}))
    answer = cohere.client(cohere.key(budget_usd="1")).embeddings.create(
        model="@gem/gemini-embedding-001", input=["a", "b"], dimensions=2)
    assert [d.embedding for d in answer.data] == [[0.5, -1], [0.25, 2]]
    assert "/models/gemini-embedding-001:batchEmbedContents HTTP/1.1" in mock.last()["head"]
    assert len(json.loads(mock.last()["body"])["requests"]) == 2
    # It did not say what it cost.
    assert cohere.records("endpoint, usage_source, cost_nusd > 0") == [("embed", "estimated", True)]
