// Every administrative method of the Portkey SDK, called and its result looked at; prints the methods found by
// looking into the SDK, those that were served, those that were refused and how.
import assert from 'node:assert/strict';
import { Portkey } from 'portkey-ai';

const { GATEWAY_URL, ADMIN_KEY, WORKSPACE, PROVIDER_URL } = process.env;
const AREAS = ['admin', 'apiKeys', 'integrations', 'providers', 'virtualKeys', 'configs', 'guardrails', 'models',
	'logs', 'analytics', 'feedback', 'labels', 'collections', 'prompts', 'mcpIntegrations', 'mcpServers'];
const served = new Set(), refused = {};

const clientOf = (apiKey) => new Portkey({ apiKey, baseURL: GATEWAY_URL });

// [dotted name, resource, method] of every public method under the areas.
function methods(client) {
	const found = [];
	const walk = (resource, path) => {
		for (let p = Object.getPrototypeOf(resource); p !== Object.prototype; p = Object.getPrototypeOf(p))
			for (const name of Object.getOwnPropertyNames(p))
				if (name !== 'constructor' && !name.startsWith('_') && typeof resource[name] === 'function')
					found.push([[...path, name].join('.'), resource, name]);
		for (const name of Object.keys(resource))
			if (name !== 'client' && !name.startsWith('_') && resource[name] && typeof resource[name] === 'object')
				walk(resource[name], [...path, name]);
	};
	for (const area of AREAS) walk(client[area], [area]);
	return found;
}

// A client that remembers which of its methods returned.
function watched(key) {
	const client = clientOf(key);
	for (const [path, resource, name] of methods(client)) {
		const method = resource[name].bind(resource);
		resource[name] = async (...args) => {
			const answer = await method(...args);
			served.add(path);
			return answer;
		};
	}
	return client;
}

async function errorOf(promise) {
	try {
		await promise;
	} catch (error) {
		if (error.status) return error;
		throw error;
	}
	throw new Error('was not refused');
}
const statusOf = async (promise) => (await errorOf(promise)).status;
const told = (error) => [error.status, JSON.stringify(error.error ?? error.message) + error.message];
const each = (list, name) => list.map((one) => one[name]);

const admin = watched(ADMIN_KEY);
const workspace_id = WORKSPACE;

async function workspaces() {
	const every = admin.admin.workspaces;
	const made = await every.create({ name: 'Surface', defaults: { metadata: { team: 'a' } } });
	assert.deepEqual(each((await every.list({ name: 'Surf' })).data, 'id'), [made.id]);
	await every.update({ workspaceId: made.id, name: 'Surface 2' });
	assert.equal((await every.retrieve({ workspaceId: made.slug })).name, 'Surface 2');
	assert.equal(await statusOf(every.delete({ workspaceId: made.id, name: 'Surface' })), 400);
	await every.delete({ workspaceId: made.id, name: 'Surface 2' });
}

async function people() {
	const { users } = admin.admin, { invites } = users, members = admin.admin.workspaces.users;
	const made = await invites.create({ email: 'ada@example.com', role: 'member',
		workspaces: [{ id: WORKSPACE, role: 'member' }],
		workspace_api_key_details: { scopes: ['completions.write'] } });
	assert.equal((await invites.retrieve({ inviteId: made.id })).status, 'pending');
	assert.deepEqual(each((await invites.list({ status: 'pending' })).data, 'id'), [made.id]);
	const link = (await invites.resend({ inviteId: made.id })).inviteLink;
	const gone = await invites.create({ email: 'bob@example.com', role: 'member' });
	await invites.delete({ inviteId: gone.id });
	const answer = await fetch(GATEWAY_URL + '/invites/accept', { method: 'POST',
		headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: link.split('#')[1] }) });
	assert.equal(answer.status, 200);
	const userId = (await answer.json()).id;
	assert.deepEqual(each((await users.list({ email: 'ada@example.com' })).data, 'id'), [userId]);
	await users.update({ userId, role: 'admin' });
	assert.equal((await users.retrieve({ userId })).role, 'admin');
	await users.update({ userId, role: 'member' });
	await members.update({ workspaceId: WORKSPACE, userId, role: 'manager' });
	assert.equal((await members.retrieve({ workspaceId: WORKSPACE, userId })).role, 'manager');
	assert.deepEqual(each((await members.list({ workspaceId: WORKSPACE })).data, 'id'), [userId]);
	await members.delete({ workspaceId: WORKSPACE, userId });
	await members.create({ workspaceId: WORKSPACE, users: [{ id: userId, role: 'member' }] });
	await users.delete({ userId });
	assert.equal(await statusOf(users.retrieve({ userId })), 404);
}

