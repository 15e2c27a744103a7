// What each Node SDK is asked of every family; prints {sdk: {task: {family: what it parsed, or the error}}}.
// The same tasks, in the same words, as python/matrix.py.
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { toFile } from 'openai';

const models = JSON.parse(process.env.MODELS);
const apiKey = process.env.CUSTOMER_KEY;
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

const openai = new OpenAI({ apiKey, baseURL: process.env.GATEWAY_URL, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey, baseURL: process.env.GATEWAY_ROOT, maxRetries: 0 });
const genai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: process.env.GATEWAY_ROOT, apiVersion: 'v1beta' } });

const chatAsk = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Say hello.' }];
const chatTools = [{ type: 'function', function: { name: 'get_weather', description: 'weather', parameters } }];
const calls = (list) => list.map((c) => [c.function.name, JSON.parse(c.function.arguments)]);

const openaiTasks = {
	async chat(model) {
		const c = await openai.chat.completions.create({ model, messages: chatAsk, max_tokens: 64, temperature: 0.5 });
		return { text: c.choices[0].message.content, in: c.usage.prompt_tokens, out: c.usage.completion_tokens,
			stop: c.choices[0].finish_reason };
	},
	async stream(model) {
		let text = '', usage, stop;
		for await (const chunk of await openai.chat.completions.create({
			model, messages: chatAsk, max_tokens: 64, stream: true, stream_options: { include_usage: true } })) {
			text += chunk.choices[0]?.delta?.content ?? '';
			stop = chunk.choices[0]?.finish_reason ?? stop;
			usage = chunk.usage ?? usage;
		}
		return { text, in: usage.prompt_tokens, out: usage.completion_tokens, stop };
	},
	async tools(model) {
		const first = (await openai.chat.completions.create({
			model, messages: chatAsk, tools: chatTools, tool_choice: 'required', max_tokens: 64 })).choices[0];
		const last = await openai.chat.completions.create({ model, tools: chatTools, max_tokens: 64, messages: [...chatAsk,
			{ role: 'assistant', content: first.message.content, tool_calls: first.message.tool_calls },
			{ role: 'tool', tool_call_id: first.message.tool_calls[0].id, content: 'sunny' }] });
		return { calls: calls(first.message.tool_calls), stop: first.finish_reason, text: last.choices[0].message.content };
	},
	async tools_stream(model) {
		const choice = (await openai.chat.completions.stream({
			model, messages: chatAsk, tools: chatTools, tool_choice: 'required', max_tokens: 64 }).finalChatCompletion()).choices[0];
		return { calls: calls(choice.message.tool_calls), stop: choice.finish_reason };
	},
	async schema(model) {
		const c = await openai.chat.completions.parse({ model, messages: chatAsk, max_tokens: 64,
			response_format: { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } } });
		return { parsed: JSON.parse(c.choices[0].message.content).city };
	},
	async responses(model) {
		const r = await openai.responses.create({ model, input: 'Say hello.', instructions: 'Be brief.', max_output_tokens: 64,
			store: false });
		return { text: r.output_text, in: r.usage.input_tokens, out: r.usage.output_tokens, stop: r.status };
	},
	async responses_stream(model) {
		let text = '';
		const stream = openai.responses.stream({ model, input: 'Say hello.', max_output_tokens: 64, store: false });
		for await (const event of stream)
			text += event.type === 'response.output_text.delta' ? event.delta : '';
		const r = await stream.finalResponse();
		return { text, in: r.usage.input_tokens, out: r.usage.output_tokens, stop: r.status };
	},
	async responses_tools(model) {
		const r = await openai.responses.create({ model, input: 'Weather?', max_output_tokens: 64, store: false,
			tool_choice: 'required', tools: [{ type: 'function', name: 'get_weather', description: 'weather', parameters,
				strict: false }] });
		return { calls: r.output.filter((i) => i.type === 'function_call').map((i) => [i.name, JSON.parse(i.arguments)]) };
	},
	async embeddings(_, embedding) {
		const r = await openai.embeddings.create({ model: embedding, input: ['one', 'two'] });
		return { vectors: r.data.length, numbers: r.data.every((d) => d.embedding.length > 0 &&
			d.embedding.every((x) => Number.isFinite(x))) };
	},
	async images(_, __, family) {
		const r = await openai.images.generate({ model: `@${family}/gpt-image-1`, prompt: 'a dot' });
		return { png: Buffer.from(r.data[0].b64_json, 'base64').toString('latin1', 1, 4) };
	},
	async transcription(_, __, family) {
		const r = await openai.audio.transcriptions.create({ model: `@${family}/gpt-4o-transcribe`,
			file: await toFile(Buffer.from('ID3xx'), 'a.mp3') });
		return { text: r.text };
	},
	async speech(_, __, family) {
		const r = await openai.audio.speech.create({ model: `@${family}/gpt-4o-mini-tts`, voice: 'alloy', input: 'hello' });
		return { bytes: Buffer.from(await r.arrayBuffer()).toString('latin1', 0, 3) };
	},
};

