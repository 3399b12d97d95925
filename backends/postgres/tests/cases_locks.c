/* Which locks are waited for, by whom and in which order. */
#include "postgres_test.h"

static bool is_let_in(ff_code code)
{
	return code == FF_OK || code == FF_E_CONFLICT;
}

/* Whatever is done with a root waits for who holds its lock, and for nobody else. */
static void who_wants_a_root_waits_for_its_holder(ff_test *t)
{
	ffp_raw *other = open_with(t, ""), *hasty = open_with(t, HASTY), *patient = open_with(t, "");
	for (way how = GETS; how < WAYS; how++) {
		ffp_slots_txn *theirs = hold(t, other, "y", how == GETS_PAIRS ? GETS_PAIRS : GETS);
		bool waits = FF_CHECK_CODE(t, touch(t, hasty, "y", how), FF_E_BUSY);
		waits &= FF_CHECK_CODE(t, touch(t, hasty, "xy", how), FF_E_BUSY);
		waits &= FF_CHECK(t, is_let_in(touch(t, patient, "xz", how)));
		if (!waits)
			ff_test_note(t, "way %d", how);
		ffp_slots_abort(t, theirs);
	}
}

static void who_works_on_a_root_waits_for_who_holds_all(ff_test *t)
{
	ffp_raw *other = open_with(t, ""), *hasty = open_with(t, HASTY), *patient = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, patient), 1);
	ffp_slots_txn *theirs = hold(t, other, "x", ROAMS);
	FF_CHECK_CODE(t, try_add_to(t, hasty, 1), FF_E_BUSY);
	ffp_slots_abort(t, theirs);
	FF_CHECK_CODE(t, try_add_to(t, patient, 1), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, patient), 3);
}

/* Who wants every lock at once waits for each, and where that was in vain the next transaction wants its own alone. */
static void who_waits_for_all_in_vain_leaves_them_to_others(ff_test *t)
{
	ffp_raw *other = open_with(t, ""), *hasty = open_with(t, HASTY);
	hold(t, other, "y", GETS);
	FF_CHECK_CODE(t, touch(t, hasty, "x", ROAMS), FF_E_BUSY);
	FF_CHECK_CODE(t, touch(t, hasty, "x", GETS), FF_OK);
}

/* A delete under every lock is tried at commit, while another holds one of them; the next one begins with all of them, and the
 * one behind it with its own alone. */
static void who_finds_late_that_it_wants_all_begins_with_them(ff_test *t)
{
	const ff_read all = { .table = item_table(), .kind = FF_READ_RANGE };
	const ff_write gone = { .table = item_table(), .kind = FF_WRITE_DELETE_RANGE, .range = &all };
	ffp_raw *other = open_with(t, ""), *hasty = open_with(t, HASTY), *patient = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, patient), 1);
	ffp_slots_txn *theirs = hold(t, other, "y", GETS);
	FF_CHECK_CODE(t, store_and_commit(t, hold(t, patient, "x", GETS), &gone, 1), FF_E_CONFLICT);
	ffp_slots_abort(t, theirs);
	ffp_slots_txn *ours = hold(t, patient, "x", GETS);
	FF_CHECK_CODE(t, touch(t, hasty, "y", GETS), FF_E_BUSY);
	FF_CHECK_CODE(t, store_and_commit(t, ours, &gone, 1), FF_OK);
	hold(t, other, "y", GETS);
	FF_CHECK_EQ_INT(t, add(t, patient), 1);
}

/* What a transaction wants that has loaded x, while another holds `theirs`. The locks of z, x and y come in this order. */
static void what_is_wanted_late_is_waited_for_in_order_and_else_tried(ff_test *t)
{
	static const way ways[] = { GETS, PUTS, CLEARS };
	static const struct {
		const char *theirs, *ours;
		ff_code code;
	} wants[] = {
		{ "y", "y", FF_E_BUSY }, { "z", "z", FF_E_CONFLICT }, { "z", "zy", FF_E_CONFLICT },
		{ "y", "z", FF_OK },     { "z", "y", FF_OK },
	};
	ffp_raw *other = open_with(t, ""), *hasty = open_with(t, HASTY), *patient = open_with(t, "");
	for (size_t i = 0; i < COUNT(wants) * COUNT(ways); i++) {
		size_t at = i / COUNT(ways);
		way how = ways[i % COUNT(ways)];
		ffp_slots_txn *theirs = hold(t, other, wants[at].theirs, GETS);
		ffp_slots_txn *ours = hold(t, at == 0 ? hasty : patient, "x", GETS);
		if (!FF_CHECK_CODE(t, touch_in(t, ours, wants[at].ours, how), wants[at].code))
			ff_test_note(t, "way %d, %s where another has %s", how, wants[at].ours, wants[at].theirs);
		ffp_slots_abort(t, theirs);
	}
}

