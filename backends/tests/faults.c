#include "faults.h"

#include <errno.h>

static struct {
	fault_kind kind;
	unsigned left; /* 0: nothing is armed, or it has struck */
	int error;
	bool struck;
	bool for_ever;
} armed;

const char *fault_name(fault_kind kind)
{
	static const char *const names[] = {
		"open", "stat", "read", "write", "short write", "sync", "share", "malloc"
	};
	return names[kind];
}

void fault_arm(fault_kind kind, unsigned n)
{
	armed.kind = kind;
	armed.left = n;
	armed.error = EIO;
	armed.struck = false;
	armed.for_ever = false;
}

void fault_arm_round(fault_kind kind, unsigned n)
{
	fault_arm(kind, (n + 1) / 2);
	armed.error = n % 2 ? EIO : ENOSPC;
}

unsigned fault_round_after(unsigned n)
{
	return n + 1 + n / 32;
}

void fault_arm_for_ever(fault_kind kind, unsigned n)
{
	fault_arm(kind, n);
	armed.for_ever = true;
}

bool fault_disarm(void)
{
	armed.left = 0;
	return armed.struck;
}

bool fault_strikes(fault_kind kind)
{
	if (armed.left == 0 || armed.kind != kind || --armed.left > 0)
		return false;
	armed.struck = true;
	armed.left = armed.for_ever;
	errno = armed.error;
	return true;
}

/* Whether only a system that said so may be told of: a write of half the bytes says nothing, and a backend guesses. */
static bool is_of_room(ff_code code, fault_kind kind)
{
	return kind != FAULT_SHORT && (code == FF_E_FULL || code == FF_E_CONFLICT);
}

void check_fault(ff_test *t, ff_code code, const ff_code *allowed, const char *doing, fault_kind kind, unsigned n)
{
	const ff_error *error = ff_test_error(t);
	bool by_system = code != FF_E_NO_MEMORY && code != FF_E_CONFLICT;
	while (*allowed != FF_OK && *allowed != code)
		allowed++;
	if (!FF_CHECK(t, *allowed == code && error->code == code && error->message[0]) ||
	    !FF_CHECK(t, error->native_code[0] || !by_system) ||
	    !FF_CHECK(t, kind != FAULT_MALLOC || code == FF_E_NO_MEMORY || code == FF_E_COMMIT_UNKNOWN) ||
	    !FF_CHECK(t, armed.error == ENOSPC || !is_of_room(code, kind)))
		ff_test_note(t, "%s, %s fault %u: answers %s: %s [%s]", doing, fault_name(kind), n, ff_code_name(code),
		             error->message, error->native_code);
}

void check_rounds(ff_test *t, fault_kind kind, unsigned n)
{
	if (!FF_CHECK(t, n > 1 && n < FAULT_ROUNDS_MAX))
		ff_test_note(t, "%s: ends at %u", fault_name(kind), n);
}

int64_t value_in(ff_test *t, const char *path)
{
	ff_store *store = must_open(t, path);
	ffp_odd_row key = ffp_odd("a", 1, "c", 0);
	const ffp_odd_row *row = ffp_odd_of(get_row(t, store, odd_v1(), &key.row));
	int64_t value = row ? row->v : -1;
	close_store(store);
	return value;
}
