// One client for both SDKs: the same calls, the same fields read.
import OpenAI from 'openai';
import { Portkey } from 'portkey-ai';

export const MODEL = '@mock/gpt-4o-mini';

export function clientOf(sdk, key) {
	const baseURL = process.env.GATEWAY_URL;
	return sdk === 'openai'
		? new OpenAI({ apiKey: key, baseURL, maxRetries: 0 })
		: new Portkey({ apiKey: key, baseURL });
}
