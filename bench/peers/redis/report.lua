-- One report of usage, decided and applied in one step: what a budget in Redis looks like when a script is its
-- transaction. KEYS: policy, usage, idempotency key. ARGV: the time, how long a key counts, the payload's digest (each
-- in its own form), then a dimension and an amount, as often as there are dimensions, in byte order.
-- Lua's numbers are doubles, so amounts are exact only up to 2^53.
local policy, usage, key = KEYS[1], KEYS[2], KEYS[3]
local now_ms, ttl_ms, digest = ARGV[1], ARGV[2], ARGV[3]

local recorded = redis.call('GET', key)
if recorded then
	local seen, outcome = string.match(recorded, '^(%S+) (.*)$')
	if seen ~= digest then
		return {'KEY_CONFLICT'}
	end
	return {'REPLAYED', outcome}
end

local dimensions, limits = {}, {}
for i = 4, #ARGV, 2 do
	dimensions[#dimensions + 1] = ARGV[i]
	limits[#limits + 1] = 'hard:' .. ARGV[i]
	limits[#limits + 1] = 'soft:' .. ARGV[i]
end
limits = redis.call('HMGET', policy, unpack(limits))
local used = redis.call('HMGET', usage, unpack(dimensions))

local function record(...)
	redis.call('SET', key, digest .. ' ' .. table.concat({...}, ' '), 'PX', ttl_ms)
	return {...}
end

for i, dimension in ipairs(dimensions) do
	local hard, current = tonumber(limits[2 * i - 1] or 0), tonumber(used[i] or 0)
	if hard > 0 and tonumber(ARGV[2 * i + 3]) > hard - current then
		redis.call('HINCRBY', policy, 'breach_count', 1)
		redis.call('HSET', policy, 'last_breach_at', now_ms, 'last_breach_dim', dimension)
		return record('HARD_BREACH', dimension, used[i] or '0', limits[2 * i - 1])
	end
end

local breach
for i, dimension in ipairs(dimensions) do
	local soft, sum = tonumber(limits[2 * i] or 0), redis.call('HINCRBY', usage, dimension, ARGV[2 * i + 3])
	if not breach and soft > 0 and sum > soft then
		breach = {'SOFT_BREACH', dimension, string.format('%.0f', sum), limits[2 * i]}
	end
end
if breach then
	redis.call('HINCRBY', policy, 'soft_breach_count', 1)
	return record(unpack(breach))
end
return record('OK')
