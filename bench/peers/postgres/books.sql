-- What the tables hold after a run, as JSON: the usage, and the outcomes by kind.
SELECT json_build_object(
	'usage', (SELECT coalesce(sum(current_value), 0) FROM ff_budget_usage),
	'accepted', (SELECT count(*) FROM ff_budget_usage_dedup WHERE outcome ->> 'kind' = 'Ok'),
	'refused', (SELECT count(*) FROM ff_budget_usage_dedup WHERE outcome ->> 'kind' = 'HardBreach'),
	'breaches', (SELECT sum(breach_count) FROM ff_budget_policy),
	'unfinished', (SELECT count(*) FROM ff_budget_usage_dedup WHERE outcome = '{}'));
