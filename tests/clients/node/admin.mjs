// Administration by the Portkey SDK: a key with a budget and a rate, read back; prints JSON.
import { Portkey } from 'portkey-ai';

const portkey = new Portkey({ apiKey: process.env.ADMIN_KEY, baseURL: process.env.GATEWAY_URL });
const workspaces = await portkey.admin.workspaces.list({});
const made = await portkey.apiKeys.create({
	type: 'workspace', 'sub-type': 'service', name: 'from Node', workspace_id: process.argv[2],
	scopes: ['completions.write'],
	usage_limits: { credit_limit: 100, type: 'cost', periodic_reset: 'monthly', alert_threshold: 80 },
	rate_limits: [{ type: 'requests', unit: 'rpm', value: 100 }],
});
const keys = await portkey.apiKeys.list({ workspace_id: process.argv[2] });
console.log(JSON.stringify({
	slugs: workspaces.data.map((w) => w.slug),
	key: made.key,
	limits: keys.data.find((k) => k.id === made.id).usage_limits,
}));
