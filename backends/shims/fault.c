/*
 * fault: a backend whose N-th call of a slot fails, once or from then on. shims.h has its parameters. A test that lets
 * N rise until a run is clean has met every place where the slot can fail.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "shims.h"
#include "wrap.h"

/* When to fail: every fault is one of these. */
typedef struct fault_counter {
	_Atomic int64_t countdown; /* calls up to and with the one that fails */
	bool repeat;               /* the calls after it fail, too */
} fault_counter;

/* Counts a call, from any thread, and answers whether it is to fail. */
static bool fires(fault_counter *counter)
{
	int64_t left = atomic_fetch_sub(&counter->countdown, 1);
	return left == 1 || (left < 1 && counter->repeat);
}

typedef struct fault_store {
	ff_store wrap;
	fault_counter counter;
	ffp_wrap_slot slot;
	ff_code code;
	bool after;
	int64_t retryable; /* -1: as ff_error_set has it for the code */
	char native_code[sizeof(((ff_error *)NULL)->native_code)];
} fault_store;

/* ---- parameters --------------------------------------------------------------------------------------------- */

static const char *const params[] = { "slot", "error", "nth", "mode", "when", "native_code", "retryable", NULL };

/* Reads a parameter that is one of two words; the first is its default. */
static ff_code choose(const ff_store_config *config, const char *name, const char *first, const char *second,
                      bool *is_second, ff_error *error)
{
	const char *word = ff_config_param(config, name);
	*is_second = word && !strcmp(word, second);
	if (!word || *is_second || !strcmp(word, first))
		return FF_OK;
	return ff_error_set(error, FF_E_INVALID, "'%s' is %s or %s, not '%s'", name, first, second, word);
}

static ff_code read_slot(fault_store *fault, const ff_store_config *config, ff_error *error)
{
	const char *word = ff_config_param(config, "slot");
	for (int slot = 0; word && slot < FFP_WRAP_FALLIBLE_COUNT; slot++) {
		if (!strcmp(word, ffp_wrap_slot_names[slot])) {
			fault->slot = (ffp_wrap_slot)slot;
			return FF_OK;
		}
	}
	return ff_error_set(error, FF_E_INVALID,
	                    "'slot' is open, limits, begin, load, store, commit or check, not '%s'", word ? word : "");
}

static ff_code read_error(fault_store *fault, const ff_store_config *config, ff_error *error)
{
	const char *word = ff_config_param(config, "error");
	for (int code = FF_OK + 1; word && code <= FF_E_CONFLICT; code++) {
		if (!strcmp(word, ff_code_name((ff_code)code)) && strcmp(word, "unknown") != 0) {
			fault->code = (ff_code)code;
			return FF_OK;
		}
	}
	return ff_error_set(error, FF_E_INVALID, "'error' is the word of an error code, not '%s'", word ? word : "");
}

static ff_code read_counter(fault_store *fault, const ff_store_config *config, ff_error *error)
{
	int64_t nth = 1;
	ff_code code = ff_config_int64(config, "nth", 1, INT64_MAX, &nth, error);
	if (code == FF_OK)
		code = choose(config, "mode", "once", "always", &fault->counter.repeat, error);
	atomic_init(&fault->counter.countdown, nth);
	return code;
}

static ff_code read_when(fault_store *fault, const ff_store_config *config, ff_error *error)
{
	ff_code code = choose(config, "when", "before", "after", &fault->after, error);
	if (code == FF_OK && fault->after && fault->slot == FFP_WRAP_COMMIT && fault->code != FF_E_COMMIT_UNKNOWN)
		return ff_error_set(error, FF_E_INVALID,
		                    "'when=after' at commit needs 'error=commit_unknown': any other says that nothing "
		                    "was changed");
	return code;
}

static ff_code read_details(fault_store *fault, const ff_store_config *config, ff_error *error)
{
	const char *native_code = ff_config_param(config, "native_code");
	if (native_code && strlen(native_code) >= sizeof(fault->native_code))
		return ff_error_set(error, FF_E_INVALID, "'native_code' has at most %zu bytes",
		                    sizeof(fault->native_code) - 1);
	snprintf(fault->native_code, sizeof(fault->native_code), "%s", native_code ? native_code : "");
	fault->retryable = -1;
	return ff_config_int64(config, "retryable", 0, 1, &fault->retryable, error);
}

static ff_code open_fault(ff_store *self, const ff_store_config *config, ff_error *error)
{
	fault_store *fault = (fault_store *)self;
	ff_code code = read_slot(fault, config, error);
	if (code == FF_OK)
		code = read_error(fault, config, error);
	if (code == FF_OK)
		code = read_counter(fault, config, error);
	if (code == FF_OK)
		code = read_when(fault, config, error);
	if (code == FF_OK)
		code = read_details(fault, config, error);
	return code;
}

static void close_fault(ff_store *self)
{
	(void)self;
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static ff_code fail(const fault_store *fault, ff_error *error)
{
	ff_error_set(error, fault->code, "injected fault at '%s'", ffp_wrap_slot_names[fault->slot]);
	snprintf(error->native_code, sizeof(error->native_code), "%s", fault->native_code);
	if (fault->retryable >= 0)
		error->retryable = fault->retryable != 0;
	return fault->code;
}

static ff_code before_call(ff_store *self, const ffp_wrap_call *call, ff_error *error)
{
	fault_store *fault = (fault_store *)self;
	if (call->slot != fault->slot || fault->after)
		return FF_OK;
	return fires(&fault->counter) ? fail(fault, error) : FF_OK;
}

static ff_code after_call(ff_store *self, const ffp_wrap_call *call, ff_error *error)
{
	fault_store *fault = (fault_store *)self;
	if (call->slot != fault->slot || !fault->after || !fires(&fault->counter) || call->code != FF_OK)
		return call->code;
	return fail(fault, error);
}

static const ffp_wrap_shim shim = { .name = "fault",
	                            .params = params,
	                            .open = open_fault,
	                            .close = close_fault,
	                            .before = before_call,
	                            .after = after_call };

static ff_code open_slot(ff_store *store, const ff_store_config *config, ff_error *error)
{
	return ffp_wrap_open(store, &shim, config, error);
}

const ff_engine_backend ffp_fault_backend = { FFP_WRAP_BACKEND, .name = "fault", .instance_size = sizeof(fault_store),
	                                      .open = open_slot };