async function keys() {
	const made = await admin.apiKeys.create({ type: 'workspace', 'sub-type': 'service', name: 'k', workspace_id,
		scopes: ['completions.write'], usage_limits: { credit_limit: 5.5, type: 'cost' },
		rate_limits: [{ type: 'requests', unit: 'rpm', value: 10 }], defaults: { metadata: { a: 'b' } } });
	const got = await admin.apiKeys.retrieve({ id: made.id });
	assert.deepEqual([got.name, got.usage_limits.credit_limit, got.defaults.metadata], ['k', 5.5, { a: 'b' }]);
	await admin.apiKeys.update({ id: made.id, name: 'k2' });
	const listed = await admin.apiKeys.list({ workspace_id });
	assert.equal(listed.data.find((k) => k.id === made.id).name, 'k2');
	assert.equal(await statusOf(admin.apiKeys.update({ id: made.id, scopes: ['no.such'] })), 400);
	await admin.apiKeys.delete({ id: made.id });
	assert.equal(await statusOf(admin.apiKeys.retrieve({ id: made.id })), 404);
}

async function integrations() {
	const every = admin.integrations, slug = 'surface';
	assert.equal((await every.create({ name: 'Surface', slug, ai_provider_id: 'openai', key: 'sk-upstream',
		configurations: { custom_host: PROVIDER_URL } })).slug, slug);
	assert.ok(each((await every.list({})).data, 'slug').includes(slug));
	await every.update({ slug, name: 'Surface 2' });
	assert.equal((await every.retrieve({ slug })).name, 'Surface 2');
	await every.models.update({ slug, allow_all_models: false, models: [
		{ slug: 'gpt-4o-mini', enabled: true }, { slug: 'ours', enabled: true, is_custom: true }] });
	assert.ok(each((await every.models.list({ slug })).models, 'slug').includes('ours'));
	await every.models.delete({ slug, slugs: 'ours' });
	assert.ok(!each((await every.models.list({ slug })).models, 'slug').includes('ours'));
	await every.workspaces.update({ slug, workspaces: [{ id: WORKSPACE, enabled: true,
		usage_limits: [{ type: 'cost', credit_limit: 7 }] }] });
	const granted = (await every.workspaces.list({ slug })).workspaces;
	assert.deepEqual([granted[0].id, granted[0].usage_limits[0].credit_limit], [WORKSPACE, 7]);
}

async function providers() {
	await admin.providers.create({ name: 'P', slug: 'p', integration_id: 'surface', workspace_id });
	assert.ok(each((await admin.providers.list({ workspace_id })).data, 'slug').includes('p'));
	await admin.providers.update({ slug: 'p', workspace_id, name: 'P2' });
	assert.equal((await admin.providers.retrieve({ slug: 'p', workspace_id })).name, 'P2');
	await admin.providers.delete({ slug: 'p', workspace_id });
	assert.equal(await statusOf(admin.providers.retrieve({ slug: 'p', workspace_id })), 404);
	await admin.virtualKeys.create({ name: 'V', slug: 'v', provider: 'openai', key: 'sk-upstream', workspace_id });
	assert.ok(each((await admin.virtualKeys.list({ workspace_id })).data, 'slug').includes('v'));
	await admin.virtualKeys.update({ slug: 'v', name: 'V2' });
	assert.equal((await admin.virtualKeys.retrieve({ slug: 'v' })).name, 'V2');
	await admin.virtualKeys.delete({ slug: 'v' });
}

