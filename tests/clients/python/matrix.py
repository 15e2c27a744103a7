"""What each Python SDK is asked, and what it answered in words that are the same for all of them.

A task returns {text, in, out, stop} of what the SDK parsed, or what else its name says."""

import base64
import io
import json

import anthropic
import openai
from google import genai
from google.genai import types
from pydantic import BaseModel

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Place(BaseModel):
    city: str


class OpenAI:
    """OpenAI's own SDK: a method a task."""

    def __init__(self, families):
        self.client = openai.OpenAI(api_key=families.key, base_url=families.gateway.url, max_retries=0)
        self.model = families.model

    TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": SCHEMA}}]
    ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]

    def _told(self, c):
        m = c.choices[0].message
        return {"text": m.content, "in": c.usage.prompt_tokens, "out": c.usage.completion_tokens,
                "stop": c.choices[0].finish_reason}

    def chat(self, family):
        return self._told(self.client.chat.completions.create(
            model=self.model(family), messages=self.ASK, max_tokens=64, temperature=0.5))

    def stream(self, family):
        text, usage, stop = "", None, None
        for chunk in self.client.chat.completions.create(model=self.model(family), messages=self.ASK, stream=True,
                                                         max_tokens=64, stream_options={"include_usage": True}):
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
                stop = chunk.choices[0].finish_reason or stop
            usage = chunk.usage or usage
        return {"text": text, "in": usage.prompt_tokens, "out": usage.completion_tokens, "stop": stop}

    def tools(self, family):
        """A call, its result sent back, the answer to it."""
        first = self.client.chat.completions.create(model=self.model(family), messages=self.ASK, tools=self.TOOLS,
                                                    tool_choice="required", max_tokens=64)
        calls = first.choices[0].message.tool_calls
        last = self.client.chat.completions.create(
            model=self.model(family), tools=self.TOOLS, max_tokens=64, messages=[
                *self.ASK, first.choices[0].message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"}])
        return {"calls": [(c.function.name, json.loads(c.function.arguments)) for c in calls],
                "stop": first.choices[0].finish_reason, "text": last.choices[0].message.content}

    def tools_stream(self, family):
        with self.client.chat.completions.stream(model=self.model(family), messages=self.ASK, tools=self.TOOLS, max_tokens=64,
                                                 tool_choice="required") as stream:
            choice = stream.get_final_completion().choices[0]
        return {"calls": [(c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls],
                "stop": choice.finish_reason}

    def schema(self, family):
        parsed = self.client.chat.completions.parse(model=self.model(family), messages=self.ASK, response_format=Place,
                                                    max_tokens=64)
        return {"parsed": parsed.choices[0].message.parsed.city}

    def responses(self, family):
        r = self.client.responses.create(model=self.model(family), input="Say hello.", instructions="Be brief.",
                                         max_output_tokens=64, store=False)
        return {"text": r.output_text, "in": r.usage.input_tokens, "out": r.usage.output_tokens, "stop": r.status}

    def responses_stream(self, family):
        text = ""
        with self.client.responses.stream(model=self.model(family), input="Say hello.", max_output_tokens=64,
                                          store=False) as stream:
            for event in stream:
                text += event.delta if event.type == "response.output_text.delta" else ""
            r = stream.get_final_response()
        assert r.output_text == text
        return {"text": text, "in": r.usage.input_tokens, "out": r.usage.output_tokens, "stop": r.status}

    def responses_tools(self, family):
        r = self.client.responses.create(
            model=self.model(family), input="Weather?", max_output_tokens=64, store=False, tool_choice="required",
            tools=[{"type": "function", "name": "get_weather", "description": "weather", "parameters": SCHEMA, "strict": False}])
        return {"calls": [(i.name, json.loads(i.arguments)) for i in r.output if i.type == "function_call"]}

    def embeddings(self, family):
        r = self.client.embeddings.create(model=self.model(family, True), input=["one", "two"])
        return {"vectors": len(r.data), "numbers": all(isinstance(x, float) for d in r.data for x in d.embedding)}

    def images(self, family):
        r = self.client.images.generate(model=f"@{family}/gpt-image-1", prompt="a dot")
        return {"png": base64.b64decode(r.data[0].b64_json)[1:4].decode()}

    def transcription(self, family):
        r = self.client.audio.transcriptions.create(model=f"@{family}/gpt-4o-transcribe", file=("a.mp3", io.BytesIO(b"ID3xx")))
        return {"text": r.text}

    def speech(self, family):
        r = self.client.audio.speech.create(model=f"@{family}/gpt-4o-mini-tts", voice="alloy", input="hello")
        return {"bytes": r.read()[:3].decode()}


class Anthropic:
    """Anthropic's own SDK."""

    def __init__(self, families):
        self.client = anthropic.Anthropic(api_key=families.key, base_url=families.root, max_retries=0)
        self.model = families.model

    ASK = [{"role": "user", "content": "Say hello."}]
    TOOLS = [{"name": "get_weather", "description": "weather", "input_schema": SCHEMA}]

    def _told(self, m):
        return {"text": "".join(b.text for b in m.content if b.type == "text"), "in": m.usage.input_tokens,
                "out": m.usage.output_tokens, "stop": m.stop_reason}

    def messages(self, family):
        return self._told(self.client.messages.create(model=self.model(family), max_tokens=64, system="Be brief.",
                                                      messages=self.ASK))

    def stream(self, family):
        with self.client.messages.stream(model=self.model(family), max_tokens=64, messages=self.ASK) as stream:
            text = "".join(stream.text_stream)
            told = self._told(stream.get_final_message())
        assert told["text"] == text
        return told

    def tools(self, family):
        first = self.client.messages.create(model=self.model(family), max_tokens=64, messages=self.ASK, tools=self.TOOLS,
                                            tool_choice={"type": "any"})
        use = next(b for b in first.content if b.type == "tool_use")
        last = self.client.messages.create(
            model=self.model(family), max_tokens=64, tools=self.TOOLS, messages=[
                *self.ASK, {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}])
        return {"calls": [(use.name, use.input)], "stop": first.stop_reason, "text": self._told(last)["text"]}

    def tools_stream(self, family):
        with self.client.messages.stream(model=self.model(family), max_tokens=64, messages=self.ASK, tools=self.TOOLS,
                                         tool_choice={"type": "tool", "name": "get_weather"}) as stream:
            last = stream.get_final_message()
        return {"calls": [(b.name, b.input) for b in last.content if b.type == "tool_use"], "stop": last.stop_reason}

    def count_tokens(self, family):
        return {"in": self.client.messages.count_tokens(model=self.model(family), messages=self.ASK).input_tokens}


class Genai:
    """Google's own SDK."""

    def __init__(self, families):
        self.client = genai.Client(api_key=families.key, vertexai=False, http_options=types.HttpOptions(
            base_url=families.root, api_version="v1beta"))
        self.model = lambda family: f"models/{families.model(family)}"

    CONFIG = {"max_output_tokens": 64, "system_instruction": "Be brief."}
    TOOLS = [types.Tool(function_declarations=[types.FunctionDeclaration(
        name="get_weather", description="weather", parameters_json_schema=SCHEMA)])]

    def _told(self, r):
        return {"text": r.text, "in": r.usage_metadata.prompt_token_count, "out": r.usage_metadata.candidates_token_count,
                "stop": r.candidates[0].finish_reason.value}

    def generate(self, family):
        return self._told(self.client.models.generate_content(
            model=self.model(family), contents="Say hello.", config=types.GenerateContentConfig(**self.CONFIG)))

    def stream(self, family):
        chunks = list(self.client.models.generate_content_stream(
            model=self.model(family), contents="Say hello.", config=types.GenerateContentConfig(**self.CONFIG)))
        usage = [c.usage_metadata for c in chunks if c.usage_metadata][-1]
        stop = [c.candidates[0].finish_reason for c in chunks if c.candidates and c.candidates[0].finish_reason][-1]
        return {"text": "".join(c.text or "" for c in chunks), "in": usage.prompt_token_count,
                "out": usage.candidates_token_count, "stop": stop.value}

    def tools(self, family):
        config = types.GenerateContentConfig(
            max_output_tokens=64, tools=self.TOOLS, automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")))
        first = self.client.models.generate_content(model=self.model(family), contents="Weather?", config=config)
        last = self.client.models.generate_content(
            model=self.model(family), config=types.GenerateContentConfig(
                max_output_tokens=64, tools=self.TOOLS,
                automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)),
            contents=[types.Content(role="user", parts=[types.Part(text="Weather?")]), first.candidates[0].content,
                      types.Content(role="user", parts=[types.Part.from_function_response(
                          name="get_weather", response={"output": "sunny"})])])
        return {"calls": [(c.name, c.args) for c in first.function_calls], "text": last.text}

    def schema(self, family):
        r = self.client.models.generate_content(model=self.model(family), contents="Where?", config=types.GenerateContentConfig(
            max_output_tokens=64, response_mime_type="application/json", response_schema=Place))
        return {"parsed": r.parsed.city}

    def count_tokens(self, family):
        return {"in": self.client.models.count_tokens(model=self.model(family), contents="Say hello.").total_tokens}


SDKS = {"openai": OpenAI, "anthropic": Anthropic, "genai": Genai}