const claudeAsk = [{ role: 'user', content: 'Say hello.' }];
const claudeTools = [{ name: 'get_weather', description: 'weather', input_schema: parameters }];
const told = (m) => ({ text: m.content.filter((b) => b.type === 'text').map((b) => b.text).join(''),
	in: m.usage.input_tokens, out: m.usage.output_tokens, stop: m.stop_reason });
const uses = (m) => m.content.filter((b) => b.type === 'tool_use').map((b) => [b.name, b.input]);

const anthropicTasks = {
	async messages(model) {
		return told(await anthropic.messages.create({ model, max_tokens: 64, system: 'Be brief.', messages: claudeAsk }));
	},
	async stream(model) {
		return told(await anthropic.messages.stream({ model, max_tokens: 64, messages: claudeAsk }).finalMessage());
	},
	async tools(model) {
		const first = await anthropic.messages.create({ model, max_tokens: 64, messages: claudeAsk, tools: claudeTools,
			tool_choice: { type: 'any' } });
		const use = first.content.find((b) => b.type === 'tool_use');
		const last = await anthropic.messages.create({ model, max_tokens: 64, tools: claudeTools, messages: [...claudeAsk,
			{ role: 'assistant', content: first.content },
			{ role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'sunny' }] }] });
		return { calls: uses(first), stop: first.stop_reason, text: told(last).text };
	},
	async tools_stream(model) {
		const last = await anthropic.messages.stream({ model, max_tokens: 64, messages: claudeAsk, tools: claudeTools,
			tool_choice: { type: 'tool', name: 'get_weather' } }).finalMessage();
		return { calls: uses(last), stop: last.stop_reason };
	},
	async count_tokens(model) {
		return { in: (await anthropic.messages.countTokens({ model, messages: claudeAsk })).input_tokens };
	},
};

const geminiTools = [{ functionDeclarations: [{ name: 'get_weather', description: 'weather', parametersJsonSchema: parameters }] }];
const generated = (r) => ({ text: r.text, in: r.usageMetadata.promptTokenCount, out: r.usageMetadata.candidatesTokenCount,
	stop: r.candidates[0].finishReason });

const genaiTasks = {
	async generate(model) {
		return generated(await genai.models.generateContent({ model: `models/${model}`, contents: 'Say hello.',
			config: { maxOutputTokens: 64, systemInstruction: 'Be brief.' } }));
	},
	async stream(model) {
		let text = '', usage, stop;
		for await (const chunk of await genai.models.generateContentStream({ model: `models/${model}`, contents: 'Say hello.',
			config: { maxOutputTokens: 64 } })) {
			text += chunk.text ?? '';
			usage = chunk.usageMetadata ?? usage;
			stop = chunk.candidates?.[0]?.finishReason ?? stop;
		}
		return { text, in: usage.promptTokenCount, out: usage.candidatesTokenCount, stop };
	},
	async tools(model) {
		const config = { maxOutputTokens: 64, tools: geminiTools, toolConfig: { functionCallingConfig: { mode: 'ANY' } } };
		const first = await genai.models.generateContent({ model: `models/${model}`, contents: 'Weather?', config });
		const last = await genai.models.generateContent({ model: `models/${model}`, config: { maxOutputTokens: 64, tools: geminiTools },
			contents: [{ role: 'user', parts: [{ text: 'Weather?' }] }, first.candidates[0].content,
				{ role: 'user', parts: [{ functionResponse: { name: 'get_weather', response: { output: 'sunny' } } }] }] });
		return { calls: first.functionCalls.map((c) => [c.name, c.args]), text: last.text };
	},
	async schema(model) {
		const r = await genai.models.generateContent({ model: `models/${model}`, contents: 'Where?',
			config: { maxOutputTokens: 64, responseMimeType: 'application/json', responseSchema: parameters } });
		return { parsed: JSON.parse(r.text).city };
	},
	async count_tokens(model) {
		return { in: (await genai.models.countTokens({ model: `models/${model}`, contents: 'Say hello.' })).totalTokens };
	},
};

const results = {};
for (const [sdk, tasks] of Object.entries({ openai: openaiTasks, anthropic: anthropicTasks, genai: genaiTasks }))
	for (const [task, run] of Object.entries(tasks))
		for (const [family, [model, embedding]] of Object.entries(models)) {
			const row = (results[sdk] ??= {})[task] ??= {};
			row[family] = await run(model, embedding, family).catch((e) =>
				({ error: e.status ?? 0, message: `${e.message}` }));
		}
console.log(JSON.stringify(results));
