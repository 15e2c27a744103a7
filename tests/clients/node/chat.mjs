// Chat completions, whole and streamed; prints what came as JSON.
import { clientOf, MODEL } from './client.mjs';

const chat = clientOf(process.argv[2], process.env.CUSTOMER_KEY).chat.completions;
const messages = [{ role: 'user', content: 'Say something.' }];

const whole = await chat.create({ model: MODEL, messages, max_tokens: 20 });
const stream = await chat.create({
	model: MODEL, messages, max_tokens: 20, stream: true,
	stream_options: { include_usage: true },
});
let text = '', usage = null, finish = null;
for await (const chunk of stream) {
	text += chunk.choices[0]?.delta?.content ?? '';
	finish = chunk.choices[0]?.finish_reason ?? finish;
	usage = chunk.usage ?? usage;
}
console.log(JSON.stringify({
	whole: whole.choices[0].message.content,
	tokens: whole.usage.completion_tokens,
	streamed: text,
	streamed_tokens: usage.completion_tokens,
	finish,
}));
