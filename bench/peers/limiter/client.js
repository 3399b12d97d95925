'use strict';
/*
 * Consumes points of rate-limiter-flexible, on Redis or on better-sqlite3, with a fixed number of calls under way.
 *
 * The limiter is made and called as its README does. It knows no idempotency keys: a call that is sent twice counts
 * twice. Says that it is ready and waits for a line, then prints one JSON object; the latency of each call goes to a file, as doubles in microseconds.
 */
const fs = require('node:fs');
const { performance } = require('node:perf_hooks');
const { RateLimiterRedis, RateLimiterSQLite } = require('rate-limiter-flexible');

const PERIOD_S = 86400;

/* redis:PORT, or sqlite:PATH and, where given, the pragmas that a program would set. */
async function open(store, pragmas, points) {
	const [scheme, place] = [store.slice(0, store.indexOf(':')), store.slice(store.indexOf(':') + 1)];
	const common = { keyPrefix: 'budget', points, duration: PERIOD_S };
	if (scheme === 'redis') {
		const Redis = require('ioredis');
		const client = new Redis({ host: '127.0.0.1', port: Number(place), enableOfflineQueue: false, lazyConnect: true });
		await client.connect();
		await client.flushall();
		return [new RateLimiterRedis({ ...common, storeClient: client }), () => client.disconnect()];
	}
	const Database = require('better-sqlite3');
	const client = new Database(place);
	if (pragmas) {
		client.exec(pragmas);
	}
	const limiter = await new Promise((resolve, reject) => {
		const options = { ...common, storeClient: client, storeType: 'better-sqlite3', tableName: 'budgets' };
		const made = new RateLimiterSQLite(options, (error) => (error ? reject(error) : resolve(made)));
	});
	return [limiter, () => client.close()];
}

async function call(run) {
	while (run.reports ? run.sent < run.reports : performance.now() < run.deadlineMs) {
		const budget = `budget-${run.sent++ % run.budgets}`;
		const began = performance.now();
		try {
			await run.limiter.consume(budget, 1);
			run.accepted++;
		} catch (refusal) {
			if (refusal instanceof Error) {
				throw refusal;
			}
			run.refused++;
		}
		run.latenciesUs.push((performance.now() - began) * 1000);
	}
}

async function usageOf(run, points) {
	let sum = 0;
	for (let i = 0; i < run.budgets; i++) {
		const state = await run.limiter.get(`budget-${i}`);
		/* A refused call is counted as consumed, too: what was granted is what lies within the limit. */
		sum += state ? Math.min(state.consumedPoints, points) : 0;
	}
	return sum;
}

async function main(words) {
	if (words.length !== 8) {
		console.error('usage: client.js STORE PRAGMAS IN_FLIGHT BUDGETS LIMIT SECONDS REPORTS LATENCIES');
		process.exit(2);
	}
	const [store, pragmas, inFlight, budgets, limit, seconds, reports, latencies] = words;
	const [limiter, close] = await open(store, pragmas, Number(limit));
	fs.writeSync(1, 'ready\n');
	fs.readSync(0, Buffer.alloc(1));
	const beganMs = performance.now();
	const run = {
		limiter,
		budgets: Number(budgets),
		reports: Number(reports),
		deadlineMs: beganMs + Number(seconds) * 1000,
		sent: 0,
		accepted: 0,
		refused: 0,
		latenciesUs: [],
	};
	await Promise.all(Array.from({ length: Number(inFlight) }, () => call(run)));
	const took = (performance.now() - beganMs) / 1000;
	fs.writeFileSync(latencies, Buffer.from(Float64Array.from(run.latenciesUs).buffer));
	const answer = { seconds: took, accepted: run.accepted, refused: run.refused, replayed: 0, failed: 0 };
	console.log(JSON.stringify({ ...answer, usage: await usageOf(run, Number(limit)) }));
	close();
}

main(process.argv.slice(2)).catch((error) => {
	console.error(`limiter: ${error.message}`);
	process.exit(1);
});
