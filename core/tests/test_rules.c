/*
 * The rules by themselves, as a batch calls them: check, plan and decide over rows and an arena, without an engine. Here
 * each piece that a rule takes from its arena is one that may not be had.
 */
#include "budget.h"
#include "move.h"
#include "purge.h"
#include "request.h"
#include "tests.h"
#include "text.h"

/* ---- the way of a batch, with one request ------------------------------------------------------------------- */

typedef struct bench {
	ff_test *test;
	ff_store *store;
	ff_txn *txn;
	ffp_policies policies;
} bench;

static uint64_t no_random(void *context)
{
	(void)context;
	return 5;
}

static const ff_random random_source = { .next = no_random };

static void free_bench(void *object)
{
	bench *on = object;
	ffp_policies_free(&on->policies);
	ffp_fake_backend.abort(on->txn);
	ffp_fake_backend.close(on->store);
}

/* A read transaction on the case's store, past any engine; no engine may be used until the bench is freed. */
static bench *new_bench(ff_test *t, ffp_memory *memory)
{
	bench *on = ff_test_alloc(t, sizeof(*on));
	const ff_store_config config = { .path = strchr(ff_test_uri(t), ':') + 1, .catalog = &ffp_catalog };
	on->test = t;
	on->store = ff_test_alloc(t, ffp_fake_backend.instance_size);
	on->policies.allocator = &memory->allocator;
	FF_REQUIRE_OK(t, ffp_fake_backend.open(on->store, &config, ff_test_error(t)));
	FF_REQUIRE_OK(t, ffp_fake_backend.begin(on->store, FF_TXN_READ, &on->txn, ff_test_error(t)));
	ff_test_defer(t, free_bench, on);
	return on;
}

/* Rounds of load and decide, and then the writes; NO_MEMORY where a piece could not be had. */
static ff_code decide(bench *on, ffp_batch *batch, ffp_request *request, size_t *writes_count)
{
	ff_code code = FFP_PENDING;
	for (int round = 0; code == FFP_PENDING && round < 10; round++) {
		ff_read *reads;
		size_t count;
		if (ffp_rows_are_pending(&batch->rows)) {
			if (!ffp_rows_reads(&batch->rows, &reads, &count))
				return FF_E_NO_MEMORY;
			ff_error *error = ff_test_error(on->test);
			FF_REQUIRE_OK(on->test,
			              ffp_fake_backend.load(on->txn, ffp_raw_arena(on->test), reads, count, error));
			if (!ffp_rows_loaded(&batch->rows, reads))
				return FF_E_NO_MEMORY;
		}
		ffp_rows_revert(&batch->rows);
		code = request->op->decide(batch, request);
	}
	ff_write *writes;
	if (code == FF_OK && !ffp_rows_writes(&batch->rows, &writes, writes_count))
		return FF_E_NO_MEMORY;
	return code;
}

static ff_code run(bench *on, const ffp_request *asked, ff_arena *arena, size_t *writes_count)
{
	ffp_request request = *asked;
	ffp_batch batch = { .arena = arena, .policies = &on->policies, .random = &random_source, .key_ttl_ms = DAY_MS };
	ff_code code = request.op->check ? request.op->check(&request, arena) : FF_OK;
	if (code != FF_OK)
		return code;
	if (!ffp_rows_init(&batch.rows, arena, 0, 1) || !request.op->plan(&batch, &request))
		return FF_E_NO_MEMORY;
	return decide(on, &batch, &request, writes_count);
}

/* Gives a request one piece more each time, until it is decided; how many it took. */
static void starve(bench *on, ffp_request asked, size_t want_writes)
{
	ff_test *t = on->test;
	ff_error *error = ff_test_error(t);
	ff_code code = FF_E_NO_MEMORY;
	size_t writes = 0;
	uint64_t pieces = 0;
	asked.error = error;
	asked.now_ms = FF_TEST_START_MS;
	for (; code == FF_E_NO_MEMORY && pieces < 1000; pieces++) {
		ffp_policies_free(&on->policies);
		ff_error_set(error, FF_OK, "%s", "");
		code = run(on, &asked, ffp_scarce_arena(t, pieces), &writes);
		FF_CHECK(t, error->code == FF_OK || error->code == code);
	}
	if (!FF_CHECK_EQ_INT(t, code, FF_OK) || !FF_CHECK_EQ_INT(t, writes, want_writes) || !FF_CHECK(t, pieces > 5))
		ff_test_note(t, "%s of %d: %s", asked.op->name, asked.call ? (int)asked.call->op : 0, error->message);
}

static void starve_call(bench *on, ff_call call, size_t want_writes)
{
	starve(on, (ffp_request){ .op = ffp_op_of(call.op), .call = &call }, want_writes);
}

/* ---- the cases ---------------------------------------------------------------------------------------------- */