/* And least of all for ever. */
static void a_timeout_of_0_waits_for_nobody(ff_test *t)
{
	ffp_raw *raw = open_with(t, "&busy_timeout_ms=0&statement_timeout_ms=5000");
	hold(t, open_with(t, ""), "x", GETS);
	FF_CHECK_CODE(t, touch(t, raw, "x", GETS), FF_E_BUSY);
}

/* ---- the keys that are locked ------------------------------------------------------------------------------- */

/* The keys that other versions of this library lock on the same server: of a schema of this name, and of x in it. */
static void the_locks_are_those_of_every_version(ff_test *t)
{
	static const char held[] =
	    "SELECT 1 / (count(*) = 2 AND bool_and(mode = CASE key - 6551424982217850880 WHEN 0 THEN 'ShareLock'"
	    " WHEN 292 THEN 'ExclusiveLock' ELSE '' END))::int FROM (SELECT classid::bigint << 32 | objid::bigint AS"
	    " key, mode FROM pg_locks WHERE locktype = 'advisory') k WHERE key >> 12 = 6551424982217850880 >> 12";
	ffp_raw *raw;
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, "postgres:///?schema=lanes", &items, 0, &raw));
	hold(t, raw, "x", GETS);
	run_sql(t, held);
}

/* Somebody shares the locks of all and of x: who works on another root shares the one, and nobody the other. */
static void the_lock_of_all_is_shared_and_that_of_a_root_is_not(ff_test *t)
{
	ffp_raw *raw = open_with(t, HASTY);
	const long long all = (long long)raw->store->lock_base;
	run_sql(t,
	        ff_test_text(t, "SELECT pg_advisory_lock_shared(%lld), pg_advisory_lock_shared(%lld + 292)", all, all));
	for (way how = GETS; how <= PUTS; how++) {
		if (how != GETS_PAIRS)
			FF_CHECK_CODE(t, touch(t, raw, "x", how), FF_E_BUSY);
		FF_CHECK(t, is_let_in(touch(t, raw, "y", how)));
	}
	FF_CHECK_CODE(t, touch(t, raw, "y", ROAMS), FF_E_BUSY);
}

/* ---- migration ---------------------------------------------------------------------------------------------- */

/* A newer library brings the store up to date when no batch is under way, and no batch of an older one comes then. */
static void a_newer_library_migrates_between_batches(ff_test *t)
{
	ffp_raw *raw = open_with(t, ""), *newer;
	const char *uri = ff_test_uri(t);
	ffp_slots_txn *txn = hold(t, raw, "x", GETS);
	FF_CHECK_CODE(t, ffp_raw_open_at(t, ff_test_text(t, "%s" HASTY, uri), &next_items, 0, &newer), FF_E_BUSY);
	ffp_slots_abort(t, txn);
	FF_CHECK_CODE(t, ffp_raw_open_at(t, uri, &next_items, 0, &newer), FF_OK);
	FF_CHECK_CODE(t, touch(t, raw, "x", GETS), FF_E_IO);
}

static const ff_case cases[] = {
	CASE(who_wants_a_root_waits_for_its_holder, "FF-ERR-4", 0),
	CASE(who_works_on_a_root_waits_for_who_holds_all, "FF-ERR-4", 0),
	CASE(who_waits_for_all_in_vain_leaves_them_to_others, "FF-ERR-4", 0),
	CASE(who_finds_late_that_it_wants_all_begins_with_them, "FF-ERR-4", 0),
	CASE(what_is_wanted_late_is_waited_for_in_order_and_else_tried, "FF-ERR-4", 0),
	CASE(a_timeout_of_0_waits_for_nobody, "FF-ERR-4", 0),
	CASE(the_locks_are_those_of_every_version, "", 0),
	CASE(the_lock_of_all_is_shared_and_that_of_a_root_is_not, "FF-ERR-4", 0),
	CASE(a_newer_library_migrates_between_batches, "FF-MT-2", 0),
};
FAMILY(cases_locks, cases);