async function rules() {
	const checks = [{ id: 'default.modelWhitelist', parameters: { models: ['gpt-4o-mini'] } }];
	const made = await admin.guardrails.create({ name: 'G', workspace_id, actions: { deny: true }, checks });
	assert.deepEqual(each((await admin.guardrails.list({ workspace_id })).data, 'slug'), [made.slug]);
	await admin.guardrails.update({ guardrail_id: made.slug, name: 'G2' });
	assert.equal((await admin.guardrails.retrieve({ guardrail_id: made.slug })).name, 'G2');
	const config = { provider: '@surface', input_guardrails: [made.slug] };
	const kept = await admin.configs.create({ name: 'C', config, workspace_id });
	assert.deepEqual(each((await admin.configs.list({ workspace_id })).data, 'slug'), [kept.slug]);
	await admin.configs.update({ slug: kept.slug, name: 'C2', config });
	assert.deepEqual(JSON.parse((await admin.configs.retrieve({ slug: kept.slug })).config), config);
	assert.equal(await statusOf(admin.guardrails.delete({ guardrail_id: made.slug })), 409);
	await admin.configs.delete({ slug: kept.slug });
	await admin.guardrails.delete({ guardrail_id: made.slug });
}

// What a workspace's own key asks: models, logs, feedback, reports.
async function traffic() {
	const made = await admin.apiKeys.create({ type: 'workspace', 'sub-type': 'service', name: 't', workspace_id,
		scopes: ['completions.write', 'logs.write', 'logs.view', 'logs.export', 'logs.list', 'analytics.view'] });
	const client = watched(made.key), model = '@surface/gpt-4o-mini';
	assert.ok(each((await client.models.list()).data, 'id').includes(model));
	assert.equal((await client.models.retrieve(model)).id, model);
	refused['models.delete'] = told(await errorOf(client.models.delete(model)));
	const answer = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] },
		{ traceID: 't-1' });
	assert.ok(answer.choices[0].message.content);
	await client.logs.create({ request: { url: 'https://model.example.com', body: {} },
		response: { status: 200, body: {} }, metadata: { trace_id: 'told' } });
	const feedback = await client.feedback.create({ traceID: 't-1', value: 5 });
	assert.equal(feedback.status, 'success');
	await client.feedback.update({ feedbackID: feedback.feedback_ids[0], value: 1 });

	const at = (hours) => new Date(Date.now() + hours * 3600e3).toISOString();
	const span = { time_of_generation_min: at(-1), time_of_generation_max: at(1) };
	const asked = { filters: span, requestedData: ['id', 'cost'], workspaceId: WORKSPACE };
	const one = await client.logs.exports.create({ ...asked, description: 'all' });
	await client.logs.exports.update({ exportId: one.id, ...asked });
	assert.deepEqual(each((await client.logs.exports.list({ workspaceId: WORKSPACE })).data, 'id'), [one.id]);
	await client.logs.exports.start({ exportId: one.id });
	for (let i = 0; i < 2000; i++)
		if ((await client.logs.exports.retrieve({ exportId: one.id })).status === 'success') break;
	assert.ok((await client.logs.exports.download({ exportId: one.id })).signed_url);
	const other = await client.logs.exports.create(asked);
	await client.logs.exports.cancel({ exportId: other.id });

	const { graphs, groups, summary } = client.analytics;
	for (const [path, , name] of methods(clientOf('x')))
		if (path.startsWith('analytics.graphs.'))
			assert.equal((await graphs[name](span)).object, 'analytics-graph', name);
	for (const got of [await groups.users(span), await groups.aiModels(span), await groups.workspaces(span),
		await groups.metadata('team', span), await groups.groupedData('model', span)])
		assert.equal(got.object, 'list');
	assert.ok((await summary.cache(span)).summary);
	assert.equal(await statusOf(graphs.cost({ ...span, time_of_generation_min: 'yesterday' })), 400);
}

// Areas that are refused by name.
async function notServed() {
	const anything = new String('x'); // an id, or a body with nothing in it
	const areas = /^(labels|collections|prompts|mcpIntegrations|mcpServers)\./;
	for (const [path, resource, name] of methods(clientOf(ADMIN_KEY)))
		if (areas.test(path)) refused[path] = told(await errorOf(resource[name](anything, {})));
}

await workspaces();
await people();
await keys();
await integrations();
await providers();
await rules();
await traffic();
await admin.integrations.delete({ slug: 'surface' });
await notServed();
console.log(JSON.stringify({ methods: methods(clientOf('x')).map(([path]) => path), served: [...served], refused }));
