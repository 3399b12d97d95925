-- One report of usage, statement by statement as FlowFabric's backend for Postgres sends them: each is a round trip.
-- The key belongs to the client, so two clients never meet on one; a budget is drawn by the key.
\set n :n + 1
\if :keys > 0
\set number mod(:n, :keys)
\else
\set number :n
\endif
\set key :client_id * 1000000000 + :number
\set budget 1 + mod(hash(:key) & 9223372036854775807, :budgets)
\set now_ms 1700000000000
\set expires_at_ms :now_ms + 86400000
\set fresh 0
BEGIN;
INSERT INTO ff_budget_usage_dedup (dedup_key, outcome, applied_at_ms, expires_at_ms) VALUES (:key, '{}', :now_ms, :expires_at_ms) ON CONFLICT (dedup_key) DO NOTHING RETURNING 1 AS fresh \aset
\if :fresh = 0
SELECT outcome FROM ff_budget_usage_dedup WHERE dedup_key = :key;
\else
SELECT coalesce((policy -> 'hard_limits' ->> 'tokens')::bigint, 0) AS hard FROM ff_budget_policy WHERE budget_id = :budget FOR NO KEY UPDATE \gset
INSERT INTO ff_budget_usage (budget_id, dimensions_key, current_value, updated_at_ms) VALUES (:budget, 'tokens', 0, :now_ms) ON CONFLICT (budget_id, dimensions_key) DO NOTHING;
SELECT current_value AS used FROM ff_budget_usage WHERE budget_id = :budget AND dimensions_key = 'tokens' FOR UPDATE \gset
\if :hard > 0 and 1 > :hard - :used
UPDATE ff_budget_policy SET breach_count = breach_count + 1, last_breach_at_ms = :now_ms, last_breach_dim = 'tokens', updated_at_ms = :now_ms WHERE budget_id = :budget;
UPDATE ff_budget_usage_dedup SET outcome = '{"kind":"HardBreach"}' WHERE dedup_key = :key;
\else
UPDATE ff_budget_usage SET current_value = current_value + 1, updated_at_ms = :now_ms WHERE budget_id = :budget AND dimensions_key = 'tokens';
UPDATE ff_budget_usage_dedup SET outcome = '{"kind":"Ok"}' WHERE dedup_key = :key;
\endif
\endif
COMMIT;