static void rules_of_budgets_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5 c=9:3 @reset=500 @hard=stop @soft=warn @now=10"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "other", "a=5 @scope=team:7"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "old", "a=4 c=1 d=1"), "ok");
	bench *on = new_bench(t, memory);
	const ffp_amounts *hard = ffp_amounts_of(t, "c=1 a=100");
	const ffp_amounts *soft = ffp_amounts_of(t, "c=1 a=3");
	const ff_report refused = {
		.budget_id = "b", .amounts = hard->list, .amounts_count = hard->count, .idempotency_key = "new"
	};
	const ff_spend spend = { .report = { .budget_id = "b",
		                             .amounts = soft->list,
		                             .amounts_count = soft->count,
		                             .idempotency_key = "new" },
		                 .execution_id = "y" };
	starve_call(on, (ff_call){ .op = FF_OP_REPORT_USAGE, .in.report = &refused }, 2);
	starve_call(on, (ff_call){ .op = FF_OP_RECORD_SPEND, .in.spend = &spend }, 1 + 1 + 2 + 2);
	starve_call(on,
	            (ff_call){ .op = FF_OP_CREATE_BUDGET,
	                       .in.create_budget = ffp_budget_of(t, "new", "a=1 b=2:1 @reset=5 @hard=x") },
	            1);
	starve_call(
	    on,
	    (ff_call){ .op = FF_OP_CREATE_BUDGET, .in.create_budget = ffp_budget_of(t, "other", "a=5 @scope=team:7") },
	    0);
	starve_call(on, (ff_call){ .op = FF_OP_RESET_BUDGET, .in.target = { .id = "b" } }, 1);
	starve_call(on, (ff_call){ .op = FF_OP_RELEASE_BUDGET, .in.target = { .id = "b", .execution_id = "x" } },
	            3 + 3);
}

static void rules_of_quotas_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=20 slots=10"), "created");
	for (int i = 0; i < 10; i++) /* with leases that are over by now */
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "x%d", i), "lease=5 now=1000"), "admitted");
	bench *on = new_bench(t, memory);
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = "new";
	admission.lease_ms = 9;
	/* the policy, a slot, an entry, and a slot that makes room for it */
	starve_call(on, (ff_call){ .op = FF_OP_ADMIT, .in.admission = &admission }, 4);
	/* nine that make room, which are asked for in two rounds */
	const ff_quota_limits narrow = { .window_seconds = 1, .max_requests_per_window = 5, .max_concurrent = 1 };
	admission.limits = &narrow;
	starve_call(on, (ff_call){ .op = FF_OP_ADMIT, .in.admission = &admission }, 3 + 10);
	ff_quota_spec spec = FF_QUOTA_SPEC_INIT;
	spec.quota_policy_id = "new";
	starve_call(on, (ff_call){ .op = FF_OP_CREATE_QUOTA_POLICY, .in.create_quota = &spec }, 1);
	starve_call(on, (ff_call){ .op = FF_OP_RELEASE_ADMISSION, .in.target = { .id = "q", .execution_id = "x3" } },
	            0);
	ffp_place start = { .is_set = false };
	ffp_slice slice = { .table = FFP_QUOTA_ADMITTED, .rows_max = 100, .changes_max = 100, .low = &start };
	starve(on, (ffp_request){ .op = &ffp_op_purge, .slice = &slice }, 1 + 10);
	FF_CHECK_EQ_INT(t, slice.changed, 10);
	slice.table = FFP_QUOTA_WINDOW;
	starve(on, (ffp_request){ .op = &ffp_op_purge, .slice = &slice }, 10);
}

static void rules_of_housekeeping_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%d", i), "a=5 @reset=5 @now=10"), "created");
	bench *on = new_bench(t, memory);
	ffp_place start = { .is_set = false };
	ffp_slice slice = { .table = FFP_BUDGET_POLICY,
		            .index = ffp_by_next_reset(),
		            .rows_max = 10,
		            .changes_max = 10,
		            .low = &start };
	starve(on, (ffp_request){ .op = &ffp_op_reset_due, .slice = &slice }, 3);
	FF_CHECK_EQ_INT(t, slice.changed, 3);
	const ffp_key_row stands = { .dedup_key = BYTES("k"), .budget_id = BYTES("b") };
	slice = (ffp_slice){ .table = FFP_BUDGET_USAGE_DEDUP };
	ffp_place_set(&slice.next, ffp_table(FFP_BUDGET_USAGE_DEDUP), NULL, &stands.row);
	starve(on, (ffp_request){ .op = &ffp_op_sweep_end, .slice = &slice }, 1);
	starve(on, (ffp_request){ .op = &ffp_op_sweep_begin, .slice = &slice }, 0);
	FF_CHECK(t, !slice.next.is_set);
}

static void rules_of_import_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, NULL);
	const ffp_sweep_row unfinished = { .work = BYTES(FFP_IMPORT_WORK) };
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ffp_fake_put(ffp_fake_of(t), FFP_SWEEP, &unfinished.row);
	bench *on = new_bench(t, memory);
	const ffp_usage_row usage = { .budget_id = BYTES("new"), .dimensions_key = BYTES("a"), .current_value = 5 };
	const ff_row *row = &usage.row;
	const ff_table *table = ffp_table(FFP_BUDGET_USAGE);
	ffp_import_slice first = { .begins = true };
	ffp_import_slice last = { .rows = &row, .tables = &table, .count = 1, .ends = true };
	starve(on, (ffp_request){ .op = &ffp_op_import, .import = &first }, 1 + 2);
	starve(on, (ffp_request){ .op = &ffp_op_import, .import = &last }, 1 + 1);
}

static const ff_case cases[] = {
	CASE(rules_of_budgets_without_memory, "FF-ERR-2", 0),
	CASE(rules_of_quotas_without_memory, "FF-ERR-2", 0),
	CASE(rules_of_housekeeping_without_memory, "FF-ERR-2", 0),
	CASE(rules_of_import_without_memory, "FF-ERR-2", 0),
};

FAMILY(ffp_tests_rules, cases);
