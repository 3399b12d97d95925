-- The tables of a budget in PostgreSQL, named as FlowFabric names them, and :budgets policies with a hard limit each.
DROP TABLE IF EXISTS ff_budget_policy, ff_budget_usage, ff_budget_usage_dedup;
CREATE TABLE ff_budget_policy (
	budget_id text PRIMARY KEY,
	policy jsonb NOT NULL,
	breach_count bigint NOT NULL DEFAULT 0,
	last_breach_at_ms bigint,
	last_breach_dim text,
	updated_at_ms bigint NOT NULL DEFAULT 0
);
CREATE TABLE ff_budget_usage (
	budget_id text NOT NULL,
	dimensions_key text NOT NULL,
	current_value bigint NOT NULL,
	updated_at_ms bigint NOT NULL,
	PRIMARY KEY (budget_id, dimensions_key)
);
CREATE TABLE ff_budget_usage_dedup (
	dedup_key text PRIMARY KEY,
	outcome jsonb NOT NULL,
	applied_at_ms bigint NOT NULL,
	expires_at_ms bigint NOT NULL
);
CREATE INDEX ON ff_budget_usage_dedup (expires_at_ms);
INSERT INTO ff_budget_policy (budget_id, policy)
SELECT number::text, jsonb_build_object('hard_limits', jsonb_build_object('tokens', :limit::bigint))
FROM generate_series(1, :budgets) AS number;
ANALYZE;
CHECKPOINT;
