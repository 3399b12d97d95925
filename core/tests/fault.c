/* faulty: wraps fake: and fails the calls that the plan names. */
#include "tests.h"

ffp_fault_plan ffp_fault;

void ffp_fault_clear(void)
{
	memset(&ffp_fault, 0, sizeof(ffp_fault));
}

void ffp_fault_set(ffp_slot_id slot, uint64_t at, ff_code code)
{
	ffp_fault_clear();
	ffp_fault.slot = slot;
	ffp_fault.code = code;
	ffp_fault.at = at;
}

/* Of the write transaction that is open. */
static bool (*goes_on)(void *context);
static void *goes_on_context;

/* What this call of a slot fails with, or FF_OK. */
static ff_code fault(ffp_slot_id slot, ff_error *error)
{
	if (slot != FFP_SLOT_OPEN && slot == ffp_fault.then && atomic_load(&ffp_fault.hits))
		return ff_error_set(error, FF_E_IO, "a fault that follows");
	if (ffp_fault.slot != slot)
		return FF_OK;
	uint64_t number = atomic_fetch_add(&ffp_fault.seen, 1) + 1;
	if (!ffp_fault.at || number < ffp_fault.at || (number > ffp_fault.at && !ffp_fault.repeat))
		return FF_OK;
	atomic_fetch_add(&ffp_fault.hits, 1);
	if (!ffp_fault.silent)
		ff_error_set(error, ffp_fault.code, "a fault that was planned");
	if (ffp_fault.scribble)
		ffp_fault.scribble(error);
	return ffp_fault.code;
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_OPEN, error);
	return code != FF_OK ? code : ffp_fake_backend.open(store, config, error);
}

static void close_store(ff_store *store)
{
	ffp_fake_backend.close(store);
}

static ff_code get_limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_LIMITS, error);
	return code != FF_OK ? code : ffp_fake_backend.limits(store, limits, error);
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_BEGIN, error);
	if (code == FF_OK)
		code = ffp_fake_backend.begin(store, kind, txn, error);
	else
		*txn = (ff_txn *)(void *)store; /* which is none */
	if (code == FF_OK)
		goes_on = NULL; /* fake: lets one transaction in at a time */
	return code;
}

static void wait_while(ff_txn *txn, bool (*told)(void *context), void *context)
{
	(void)txn;
	goes_on = told;
	goes_on_context = context;
	ffp_fault.told++;
}

/* Whether a load waited until nobody waited for it any more. */
static bool waits_in_vain(void)
{
	while (ffp_fault.stalls && ffp_fault.stalls())
		if (goes_on && !ffp_fault.never_asks && !goes_on(goes_on_context))
			return true;
	return false;
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_LOAD, error);
	if (code == FF_OK && waits_in_vain())
		code = ff_error_set(error, FF_E_DEADLINE, "nobody waits");
	if (code == FF_OK)
		code = ffp_fake_backend.load(txn, arena, reads, count, error);
	else if (ffp_fault.done) /* what a load that failed has answered is worth nothing */
		ffp_fake_backend.load(txn, arena, reads, count, &(ff_error){ 0 });
	if (code == FF_OK && ffp_fault.mangle)
		ffp_fault.mangle(reads, count);
	return code;
}

static ff_code store_writes(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_STORE, error);
	return code != FF_OK ? code : ffp_fake_backend.store(txn, writes, count, error);
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_COMMIT, error);
	if (code == FF_OK || ffp_fault.done) {
		ff_code made = ffp_fake_backend.commit(txn, error);
		return code == FF_OK ? made : code;
	}
	ffp_fake_backend.abort(txn);
	return code;
}

static void abort_txn(ff_txn *txn)
{
	ffp_fake_backend.abort(txn);
}

static bool is_untouched(ff_txn *txn)
{
	return ffp_fake_backend.is_untouched(txn);
}

static ff_code check_store(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	ff_code code = fault(FFP_SLOT_CHECK, error);
	if (code == FF_OK && ffp_fault.problem)
		problem(context, ffp_fault.problem);
	return code != FF_OK ? code : ffp_fake_backend.check(store, problem, context, error);
}

static void housekeep(ff_store *store)
{
	ffp_fake_backend.housekeep(store);
}

const ff_engine_backend ffp_faulty_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.name = "faulty",
	.schemes = "broken flaky",
	.instance_size = 64, /* that of the store it wraps, which is smaller */
	.open = open_store,
	.close = close_store,
	.limits = get_limits,
	.begin = begin,
	.load = load,
	.store = store_writes,
	.commit = commit,
	.abort = abort_txn,
	.check = check_store,
	.is_untouched = is_untouched,
	.wait_while = wait_while,
	.housekeep = housekeep,
};

ff_engine_options ffp_options_with(uint32_t attempts)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.attempts = attempts;
	options.purge_rows_max = 2;
	return options;
}

ff_engine *ffp_open_faulty(ff_test *test, const ff_engine_options *options)
{
	ffp_fault_clear();
	return ff_test_open_uri(test, ff_test_text(test, "faulty:%s", strchr(ff_test_uri(test), ':') + 1), options);
}
